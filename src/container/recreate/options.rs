//! What a caller may choose.

use std::path::PathBuf;
use std::time::Duration;

use crate::container::spec::Allowed;
use crate::{Code, Result};

/// The longest grace of a stop.
const LONGEST_STOP: Duration = Duration::from_secs(86_400);

/// How a container is recreated.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecreateOptions {
    /// Grace of the stop, in whole seconds, rounded up, at most 86,400 s. Default: the container's own.
    pub stop_timeout: Option<Duration>,
    /// How long the new container must keep running before the old one is removed, up to 600 s. Default: 3 s.
    pub settle: Duration,
    /// How long a container with a healthcheck may be `starting`; never less than its start period, interval and timeout together.
    /// Zero does not wait. Default: 60 s.
    pub health_timeout: Duration,
    /// Recreate those too that hold the container by its id: its network, pid and ipc namespace, its volumes. Default: refuse.
    pub recreate_dependents: bool,
    /// A paused container loses its frozen memory. Default: refuse.
    pub allow_paused: bool,
    /// An `--rm` container is lost when the engine restarts in the middle. Default: refuse.
    pub allow_auto_remove: bool,
    /// A container made from an image id is made from the same image again. Default: refuse.
    pub allow_pinned: bool,
    /// Podman does not tell everything that a container was created with. Default: refuse.
    pub allow_lossy: bool,
    /// Repair what an interrupted run has left, first. Default: refuse.
    pub recover_first: bool,
    /// Commands that run in the container, before and after. Default: none.
    pub hooks: Hooks,
    /// Folder for a backup of every volume before the change. Not in this version: UNSUPPORTED when set. Default: none.
    pub backup_volumes: Option<PathBuf>,
}

/// Commands, each as its arguments, that run in the container one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hooks {
    /// In the old container before it is stopped, when it runs; a failure ends the recreation with nothing changed.
    pub before: Vec<Vec<String>>,
    /// In the new container once it is settled, when it runs; a failure puts the old one back.
    pub after: Vec<Vec<String>>,
}

impl Default for RecreateOptions {
    fn default() -> Self {
        Self {
            stop_timeout: None,
            settle: Duration::from_secs(3),
            health_timeout: Duration::from_secs(60),
            recreate_dependents: false,
            allow_paused: false,
            allow_auto_remove: false,
            allow_pinned: false,
            allow_lossy: false,
            recover_first: false,
            hooks: Hooks::default(),
            backup_volumes: None,
        }
    }
}

impl RecreateOptions {
    /// Refuses what cannot be meant, and what is not built.
    pub(crate) fn check(&self) -> Result<()> {
        if self.stop_timeout.is_some_and(|grace| grace > LONGEST_STOP) {
            return Err(Code::InvalidArgument.error("stop_timeout_s is more than 86400"));
        }
        if self.settle > Duration::from_secs(600) {
            return Err(Code::InvalidArgument.error("settle_s is more than 600"));
        }
        if self.backup_volumes.is_some() {
            return Err(Code::Unsupported.error("backup_volumes: not in this version"));
        }
        Ok(())
    }

    pub(crate) fn allowed(&self) -> Allowed {
        Allowed {
            pinned: self.allow_pinned,
            lossy: self.allow_lossy,
            paused: self.allow_paused,
            auto_remove: self.allow_auto_remove,
            dependents: self.recreate_dependents,
        }
    }
}
