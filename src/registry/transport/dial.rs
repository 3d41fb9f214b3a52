//! One TCP connection and one TLS handshake, and why they fail.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::registry::error::{RegistryError, Unreachable, UnreachableReason};

/// Why there is no connection. hyper wraps it in its own error, where `http` finds it again.
#[derive(Debug)]
pub(in crate::registry) struct ConnectError(pub(in crate::registry) Unreachable);

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for ConnectError {}

impl From<ConnectError> for RegistryError {
    fn from(ConnectError(unreachable): ConnectError) -> Self {
        Self::Unreachable(unreachable)
    }
}

pub(in crate::registry) fn failed(reason: UnreachableReason, message: impl Into<String>) -> ConnectError {
    ConnectError(Unreachable { reason, message: message.into(), skipped: false })
}

/// Performs a TLS handshake with the host of an address.
pub(in crate::registry) async fn speak_tls<T>(config: Arc<ClientConfig>, stream: T, uri: &Uri) -> Result<MaybeHttpsStream<T>, ConnectError>
where
    T: Read + Write + Unpin,
{
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|error| failed(UnreachableReason::Tls, error.to_string()))?;
    match TlsConnector::from(config).connect(name, TokioIo::new(stream)).await {
        Ok(tls) => Ok(tls.into()),
        Err(error) => Err(tls_failed(&error)),
    }
}

pub(in crate::registry) async fn dial(mut tcp: HttpConnector, uri: Uri, limit: Duration) -> Result<TokioIo<TcpStream>, ConnectError> {
    match timeout(limit, tcp.call(uri)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => {
            let message = chain(&error);
            let reason = match io_kind(&error) {
                _ if message.contains("dns error") => UnreachableReason::Dns,
                Some(io::ErrorKind::TimedOut) => UnreachableReason::Timeout,
                Some(io::ErrorKind::ConnectionReset) => UnreachableReason::Reset,
                // Refused; or no route, or the network is down.
                _ => UnreachableReason::Refused,
            };
            Err(failed(reason, message))
        }
        Err(_) => Err(failed(UnreachableReason::Timeout, "connecting took too long")),
    }
}

fn tls_failed(error: &io::Error) -> ConnectError {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            failed(UnreachableReason::Reset, "the connection was reset in the TLS handshake")
        }
        io::ErrorKind::UnexpectedEof => failed(UnreachableReason::Tls, "the connection was closed in the TLS handshake"),
        _ => failed(UnreachableReason::Tls, error.to_string()),
    }
}

/// An error and all below it, in one stream.
pub(in crate::registry) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut messages: Vec<String> = std::iter::successors(Some(error), |error| (*error).source()).map(ToString::to_string).collect();
    messages.dedup();
    messages.join(": ")
}

pub(in crate::registry) fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    std::iter::successors(Some(error), |error| (*error).source()).find_map(|error| Some(error.downcast_ref::<io::Error>()?.kind()))
}
