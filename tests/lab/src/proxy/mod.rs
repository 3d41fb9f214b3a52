//! A proxy that sees every request and lets those fail that a test chooses.

mod connection;
mod face;
mod fault;
mod framer;
mod gate;

use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use face::Face;
use fault::Rule;
pub use fault::{Canned, Fault, When, is_probe};
pub use gate::{Gate, Held};

use crate::address::{Address, Stream};
use crate::digest::unique;
use crate::engine::Engine;
use crate::lab::Lab;
use crate::pattern::matches;

/// A request that went through.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Counted from 1, over all connections.
    pub number: usize,
    /// Counted from 1.
    pub connection: usize,
    /// GET, POST, …
    pub method: String,
    /// With its query.
    pub path: String,
    /// Of the answer that the client got; None while there is none.
    pub status: Option<u16>,
}

/// Listens on a socket of its own and sends on what comes. Dropping it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    /// `unix:///path` for an engine, `127.0.0.1:PORT` for a registry: what a client is given instead of the real one.
    pub host: String,
    shared: Arc<Shared>,
    socket: Option<PathBuf>,
    listening: Vec<Listening>,
}

#[derive(Debug)]
enum Listening {
    Unix(PathBuf),
    Tcp(TcpListener),
}

/// What the threads of the connections share.
#[derive(Debug)]
struct Shared {
    target: Address,
    face: Option<Face>,
    rules: Mutex<Vec<Rule>>,
    exchanges: Mutex<Vec<Exchange>>,
    open: Mutex<Vec<(usize, Stream)>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

impl Proxy {
    /// Between a client and the lab's engine, on a unix socket.
    pub fn engine(lab: &Lab) -> Self {
        Self::to_engine(&lab.engine.address)
    }

    /// An engine with the face of a newer one, which speaks these API versions. It has to speak 1.48 itself: what a newer one takes in a create is not
    /// translated for an older one.
    pub fn newer_engine(engine: &Engine, oldest: (u32, u32), newest: (u32, u32)) -> Self {
        Self::of_engine(&engine.address, Some(Face::new(oldest, newest, engine.api())))
    }

    /// What a newer engine says of the origin of an image, by the image's id (`Identity`, 1.53).
    pub fn set_origin(&self, image: &str, identity: Value) {
        self.shared.face.as_ref().expect("a newer engine").set_origin(image, identity);
    }

    /// Between a client and any engine, on a unix socket.
    pub fn to_engine(target: &Address) -> Self {
        Self::of_engine(target, None)
    }

    fn of_engine(target: &Address, face: Option<Face>) -> Self {
        let socket = std::env::temp_dir().join(format!("refit-lab-{}.sock", unique()));
        let listener = UnixListener::bind(&socket).unwrap();
        let mut proxy = Self::new(format!("unix://{}", socket.display()), target.clone(), face);
        let accept = { move || listener.accept().map(|(stream, _)| Stream::Unix(stream)) };
        proxy.listening.push(Listening::Unix(socket.clone()));
        proxy.socket = Some(socket);
        proxy.serve(accept);
        proxy
    }

    /// Between a client, or the engine, and the lab's registry: `HOST/REPOSITORY:TAG` with its host names the same image.
    pub fn registry(lab: &Lab) -> Self {
        Self::over_tcp(lab, &Address::Tcp(lab.registry.host.clone()))
    }

    /// On a TCP port to anything, an engine too.
    pub fn over_tcp(lab: &Lab, target: &Address) -> Self {
        let (host, listeners) = lab.listen();
        let mut proxy = Self::new(host, target.clone(), None);
        for listener in listeners {
            proxy.listening.push(Listening::Tcp(listener.try_clone().unwrap()));
            proxy.serve(move || {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            });
        }
        proxy
    }

    fn new(host: String, target: Address, face: Option<Face>) -> Self {
        let shared = Shared {
            target,
            face,
            rules: Mutex::default(),
            exchanges: Mutex::default(),
            open: Mutex::default(),
            connections: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        };
        Self { host, shared: Arc::new(shared), socket: None, listening: Vec::new() }
    }

    fn serve(&self, accept: impl Fn() -> std::io::Result<Stream> + Send + 'static) {
        let shared = self.shared.clone();
        std::thread::spawn(move || {
            while let Ok(client) = accept() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                shared.open.lock().unwrap().push((number, client.try_clone().unwrap()));
                let shared = shared.clone();
                std::thread::spawn(move || {
                    connection::carry(&shared, number, client);
                    shared.open.lock().unwrap().retain(|(open, _)| *open != number);
                });
            }
        });
    }

    /// From now on, for the requests that `when` says. The first rule whose turn it is wins.
    pub fn on(&self, when: When, fault: Fault) -> &Self {
        self.shared.rules.lock().unwrap().push(Rule::new(when, fault));
        self
    }

    /// Holds requests before they are sent on.
    pub fn hold(&self, when: When) -> Gate {
        let (sender, gate) = Gate::new();
        self.on(when, Fault::Hold(sender));
        gate
    }

    /// Holds answers: the engine has carried the request out, the client does not know yet.
    pub fn hold_answer(&self, when: When) -> Gate {
        let (sender, gate) = Gate::new();
        self.on(when, Fault::HoldAnswer(sender));
        gate
    }

    /// Forgets rules and requests, and counts from 1 again.
    pub fn reset(&self) {
        self.shared.rules.lock().unwrap().clear();
        self.shared.exchanges.lock().unwrap().clear();
    }

    /// All requests so far, in their order.
    pub fn requests(&self) -> Vec<Exchange> {
        self.shared.exchanges.lock().unwrap().clone()
    }

    /// How many requests a pattern of `When` matches.
    pub fn count(&self, pattern: &str) -> usize {
        self.requests().iter().filter(|seen| matches(pattern, &seen.method, &seen.path)).count()
    }

    /// How many connections clients made so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many of them are open now.
    pub fn open_connections(&self) -> usize {
        self.shared.open.lock().unwrap().len()
    }

    /// Closes all connections; the next ones are taken again.
    pub fn cut_all(&self) {
        for (_, stream) in self.shared.open.lock().unwrap().iter() {
            stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // An accept that waits is woken by a connection, which the stopped thread does not serve.
        for listening in &self.listening {
            match listening {
                Listening::Unix(path) => drop(std::os::unix::net::UnixStream::connect(path)),
                Listening::Tcp(listener) => {
                    let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
                }
            }
        }
        if let Some(socket) = &self.socket {
            let _ = std::fs::remove_file(socket);
        }
        self.cut_all();
    }
}
