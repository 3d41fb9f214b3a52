//! The rollback: the old container as it was before, whatever is found on the engine.
//!
//! It observes, computes the steps that are left (`rollback_steps`) and takes them. After an error it observes again. It cannot be cancelled.
//!
//! Rules: docs/recreate.md, section 6.

use std::time::Duration;

use serde_json::{Value, json};

use super::names::{Role, TemporaryName, short};
use super::networks::join_networks;
use super::pair::{ReplacementPair, RestoreAttempt};
use super::removal::{await_removal, remove_new};
use super::retry_limit::RetryLimit;
use super::rollback_steps::{
    Extent, MemberState, ObservedPair, Step, Target, leaves_volumes, needs_providers, next_in_group, rollback_steps,
};
use super::snapshot::RecoverySnapshot;
use super::start::start_when_port_is_free;
use super::step_log::StepLog;
use super::stop::{self, PendingStop};
use super::volumes::VolumesNote;
use crate::container::{create_body, state};
use crate::engine::api::containers;
use crate::engine::{Engine, phrases};
use crate::{Code, Error, Result};

/// The grace of a new container whose own grace has no end: a rollback ends.
const ENDLESS_GRACE: Duration = Duration::from_secs(300);

impl ReplacementPair<'_> {
    /// Rolls back, and again after failures until `engine_wait` has passed, whether the engine refuses a step or does not answer.
    pub(crate) async fn roll_back(&mut self, extent: Extent) -> Result<()> {
        let mut retries = RetryLimit::of_rollback(self.engine_wait);
        loop {
            let error = match self.roll_back_once(extent).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    let message = format!("the old container {} is gone, and there is no snapshot to recreate it from", self.old);
                    return Err(Code::NotFound.error(message));
                }
                Err(error) => error,
            };
            if self.lease.is_lost() || self.volumes.is_refused || !self.lease.during(async { Ok(retries.allows(&error).await) }).await? {
                return Err(error);
            }
        }
    }

    /// False: the old container is gone, and nothing is known to recreate it from.
    async fn roll_back_once(&mut self, extent: Extent) -> Result<bool> {
        let observed = self.observe(extent).await?;
        let snapshot = self.snapshot.as_ref().map(|snapshot| &snapshot.old);
        let new_id = self.snapshot.as_ref().map(|snapshot| snapshot.new_id.as_str());
        let restores_volumes = self.restores_volumes();
        let backed_up_at = self.snapshot.as_ref().and_then(|snapshot| Some(snapshot.volumes.as_ref()?.taken_at));
        let target = Target { name: &self.name, mode: self.mode, snapshot, new_id, restores_volumes, backed_up_at };
        let Some(steps) = rollback_steps(&target, &observed, extent) else { return Ok(false) };
        if steps.contains(&Step::RestoreVolumes) && self.snapshot.is_none() {
            return Err(self.backups_unknown());
        }
        if extent != Extent::NewOnly && leaves_volumes(&target, &observed) {
            let volumes = self.snapshot.as_ref().and_then(|snapshot| snapshot.volumes.as_ref());
            self.volumes.note = volumes.map(|volumes| VolumesNote::Left(volumes.files()));
        }
        let containers = [&observed.new, &observed.old, &observed.standby].into_iter().flatten();
        self.lease.follow(containers.map(|container| (state::id(container), state::name(container))))?;
        for step in steps {
            self.lease.ensure().await?;
            self.take(step, &observed).await?;
        }
        Ok(true)
    }

    /// Inspects what the steps depend on. Once an `--rm` container is gone, the standby is the old container.
    async fn observe(&mut self, extent: Extent) -> Result<ObservedPair> {
        let mut observed = ObservedPair::default();
        if let Some(new) = self.new.clone() {
            observed.new = self.inspect_unless_removed(&new).await?;
        }
        if extent != Extent::NewOnly {
            if let Some(RestoreAttempt { name, complete: false }) = &self.restore_attempt {
                observed.incomplete = containers::inspect(self.engine, &name.to_string()).await?;
            } else {
                self.observe_old(&mut observed).await?;
            }
        }
        if let Some(standby) = &self.standby {
            observed.standby = containers::inspect(self.engine, standby).await?;
        }
        Ok(observed)
    }

    async fn observe_old(&mut self, observed: &mut ObservedPair) -> Result<()> {
        let old = self.old.clone();
        observed.old = self.inspect_unless_removed(&old).await?;
        if observed.old.is_none()
            && let Some(standby) = self.standby.take()
        {
            observed.old = containers::inspect(self.engine, &standby).await?;
            self.old = standby;
        }
        let Some(old) = &observed.old else { return Ok(()) };
        state::id(old).clone_into(&mut self.old);
        if observed.new.as_ref().is_some_and(|new| needs_providers(self.mode, old, new)) {
            for (_, provider) in create_body::providers(old) {
                let provider = containers::inspect(self.engine, provider).await?;
                observed.provider_started = observed.provider_started.max(provider.as_ref().and_then(state::started_at));
            }
        }
        Ok(())
    }

    /// A container that the engine is removing has its name until it is gone: that is waited for.
    async fn inspect_unless_removed(&mut self, id: &str) -> Result<Option<Value>> {
        let found = containers::inspect(self.engine, id).await?;
        if !found.as_ref().is_some_and(state::is_being_removed) {
            return Ok(found);
        }
        self.lease.during(await_removal(self.engine, id)).await?;
        Ok(None)
    }

    async fn take(&mut self, step: Step, observed: &ObservedPair) -> Result<()> {
        let id = |container: &Option<Value>| container.as_ref().map(state::id).unwrap_or_default().to_owned();
        StepLog::default().begin(&self.name, step.name());
        match step {
            Step::RemoveIncomplete => remove_new(self.engine, &id(&observed.incomplete)).await,
            Step::StopNew => self.stop_new(&id(&observed.new)).await,
            Step::RenameNew => {
                let name = self.new_name();
                containers::rename(self.engine, &id(&observed.new), &name.to_string()).await?;
                self.lease.hold(&id(&observed.new), name);
                Ok(())
            }
            Step::RecreateOld => self.recreate_old(observed.new.as_ref()).await,
            Step::NameOldInNew => self.name_old_in_new(&id(&observed.new)).await,
            Step::RenameOld => {
                containers::rename(self.engine, &self.old, &self.name).await?;
                self.lease.release(&self.old);
                Ok(())
            }
            Step::KeepNewStopped => {
                let policy = json!({"Name": "no"});
                containers::update_restart_policy(self.engine, &id(&observed.new), &policy).await
            }
            Step::RestoreVolumes => self.restore_volumes().await,
            Step::RestorePolicy(policy) => containers::update_restart_policy(self.engine, &self.old, &policy).await,
            Step::StopOld => match &observed.old {
                Some(old) => self.stop_old(old).await,
                None => Ok(()),
            },
            Step::StartOld => self.lease.during(start_when_port_is_free(self.engine, &self.old, || true)).await,
            Step::PauseOld => containers::pause(self.engine, &self.old).await,
            Step::RemoveStandby => remove_new(self.engine, &id(&observed.standby)).await,
            Step::RemoveNew => remove_new(self.engine, &id(&observed.new)).await,
        }
    }

    /// Stops the new container with its own grace: it may be a database that is writing.
    async fn stop_new(&mut self, new: &str) -> Result<()> {
        match containers::inspect(self.engine, new).await? {
            Some(container) if state::is_running(&container) => {
                let chosen = (stop::grace(&container, None) == stop::FOR_EVER).then_some(ENDLESS_GRACE);
                self.stop_and_wait(&container, chosen).await
            }
            _ => Ok(()),
        }
    }

    async fn name_old_in_new(&mut self, new: &str) -> Result<()> {
        let Some(name) = self.lease.name().filter(|name| name.role == Role::New && name.other != short(&self.old)) else {
            return Ok(());
        };
        let (name, next) = (name.to_string(), self.new_name());
        self.lease.rename(new, &name, &next.to_string()).await?;
        self.lease.hold(new, next);
        Ok(())
    }

    /// Recreates the old container from the snapshot, under a name from which a recovery can continue.
    async fn recreate_old(&mut self, new: Option<&Value>) -> Result<()> {
        let Some(mut snapshot) = self.snapshot.clone() else { return Err(Code::NotFound.error("there is no snapshot")) };
        let name = match (&self.restore_attempt, new) {
            // A create whose answer was lost may still be in progress: under the same name there is only one.
            (Some(RestoreAttempt { name, complete: false }), _) => name.clone(),
            (_, Some(new)) => self.old_name(state::id(new)),
            (_, None) => self.new_name(),
        };
        self.restore_attempt = Some(RestoreAttempt { name: name.clone(), complete: false });
        let plan = &snapshot.plan;
        let create = create_again(self.engine, &name, &snapshot, self.state_dir.is_some());
        let id = self.lease.during(create).await?;
        self.old.clone_from(&id);
        if new.is_none() {
            self.lease.hold(&id, name.clone());
        }
        join_networks(self.engine, &id, &plan.disconnects, &plan.connects).await?;
        snapshot.made_again = Some(id);
        if let Some(state_dir) = self.state_dir {
            // Without the file a recovery recreates it once more.
            let _ = snapshot.write(state_dir).await;
        }
        self.restore_attempt = Some(RestoreAttempt { name, complete: true });
        Ok(())
    }
}

