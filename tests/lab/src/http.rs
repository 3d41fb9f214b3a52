//! HTTP/1.1 by hand, one connection a request: independent of every library that refit itself is built on.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use crate::address::{Address, Stream};

/// Header names and values in their order; a look-up ignores the case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Reads header lines up to the empty one.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let mut headers = Vec::new();
        loop {
            let line = read_line(from)?;
            if line.is_empty() {
                return Ok(Self(headers));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other(format!("not a header: {line}")))?;
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
}

/// An answer with its whole body.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A request for one connection of its own.
pub struct Request<'a> {
    /// GET, POST, …
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Beside Host, Content-Length and Connection.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; an empty one is sent with a length of 0 unless the method is GET or HEAD.
    pub body: &'a [u8],
    /// The longest silence.
    pub timeout: Duration,
}

/// Sends it and reads the whole answer.
pub fn send(to: &Address, request: &Request<'_>) -> io::Result<Response> {
    let mut open = open(to, request)?;
    let mut body = Vec::new();
    open.body.read_to_end(&mut body)?;
    Ok(Response { status: open.status, headers: open.headers, body })
}

/// An answer whose body is still coming.
pub struct Open {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// What is still to come, without its chunks.
    pub body: Box<dyn Read + Send>,
    connection: Stream,
}

impl Open {
    /// A handle that closes the connection from another thread.
    pub fn closer(&self) -> impl Fn() + Send + Sync + use<> {
        let connection = self.connection.try_clone().unwrap();
        move || connection.shutdown(Shutdown::Both)
    }
}

/// Sends it and reads the answer's head.
pub fn open(to: &Address, request: &Request<'_>) -> io::Result<Open> {
    let mut connection = to.connect()?;
    connection.set_read_timeout(Some(request.timeout))?;
    let host = match to {
        Address::Unix(_) => "lab",
        Address::Tcp(host) => host,
    };
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n", request.method, request.path);
    for (name, value) in request.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !request.body.is_empty() || !matches!(request.method, "GET" | "HEAD") {
        head += &format!("Content-Length: {}\r\n", request.body.len());
    }
    connection.write_all((head + "\r\n").as_bytes())?;
    // A registry that refuses an upload answers before it has read it all.
    let sent = connection.write_all(request.body);
    let mut from = BufReader::with_capacity(65536, connection.try_clone()?);
    let status = loop {
        let line = read_line(&mut from).map_err(|error| sent.as_ref().err().map_or(error, |sent| io::Error::other(sent.to_string())))?;
        let status =
            line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| io::Error::other(format!("not HTTP: {line}")))?;
        if status != 100 {
            break status;
        }
        Headers::read(&mut from)?;
    };
    let headers = Headers::read(&mut from)?;
    let chunked = headers.get("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let length = headers.get("content-length").and_then(|value| value.parse().ok());
    let body: Box<dyn Read + Send> = match length {
        _ if request.method == "HEAD" || matches!(status, 204 | 304) => Box::new(io::empty()),
        _ if chunked => Box::new(Chunked { from, left: 0, done: false }),
        Some(length) => Box::new(Exactly { from, left: length }),
        None => Box::new(from),
    };
    Ok(Open { status, headers, body, connection })
}

pub(crate) fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// A body of a known length; its end before that is an error.
struct Exactly<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            // A buffered reader would wait for the next answer.
            return Ok(0);
        }
        let read = self.from.read(&mut buffer[..room])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// A chunked body without its chunks.
pub(crate) struct Chunked<R> {
    pub(crate) from: R,
    pub(crate) left: u64,
    pub(crate) done: bool,
}

impl<R: BufRead> Read for Chunked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.done || buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            let size = read_line(&mut self.from)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            self.left = u64::from_str_radix(size, 16).map_err(|_| io::Error::other(format!("not a chunk size: {size:?}")))?;
            if self.left == 0 {
                self.done = true;
                Headers::read(&mut self.from)?;
                return Ok(0);
            }
        }
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.from.read(&mut buffer[..room])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        if self.left == 0 {
            read_line(&mut self.from)?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_a_missing_end_is_an_error() {
        let whole = |text: &'static str| {
            let mut body = String::new();
            Chunked { from: text.as_bytes(), left: 0, done: false }.read_to_string(&mut body).map(|_| body)
        };
        assert_eq!(whole("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n").unwrap(), "abcde");
        assert!(whole("3\r\nabc\r\n").is_err());
        assert!(whole("5\r\nabc").is_err());
        let mut short = Exactly { from: &b"abc"[..], left: 5 };
        assert!(short.read_to_end(&mut Vec::new()).is_err());
    }
}
