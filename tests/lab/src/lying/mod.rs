//! A registry, or a token server, that answers what a test says.

mod answer;
mod honest;
mod request;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub use answer::Answer;
pub use honest::HonestRegistry;
pub use request::Asked;

use crate::address::Address;
use crate::lab::Lab;
use crate::tls::{Identity, TlsFront};

/// Serves until it is dropped, each connection in a thread of its own.
pub struct LyingRegistry {
    /// `127.0.0.1:PORT`.
    pub host: String,
    shared: Arc<Shared>,
    listeners: Vec<TcpListener>,
}

type Handler = dyn Fn(&Asked) -> Answer + Send + Sync;

struct Shared {
    handler: Box<Handler>,
    asked: Mutex<Vec<Asked>>,
    open: Mutex<Vec<(usize, TcpStream)>>,
    connections: AtomicUsize,
    now: AtomicUsize,
    peak: AtomicUsize,
}

impl LyingRegistry {
    /// On a free loopback port of this side.
    pub fn start(handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::serve(listener.local_addr().unwrap().to_string(), vec![listener], handler)
    }

    /// On a port that the lab's engine reaches too.
    pub fn for_engine(lab: &Lab, handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let (host, listeners) = lab.listen();
        Self::serve(host, listeners, handler)
    }

    fn serve(host: String, listeners: Vec<TcpListener>, handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let shared = Shared {
            handler: Box::new(handler),
            asked: Mutex::default(),
            open: Mutex::default(),
            connections: AtomicUsize::new(0),
            now: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        };
        let registry = Self { host, shared: Arc::new(shared), listeners };
        for listener in &registry.listeners {
            let (listener, shared) = (listener.try_clone().unwrap(), registry.shared.clone());
            std::thread::spawn(move || {
                while let Ok((client, _)) = listener.accept() {
                    let shared = shared.clone();
                    std::thread::spawn(move || shared.connection(&client));
                }
            });
        }
        registry
    }

    /// The same registry behind TLS, on another port.
    pub fn over_tls(&self, identity: &Identity) -> TlsFront {
        TlsFront::start(identity, None, &Address::Tcp(self.host.clone()))
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How many requests match `METHOD PATH`.
    pub fn count(&self, pattern: &str) -> usize {
        self.requests().iter().filter(|asked| asked.is(pattern)).count()
    }

    /// Forgets the requests and the peak.
    pub fn reset(&self) {
        self.shared.asked.lock().unwrap().clear();
        self.shared.peak.store(0, Ordering::SeqCst);
    }

    /// How many connections clients made.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many of them are open now.
    pub fn open_connections(&self) -> usize {
        self.shared.open.lock().unwrap().len()
    }

    /// The most requests that were being answered at one time.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }
}

impl Drop for LyingRegistry {
    fn drop(&mut self) {
        for listener in &self.listeners {
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
        }
        for (_, stream) in self.shared.open.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn connection(&self, client: &TcpStream) {
        let number = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        self.open.lock().unwrap().push((number, client.try_clone().unwrap()));
        // An error is a client that went away, as those of a liar do.
        let _ = self.converse(number, client);
        let _ = client.shutdown(Shutdown::Both);
        self.open.lock().unwrap().retain(|(open, _)| *open != number);
    }

    fn converse(&self, number: usize, client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let (mut from, mut to) = (BufReader::new(client), client);
        if from.fill_buf()?.first() == Some(&0x16) {
            return to.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request");
        }
        while let Some(mut asked) = Asked::read(&mut from, number)? {
            self.note(&mut asked);
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.peak.fetch_max(now, Ordering::SeqCst);
            let answer = (self.handler)(&asked);
            let sent = answer.send(&asked, &mut to);
            if answer.hangs() {
                // Until the client goes, or the registry.
                io::copy(&mut from.by_ref(), &mut io::sink())?;
            }
            self.now.fetch_sub(1, Ordering::SeqCst);
            if !sent? || asked.header("connection").eq_ignore_ascii_case("close") {
                break;
            }
        }
        Ok(())
    }

    fn note(&self, asked: &mut Asked) {
        let mut all = self.asked.lock().unwrap();
        asked.number = all.len() + 1;
        all.push(asked.clone());
    }
}