/// One container of a group that is rolled back.
pub(crate) struct Member<'p, 'a> {
    pub(crate) pair: &'p mut ReplacementPair<'a>,
    /// A stop that is in progress in the engine; it is waited for before the container is restored.
    pub(crate) pending_stop: Option<PendingStop<'a>>,
}

/// What became of the rollback of a group.
pub(crate) struct GroupRollback {
    /// One for each member.
    pub(crate) states: Vec<MemberState>,
    /// The errors in the order in which they came, with the member that each is of.
    pub(crate) errors: Vec<(usize, Error)>,
}

/// Rolls back a container and those that reference it, in the order of [`next_in_group`]. A run that has lost a lease, or whose call has ended
/// while it waited, touches nothing more.
pub(crate) async fn roll_back_group(members: &mut [Member<'_, '_>], old_touched: bool) -> GroupRollback {
    let state = |member: &Member<'_, '_>| if member.pair.lease.is_lost() { MemberState::Failed } else { MemberState::Pending };
    let mut rollback = GroupRollback { states: members.iter().map(state).collect(), errors: Vec::new() };
    while let Some((at, extent)) = next_in_group(&rollback.states, old_touched) {
        let member = &mut members[at];
        match member.roll_back(extent).await {
            Ok(()) if extent == Extent::KeepNew => rollback.states[at] = MemberState::Restored,
            Ok(()) => rollback.states[at] = MemberState::RolledBack,
            Err(error) => {
                rollback.states[at] = MemberState::Failed;
                rollback.errors.push((at, error));
                if old_touched && member.must_end() {
                    break;
                }
            }
        }
    }
    rollback
}

