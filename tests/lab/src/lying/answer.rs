//! What a lying registry answers: the truth, and every way to spoil it.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::Asked;
use crate::image::{Artifact, Blob};

/// An answer under construction. Beside what is said here it gets a `Content-Length` and nothing more.
#[derive(Debug, Clone)]
pub struct Answer {
    kind: Kind,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The body comes so many times.
    times: usize,
    /// Bytes of the body that are sent before the connection is closed.
    cut: Option<usize>,
    chunked: bool,
    delay: Duration,
    head_pace: Option<Duration>,
    body_pace: Option<(usize, Duration)>,
}

#[derive(Debug, Clone)]
enum Kind {
    Http,
    /// These bytes, then the end.
    Raw,
    /// Silence until the client goes.
    Hang,
}

impl Answer {
    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self {
            kind: Kind::Http,
            status,
            headers: Vec::new(),
            body: Vec::new(),
            times: 1,
            cut: None,
            chunked: false,
            delay: Duration::ZERO,
            head_pace: None,
            body_pace: None,
        }
    }

    /// A body with its type.
    pub fn typed(status: u16, content_type: &str, body: &[u8]) -> Self {
        Self::status(status).header("Content-Type", content_type).body(body)
    }

    /// JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::typed(status, "application/json", body.to_string().as_bytes())
    }

    /// A page, as proxies and login screens answer.
    pub fn html(status: u16) -> Self {
        Self::typed(
            status,
            "text/html; charset=utf-8",
            b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Sign in</body></html>",
        )
    }

    /// An error in the registry's words: `MANIFEST_UNKNOWN`, `DENIED`, `TOOMANYREQUESTS`, …
    pub fn error(status: u16, code: &str) -> Self {
        Self::json(status, &json!({ "errors": [{ "code": code, "message": format!("lying about {code}"), "detail": null }] }))
    }

    /// A manifest or index with its type and digest.
    pub fn manifest(artifact: &Artifact) -> Self {
        Self::typed(200, &artifact.media_type, &artifact.bytes).header("Docker-Content-Digest", &artifact.digest)
    }

    /// A blob.
    pub fn blob(blob: &Blob) -> Self {
        Self::typed(200, "application/octet-stream", &blob.bytes).header("Docker-Content-Digest", &blob.digest)
    }

    /// 401 that asks for a token: `realm` is the token server's address.
    pub fn ask_for_token(realm: &str, service: &str, scope: &str) -> Self {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"{service}\",scope=\"{scope}\"");
        Self::error(401, "UNAUTHORIZED").header("WWW-Authenticate", &challenge)
    }

    /// 401 that asks for user and password.
    pub fn ask_for_login() -> Self {
        Self::error(401, "UNAUTHORIZED").header("WWW-Authenticate", "Basic realm=\"lab\"")
    }

    /// A token server's answer; without a time it has no `expires_in`.
    pub fn token(token: &str, expires_in: Option<i64>) -> Self {
        let mut body = json!({ "token": token });
        if let Some(seconds) = expires_in {
            body["expires_in"] = json!(seconds);
        }
        Self::json(200, &body)
    }

    /// 307 to another address.
    pub fn redirect(to: &str) -> Self {
        Self::status(307).header("Location", to)
    }

    /// Nothing, until the client goes.
    pub fn hang() -> Self {
        Self { kind: Kind::Hang, ..Self::status(0) }
    }

    /// The connection is closed without a word.
    pub fn close() -> Self {
        Self::raw(b"")
    }

    /// These bytes, then the connection is closed.
    pub fn raw(bytes: &[u8]) -> Self {
        Self { kind: Kind::Raw, body: bytes.to_vec(), ..Self::status(0) }
    }

    /// Another status for the same answer.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self
    }

    /// A header with another value.
    pub fn replace(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    /// Another body; headers stay as they are.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// The body so many times over, made while it is sent: gigabytes cost nothing here.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// In gzip, said so in `Content-Encoding`.
    pub fn gzip(mut self) -> Self {
        self.body = crate::image::gzip(&self.body, 6);
        self.header("Content-Encoding", "gzip")
    }

    /// In chunks without a length.
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Promises the whole length and closes after so many bytes of the body.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    /// Waits before the first byte.
    pub fn delay(mut self, time: Duration) -> Self {
        self.delay = time;
        self
    }

    /// The head a byte at a time, with so long between two.
    pub fn drip_head(mut self, pause: Duration) -> Self {
        self.head_pace = Some(pause);
        self
    }

    /// The body so many bytes at a time, with so long between.
    pub fn drip_body(mut self, bytes: usize, pause: Duration) -> Self {
        self.body_pace = Some((bytes, pause));
        self
    }

    /// Sends it; false when the connection is to be closed after it.
    pub(crate) fn send(&self, asked: &Asked, to: &mut impl Write) -> io::Result<bool> {
        std::thread::sleep(self.delay);
        match self.kind {
            Kind::Hang => return Ok(true),
            Kind::Raw => return to.write_all(&self.body).map(|()| false),
            Kind::Http => {}
        }
        let head = self.head();
        match self.head_pace {
            None => to.write_all(head.as_bytes())?,
            Some(pause) => slowly(to, head.as_bytes(), 1, pause)?,
        }
        if asked.method == "HEAD" || matches!(self.status, 204 | 304) {
            return Ok(true);
        }
        self.send_body(to)?;
        Ok(self.cut.is_none())
    }

    pub(crate) fn hangs(&self) -> bool {
        matches!(self.kind, Kind::Hang)
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} Lie\r\n", self.status);
        if self.chunked {
            head += "Transfer-Encoding: chunked\r\n";
        } else if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            head += &format!("Content-Length: {}\r\n", self.body.len() * self.times);
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    fn send_body(&self, to: &mut impl Write) -> io::Result<()> {
        let mut left = self.cut.unwrap_or(usize::MAX);
        for _ in 0..self.times {
            let part = &self.body[..self.body.len().min(left)];
            left -= part.len();
            if part.is_empty() {
                break;
            }
            if self.chunked {
                write!(to, "{:x}\r\n", part.len())?;
            }
            match self.body_pace {
                None => to.write_all(part)?,
                Some((bytes, pause)) => slowly(to, part, bytes, pause)?,
            }
            if self.chunked {
                to.write_all(b"\r\n")?;
            }
        }
        if self.chunked && self.cut.is_none() {
            to.write_all(b"0\r\n\r\n")?;
        }
        Ok(())
    }
}

fn slowly(to: &mut impl Write, bytes: &[u8], step: usize, pause: Duration) -> io::Result<()> {
    for part in bytes.chunks(step) {
        to.write_all(part)?;
        std::thread::sleep(pause);
    }
    Ok(())
}
