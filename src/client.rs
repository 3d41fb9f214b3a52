//! The handle: the connection to one engine and to its registries, and the state that is kept between calls.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::container::list::CreationReferences;
use crate::engine::{Endpoint, Engine, HostOptions, Store};
use crate::environment::Environment;
use crate::history::{HistoryStore, Limits};
use crate::image::{LastChecks, PullTable, Replaced};
use crate::operation::Operation;
use crate::operation::call::Call;
use crate::operation::gate::Gate;
use crate::registry::{EngineRegistries, Registries, Session, Settings, check_registries};
use crate::state_dir::StateDir;
use crate::volume::storage::StorageImage;
use crate::{Code, Outcome, Result};

/// How [`Refit::connect`] reaches the engine and the registries.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// `unix://`, `tcp://`, `https://` or `ssh://`. Default: `DOCKER_HOST`, else `DOCKER_CONTEXT`, else the current context of docker's
    /// `config.json`, else the platform's socket.
    pub host: Option<String>,
    /// Whether the first call connects, instead of [`Refit::connect`]. Default: no.
    pub lazy: bool,
    /// Folder (created with mode 0700 when missing) of the history, of the last checks and of the configuration of containers whose
    /// recreation is in progress. Default: none, they are kept in memory.
    pub state_dir: Option<PathBuf>,
    /// Folder of docker's `config.json`. Default: `DOCKER_CONFIG`, else `~/.docker`.
    pub docker_config: Option<PathBuf>,
    /// Folder with `ca.pem`, `cert.pem` and `key.pem` for an engine over TLS. Default: `DOCKER_CERT_PATH`, or the context's own.
    pub tls_dir: Option<PathBuf>,
    /// The time limit of each request to the engine, and for a stream the silence after which the engine is pinged: as long as it answers,
    /// the stream is waited for. Default: 30 s.
    pub timeout: Duration,
    /// The time limit of a create and of a start, which may copy gigabytes into a volume, publish thousands of ports or wait for a network
    /// file system. Default: 300 s.
    pub long_timeout: Duration,
    /// How long a rollback goes on while the engine is not reachable or refuses a step, and how long the answer of a create is still waited
    /// for after `long_timeout`. Default: 120 s.
    pub engine_wait: Duration,
    /// Credentials and addresses of registries, by host (`registry.example:5000`). Default: none. A key with a scheme or a path, and a user
    /// name without a password, are [`InvalidArgument`](Code::InvalidArgument).
    pub registries: BTreeMap<String, RegistryOptions>,
    /// Who is asked by an update check. Default: the registry, or the engine where only the engine reaches the registry.
    pub check_via: CheckVia,
    /// How many containers are recreated at the same time. Default: 4.
    pub max_concurrency: usize,
    /// A local image with a shell, for the few volume calls that run a command. Default: none.
    pub helper_image: Option<String>,
    /// How many records the history keeps. Default: 10000.
    pub history_max_entries: usize,
    /// For how many days it keeps a record. Default: 365.
    pub history_max_age_days: u32,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            host: None,
            lazy: false,
            state_dir: None,
            docker_config: None,
            tls_dir: None,
            timeout: Duration::from_secs(30),
            long_timeout: Duration::from_secs(300),
            engine_wait: Duration::from_secs(120),
            registries: BTreeMap::new(),
            check_via: CheckVia::Auto,
            max_concurrency: 4,
            helper_image: None,
            history_max_entries: 10_000,
            history_max_age_days: 365,
        }
    }
}

/// Who is asked by an update check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CheckVia {
    /// The registry, or the engine where only the engine reaches the registry.
    #[default]
    Auto,
    /// Only the registry.
    Registry,
    /// Only the engine, by its `/distribution` endpoint.
    Engine,
}

/// How one registry is reached.
#[derive(Clone, Default)]
pub struct RegistryOptions {
    /// User name for Basic authentication and token servers.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// An identity token, instead of user name and password.
    pub token: Option<String>,
    /// PEM file with certificate authorities, in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Accepts any certificate, and plain HTTP when there is no TLS.
    pub insecure: bool,
    /// Another address, which is asked first.
    pub mirror: Option<String>,
}

/// Without the secrets.
impl std::fmt::Debug for RegistryOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryOptions")
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("ca_file", &self.ca_file)
            .field("insecure", &self.insecure)
            .field("mirror", &self.mirror)
            .finish()
    }
}

/// The handle. Clones share everything; any number of calls may run at once.
#[derive(Debug, Clone)]
pub struct Refit {
    pub(crate) shared: Arc<Shared>,
}

/// What the clones of a handle share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) options: ConnectOptions,
    pub(crate) registries: Registries,
    /// Counts the running operations, and ends them when the handle is closed.
    pub(crate) gate: Arc<Gate>,
    pub(crate) pulls: PullTable,
    pub(crate) replaced: Replaced,
    pub(crate) state_dir: Option<StateDir>,
    pub(crate) last_checks: LastChecks,
    pub(crate) creation_references: CreationReferences,
    pub(crate) history: HistoryStore,
    pub(crate) storage_image: StorageImage,
    pub(crate) runtime: Handle,
}

/// Which engine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EngineKind {
    /// Docker.
    Docker,
    /// Podman, by its Docker-compatible API.
    Podman,
}

