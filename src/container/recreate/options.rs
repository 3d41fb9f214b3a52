//! The options of a recreation.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::container::create_body::{Allowed, Warning};
use crate::container::replacement::hook::HOOKS_TIMEOUT;
use crate::container::replacement::marks::Marks;
use crate::container::replacement::{OldTroubles, Watch, short_wait_warning};
use crate::container::state;
use crate::{Code, Result};

/// The longest grace of a stop.
const LONGEST_STOP: Duration = Duration::from_secs(86_400);

/// How a container is recreated.
#[derive(Debug, Clone)]
pub struct RecreateOptions {
    /// Grace of the stop, in whole seconds, rounded up, at most 86,400 s. Default: the container's own.
    pub stop_timeout: Option<Duration>,
    /// How long the new container must keep running before the old one is removed, up to 600 s. Zero: it is enough that it was started,
    /// whatever becomes of it. Default: 3 s.
    pub settle: Duration,
    /// How long a container with a healthcheck may be `starting`. Zero does not look at its health. Default: until the engine says
    /// `unhealthy` at the latest, which is after its start period and as many intervals and timeouts as it has retries; at least 60 s.
    pub health_timeout: Option<Duration>,
    /// Also recreate the containers that reference this one by its id: its network, pid and ipc namespace, its volumes, and those that
    /// link to it. Default: refuse.
    pub recreate_dependents: bool,
    /// A paused container loses its frozen memory. Default: refuse.
    pub allow_paused: bool,
    /// An `--rm` container is lost when the engine restarts during the recreation. Default: refuse.
    pub allow_auto_remove: bool,
    /// A container created from an image id is recreated from the same image. Default: refuse.
    pub allow_pinned: bool,
    /// Podman does not report everything that a container was created with. Default: refuse.
    pub allow_lossy: bool,
    /// Fields in which the new container may differ from the old one, by the names that the error of a recreation shows
    /// (`HostConfig.Memory`). Default: none.
    pub accept_changes: Vec<String>,
    /// The handle reaches its engine through the container: its stop cuts the connection, and another one has to recover it. Default: refuse.
    pub allow_own_connection: bool,
    /// Count the files outside of volumes, which are lost; the engine gets 2 s for it, and is not asked when this is off. Default: on.
    pub count_layer_changes: bool,
    /// The container, by name or id, in the place of a provider that is gone: where the container's network, pid or ipc namespace is that of a
    /// container which no longer exists, it is attached to this one, which has to run. Default: the one that the container's own labels of
    /// Compose name, else refuse.
    pub provider: Option<String>,
    /// Call `container_recover` for the container first. Default: refuse.
    pub recover_first: bool,
    /// Commands that run in the container, before and after. Default: none.
    pub hooks: Hooks,
    /// A folder of this machine, for a backup of every volume of the container, in a file `<volume>-<UTC time>.tar.zst` each: made while the
    /// container is stopped, before the new one starts. A backup that fails ends the recreation, and the old container runs again. Default: none.
    pub backup_volumes: Option<PathBuf>,
    /// With `backup_volumes`: when the new container fails, the volumes that the container may write to are restored from these backups before the
    /// old one starts again. Needs `helper_image` and `state_dir` of the handle; another running container that mounts such a volume is
    /// CONFLICT. Default: the volumes stay as the new container has left them.
    pub restore_on_rollback: bool,
}

/// Commands, each as its arguments, that run in the container one after another. Of what they write only the last line is shown, when one
/// fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    /// In the old container before it is stopped, when it runs; a failure ends the recreation with nothing changed.
    pub before: Vec<Vec<String>>,
    /// In the new container once it is settled, when it runs; a failure rolls back.
    pub after: Vec<Vec<String>>,
    /// How long each may take; one that takes longer has failed, and goes on in the container. Default: 600 s.
    pub timeout: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { before: Vec::new(), after: Vec::new(), timeout: HOOKS_TIMEOUT }
    }
}

impl Default for RecreateOptions {
    fn default() -> Self {
        let watch = Watch::default();
        Self {
            stop_timeout: None,
            settle: watch.settle,
            health_timeout: watch.health_timeout,
            recreate_dependents: false,
            allow_paused: false,
            allow_auto_remove: false,
            allow_pinned: false,
            allow_lossy: false,
            accept_changes: Vec::new(),
            allow_own_connection: false,
            count_layer_changes: true,
            provider: None,
            recover_first: false,
            hooks: Hooks::default(),
            backup_volumes: None,
            restore_on_rollback: false,
        }
    }
}

impl RecreateOptions {
    /// Refuses invalid values, and what this version does not have.
    pub(crate) fn check(&self) -> Result<()> {
        if self.stop_timeout.is_some_and(|grace| grace > LONGEST_STOP) {
            return Err(Code::InvalidArgument.error("stop_timeout_s is more than 86400"));
        }
        if self.settle > Duration::from_secs(600) {
            return Err(Code::InvalidArgument.error("settle_s is more than 600"));
        }
        if self.backup_volumes.as_ref().is_some_and(|folder| folder.as_os_str().is_empty()) {
            return Err(Code::InvalidArgument.error("backup_volumes is empty: it is a folder"));
        }
        if self.restore_on_rollback && self.backup_volumes.is_none() {
            return Err(Code::InvalidArgument.error("restore_on_rollback needs backup_volumes, a folder for the backups that it restores"));
        }
        Ok(())
    }

    /// How the new container is watched that takes the place of this one.
    pub(crate) fn watch(&self, old: &Value) -> Watch {
        Watch { settle: self.settle, health_timeout: self.health_timeout, old: OldTroubles::of(old) }
    }

    /// What is to be known before a container that runs is replaced: it had the troubles already for which the new one would be rolled back,
    /// or the caller waits for less than its healthcheck needs. The healthcheck is that of the new container.
    pub(crate) fn watch_warnings(&self, old: &Value, healthcheck: &Value) -> Vec<Warning> {
        let name = state::name(old);
        let mut warnings = self.watch(old).old.warnings(name);
        warnings.extend(short_wait_warning(name, self.health_timeout, healthcheck));
        warnings
    }

    /// What a recovery is to know of these options without a snapshot, of a container that runs.
    pub(crate) fn marks(&self) -> Marks {
        // The engine counts whole seconds.
        let seconds = |grace: Duration| u32::try_from(grace.as_secs() + u64::from(grace.subsec_nanos() > 0)).unwrap_or(u32::MAX);
        Marks { stop_timeout: self.stop_timeout.map(seconds), after_hooks: !self.hooks.after.is_empty(), ..Marks::default() }
    }

    pub(crate) fn allowed(&self) -> Allowed {
        Allowed {
            pinned: self.allow_pinned,
            lossy: self.allow_lossy,
            own_connection: self.allow_own_connection,
            paused: self.allow_paused,
            auto_remove: self.allow_auto_remove,
            dependents: self.recreate_dependents,
        }
    }
}
