//! A proxy as an environment variable names one: CONNECT, plain requests handed over whole, and SOCKS 5, on one port.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::http::{Headers, read_line};

/// Serves until it is dropped. Wherever a client wants to go, it comes out at one target: names need not exist.
#[derive(Debug)]
pub struct ForwardProxy {
    /// `127.0.0.1:PORT`.
    pub host: String,
    shared: Arc<Shared>,
    listener: TcpListener,
}

#[derive(Debug)]
struct Shared {
    target: String,
    /// User and password, and both as HTTP carries them.
    login: Option<(String, String, String)>,
    seen: Mutex<Vec<String>>,
}

impl ForwardProxy {
    /// To `HOST:PORT`, for everybody.
    pub fn start(target: &str) -> Self {
        Self::serve(target, None)
    }

    /// The same for `refit` with the password `proxy-secret` alone.
    pub fn with_login(target: &str) -> Self {
        // refit:proxy-secret
        let login = ("refit".to_owned(), "proxy-secret".to_owned(), "Basic cmVmaXQ6cHJveHktc2VjcmV0".to_owned());
        Self::serve(target, Some(login))
    }

    fn serve(target: &str, login: Option<(String, String, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared { target: target.to_owned(), login, seen: Mutex::default() });
        let proxy = Self { host: listener.local_addr().unwrap().to_string(), shared, listener };
        let (listener, shared) = (proxy.listener.try_clone().unwrap(), proxy.shared.clone());
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let shared = shared.clone();
                std::thread::spawn(move || {
                    // An error is a side that went away.
                    let _ = shared.carry(&client);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        proxy
    }

    /// What was asked of it: `CONNECT host:port`, `HEAD http://host:port/path`, `SOCKS host:port`.
    pub fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
    }
}

impl Shared {
    fn carry(&self, mut client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut from = BufReader::new(client);
        if from.fill_buf()?.first() == Some(&5) {
            return self.socks(from, client);
        }
        let mut upstream: Option<TcpStream> = None;
        loop {
            let line = read_line(&mut from)?;
            let headers = Headers::read(&mut from)?;
            let (request, version) = line.rsplit_once(' ').ok_or(io::ErrorKind::InvalidData)?;
            let (method, whole) = request.split_once(' ').ok_or(io::ErrorKind::InvalidData)?;
            if self.login.as_ref().is_some_and(|(_, _, basic)| headers.get("proxy-authorization") != Some(basic)) {
                return client
                    .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n");
            }
            self.seen.lock().unwrap().push(request.to_owned());
            if method == "CONNECT" {
                let upstream = TcpStream::connect(&self.target)?;
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
                return both_ways(from, client, &upstream);
            }
            // No body: a registry is asked HEAD and GET alone.
            let path = whole.splitn(4, '/').nth(3).unwrap_or_default();
            let mut head = format!("{method} /{path} {version}\r\n");
            for (name, value) in headers.0.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("proxy-authorization")) {
                head += &format!("{name}: {value}\r\n");
            }
            let to = match &mut upstream {
                Some(to) => to,
                none => {
                    let to = TcpStream::connect(&self.target)?;
                    let (mut back, mut client) = (to.try_clone()?, client.try_clone()?);
                    std::thread::spawn(move || io::copy(&mut back, &mut client));
                    none.insert(to)
                }
            };
            to.write_all((head + "\r\n").as_bytes())?;
        }
    }

    fn socks(&self, mut from: BufReader<&TcpStream>, mut client: &TcpStream) -> io::Result<()> {
        let methods = bytes::<2>(&mut from)?[1];
        text(&mut from, methods)?;
        let method = if self.login.is_some() { 2 } else { 0 };
        client.write_all(&[5, method])?;
        if let Some((user, password, _)) = &self.login {
            let length = bytes::<2>(&mut from)?[1];
            let given = (text(&mut from, length)?, {
                let length = bytes::<1>(&mut from)?[0];
                text(&mut from, length)?
            });
            let good = given == (user.clone(), password.clone());
            client.write_all(&[1, u8::from(!good)])?;
            if !good {
                return Ok(());
            }
        }
        let host = match bytes::<4>(&mut from)?[3] {
            1 => std::net::Ipv4Addr::from(bytes::<4>(&mut from)?).to_string(),
            3 => {
                let length = bytes::<1>(&mut from)?[0];
                text(&mut from, length)?
            }
            _ => std::net::Ipv6Addr::from(bytes::<16>(&mut from)?).to_string(),
        };
        let port = u16::from_be_bytes(bytes::<2>(&mut from)?);
        self.seen.lock().unwrap().push(format!("SOCKS {host}:{port}"));
        let upstream = TcpStream::connect(&self.target)?;
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
        both_ways(from, client, &upstream)
    }
}

fn bytes<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn text(from: &mut impl Read, length: u8) -> io::Result<String> {
    let mut bytes = vec![0; length.into()];
    from.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn both_ways(mut from: BufReader<&TcpStream>, client: &TcpStream, mut upstream: &TcpStream) -> io::Result<()> {
    let (mut back, mut to_client) = (upstream.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut back, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let ended = io::copy(&mut from, &mut upstream);
    let _ = upstream.shutdown(Shutdown::Both);
    ended.map(drop)
}
