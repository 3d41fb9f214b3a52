//! Where an HTTP message ends, seen from the bytes alone: they pass through unchanged.

use std::io;

use crate::http::Headers;

/// A head that has been read whole.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// Its bytes with the empty line.
    pub bytes: Vec<u8>,
    /// The first line.
    pub line: String,
    /// The rest.
    pub headers: Headers,
}

impl Head {
    /// Takes a head off the front of what was read, once it is complete.
    pub(crate) fn take(buffer: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let bytes: Vec<u8> = buffer.drain(..end + 4).collect();
        let mut lines = &bytes[..];
        let line = crate::http::read_line(&mut lines)?;
        let headers = Headers::read(&mut lines)?;
        Ok(Some(Self { bytes, line, headers }))
    }

    /// A word of the first line.
    pub(crate) fn word(&self, at: usize) -> &str {
        self.line.split(' ').nth(at).unwrap_or_default()
    }

    fn chunked(&self) -> bool {
        self.headers.get("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked"))
    }

    fn length(&self) -> Option<u64> {
        self.headers.get("content-length").and_then(|value| value.parse().ok())
    }

    /// The body of a request with this head.
    pub(crate) fn request_body(&self) -> Body {
        match self.length() {
            _ if self.chunked() => Body::Chunked(Chunk::Size(String::new())),
            Some(length) => Body::Length(length),
            None => Body::Length(0),
        }
    }

    /// The body of an answer with this head to such a request.
    pub(crate) fn answer_body(&self, method: &str) -> Body {
        match (self.word(1), self.length()) {
            ("101", _) => Body::UntilClosed,
            ("204" | "304", _) => Body::Length(0),
            _ if method == "HEAD" => Body::Length(0),
            _ if self.chunked() => Body::Chunked(Chunk::Size(String::new())),
            (_, Some(length)) => Body::Length(length),
            _ => Body::UntilClosed,
        }
    }
}

/// What is still to come of a body.
#[derive(Debug)]
pub(crate) enum Body {
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked(Chunk),
    /// Until one side closes; both may write (an attached or upgraded connection).
    UntilClosed,
}

/// Where in its chunks a body is.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// In the line with a size.
    Size(String),
    /// In the data and the line end after it.
    Data(u64),
    /// In a line of the trailer.
    Trailer(usize),
    /// At the end.
    Done,
}

impl Body {
    /// Nothing more belongs to it.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// How many of these bytes belong to it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::UntilClosed => bytes.len(),
            Self::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                taken
            }
            Self::Chunked(chunk) => {
                let mut taken = 0;
                while taken < bytes.len() && !matches!(chunk, Chunk::Done) {
                    taken += chunk.feed(&bytes[taken..]);
                }
                taken
            }
        }
    }
}

impl Chunk {
    fn feed(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Size(line) if bytes[0] == b'\n' => {
                let size = u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16).unwrap_or(0);
                *self = if size == 0 { Self::Trailer(0) } else { Self::Data(size + 2) };
                1
            }
            Self::Size(line) => {
                line.push(bytes[0] as char);
                1
            }
            Self::Data(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                if *left == 0 {
                    *self = Self::Size(String::new());
                }
                taken
            }
            Self::Trailer(length) => {
                match bytes[0] {
                    b'\n' if *length == 0 => *self = Self::Done,
                    b'\n' => *length = 0,
                    b'\r' => {}
                    _ => *length += 1,
                }
                1
            }
            Self::Done => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_ends_where_it_ends_however_it_is_cut() {
        let wire = b"5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1";
        let end = wire.len() - b"GET / HTTP/1.1".len();
        for cut in 1..wire.len() {
            let mut body = Body::Chunked(Chunk::Size(String::new()));
            let mut taken = body.feed(&wire[..cut]);
            if taken == cut {
                taken += body.feed(&wire[cut..]);
            }
            assert_eq!((taken, body.is_done()), (end, true), "cut at {cut}");
        }
    }

    #[test]
    fn a_head_declares_the_length_of_its_body() {
        let head = |text: &str| Head::take(&mut text.as_bytes().to_vec()).unwrap().unwrap();
        assert!(head("GET / HTTP/1.1\r\nHost: x\r\n\r\n").request_body().is_done());
        assert!(matches!(head("PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\n").request_body(), Body::Length(5)));
        let answer = head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        assert!(answer.answer_body("HEAD").is_done());
        assert!(matches!(answer.answer_body("GET"), Body::Length(5)));
        assert!(matches!(head("HTTP/1.1 101 UPGRADED\r\n\r\n").answer_body("POST"), Body::UntilClosed));
        let mut part = b"HTTP/1.1 200 OK\r\nA: b\r\n".to_vec();
        assert!(Head::take(&mut part).unwrap().is_none());
    }
}
