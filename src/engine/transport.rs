//! The one HTTP client that carries every request to the engine, bollard's and our own.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::answer_body::{self, AnswerBody};
use super::endpoint::Endpoint;
use super::ssh::{self, Ssh};
use super::tls;
use crate::environment::Environment;
use crate::net::request_log::RequestLog;
use crate::{Code, Error, Result};

/// For a connection to come about.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(30);
/// How many are kept that are a process each.
const IDLE_SSH: usize = 4;

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;
/// The body of a request, whoever made it.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// The client and the address that it connects to. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    client: Client<Connector, Body>,
    connector: Connector,
    endpoint: Arc<Endpoint>,
    authority: String,
}

impl Transport {
    /// `timeout` is that of a request, in which it has to connect, too.
    pub(crate) fn new(endpoint: Endpoint, timeout: Duration) -> Result<Self> {
        let connect_timeout = timeout.min(CONNECTING);
        let tls = match &endpoint {
            Endpoint::Tcp { tls: Some(files), .. } => Some(Arc::new(tls::client_config(files, &Environment::read())?)),
            _ => None,
        };
        let ssh = match &endpoint {
            Endpoint::Ssh(target) => Some(Ssh::new(target.clone(), connect_timeout, Environment::read())),
            _ => None,
        };
        let authority = match &endpoint {
            Endpoint::Unix(_) | Endpoint::Ssh(_) => "localhost".to_owned(),
            tcp @ Endpoint::Tcp { .. } => tcp.to_string().trim_start_matches("tcp://").to_owned(),
        };
        let mut client = Client::builder(TokioExecutor::new());
        // Without a timer an idle connection stays until the next request, and so would its ssh.
        client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        if ssh.is_some() {
            client.pool_max_idle_per_host(IDLE_SSH);
        }
        let endpoint = Arc::new(endpoint);
        // ssh has the time limit for the connection alone, and has to log in besides.
        let timeout = if ssh.is_some() { timeout } else { connect_timeout };
        let connector = Connector { endpoint: endpoint.clone(), tls, ssh, timeout };
        Ok(Self { client: client.build(connector.clone()), connector, endpoint, authority })
    }

