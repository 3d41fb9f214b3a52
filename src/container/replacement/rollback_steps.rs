//! What a rollback has to do, computed from what was found on the engine: one function for a container, one for a group of them.
//!
//! Rules: docs/recreate.md, section 6.

use jiff::Timestamp;
use serde_json::Value;

use super::names::{Mode, Role, TemporaryName, short};
use crate::container::{create_body, state};

/// How far a rollback goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The old container was not touched: only what was created beside it is removed.
    NewOnly,
    /// The old container is restored. The new one stays, because a recovery finds the rest of a group by it.
    KeepNew,
    /// The old container is restored and the new one removed.
    All,
}

/// One change on the engine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Removes a container that an earlier rollback began to recreate from the snapshot and did not complete.
    RemoveIncomplete,
    /// Stops the new container if it runs.
    StopNew,
    /// Takes the name from the new container.
    RenameNew,
    /// Recreates the old container from the snapshot, under a temporary name.
    RecreateOld,
    /// Writes the id of the container that takes the old one's place into the temporary name of the new container.
    NameOldInNew,
    /// Gives the old container its name.
    RenameOld,
    /// Takes the restart policy from the new container: after a restart of the engine it would start with volumes that are restored in part.
    KeepNewStopped,
    /// Restores the volumes, which the new container may have changed.
    RestoreVolumes,
    /// Restores the old container's restart policy.
    RestorePolicy(Value),
    /// Stops the old container, which shares namespaces of a container that was started after it.
    StopOld,
    StartOld,
    PauseOld,
    RemoveStandby,
    RemoveNew,
}

impl Step {
    /// In the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::RemoveIncomplete => "rollback: removing what an earlier rollback began to create",
            Self::StopNew => "rollback: stopping the new container",
            Self::RenameNew => "rollback: taking the name from the new container",
            Self::RecreateOld => "rollback: creating the old container again",
            Self::NameOldInNew => "rollback: noting the old container in the new one's name",
            Self::RenameOld => "rollback: giving the old container its name",
            Self::KeepNewStopped => "rollback: taking the restart policy from the new container",
            Self::RestoreVolumes => "rollback: restoring the volumes",
            Self::RestorePolicy(_) => "rollback: restoring the restart policy",
            Self::StopOld => "rollback: stopping the old container",
            Self::StartOld => "rollback: starting the old container",
            Self::PauseOld => "rollback: pausing the old container",
            Self::RemoveStandby => "rollback: removing the standby",
            Self::RemoveNew => "rollback: removing the new container",
        }
    }
}

/// What a rollback restores, and from what.
#[derive(Debug)]
pub(crate) struct Target<'p> {
    /// The old container's name.
    pub(crate) name: &'p str,
    /// What the old container did when the run began.
    pub(crate) mode: Mode,
    /// The old container's inspect in the snapshot.
    pub(crate) snapshot: Option<&'p Value>,
    /// The id of the new container in the snapshot.
    pub(crate) new_id: Option<&'p str>,
    /// The volumes are restored before the old container starts, where the new one may have changed them.
    pub(crate) restores_volumes: bool,
    /// When the volumes were backed up, in seconds since 1970 by the engine's clock.
    pub(crate) backed_up_at: Option<i64>,
}

/// What was found on the engine: inspects, `None` where there is no such container (any more).
#[derive(Debug, Clone, Default)]
pub(crate) struct ObservedPair {
    /// The old container, or the one that has taken its place: the standby, or one recreated from the snapshot.
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
    pub(crate) standby: Option<Value>,
    /// A container that an earlier rollback began to recreate from the snapshot and did not complete.
    pub(crate) incomplete: Option<Value>,
    /// When the last of the containers whose namespaces the old one shares was started, where this run has replaced one of them.
    pub(crate) provider_started: Option<Timestamp>,
}

/// The steps that are left of a rollback, in their order. They may be interrupted anywhere: computed again from what is found then, they continue
/// from there. `None`: the old container is gone and there is no snapshot to recreate it from.
///
/// The old container has its name before it is started, because log drivers and the engine's DNS take the name at the start. Where no new
/// container is left from which a recovery would know that the work is not done, the old one keeps its temporary name until it runs. The new
/// container is removed last, because it carries the restart policy of the old one, and a recovery finds the group by it.
pub(crate) fn rollback_steps(target: &Target<'_>, observed: &ObservedPair, extent: Extent) -> Option<Vec<Step>> {
    let mut steps = if extent == Extent::NewOnly { Vec::new() } else { restore_steps(target, observed)? };
    if extent != Extent::KeepNew {
        steps.extend(observed.standby.is_some().then_some(Step::RemoveStandby));
        steps.extend(observed.new.is_some().then_some(Step::RemoveNew));
    }
    Some(steps)
}

