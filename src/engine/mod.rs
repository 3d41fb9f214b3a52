//! The engine: where it is, which API version is spoken with it, and JSON in and out of it.

mod api_version;
mod facts;
mod host;
mod negotiate;
mod request;
mod stream;
mod tls;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};

use crate::{Code, Error, Result};
use transport::Transport;

pub(crate) use api_version::ApiVersion;
pub(crate) use facts::Facts;
pub use facts::Store;
pub(crate) use host::{Endpoint, HostOptions};
pub(crate) use request::{Answer, escape};

/// A connection to one engine, which comes back by itself after the engine went away.
#[derive(Debug)]
pub(crate) struct Engine {
    transport: Transport,
    /// For an answer, and for a stream the longest silence.
    timeout: Duration,
    session: Mutex<Option<Arc<Session>>>,
}

/// What was agreed with the engine; dropped when the connection is lost, since it may be another engine afterwards.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) api: ApiVersion,
    docker: bollard::Docker,
    facts: OnceCell<Facts>,
}

impl Engine {
    /// Connects nothing yet.
    pub(crate) fn new(endpoint: Endpoint, timeout: Duration) -> Result<Self> {
        let transport = Transport::new(endpoint, timeout.min(Duration::from_secs(10)))?;
        Ok(Self { transport, timeout, session: Mutex::new(None) })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.transport.endpoint()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The session, negotiated when there is none.
    pub(crate) async fn session(&self) -> Result<Arc<Session>> {
        let mut session = self.session.lock().await;
        if let Some(session) = &*session {
            return Ok(session.clone());
        }
        let api = negotiate::negotiate(&self.transport, self.timeout).await?;
        let docker = negotiate::typed_client(&self.transport, api, self.timeout)?;
        let new = Arc::new(Session { api, docker, facts: OnceCell::new() });
        *session = Some(new.clone());
        Ok(new)
    }

    /// What the engine says of itself, asked once a session.
    pub(crate) async fn facts(&self) -> Result<Facts> {
        let session = self.session().await?;
        session.facts.get_or_try_init(|| facts::read(self)).await.cloned()
    }

    /// A typed call through bollard, over the same connections.
    pub(crate) async fn typed<T, F>(&self, what: &str, call: impl FnOnce(bollard::Docker) -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, bollard::errors::Error>>,
    {
        let session = self.session().await?;
        match call(session.docker.clone()).await {
            Ok(value) => Ok(value),
            Err(error) => {
                let error = typed_error(what, error);
                self.forget_if_lost(&error).await;
                Err(error)
            }
        }
    }

    /// A lost connection: the next call pings and negotiates again, and reads again which store there is.
    pub(crate) async fn forget_if_lost(&self, error: &Error) {
        if error.code() == Code::Unreachable {
            self.forget().await;
        }
    }

    pub(crate) async fn forget(&self) {
        *self.session.lock().await = None;
    }
}

/// bollard's error as ours. Errors of the transport come through it in a box.
fn typed_error(what: &str, error: bollard::errors::Error) -> Error {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, message } => request::refused(what, status_code, &message),
        bollard::errors::Error::IOError { err } => match err.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(ours) => ours.clone(),
            None => Code::Unreachable.error(format!("{what}: the connection to the engine was lost")).caused_by(&err),
        },
        bollard::errors::Error::RequestTimeoutError => Code::Unreachable.error(format!("{what}: the engine did not answer in time")),
        other => Code::Engine.error(format!("{what}: the engine's answer was not understood")).caused_by(&other),
    }
}
