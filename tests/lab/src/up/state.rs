//! What runs, kept in a folder that every process of this checkout shares.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use crate::digest::sha256;

/// `$REFIT_LAB`, else `target/lab` of this checkout.
pub(crate) fn folder() -> PathBuf {
    let folder = match std::env::var_os("REFIT_LAB") {
        Some(folder) => PathBuf::from(folder),
        None => target().join("lab"),
    };
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder.canonicalize().unwrap()
}

fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    }
}

/// `refit-lab-` and hex digits of a folder: the name of what cannot live in the folder itself.
pub(crate) fn private_name(folder: &Path) -> String {
    format!("refit-lab-{}", &sha256(folder.as_os_str().as_encoded_bytes())[7..15])
}

/// What was started for this folder.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// `DOCKER_HOST`.
    pub host: String,
    /// `127.0.0.1:PORT`.
    pub registry: String,
    /// The engine's network, when it is not ours.
    pub network: Option<PathBuf>,
    /// Of the engine; None when it was found.
    pub engine: Option<u32>,
    /// Of the registry.
    pub registry_pids: Vec<u32>,
    /// It stays until `lab down`: `lab run` takes down only what a `lab run` brought up.
    pub keep: bool,
}

impl State {
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let state: Value = serde_json::from_slice(&fs::read(folder.join("state.json")).ok()?).ok()?;
        let text = |key: &str| state[key].as_str().map(str::to_owned);
        let number = |value: &Value| value.as_u64().and_then(|pid| u32::try_from(pid).ok());
        Some(Self {
            host: text("host")?,
            registry: text("registry")?,
            network: text("network").map(PathBuf::from),
            engine: number(&state["engine"]),
            registry_pids: state["registry_pids"].as_array()?.iter().filter_map(number).collect(),
            keep: state["keep"].as_bool()?,
        })
    }

    pub(crate) fn write(&self, folder: &Path) {
        let state = json!({ "host": self.host, "registry": self.registry, "network": self.network, "engine": self.engine,
            "registry_pids": self.registry_pids, "keep": self.keep });
        fs::write(folder.join("state.json"), state.to_string()).unwrap();
    }
}

/// A lock of the folder, freed when dropped.
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock is the open file")] File);

impl Lock {
    /// One process at a time brings up or down.
    pub(crate) fn exclusive(folder: &Path) -> Self {
        Self::of(folder, "lock", FlockOperation::LockExclusive).unwrap()
    }

    /// Held by each `lab run` while its command runs.
    pub(crate) fn user(folder: &Path) -> Self {
        Self::of(folder, "users", FlockOperation::LockShared).unwrap()
    }

    /// None while anybody uses the lab.
    pub(crate) fn last_user(folder: &Path) -> Option<Self> {
        Self::of(folder, "users", FlockOperation::NonBlockingLockExclusive)
    }

    fn of(folder: &Path, name: &str, operation: FlockOperation) -> Option<Self> {
        let file = File::options().create(true).append(true).open(folder.join(name)).unwrap();
        flock(&file, operation).ok().map(|()| Self(file))
    }
}
