//! The old and the new container of one replacement, as one run works on them.

use std::time::Duration;

use serde_json::{Value, json};

use super::lease::Lease;
use super::marks::Marks;
use super::names::{Mode, Role, TemporaryName, short};
use super::removal;
use super::snapshot::RecoverySnapshot;
use super::stop;
use super::volumes::{RestoreReporter, VolumesRollback};
use crate::container::state;
use crate::engine::Engine;
use crate::engine::api::containers;
use crate::state_dir::StateDir;
use crate::{Refit, Result};

/// The old and the new container by their ids, and what a run knows of them.
#[derive(Debug)]
pub(crate) struct ReplacementPair<'a> {
    pub(crate) refit: &'a Refit,
    pub(crate) engine: &'a Engine,
    /// The name that the old container had and the new one gets.
    pub(crate) name: String,
    /// What the old container did when the run began.
    pub(crate) mode: Mode,
    /// What the temporary names tell beside.
    pub(crate) marks: Marks,
    /// The old container; the standby once an `--rm` container is gone.
    pub(crate) old: String,
    pub(crate) new: Option<String>,
    /// A container created from the old image, which takes the place of an `--rm` container once that is gone.
    pub(crate) standby: Option<String>,
    pub(crate) lease: Lease<'a>,
    /// How long a rollback waits for an engine that does not answer.
    pub(crate) engine_wait: Duration,
    /// What the old container can be recreated from.
    pub(crate) snapshot: Option<RecoverySnapshot>,
    /// Where the snapshot is written for another process.
    pub(crate) state_dir: Option<&'a StateDir>,
    /// The container that was created in place of an old one that was removed by another client.
    pub(crate) restore_attempt: Option<RestoreAttempt>,
    /// What became of the volumes in a rollback that was to restore them.
    pub(crate) volumes: VolumesRollback,
    pub(crate) restore_reporter: RestoreReporter<'a>,
}

/// An attempt to recreate the old container from the snapshot.
#[derive(Debug)]
pub(crate) struct RestoreAttempt {
    /// The name under which it was created.
    pub(crate) name: TemporaryName,
    /// Whether it has joined all its networks.
    pub(crate) complete: bool,
}

impl ReplacementPair<'_> {
    /// A name for the new container, with a lease that begins now.
    pub(crate) fn new_name(&mut self) -> TemporaryName {
        let (container, other, mode) = (self.name.clone(), short(&self.old).to_owned(), self.mode);
        TemporaryName { container, role: Role::New, other, mode, marks: self.marks, lease: self.lease.fresh() }
    }

    /// A name for the old container, with a lease that begins now.
    pub(crate) fn old_name(&mut self, new: &str) -> TemporaryName {
        let (container, other, mode) = (self.name.clone(), short(new).to_owned(), self.mode);
        TemporaryName { container, role: Role::Old, other, mode, marks: self.marks, lease: self.lease.fresh() }
    }

    /// Waits until the engine has removed an `--rm` container that has ended; from then on the standby is the old container.
    pub(crate) async fn use_standby(&mut self) -> Result<()> {
        let (engine, old) = (self.engine, self.old.clone());
        self.lease.during(removal::await_removal(engine, &old)).await?;
        if let Some(standby) = self.standby.take() {
            self.old = standby;
        }
        Ok(())
    }

    /// Before the new container starts: exited under such a policy, the old one would come back at the engine's next start and compete for
    /// ports and volumes.
    pub(crate) async fn disable_restart_of_old(&mut self, old: &Value) -> Result<()> {
        if !matches!(state::restart_policy(old), "always" | "on-failure") {
            return Ok(());
        }
        self.lease.ensure().await?;
        containers::update_restart_policy(self.engine, state::id(old), &json!({"Name": "no"})).await
    }

    /// Removes the old container once the new one has replaced it. It is stopped first where a reboot or another client has started it.
    pub(crate) async fn remove_old(&mut self, old: &Value) -> Result<()> {
        self.lease.follow([(state::id(old), state::name(old))])?;
        self.lease.ensure().await?;
        if state::is_running(old) {
            self.stop_old(old).await?;
            self.lease.ensure().await?;
        }
        removal::remove_old(self.engine, state::id(old)).await
    }

    /// Stops the old container with its own grace.
    pub(super) async fn stop_old(&mut self, old: &Value) -> Result<()> {
        self.stop_and_wait(old, None).await
    }

    /// Stops a container with its own grace or another, and renews the lease meanwhile.
    pub(super) async fn stop_and_wait(&mut self, container: &Value, chosen: Option<Duration>) -> Result<()> {
        let (engine, engine_wait) = (self.engine, self.engine_wait);
        let stopped = self.lease.during(async { Ok(stop::stop(engine, container, chosen, engine_wait).await) }).await?;
        stopped.map_err(stop::StopFailure::error)
    }
}
