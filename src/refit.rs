//! The handle: one engine, its registries, and what is remembered between calls.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::call::Call;
use crate::engine::{Endpoint, Engine, HostOptions, Store};
use crate::environment::Environment;
use crate::image::{LastChecks, PullTable, Replaced};
use crate::operation::Operation;
use crate::registry::{EngineRegistries, Registries, Session, Settings};
use crate::{Code, Outcome, Result};

/// How [`Refit::connect`] reaches the engine and the registries.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// `unix://`, `tcp://` or `https://`. Default: `DOCKER_HOST`, else `DOCKER_CONTEXT`, else the current context of docker's
    /// `config.json`, else the platform's socket.
    pub host: Option<String>,
    /// Do not ask the engine yet; the first call connects. Default: ask now.
    pub lazy: bool,
    /// Folder (0700, made when missing) for the history, the last checks and the bodies of recreations in hand. Default: memory.
    pub state_dir: Option<PathBuf>,
    /// Folder of docker's `config.json`. Default: `DOCKER_CONFIG`, else `~/.docker`.
    pub docker_config: Option<PathBuf>,
    /// Folder with `ca.pem`, `cert.pem` and `key.pem` for a TLS engine. Default: `DOCKER_CERT_PATH`, or the context's own.
    pub tls_dir: Option<PathBuf>,
    /// For each request to the engine, and for a stream the longest silence. Default: 30 s.
    pub timeout: Duration,
    /// How long an undo waits for an engine that went away. Default: 120 s.
    pub engine_wait: Duration,
    /// Credentials and addresses of registries, by host (`registry.example:5000`). Default: none.
    pub registries: BTreeMap<String, RegistryOptions>,
    /// Whom an update check asks. Default: the registry, and the engine where only that reaches it.
    pub check_via: CheckVia,
    /// How many containers are replaced side by side. Default: 4.
    pub max_concurrency: usize,
    /// A local image with a shell, for the few volume calls that run a command. Default: none.
    pub helper_image: Option<String>,
    /// Records kept in the history. Default: 10000.
    pub history_max_entries: usize,
    /// Days for which they are kept. Default: 365.
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

/// Whom an update check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CheckVia {
    /// The registry; the engine where only that reaches it.
    #[default]
    Auto,
    /// The registry alone.
    Registry,
    /// The engine alone: its `/distribution` endpoint.
    Engine,
}

/// How one registry is reached.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RegistryOptions {
    /// User name for Basic authentication and token servers.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// An identity token in the place of user name and password.
    pub token: Option<String>,
    /// PEM file with the certificate authority of the registry, beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Any certificate will do, and plain HTTP when there is no TLS.
    pub insecure: bool,
    /// Another address that is asked first.
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
    /// Ends every call under way when the handle is closed.
    pub(crate) closing: CancellationToken,
    pub(crate) pulls: PullTable,
    pub(crate) replaced: Replaced,
    pub(crate) last_checks: LastChecks,
    runtime: Handle,
}

/// The engine, as `refit_engine_info` tells it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "engine_info")]
#[non_exhaustive]
pub struct EngineInfo {
    /// `docker` or `podman`.
    pub engine: &'static str,
    /// The engine's own version.
    pub version: String,
    /// The API version that was agreed.
    pub api_version: String,
    /// The oldest that the engine speaks, where it tells.
    pub min_api_version: Option<String>,
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// How it keeps images.
    pub store: Store,
    /// `overlay2`.
    pub storage_driver: String,
    /// Where it is reached.
    pub host: String,
    /// The folder of its data, on its own machine.
    pub root_dir: String,
    /// Whether it is a member of a swarm.
    pub swarm: bool,
    /// Mirrors of docker.io.
    pub mirrors: Vec<String>,
    /// Hosts and networks whose registries may be plain or unverified.
    pub insecure_registries: Vec<String>,
    /// The folder of this handle's state.
    pub state_dir: Option<String>,
}

impl Refit {
    /// Opens a handle; unless `lazy` is set the engine is asked which API it speaks. It changes nothing on the engine.
    ///
    /// Must be called on a tokio runtime, which the handle goes on using.
    pub async fn connect(options: ConnectOptions) -> Result<Self> {
        let runtime = Handle::try_current()
            .map_err(|error| Code::InvalidArgument.error("Refit::connect must run on a tokio runtime").caused_by(&error))?;
        let environment = Environment::read();
        let docker_config = options
            .docker_config
            .clone()
            .or_else(|| environment.path("DOCKER_CONFIG"))
            .or_else(|| environment.path("HOME").map(|home| home.join(".docker")));
        let host = HostOptions { host: options.host.clone(), tls_dir: options.tls_dir.clone(), docker_config: docker_config.clone() };
        if let Some(folder) = &options.state_dir {
            make_state_dir(folder)?;
        }
        let engine = Engine::new(Endpoint::resolve(&host, &environment)?, options.timeout)?;
        let registries = Registries::new(&Settings::new(options.registries.clone(), docker_config, environment));
        let last_checks = LastChecks::new(options.state_dir.as_deref());
        let shared = Shared {
            engine,
            options,
            registries,
            closing: CancellationToken::new(),
            pulls: PullTable::default(),
            replaced: Replaced::default(),
            last_checks,
            runtime,
        };
        if !shared.options.lazy {
            shared.engine.session().await?;
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What the engine says of itself.
    pub async fn engine_info(&self) -> Result<EngineInfo> {
        let engine = &self.shared.engine;
        let (facts, api) = (engine.facts().await?, engine.session().await?.api);
        Ok(EngineInfo {
            engine: if facts.podman() { "podman" } else { "docker" },
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

    /// One call at the registries, with what the engine says of its mirrors and insecure registries.
    pub(crate) async fn registry_session(&self) -> Result<Session> {
        let facts = self.shared.engine.facts().await?;
        let engine = EngineRegistries { mirrors: facts.mirrors, insecure: facts.insecure_registries };
        Ok(self.shared.registries.session(Some(engine)))
    }

    /// A long call on this handle.
    pub(crate) fn operation<T, F>(&self, work: impl FnOnce(Self, Call) -> F + Send + 'static) -> Operation<T>
    where
        T: Send + 'static,
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let refit = self.clone();
        Operation::new(self.shared.runtime.clone(), self.shared.closing.clone(), move |call| work(refit, call))
    }
}

/// Nobody else's: it holds what containers were created with.
fn make_state_dir(folder: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Code::Io.error(format!("state_dir {} cannot be made", folder.display())).caused_by(&error))
}