fn restore_steps(target: &Target<'_>, observed: &ObservedPair) -> Option<Vec<Step>> {
    let (old, new) = (observed.old.as_ref(), observed.new.as_ref());
    if old.is_none() && target.snapshot.is_none() {
        return None;
    }
    let mut steps = Vec::new();
    steps.extend(observed.incomplete.is_some().then_some(Step::RemoveIncomplete));
    if let Some(new) = new {
        steps.extend(state::is_running(new).then_some(Step::StopNew));
        if state::name(new) == target.name {
            // A start whose answer was lost may have gone on: the engine did the rename after it.
            steps.extend([Step::RenameNew, Step::StopNew]);
        }
    }
    steps.extend(old.is_none().then_some(Step::RecreateOld));
    let rename_old = old.is_none_or(|old| state::name(old) != target.name).then_some(Step::RenameOld);
    if let Some(new) = new {
        steps.extend(names_another_old(target, new, old).then_some(Step::NameOldInNew));
    }
    if restores_volumes(target, observed) {
        steps.extend(new.filter(|new| !matches!(state::restart_policy(new), "" | "no")).map(|_| Step::KeepNewStopped));
        steps.push(Step::RestoreVolumes);
    }
    // Before it has its name: an old container that has it has the policy that somebody gave it.
    steps.extend(old.and_then(|old| policy_to_restore(target, target.snapshot.or(new)?, old)).map(Step::RestorePolicy));
    if new.is_some() {
        steps.extend(rename_old.clone());
    }
    if target.mode.runs() {
        let running = old.filter(|old| state::is_running(old));
        // Such a container shares a namespace that no other container is in any more.
        let stale = running.is_some_and(|old| observed.provider_started > state::started_at(old));
        let start = stale || running.is_none();
        steps.extend(stale.then_some(Step::StopOld));
        steps.extend(start.then_some(Step::StartOld));
        let pause = target.mode == Mode::Paused && (start || !old.is_some_and(state::is_paused));
        steps.extend(pause.then_some(Step::PauseOld));
    }
    if new.is_none() {
        steps.extend(rename_old);
    }
    Some(steps)
}

/// Whether the volumes are to be restored: the new container has run, and the old one has not since.
fn restores_volumes(target: &Target<'_>, observed: &ObservedPair) -> bool {
    target.restores_volumes && new_has_run(target, observed) && !old_was_started(target, observed)
}

/// Whether they stay as they are although the new container has run: what the old one has written since it was started by something else is not lost.
pub(crate) fn leaves_volumes(target: &Target<'_>, observed: &ObservedPair) -> bool {
    target.restores_volumes && new_has_run(target, observed) && old_was_started(target, observed)
}

/// One that is gone may have run; one that is not the run's is the old container, created again after both were removed.
fn new_has_run(target: &Target<'_>, observed: &ObservedPair) -> bool {
    let is_other = |new: &Value| target.new_id.is_some_and(|id| id != state::id(new));
    target.mode.runs() && observed.new.as_ref().is_none_or(|new| is_other(new) || state::started_at(new).is_some())
}

/// Since the backup, before which the run has stopped it.
fn old_was_started(target: &Target<'_>, observed: &ObservedPair) -> bool {
    let Some(old) = &observed.old else { return false };
    // The run counts the engine's clock on by itself, which may be a second behind.
    let since = target.backed_up_at.zip(state::started_at(old)).is_some_and(|(backed_up, started)| started.as_second() > backed_up + 1);
    since || state::is_running(old)
}

/// Whether the new container's temporary name has another id than that of the container that is to have the name: a standby, or one
/// that is recreated from the snapshot, is another than when the new container was created.
fn names_another_old(target: &Target<'_>, new: &Value, old: Option<&Value>) -> bool {
    if state::name(new) == target.name {
        // The rename writes the old container's id, unless that is recreated after it.
        return old.is_none();
    }
    let name = TemporaryName::parse(state::name(new)).filter(|name| name.role == Role::New);
    name.is_some_and(|name| old.is_none_or(|old| name.other != short(state::id(old))))
}

/// The restart policy that the old container had, where it is "no" because of the run: the run sets that once the old one has lost its name. Any
/// other policy was set by somebody since.
fn policy_to_restore(target: &Target<'_>, before: &Value, old: &Value) -> Option<Value> {
    let changed_by_run = target.mode.runs() && state::name(old) != target.name && state::restart_policy(old) == "no";
    let was_changed = matches!(state::restart_policy(before), "always" | "on-failure");
    (changed_by_run && was_changed && !state::is_auto_remove(old)).then(|| before.pointer("/HostConfig/RestartPolicy").cloned())?
}

/// Whether a rollback has to inspect the containers whose namespaces the old one shares: it runs, and the new container was created for a
/// replaced one among them. Only such a provider was stopped and started by this run.
pub(crate) fn needs_providers(mode: Mode, old: &Value, new: &Value) -> bool {
    mode.runs() && state::is_running(old) && create_body::providers(new).ne(create_body::providers(old))
}

/// How far the rollback of one container of a group has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberState {
    Pending,
    /// The old container is as before, and the new one is still there.
    Restored,
    RolledBack,
    /// An error ended its rollback.
    Failed,
}

/// What is rolled back next in a group: the container first, then those that reference it, each after what it references.
///
/// The old containers are restored in this order, because the others can only start once the first runs. Then the new ones are removed, the last
/// first: Podman removes no container that another one references, and a recovery finds the group by the first's new container. One that fails
/// does not keep the others from their rollback, but it keeps the first's new container.
pub(crate) fn next_in_group(members: &[MemberState], old_touched: bool) -> Option<(usize, Extent)> {
    use MemberState::{Failed, Pending, Restored};
    let last = |state: MemberState| members.iter().rposition(|member| *member == state);
    if !old_touched {
        return last(Pending).map(|at| (at, Extent::NewOnly));
    }
    let (first, others) = members.split_first()?;
    if *first == Failed {
        return None;
    }
    if others.is_empty() {
        return (*first == Pending).then_some((0, Extent::All));
    }
    if let Some(at) = members.iter().position(|member| *member == Pending) {
        return Some((at, Extent::KeepNew));
    }
    match last(Restored)? {
        0 if others.contains(&Failed) => None,
        at => Some((at, Extent::All)),
    }
}

#[cfg(test)]
#[path = "rollback_steps_tests.rs"]
mod tests;
