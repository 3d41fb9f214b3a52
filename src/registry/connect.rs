//! Connections to registries: the name's addresses, a proxy where the environment names one, TLS.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::network::Network;
use super::proxy;
use super::trouble::{Obstacle, Trouble, Unreachable};
use crate::environment::Environment;

/// How long a registry that may be plain has for its side of a TLS handshake, when it is not known which it is.
const SILENCE: Duration = Duration::from_secs(2);

/// Connects to whatever host a request names.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    network: Arc<Network>,
    tcp: HttpConnector,
}

/// Why there is no connection; found again below hyper's own error.
#[derive(Debug)]
pub(super) struct ConnectError(pub(super) Unreachable);

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.words)
    }
}

impl StdError for ConnectError {}

impl From<ConnectError> for Trouble {
    fn from(ConnectError(unreachable): ConnectError) -> Self {
        Self::Unreachable(unreachable)
    }
}

pub(super) fn failed(why: Obstacle, words: impl Into<String>) -> ConnectError {
    ConnectError(Unreachable { why, words: words.into(), given_up: false })
}

impl Connector {
    pub(super) fn new(network: Arc<Network>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { network, tcp }
    }

    async fn connect(self, uri: Uri) -> Result<MaybeHttpsStream<Line>, ConnectError> {
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let line = self.line(&uri, secure).await?;
        if !secure {
            return Ok(MaybeHttpsStream::Http(line));
        }
        match timeout(self.network.limits.tls, self.handshake(line, &uri)).await {
            Ok(stream) => stream,
            Err(_) => Err(failed(Obstacle::Timeout, "the TLS handshake did not end in time")),
        }
    }

    /// Whether TLS is spoken there. Who says nothing at all is waiting for the end of a plain request.
    pub(super) async fn speaks_tls(&self, uri: &Uri) -> Result<bool, ConnectError> {
        let line = self.line(uri, true).await?;
        Ok(timeout(SILENCE, self.handshake(line, uri)).await.is_ok_and(|stream| stream.is_ok()))
    }

    async fn line(&self, uri: &Uri, secure: bool) -> Result<Line, ConnectError> {
        let limit = self.network.limits.connect;
        match self.network.proxy(uri) {
            None => Ok(Line { way: dial(self.tcp.clone(), uri.clone(), limit).await?.into(), through_proxy: false }),
            Some(proxy) => proxy::through(&proxy, &self.network, self.tcp.clone(), uri, secure).await,
        }
    }

    async fn handshake(&self, line: Line, uri: &Uri) -> Result<MaybeHttpsStream<Line>, ConnectError> {
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let config = self.network.tls(&authority).await.map_err(|why| failed(Obstacle::Tls, why))?;
        speak_tls(config, line, uri).await
    }
}

/// A TLS handshake with the host that an address names.
pub(super) async fn speak_tls<T>(config: Arc<ClientConfig>, line: T, uri: &Uri) -> Result<MaybeHttpsStream<T>, ConnectError>
where
    T: Read + Write + Unpin,
{
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|error| failed(Obstacle::Tls, error.to_string()))?;
    match TlsConnector::from(config).connect(name, TokioIo::new(line)).await {
        Ok(stream) => Ok(stream.into()),
        Err(error) => Err(tls_failed(&error)),
    }
}

pub(super) async fn dial(mut tcp: HttpConnector, uri: Uri, limit: Duration) -> Result<TokioIo<TcpStream>, ConnectError> {
    match timeout(limit, tcp.call(uri)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => {
            let words = chain(&error);
            let why = match io_kind(&error) {
                _ if words.contains("dns error") => Obstacle::Dns,
                Some(io::ErrorKind::TimedOut) => Obstacle::Timeout,
                Some(io::ErrorKind::ConnectionReset) => Obstacle::Reset,
                // Refused; or no route, network down: nobody there to refuse.
                _ => Obstacle::Refused,
            };
            Err(failed(why, words))
        }
        Err(_) => Err(failed(Obstacle::Timeout, "connecting took too long")),
    }
}

fn tls_failed(error: &io::Error) -> ConnectError {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            failed(Obstacle::Reset, "the connection was reset in the TLS handshake")
        }
        io::ErrorKind::UnexpectedEof => failed(Obstacle::Tls, "the connection was closed in the TLS handshake"),
        _ => failed(Obstacle::Tls, error.to_string()),
    }
}

/// An error and all below it, in one line.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut words: Vec<String> = std::iter::successors(Some(error), |error| (*error).source()).map(ToString::to_string).collect();
    words.dedup();
    words.join(": ")
}

pub(super) fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    std::iter::successors(Some(error), |error| (*error).source()).find_map(|error| Some(error.downcast_ref::<io::Error>()?.kind()))
}

/// The proxies of the environment, as curl and docker read it.
pub(super) fn proxies(environment: &Environment) -> Matcher {
    let first = |upper: &str, lower: &str| environment.get(lower).or_else(|| environment.get(upper)).unwrap_or_default().to_owned();
    Matcher::builder()
        .all(first("ALL_PROXY", "all_proxy"))
        .http(first("HTTP_PROXY", "http_proxy"))
        .https(first("HTTPS_PROXY", "https_proxy"))
        .no(first("NO_PROXY", "no_proxy"))
        .build()
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Line>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection that knows whether a proxy reads the requests, which then carry the whole address.
#[derive(Debug)]
pub(super) struct Line {
    /// TLS where the proxy itself speaks it.
    pub(super) way: MaybeHttpsStream<TokioIo<TcpStream>>,
    pub(super) through_proxy: bool,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.through_proxy)
    }
}

impl Read for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.way).poll_read(cx, buffer)
    }
}

impl Write for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.way).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.way).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.way).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.way.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.way).poll_write_vectored(cx, bytes)
    }
}
