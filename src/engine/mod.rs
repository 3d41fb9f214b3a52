//! The engine: where it is, which API version is spoken with it, and JSON in and out of it.

mod answer;
mod answer_body;
pub(crate) mod api;
mod api_version;
mod endpoint;
mod facts;
pub(crate) mod frames;
pub(crate) mod image_facts;
mod listener;
pub(crate) mod names;
mod negotiation;
pub(crate) mod phrases;
mod request;
mod shared_result;
mod silence;
mod ssh;
mod streams;
mod tls;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::{Code, Error, Result};
use transport::Transport;
pub(crate) use transport::{Body, BoxError, body, stream_body};

use answer::{Answer, refused};
pub(crate) use api_version::ApiVersion;
use api_version::{Agreed, Versioned};
pub(crate) use endpoint::{Endpoint, HostOptions};
pub(crate) use facts::Facts;
pub use facts::Store;
pub(crate) use listener::Listener;
use request::escape;
use shared_result::SharedResult;
pub(crate) use streams::{ByteStream, join_frames};

/// A connection to one engine, which comes back by itself after the engine went away.
#[derive(Debug)]
pub(crate) struct Engine {
    transport: Transport,
    /// For an answer, and for a stream the silence after which the engine is pinged.
    timeout: Duration,
    /// For the answer of a create or a start.
    long_timeout: Duration,
    session: SharedResult<Arc<Session>>,
}

/// What was agreed with the engine; dropped when the connection is lost, since it may be another engine afterwards.
#[derive(Debug)]
pub(crate) struct Session {
    /// The newest that both speak.
    pub(crate) api: ApiVersion,
    agreed: Agreed,
    /// It has said so; false of Podman, and where something between has left it out.
    is_docker: bool,
    docker: bollard::Docker,
    facts: SharedResult<Facts>,
    listener: OnceCell<Listener>,
}

impl Session {
    /// The version in which containers are inspected.
    pub(crate) fn inspect_version(&self) -> ApiVersion {
        self.agreed.version(Some(ApiVersion::INSPECT))
    }
}

impl Engine {
    /// Connects nothing yet.
    pub(crate) fn new(endpoint: Endpoint, timeout: Duration, long_timeout: Duration) -> Result<Self> {
        let transport = Transport::new(endpoint, timeout)?;
        Ok(Self { transport, timeout, long_timeout, session: SharedResult::default() })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.transport.endpoint()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// For a create, which may copy gigabytes into a volume, and a start, which may publish thousands of ports.
    pub(crate) fn long_timeout(&self) -> Duration {
        self.long_timeout
    }

    /// The session, negotiated when there is none: once, however many calls wait for it.
    pub(crate) async fn session(&self) -> Result<Arc<Session>> {
        let negotiate = async {
            let (agreed, is_docker) = negotiation::negotiate(&self.transport, self.timeout).await?;
            let api = agreed.newest;
            let docker = negotiation::typed_client(&self.transport, api, self.timeout)?;
            Ok(Arc::new(Session { api, agreed, is_docker, docker, facts: SharedResult::default(), listener: OnceCell::new() }))
        };
        self.session.get(Box::pin(negotiate)).await
    }

    /// What the engine says of itself, asked once a session.
    pub(crate) async fn facts(&self) -> Result<Facts> {
        let session = self.session().await?;
        session.facts.get(Box::pin(facts::read(self))).await
    }

    /// Whether it is Podman. Docker is not asked: it takes 10 ms for its facts, since it runs three programs for each answer [Docker 20.10].
    pub(crate) async fn is_podman(&self) -> Result<bool> {
        Ok(!self.session().await?.is_docker && self.facts().await?.podman())
    }

    /// What listens at the endpoint, looked at once a session.
    pub(crate) async fn listener(&self) -> Result<Listener> {
        let session = self.session().await?;
        Ok(session.listener.get_or_init(|| Listener::at(&self.transport)).await.clone())
    }

    /// Two questions at once; one after the other over ssh, where a second connection takes longer to come about than an answer.
    pub(crate) async fn ask_both<A, B>(&self, first: impl Future<Output = A>, second: impl Future<Output = B>) -> (A, B) {
        if self.transport.ssh().is_some() { (first.await, second.await) } else { tokio::join!(first, second) }
    }

    /// A typed call through bollard, over the same connections; made anew when the engine was replaced by one of another version.
    async fn typed<T, F>(&self, what: &str, call: impl Fn(bollard::Docker) -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, bollard::errors::Error>>,
    {
        let mut negotiated_again = false;
        loop {
            let session = self.session().await?;
            let error = match call(session.docker.clone()).await {
                Ok(value) => return Ok(value),
                Err(error) => typed_error(what, error),
            };
            if error.context().http_status == Some(400) && phrases::is_version_refused(error.message()) && !negotiated_again {
                self.forget(&session);
                negotiated_again = true;
                continue;
            }
            self.forget_if_lost(&session, &error);
            return Err(error);
        }
    }

    /// A lost connection: the next call pings and negotiates again, and reads again which store there is. A session that another call has
    /// negotiated since stays.
    fn forget_if_lost(&self, session: &Arc<Session>, error: &Error) {
        if error.code() == Code::Unreachable {
            self.forget(session);
        }
    }

    fn forget(&self, session: &Arc<Session>) {
        self.session.forget_if(|current| Arc::ptr_eq(current, session));
    }
}

/// bollard's error as ours. Errors of the transport come through it in a box.
fn typed_error(what: &str, error: bollard::errors::Error) -> Error {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, message } => refused(what, status_code, &message),
        bollard::errors::Error::IOError { err } => match err.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(ours) => ours.clone(),
            None => Code::Unreachable.error(format!("{what}: the connection to the engine was lost")).caused_by(&err),
        },
        bollard::errors::Error::RequestTimeoutError => Code::Unreachable.error(format!("{what}: the engine did not answer in time")),
        other => Code::Engine.error(format!("{what}: the engine's answer was not understood")).caused_by(&other),
    }
}
