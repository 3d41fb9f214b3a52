//! Finishes or rolls back recreations that were interrupted, in this process or another, from the engine's state alone.

mod act;
mod finish;
mod from_file;
mod group;
mod leftovers;
mod obstacle;
mod restores;
mod run;
mod served;
mod stop_in_progress;
mod storage;
mod table;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::replacement::run_guard::RunGuard;
use super::replacement::{Phase, PhaseReporter, Watch, await_removal};
use super::state;
use crate::engine::names::{check_container, check_volume};
use crate::error::shown;
use crate::json;
use crate::operation::call::Call;
use crate::{Code, Error, ErrorDocument, Failure, Operation, Outcome, Progress, Refit, Result};
use from_file::FromFile;
use leftovers::{inspect, read};
use run::Takeover;
use table::Decision;

/// How interrupted recreations are recovered.
#[derive(Debug, Clone, Default)]
pub struct RecoverOptions {
    /// Report what would be done, and do nothing. Default: off.
    pub dry_run: bool,
    /// Do not wait for the lease of a run that may be alive to end, at most 30 s after its death. Default: off.
    pub force: bool,
    /// How long the new container must have run before the old one is removed, up to 600 s, where nothing tells what the interrupted run had.
    /// Default: 3 s.
    pub settle: Option<Duration>,
    /// How long a container with a healthcheck may be `starting`, where nothing tells what the interrupted run had; zero does not wait.
    /// Default: as long as its healthcheck needs, at least 60 s.
    pub health_timeout: Option<Duration>,
    /// The grace of a stop that the interrupted run may have requested, up to 86,400 s, where nothing tells what the run had. Default: the
    /// container's own.
    pub stop_timeout: Option<Duration>,
    /// Only the restore of this volume that was interrupted, and what its call has left, and no container. Default: all.
    pub volume: Option<String>,
}

impl RecoverOptions {
    fn check(&self) -> Result<()> {
        for (name, value, longest) in [("settle_s", self.settle, 600), ("stop_timeout_s", self.stop_timeout, 86_400)] {
            if value.is_some_and(|value| value > Duration::from_secs(longest)) {
                return Err(Code::InvalidArgument.error(format!("{name} is more than {longest}")));
            }
        }
        Ok(())
    }

    fn watch(&self) -> Watch {
        let default = Watch::default();
        Watch { settle: self.settle.unwrap_or(default.settle), health_timeout: self.health_timeout, ..default }
    }
}

/// What was found, and what was done about it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "recovery")]
#[non_exhaustive]
pub struct Recovery {
    /// One for each container whose recreation was interrupted.
    pub found: Vec<Recovered>,
}

/// One interrupted recreation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "recovered")]
#[non_exhaustive]
pub struct Recovered {
    /// The container's name; empty when it is about a volume.
    pub container: String,
    /// The volume of a restore that was interrupted.
    #[serde(default)]
    pub volume: Option<String>,
    /// What was found, in words.
    pub situation: String,
    /// What was done; beside an error, what is still to be done.
    pub action: RecoveryAction,
    /// Why it could not be done.
    pub error: Option<ErrorDocument>,
}

/// What a recovery did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecoveryAction {
    /// The new container has the name; the volume is restored.
    Finished,
    /// The old container is as before.
    Undone,
    /// The new container had settled already; the old one was removed.
    RemovedOld,
    /// It was made to read or write a volume by a call that was interrupted, and was removed. The volume is as that call has left it.
    RemovedHelper,
    /// A run may be in progress; nothing was changed.
    Busy,
    /// Another container has the name, or, with an `error`, something was written since a restore was interrupted. Nothing was changed.
    Foreign,
    /// It would be finished.
    WouldFinish,
    /// It would be rolled back.
    WouldUndo,
}

