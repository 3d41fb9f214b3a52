//! Where credentials come from, in the order of precedence.
//!
//! Rules: docs/check.md, section 5.3.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::auth_file::{AuthFile, Format};
use super::credential::Credential;
use super::credential_helper;
use crate::RegistryOptions;
use crate::environment::Environment;
use crate::registry::trace::Trace;
use crate::registry::transport::network::{Settings, options_of};
use std::time::Duration;

/// The sources of a handle.
#[derive(Debug, Clone)]
pub(in crate::registry) struct Sources {
    options: Arc<BTreeMap<String, RegistryOptions>>,
    environment: Environment,
    docker_config: Option<PathBuf>,
    helper_limit: Duration,
}

/// The credentials of one call: files are read, and helpers asked, once.
pub(in crate::registry) struct Credentials {
    sources: Sources,
    files: OnceCell<Files>,
    helpers: Mutex<HelperAnswers>,
    rejected: Mutex<HashSet<String>>,
    refused: Mutex<HashMap<(String, String), Refused>>,
}

/// A registry has refused its credential for one repository, and was asked without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::registry) enum Refused {
    /// It answers without.
    OpenWithout,
    /// It refuses that too.
    Closed,
}

/// By helper and server.
type HelperAnswers = HashMap<(String, String), Arc<OnceCell<HelperAnswer>>>;

type HelperAnswer = Result<Option<Credential>, String>;

/// The files in their order, and why others could not be read.
#[derive(Default)]
struct Files {
    read: Vec<AuthFile>,
    unreadable: Vec<String>,
}

impl Sources {
    pub(in crate::registry) fn new(settings: &Settings) -> Self {
        Self {
            options: Arc::new(settings.options.clone()),
            environment: settings.environment.clone(),
            docker_config: settings.docker_config.clone(),
            helper_limit: settings.limits.helper,
        }
    }

    fn read(&self) -> Files {
        let mut files = Files::default();
        if let Some(text) = self.environment.get("DOCKER_AUTH_CONFIG") {
            // docker, too, takes only `auths` from the variable.
            files.add("DOCKER_AUTH_CONFIG", AuthFile::parse(Format::Docker, text).map(AuthFile::plain));
        }
        if let Some(folder) = &self.docker_config {
            files.read_file(Format::Docker, &folder.join("config.json"));
        }
        for path in self.podman_files() {
            files.read_file(Format::Podman, &path);
        }
        files
    }

    fn podman_files(&self) -> Vec<PathBuf> {
        if let Some(path) = self.environment.path("REGISTRY_AUTH_FILE") {
            return vec![path];
        }
        let run = self.environment.path("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json"));
        let run = run.unwrap_or_else(|| format!("/run/containers/{}/auth.json", rustix::process::getuid().as_raw()).into());
        let config = self.environment.path("XDG_CONFIG_HOME").or_else(|| self.environment.path("HOME").map(|home| home.join(".config")));
        std::iter::once(run).chain(config.map(|folder| folder.join("containers/auth.json"))).collect()
    }
}

impl Files {
    fn add(&mut self, name: &str, parsed: Result<AuthFile, serde_json::Error>) {
        match parsed {
            Ok(file) => self.read.push(file),
            // serde's own message may quote what it read.
            Err(error) => self.unreadable.push(format!("{name} is not JSON (line {}); it was ignored", error.line())),
        }
    }

    fn read_file(&mut self, format: Format, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => self.add(&path.display().to_string(), AuthFile::parse(format, &text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => self.unreadable.push(format!("{} cannot be read: {error}; it was ignored", path.display())),
        }
    }
}

impl Credentials {
    pub(in crate::registry) fn new(sources: Sources) -> Self {
        Self { sources, files: OnceCell::new(), helpers: Mutex::default(), rejected: Mutex::default(), refused: Mutex::default() }
    }

    /// The credential for a repository, unless the registry has refused it in this call.
    pub(in crate::registry) async fn find(&self, registry: &str, repository: &str, trace: &Trace) -> Option<Credential> {
        if self.is_rejected(registry) || self.refused(registry, repository) == Some(Refused::OpenWithout) {
            note_rejected(registry, trace);
            return None;
        }
        if let Some(options) = options_of(&self.sources.options, registry) {
            let found = Credential::of(options.username.as_deref(), options.password.as_deref(), options.token.as_deref());
            if found.is_some() {
                return found;
            }
        }
        let sources = self.sources.clone();
        let files =
            self.files.get_or_init(|| async { tokio::task::spawn_blocking(move || sources.read()).await.unwrap_or_default() }).await;
        for why in &files.unreadable {
            trace.note("credentials_unreadable", why);
        }
        for file in &files.read {
            let entry = file.entry(registry, repository);
            for (helper, server) in entry.helpers {
                match self.ask_helper(&helper, &server).await {
                    Ok(Some(found)) => return Some(found),
                    Ok(None) => {}
                    Err(why) => trace.note("helper_failed", why),
                }
            }
            if entry.credential.is_some() {
                return entry.credential;
            }
        }
        None
    }

    /// Remembers that the registry has refused its credential.
    pub(in crate::registry) fn reject(&self, registry: &str, trace: &Trace) {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).insert(registry.to_owned());
        note_rejected(registry, trace);
    }

    /// Remembers the same about one repository: the credential may be right for others.
    pub(in crate::registry) fn refuse(&self, registry: &str, repository: &str, refused: Refused, trace: &Trace) {
        let key = (registry.to_owned(), repository.to_owned());
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(key, refused);
        note_rejected(registry, trace);
    }

    pub(in crate::registry) fn refused(&self, registry: &str, repository: &str) -> Option<Refused> {
        let key = (registry.to_owned(), repository.to_owned());
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    pub(in crate::registry) fn is_rejected(&self, registry: &str) -> bool {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).contains(registry)
    }

    async fn ask_helper(&self, helper: &str, server: &str) -> HelperAnswer {
        let key = (helper.to_owned(), server.to_owned());
        let cell = self.helpers.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let ask = || credential_helper::get(helper, server, &self.sources.environment, self.sources.helper_limit);
        cell.get_or_init(ask).await.clone()
    }
}

fn note_rejected(registry: &str, trace: &Trace) {
    trace.note("credential_rejected", format!("{registry} refused the credential; it was asked without one"));
    trace.credential(crate::registry::trace::CredentialUse::Rejected);
}
