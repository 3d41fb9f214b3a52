//! A request to the engine or to a registry in the log: its method, its path, the status and how long that took.
//!
//! Nothing else of it: a query may carry the signature of a download, headers carry credentials, and bodies the environment of containers.

use std::fmt::Display;
use std::time::Instant;

use http::{Method, StatusCode, Uri};

/// A request whose answer is waited for. One that is dropped before was given up: its call has ended, or its time limit has passed.
#[derive(Debug)]
pub(crate) struct RequestLog(Option<Begun>);

#[derive(Debug)]
struct Begun {
    method: Method,
    /// The host and the port of a registry or token server; empty for the engine.
    host: String,
    path: String,
    at: Instant,
}

impl RequestLog {
    pub(crate) fn to_engine(method: &Method, uri: &Uri) -> Self {
        Self::begin(method, uri, false)
    }

    pub(crate) fn to_registry(method: &Method, uri: &Uri) -> Self {
        Self::begin(method, uri, true)
    }

    /// Costs no more than a comparison when nobody wants it.
    fn begin(method: &Method, uri: &Uri, with_host: bool) -> Self {
        Self(tracing::enabled!(tracing::Level::DEBUG).then(|| {
            let host = uri.host().filter(|_| with_host).unwrap_or_default();
            let host = uri.port().filter(|_| with_host).map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            Begun { method: method.clone(), host, path: uri.path().to_owned(), at: Instant::now() }
        }))
    }

    /// The head of the answer has come.
    pub(crate) fn answered(mut self, status: StatusCode) {
        if let Some(begun) = self.0.take() {
            begun.write(Some(status), "answered");
        }
    }

    pub(crate) fn failed(mut self, why: impl Display) {
        if let Some(begun) = self.0.take() {
            begun.write(None, why);
        }
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        if let Some(begun) = self.0.take() {
            begun.write(None, "given up before an answer came");
        }
    }
}

impl Begun {
    fn write(&self, status: Option<StatusCode>, what: impl Display) {
        let (method, path, ms) = (self.method.as_str(), self.path.as_str(), self.at.elapsed().as_millis() as u64);
        let status = status.map(|status| status.as_u16());
        match self.host.as_str() {
            "" => tracing::debug!(target: "refit::engine::request", method, path, status, ms, "{what}"),
            host => tracing::debug!(target: "refit::registry::request", method, host, path, status, ms, "{what}"),
        }
    }
}