impl Member<'_, '_> {
    async fn roll_back(&mut self, extent: Extent) -> Result<()> {
        if let Some(stop) = &self.pending_stop {
            stop.wait(&mut self.pair.lease, self.pair.engine, self.pair.engine_wait).await?;
        }
        self.pending_stop = None;
        self.pair.roll_back(extent).await
    }

    fn must_end(&self) -> bool {
        self.pair.lease.is_lost() || self.pending_stop.as_ref().is_some_and(PendingStop::is_interrupted)
    }
}

/// Creates the old container again, from its image's id; where that image was removed too, from the reference that it was created from.
async fn create_again(engine: &Engine, name: &TemporaryName, snapshot: &RecoverySnapshot, is_in_file: bool) -> Result<String> {
    let (name, plan) = (name.to_string(), &snapshot.plan);
    let created = containers::create(engine, &name, plan.platform.as_deref(), &plan.body, engine.long_timeout()).await;
    let created = match created {
        Err(error) if phrases::is_image_missing(&error) => {
            let mut body = plan.body.clone();
            body["Image"] = snapshot.old.pointer("/Config/Image").cloned().unwrap_or_default();
            containers::create(engine, &name, plan.platform.as_deref(), &body, engine.long_timeout()).await
        }
        created => created,
    };
    match created {
        Ok((id, _)) => Ok(id),
        // In the file of the state_dir it is kept.
        Err(error) if is_in_file => Err(error),
        Err(error) => {
            let message = format!(
                "{}; the request that creates container {} again is in the error's create_body, and is kept nowhere else",
                error.message(),
                snapshot.container
            );
            let mut error = error.with_message(message);
            error.context_mut().create_body = Some(Box::new(plan.body.clone()));
            Err(error)
        }
    }
}
