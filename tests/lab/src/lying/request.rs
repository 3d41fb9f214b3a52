//! What a lying registry was asked.

use std::io::{self, BufRead, Read};

use crate::http::{self, Headers};
use crate::pattern::matches;

/// A request, read whole.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Counted from 1, over all connections.
    pub number: usize,
    /// Counted from 1.
    pub connection: usize,
    /// GET, HEAD, …
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Behind the `?`; empty without one.
    pub query: String,
    /// As they came.
    pub headers: Headers,
    /// As it came.
    pub body: Vec<u8>,
}

impl Asked {
    /// Reads the next request; None when the client has closed.
    pub(crate) fn read(from: &mut impl BufRead, connection: usize) -> io::Result<Option<Self>> {
        if from.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let line = http::read_line(from)?;
        let mut words = line.split(' ').map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(io::Error::other(line)) };
        let headers = Headers::read(from)?;
        let mut body = Vec::new();
        if let Some(length) = headers.get("content-length").and_then(|length| length.parse().ok()) {
            from.take(length).read_to_end(&mut body)?;
        } else if headers.get("transfer-encoding").is_some() {
            http::Chunked { from, left: 0, done: false }.read_to_end(&mut body)?;
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        Ok(Some(Self { number: 0, connection, method, path: path.to_owned(), query: query.to_owned(), headers, body }))
    }

    /// Whether it matches `METHOD PATH`, with `*` for anything.
    pub fn is(&self, pattern: &str) -> bool {
        matches(pattern, &self.method, &self.path)
    }

    /// The repository in `/v2/REPOSITORY/manifests/…`, `/blobs/…`, `/tags/…`.
    pub fn repository(&self) -> &str {
        self.parts().0
    }

    /// What stands behind `manifests/` or `blobs/`: a tag or a digest.
    pub fn reference(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        let rest = self.path.strip_prefix("/v2/").unwrap_or_default();
        ["/manifests/", "/blobs/", "/tags/"].iter().find_map(|between| rest.split_once(between)).unwrap_or((rest, ""))
    }

    /// A header's first value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_default()
    }

    /// The token of `Authorization: Bearer`.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization").strip_prefix("Bearer ")
    }

    /// A parameter of the query as it is written.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}
