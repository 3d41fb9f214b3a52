//! A port on this side that leads to one in the engine's network.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crate::up::namespace;

/// Leads there until it is dropped.
#[derive(Debug)]
pub struct Relay {
    /// `127.0.0.1:PORT` on this side.
    pub host: String,
    listener: TcpListener,
}

impl Relay {
    pub(crate) fn start(network: Option<PathBuf>, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self { host: listener.local_addr().unwrap().to_string(), listener: listener.try_clone().unwrap() };
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                // Nobody listens there: the client sees its connection closed.
                let Ok(there) = connect(network.as_deref(), port) else { continue };
                copy(client.try_clone().unwrap(), there.try_clone().unwrap());
                copy(there, client);
            }
        });
        relay
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
    }
}

fn connect(network: Option<&Path>, port: u16) -> io::Result<TcpStream> {
    network.map_or_else(|| TcpStream::connect(("127.0.0.1", port)), |network| namespace::connect(network, port))
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