/// The engine and its settings.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "engine_info")]
#[non_exhaustive]
pub struct EngineInfo {
    /// Docker or Podman.
    pub engine: EngineKind,
    /// The engine's own version.
    pub version: String,
    /// The API version in use.
    pub api_version: String,
    /// The oldest API version that the engine supports, where it reports it.
    pub min_api_version: Option<String>,
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// How it stores images.
    pub store: Store,
    /// `overlay2`.
    pub storage_driver: String,
    /// Its address.
    pub host: String,
    /// The folder of its data, on its machine.
    pub root_dir: String,
    /// Whether it is a member of a swarm.
    pub swarm: bool,
    /// Mirrors of docker.io.
    pub mirrors: Vec<String>,
    /// Hosts and networks whose registries may use plain HTTP or any certificate.
    pub insecure_registries: Vec<String>,
    /// The folder of this handle's state.
    pub state_dir: Option<String>,
}

impl Refit {
    /// Opens a handle. Unless `lazy` is set it asks the engine for its API version. It changes nothing on the engine.
    ///
    /// It must be called on a tokio runtime; the handle keeps using that runtime.
    ///
    /// ```no_run
    /// use refit::{ConnectOptions, Refit};
    ///
    /// # async fn example() -> refit::Result<()> {
    /// let options = ConnectOptions { host: Some("unix:///run/docker.sock".into()), ..ConnectOptions::default() };
    /// let refit = Refit::connect(options).await?;
    /// let info = refit.engine_info().await?;
    /// println!("{:?} {}", info.engine, info.version);
    /// refit.close().await;
    /// # Ok(())
    /// # }
    /// ```
    #[tracing::instrument(level = "error", name = "refit_open", skip_all, err(level = "warn"))]
    pub async fn connect(options: ConnectOptions) -> Result<Self> {
        let runtime = Handle::try_current()
            .map_err(|error| Code::InvalidArgument.error("Refit::connect must run on a tokio runtime").caused_by(&error))?;
        check_registries(&options.registries)?;
        let environment = Environment::read();
        let docker_config = options
            .docker_config
            .clone()
            .or_else(|| environment.path("DOCKER_CONFIG"))
            .or_else(|| environment.path("HOME").map(|home| home.join(".docker")));
        let host = HostOptions { host: options.host.clone(), tls_dir: options.tls_dir.clone(), docker_config: docker_config.clone() };
        let state_dir = match &options.state_dir {
            Some(folder) => Some(StateDir::open(folder).await?),
            None => None,
        };
        let engine = Engine::new(Endpoint::resolve(&host, &environment)?, options.timeout, options.long_timeout)?;
        let registries = Registries::new(&Settings::new(options.registries.clone(), docker_config, environment));
        let last_checks = LastChecks::read(state_dir.clone()).await;
        let limits = Limits { max_entries: options.history_max_entries, max_age_days: options.history_max_age_days };
        let history = HistoryStore::new(state_dir.clone(), limits);
        let shared = Shared {
            engine,
            options,
            registries,
            gate: Arc::default(),
            pulls: PullTable::default(),
            replaced: Replaced::default(),
            state_dir,
            last_checks,
            creation_references: CreationReferences::default(),
            history,
            storage_image: StorageImage::default(),
            runtime,
        };
        if !shared.options.lazy {
            shared.engine.session().await?;
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Closes the handle and all its clones: new operations are refused as [`Cancelled`](Code::Cancelled), the running ones have 2 s to
    /// end, then they are cancelled. It returns when all of them have ended: a recreation is finished or rolled back first.
    ///
    /// It concerns [`Operation`]s. A plain `async fn` of the handle is one question or one request to the engine and ends with its future.
    /// A handle need not be closed: dropping its last clone frees it once its operations have ended.
    pub async fn close(&self) {
        self.shared.gate.close().await;
    }

    /// The engine and its settings.
    #[tracing::instrument(level = "error", name = "refit_engine_info", skip_all, err(level = "warn"))]
    pub async fn engine_info(&self) -> Result<EngineInfo> {
        let engine = &self.shared.engine;
        let (facts, api) = (engine.facts().await?, engine.session().await?.api);
        Ok(EngineInfo {
            engine: if facts.podman() { EngineKind::Podman } else { EngineKind::Docker },
            version: facts.version,
            api_version: api.to_string(),
            min_api_version: facts.min_api_version,
            os: facts.os,
            architecture: facts.architecture,
            store: facts.store,
            storage_driver: facts.storage_driver,
            host: engine.endpoint().to_string(),
            root_dir: facts.root_dir,
            swarm: facts.swarm,
            mirrors: facts.mirrors,
            insecure_registries: facts.insecure_registries,
            state_dir: self.shared.options.state_dir.as_ref().map(|folder| folder.display().to_string()),
        })
    }

    /// A session with the registries, with the mirrors and insecure registries of the engine.
    pub(crate) async fn registry_session(&self) -> Result<Session> {
        let facts = self.shared.engine.facts().await?;
        let engine = EngineRegistries { mirrors: facts.mirrors, insecure: facts.insecure_registries };
        Ok(self.shared.registries.session(Some(engine)))
    }

    /// A long call on this handle, and its span in the log; the work of a call that has its span already is in none.
    pub(crate) fn operation<T, F>(&self, span: tracing::Span, work: impl FnOnce(Self, Call) -> F + Send + 'static) -> Operation<T>
    where
        T: Send + 'static,
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let refit = self.clone();
        Operation::new(self.shared.runtime.clone(), self.shared.gate.clone(), span, move |call| work(refit, call))
    }
}
