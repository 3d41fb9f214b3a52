//! TLS in front of anything that speaks without, with certificates good and bad.

mod certificate;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustls::{ServerConfig, ServerConnection};

pub use certificate::{Authority, Identity};

use crate::address::{Address, Stream};
use crate::lab::Lab;

/// Takes TLS on a loopback port and passes the bytes on until it is dropped.
#[derive(Debug)]
pub struct TlsFront {
    /// `127.0.0.1:PORT`.
    pub host: String,
    listeners: Vec<TcpListener>,
}

impl TlsFront {
    /// In front of a registry or an engine. With `clients`, only those are let in that show a certificate of that authority.
    pub fn start(identity: &Identity, clients: Option<&Authority>, target: &Address) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::serve(listener.local_addr().unwrap().to_string(), vec![listener], identity, clients, target)
    }

    /// The same on a port that the lab's engine reaches too.
    pub fn for_engine(lab: &Lab, identity: &Identity, target: &Address) -> Self {
        let (host, listeners) = lab.listen();
        Self::serve(host, listeners, identity, None, target)
    }

    fn serve(host: String, listeners: Vec<TcpListener>, identity: &Identity, clients: Option<&Authority>, target: &Address) -> Self {
        let config = Arc::new(identity.server(clients));
        for listener in &listeners {
            let (listener, config, target) = (listener.try_clone().unwrap(), config.clone(), target.clone());
            std::thread::spawn(move || {
                while let Ok((client, _)) = listener.accept() {
                    let (config, target) = (config.clone(), target.clone());
                    std::thread::spawn(move || {
                        // An error is a handshake that failed or a side that went away: both are what tests are after.
                        let _ = carry(&client, config, &target);
                        let _ = client.shutdown(Shutdown::Both);
                    });
                }
            });
        }
        Self { host, listeners }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        for listener in &self.listeners {
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
        }
    }
}

fn carry(mut client: &TcpStream, config: Arc<ServerConfig>, target: &Address) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut first = [0];
    client.peek(&mut first)?;
    if first[0].is_ascii_alphabetic() {
        // As Go's server answers one who forgot the TLS.
        return client.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    }
    let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
    let handshake = session.complete_io(&mut client);
    if let Err(error) = handshake {
        // The alert that tells the client why.
        let _ = session.write_tls(&mut client);
        return Err(error);
    }
    let mut upstream = target.connect()?;
    // The first request may have come along with the end of the handshake.
    pass_on(&mut session, &mut upstream)?;
    loop {
        let (from_client, from_upstream) = ready(client, &upstream)?;
        if from_client && !to_upstream(&mut session, client, &mut upstream)? {
            return Ok(());
        }
        if from_upstream && !to_client(&mut session, client, &mut upstream)? {
            return Ok(());
        }
    }
}

fn ready(client: &TcpStream, upstream: &Stream) -> io::Result<(bool, bool)> {
    let mut polled = [PollFd::new(client, PollFlags::IN), PollFd::new(upstream, PollFlags::IN)];
    poll(&mut polled, None)?;
    Ok((!polled[0].revents().is_empty(), !polled[1].revents().is_empty()))
}

fn to_upstream(session: &mut ServerConnection, mut client: &TcpStream, upstream: &mut Stream) -> io::Result<bool> {
    if session.read_tls(&mut client)? == 0 {
        return Ok(false);
    }
    let open = pass_on(session, upstream)?;
    flush(session, client)?;
    Ok(open)
}

/// What has been decrypted; false once the client has said that no more comes.
fn pass_on(session: &mut ServerConnection, upstream: &mut Stream) -> io::Result<bool> {
    let state = session.process_new_packets().map_err(io::Error::other)?;
    let mut plain = vec![0; state.plaintext_bytes_to_read()];
    session.reader().read_exact(&mut plain)?;
    upstream.write_all(&plain)?;
    Ok(!state.peer_has_closed())
}

fn to_client(session: &mut ServerConnection, client: &TcpStream, upstream: &mut Stream) -> io::Result<bool> {
    let mut buffer = [0; 16384];
    let read = upstream.read(&mut buffer)?;
    if read == 0 {
        session.send_close_notify();
    }
    session.writer().write_all(&buffer[..read])?;
    flush(session, client)?;
    Ok(read > 0)
}

fn flush(session: &mut ServerConnection, mut client: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(&mut client)?;
    }
    Ok(())
}
