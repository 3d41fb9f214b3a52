//! Opening a connection, and what hyper reads and writes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use super::child::Child;
use super::failure::Failure;
use super::target::Target;
use crate::environment::Environment;

/// How many log in at the same time: sshd refuses some of more than ten by default (`MaxStartups`).
const LOGINS: usize = 4;

/// How often a login is tried that sshd has let go, and the pause before the second time.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);

/// The answer to it has no body, so that the connection is ready for the next request.
const GREETING: &[u8] = b"HEAD /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LONGEST_HEAD: usize = 16 * 1024;

/// What all connections of a handle have in common.
#[derive(Debug, Clone)]
pub(crate) struct Ssh {
    target: Target,
    /// For ssh to connect; logging in comes on top.
    connect_timeout: Duration,
    /// As it was when the handle was opened.
    environment: Arc<Environment>,
    logins: Arc<Semaphore>,
    /// What answers closes the connection after each answer, so that a greeting would use it up.
    closes: Arc<AtomicBool>,
}

enum Greeted {
    Open,
    Closed,
}

impl Ssh {
    pub(crate) fn new(target: Target, connect_timeout: Duration, environment: Environment) -> Self {
        let (environment, logins) = (Arc::new(environment), Arc::new(Semaphore::new(LOGINS)));
        Self { target, connect_timeout, environment, logins, closes: Arc::default() }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// A connection over which the engine has answered a ping: from then on nothing is known to be in the way, and no request was sent before.
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        for attempt in 1.. {
            let login = self.logins.acquire().await.map_err(io::Error::other)?;
            let error = match self.dial().await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            drop(login);
            let failure = error.get_ref().and_then(|inner| inner.downcast_ref::<Failure>());
            if attempt >= ATTEMPTS || !failure.is_some_and(Failure::is_let_go) {
                return Err(error);
            }
            tokio::time::sleep(PAUSE * attempt).await;
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    async fn dial(&self) -> io::Result<Connection> {
        if !self.closes.load(Ordering::Relaxed) {
            let mut connection = self.start().await?;
            match connection.greet().await? {
                Greeted::Open => return Ok(connection),
                Greeted::Closed => self.closes.store(true, Ordering::Relaxed),
            }
        }
        self.start().await
    }

    async fn start(&self) -> io::Result<Connection> {
        let ssh = self.clone();
        let start = move || Child::start(&ssh.target, ssh.connect_timeout, &ssh.environment);
        let (child, socket) = tokio::task::spawn_blocking(start).await.map_err(io::Error::other)??;
        socket.set_nonblocking(true)?;
        Ok(Connection { socket: UnixStream::from_std(socket)?, child, why: None })
    }
}

type Why = Pin<Box<dyn Future<Output = Option<Failure>> + Send>>;

/// The bytes of one connection. Its end is an error with ssh's last words, unless ssh has ended as it should.
pub(crate) struct Connection {
    socket: UnixStream,
    child: Child,
    why: Option<Why>,
}

impl Connection {
    async fn greet(&mut self) -> io::Result<Greeted> {
        self.write_all(GREETING).await?;
        let (mut head, mut piece) = (Vec::new(), [0; 1024]);
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            let read = self.read(&mut piece).await?;
            head.extend_from_slice(&piece[..read]);
            let is_http = head.starts_with(b"HTTP/") || head.len() < 5 && b"HTTP/".starts_with(&head);
            if !is_http && !head.is_empty() {
                return Err(printed(&head).into());
            }
            if read == 0 || head.len() > LONGEST_HEAD {
                return Err(Failure { words: "the engine has not answered a ping".into(), status: None }.into());
            }
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let closes = head.lines().any(|line| line.strip_prefix("connection:").is_some_and(|value| value.trim() == "close"));
        Ok(if closes || head.starts_with("http/1.0") { Greeted::Closed } else { Greeted::Open })
    }

    /// Ready with the failure, or with `None` where ssh has ended as it should.
    fn poll_why(&mut self, context: &mut Context<'_>) -> Poll<Option<Failure>> {
        let child = &self.child;
        let why = self.why.get_or_insert_with(|| Box::pin(child.why()));
        let failure = ready!(why.as_mut().poll(context));
        self.why = None;
        Poll::Ready(failure)
    }
}

/// A shell whose start files print something has spoken before docker's client did.
fn printed(bytes: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    Failure { words: format!("the other side prints {:?} in place of an answer", text.trim()), status: None }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if this.why.is_none() {
            match ready!(Pin::new(&mut this.socket).poll_read(context, buffer)) {
                Ok(()) if buffer.filled().len() > before || buffer.remaining() == 0 => return Poll::Ready(Ok(())),
                Ok(()) => {}
                Err(error) => tracing::trace!(%error, "the connection to ssh"),
            }
        }
        Poll::Ready(ready!(this.poll_why(context)).map_or(Ok(()), |failure| Err(failure.into())))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match ready!(Pin::new(&mut this.socket).poll_write(context, bytes)) {
            Ok(written) => Poll::Ready(Ok(written)),
            Err(error) => Poll::Ready(Err(ready!(this.poll_why(context)).map_or(error, Into::into))),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