impl Refit {
    /// Finishes or rolls back interrupted recreations: of one container, or of all.
    ///
    /// Whether each is finished or rolled back follows from the observed state. Runs that may be in progress, and names that another container
    /// has taken, are reported and not changed. Each that cannot be recovered has its own error, and the first is the call's.
    pub fn recover(&self, container: Option<&str>, options: RecoverOptions) -> Operation<Recovery> {
        let container = container.map(str::to_owned);
        let span =
            tracing::error_span!("container_recover", container = container.as_deref().map(|name| tracing::field::display(shown(name))));
        self.operation(span, move |refit, call| async move {
            let report = |subject: &str, phase: Phase| {
                call.report(Progress {
                    current: phase.bytes,
                    total: phase.bytes_in_all,
                    ..Progress::whole("recover", subject, phase.name, phase.permille)
                });
            };
            let recovery = recover(&refit, &call, container.as_deref(), &options, &report).await?;
            report(container.as_deref().unwrap_or_default(), Phase::new("done", 1000));
            Ok(recovery)
        })
    }
}

/// Recovers before a recreation. An error where an interrupted run remains: the recreation is not begun.
pub(crate) async fn recover_first(refit: &Refit, call: &Call, container: &str, on_phase: PhaseReporter<'_>) -> Result<()> {
    let report = |_: &str, phase: Phase| on_phase(Phase { permille: 0, ..phase });
    // Without the storage containers of its volumes: what another call does with them keeps no recreation from being begun.
    let (recovery, first) = recover_containers(refit, call, Some(container), &RecoverOptions::default(), &report).await?;
    if let Some(error) = first {
        return Err(error);
    }
    for found in &recovery.found {
        let code = match found.action {
            RecoveryAction::Busy => Code::Busy,
            RecoveryAction::Foreign => Code::Conflict,
            _ => continue,
        };
        return Err(code.error(format!("container {}: {}", found.container, found.situation)).with_container(found.container.clone()));
    }
    Ok(())
}

type Report<'a> = &'a (dyn Fn(&str, Phase) + Send + Sync);

async fn recover(refit: &Refit, call: &Call, container: Option<&str>, options: &RecoverOptions, report: Report<'_>) -> Outcome<Recovery> {
    let (mut recovery, first) = recover_containers(refit, call, container, options, report).await?;
    let (found, error) = storage::recover(refit, call, container, options).await;
    recovery.found.extend(found);
    let first = first.or(error);
    let (found, error) = restores::recover(refit, call, container, options).await;
    recovery.found.extend(found);
    match first.or(error) {
        None => Ok(recovery),
        Some(error) => Err(Failure::with_report(error, recovery)),
    }
}

/// The recreations alone, and the first error among them.
async fn recover_containers(
    refit: &Refit,
    call: &Call,
    container: Option<&str>,
    options: &RecoverOptions,
    report: Report<'_>,
) -> std::result::Result<(Recovery, Option<Error>), Box<Failure<Recovery>>> {
    container.map_or(Ok(()), check_container)?;
    options.volume.as_deref().map_or(Ok(()), check_volume)?;
    if container.is_some() && options.volume.is_some() {
        return Err(Code::InvalidArgument
            .error("a recovery is of a container or of a volume: without the option volume, or without a container")
            .into());
    }
    options.check()?;
    report(container.unwrap_or_default(), Phase::new("checking", 0));
    let groups = if options.volume.is_some() { Vec::new() } else { call.run(leftovers::groups(refit, container)).await? };
    let (count, mut recovery, mut first) = (groups.len() as u32, Recovery::default(), None);
    for (index, names) in groups.into_iter().enumerate() {
        if let Err(error) = call.check() {
            return Err(Failure::with_report(error, recovery));
        }
        let on_phase = |phase: Phase| {
            let permille = (index as u32 * 1000 + phase.permille) / count;
            report(names.first().map_or("", String::as_str), Phase { permille, ..phase });
        };
        let found = match names.as_slice() {
            [name] => recover_container(refit, call, name, options, &on_phase).await.into_iter().collect(),
            names => group::recover_group(refit, call, names, options, &on_phase).await,
        };
        for (found, error) in found {
            let (container, action) = (found.container.as_str(), json::word(&found.action));
            tracing::info!(container, action, situation = found.situation, "container {container}: {action}");
            recovery.found.push(found);
            first = first.or(error);
        }
    }
    Ok((recovery, first))
}