    /// What all connections by ssh have in common.
    pub(super) fn ssh(&self) -> Option<&Ssh> {
        self.connector.ssh.as_ref()
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The base of the addresses of requests: the connector goes to the endpoint whatever stands here.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Sends a request; the answer's head must come within `timeout`.
    pub(crate) async fn send(&self, request: Request<Body>, timeout: Duration) -> Result<Response<Incoming>> {
        tokio::time::timeout(timeout, self.send_patiently(request)).await.unwrap_or_else(|_| Err(self.silent(timeout)))
    }

    /// Sends a request whose answer's head has no time limit.
    pub(super) async fn send_patiently(&self, request: Request<Body>) -> Result<Response<Incoming>> {
        let log = RequestLog::to_engine(request.method(), request.uri());
        logged(log, self.client.request(request).await.map_err(|error| self.unreachable(&error)))
    }

    /// The same on a connection of its own, for an answer that is a stream.
    pub(super) async fn send_alone(&self, request: Request<Body>) -> Result<Response<AnswerBody>> {
        let log = RequestLog::to_engine(request.method(), request.uri());
        logged(log, self.answer_alone(request).await)
    }

    async fn answer_alone(&self, mut request: Request<Body>) -> Result<Response<AnswerBody>> {
        let host = HeaderValue::from_str(&self.authority);
        let host = host.map_err(|error| Code::InvalidArgument.error("the engine's address is not one").caused_by(&error))?;
        request.headers_mut().insert(http::header::HOST, host);
        *request.uri_mut() = request.uri().path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        let stream = self.connector.open().await.map_err(|error| self.unreachable(&error))?;
        answer_body::send_alone(stream, request).await.map_err(|error| self.unreachable(&error))
    }

    /// The engine has not answered for so long.
    pub(crate) fn silent(&self, timeout: Duration) -> Error {
        Code::Unreachable.error(format!(
            "the engine at {} did not answer within {} s: is it overloaded or stuck? (timeout_s of the handle allows longer, for a create or \
             a start long_timeout_s)",
            self.endpoint,
            timeout.as_secs_f64()
        ))
    }

    /// The connection could not be made, or broke.
    pub(crate) fn unreachable(&self, error: &(dyn StdError + 'static)) -> Error {
        let io = std::iter::successors(Some(error), |error| (*error).source()).find_map(|error| error.downcast_ref::<std::io::Error>());
        if let Some(failure) = io.and_then(|error| error.get_ref()?.downcast_ref::<ssh::Failure>()) {
            let message = format!("the engine at {} cannot be reached: {failure}; {}", self.endpoint, failure.next());
            return Code::Unreachable.error(message).caused_by(error);
        }
        let (what, next) = match io.map(std::io::Error::kind) {
            Some(std::io::ErrorKind::NotFound) => ("there is no such socket", "is Docker running?"),
            Some(std::io::ErrorKind::PermissionDenied) => ("permission denied", "may this user open the socket? (group docker, or root)"),
            Some(std::io::ErrorKind::ConnectionRefused) => ("connection refused", "is Docker running?"),
            Some(std::io::ErrorKind::TimedOut) => ("connecting took too long", "is the address right, and does a firewall stand between?"),
            _ => ("the connection failed or was lost", "is Docker running, and was it restarted? (causes say more)"),
        };
        Code::Unreachable.error(format!("the engine at {} cannot be reached: {what}; {next}", self.endpoint)).caused_by(error)
    }
}

fn logged<B>(log: RequestLog, answered: Result<Response<B>>) -> Result<Response<B>> {
    match &answered {
        Ok(answer) => log.answered(answer.status()),
        Err(error) => log.failed(error),
    }
    answered
}

/// A body of bytes.
pub(crate) fn body(bytes: Bytes) -> Body {
    http_body_util::Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A body of pieces as they come; an error among them breaks the connection, so that the engine sees that the body has no end.
pub(crate) fn stream_body(pieces: impl futures_util::Stream<Item = std::result::Result<Bytes, BoxError>> + Send + 'static) -> Body {
    http_body_util::StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync()
}

/// Connects to the endpoint, whatever the address of the request says.
#[derive(Debug, Clone)]
struct Connector {
    endpoint: Arc<Endpoint>,
    tls: Option<Arc<rustls::ClientConfig>>,
    ssh: Option<Ssh>,
    timeout: Duration,
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.open().await.map(TokioIo::new) })
    }
}

impl Connector {
    async fn open(&self) -> std::io::Result<Stream> {
        let timed_out = |_| match &self.ssh {
            Some(_) => ssh::Failure::no_answer(self.timeout).into(),
            None => std::io::Error::from(std::io::ErrorKind::TimedOut),
        };
        tokio::time::timeout(self.timeout, self.connect()).await.map_err(timed_out)?
    }

    async fn connect(&self) -> std::io::Result<Stream> {
        if let Some(ssh) = &self.ssh {
            return Ok(Stream(Box::new(ssh.connect().await?)));
        }
        match &*self.endpoint {
            Endpoint::Unix(path) => Ok(Stream(Box::new(UnixStream::connect(path).await?))),
            Endpoint::Tcp { host, port, .. } => {
                let tcp = TcpStream::connect((host.as_str(), *port)).await?;
                tcp.set_nodelay(true)?;
                let Some(tls) = &self.tls else { return Ok(Stream(Box::new(tcp))) };
                let name = ServerName::try_from(host.clone()).map_err(std::io::Error::other)?;
                Ok(Stream(Box::new(TlsConnector::from(tls.clone()).connect(name, tcp).await?)))
            }
            Endpoint::Ssh(_) => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }
}

trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for T {}

/// A connection of either kind.
pub(super) struct Stream(Box<dyn ReadWrite>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>, buffer: &mut tokio::io::ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