/// The report of a name, with its error as the call's.
fn found(name: &str, situation: &str, action: RecoveryAction, error: Option<Error>) -> (Recovered, Option<Error>) {
    let error = error.map(|error| error.with_container(name));
    let document = error.as_ref().map(Error::document);
    (Recovered { container: name.to_owned(), volume: None, situation: situation.to_owned(), action, error: document }, error)
}

/// Thousandths of a recovery that a rollback begins with.
const ROLLING_BACK: u32 = 500;

const IN_PROGRESS: &str = "this process is recreating or recovering it";
const LIVE: &str = "a recreation is in progress, or was until a moment ago";

/// Recovers one name; `None` when nothing is left of a recreation.
async fn recover_container(
    refit: &Refit,
    call: &Call,
    name: &str,
    options: &RecoverOptions,
    on_phase: PhaseReporter<'_>,
) -> Option<(Recovered, Option<Error>)> {
    let found = |situation: &str, action, error: Option<Error>| Some(found(name, situation, action, error));
    let Some(run_guard) = RunGuard::take(&refit.shared.engine.endpoint().to_string(), name, "recover") else {
        return found(IN_PROGRESS, RecoveryAction::Busy, None);
    };
    let on_phase = |phase: Phase| {
        run_guard.phase(phase.name, phase.permille);
        on_phase(phase);
    };
    loop {
        let (leftover, ids, clock) = match read(refit).await {
            Ok(mut left) => (left.by_name.remove(name)?, left.ids, left.clock),
            Err(error) => return found("the engine did not answer", RecoveryAction::WouldUndo, Some(error)),
        };
        if leftover.is_live(clock) && !options.force {
            return found(LIVE, RecoveryAction::Busy, None);
        }
        let observed = match inspect(refit, &leftover).await {
            Ok(observed) => observed,
            Err(error) => return found("the containers could not be inspected", RecoveryAction::WouldUndo, Some(error)),
        };
        if leftover.temporary.is_empty() {
            let (snapshot, file) = leftover.snapshot?;
            let from_file = FromFile { refit, name, clock, snapshot, file, holder: observed.holder, force: options.force, ids };
            let (situation, action, error) = from_file.act(options.dry_run, &on_phase).await?;
            return found(situation, action, error);
        }
        let circumstances = leftover.circumstances(&observed, options, clock);
        let (mut situation, mut decision) = table::decide(&observed, circumstances);
        if decision.new_has_name() && decision != Decision::KeepNew && observed.references_removed_container(&ids) {
            (situation, decision) = (group::REFERENCED_CONTAINER_REMOVED.to_owned(), Decision::RollBack);
        }
        if decision == Decision::Finish && leftover.has_snapshot_of_old(&observed) {
            (situation, decision) = ("only the new container is left, and the old one's snapshot".to_owned(), Decision::RollBack);
        }
        situation.push_str(&leftover.what_is_unknown(&observed, decision, circumstances));
        if decision == Decision::WaitForRemoval && !options.dry_run {
            let holder = observed.holder.as_ref().map(state::id).unwrap_or_default();
            match call.run(await_removal(&refit.shared.engine, holder)).await {
                Ok(()) => continue,
                Err(error) => return found(&situation, RecoveryAction::WouldFinish, Some(error)),
            }
        }
        if options.dry_run || decision == Decision::DoNothing {
            return found(&situation, act::dry_run_action(decision), None);
        }
        let takeover = Takeover { refit, call, name, clock, options, snapshot: leftover.snapshot, on_phase: &on_phase };
        let (action, error, note) = act::act(takeover, &observed, decision).await;
        if let Some(note) = note {
            situation.push_str("; ");
            situation.push_str(&note.message());
        }
        if error.as_ref().is_some_and(|error| error.code() == Code::Busy) {
            return found(&situation, RecoveryAction::Busy, None);
        }
        return found(&situation, action, error);
    }
}
