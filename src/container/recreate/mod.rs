//! Replacing a container by a new one, made from the image that its reference names now.

mod body_kept;
mod create;
mod hook;
mod last_words;
mod options;
mod prepare;
mod report;
mod settle;
mod steps;
mod stop;
mod undo;

use std::time::Instant;

use serde_json::Value;

pub(crate) use body_kept::{KeptBody, KeptFile, engine_id, kept};
pub use options::{Hooks, RecreateOptions};
pub(crate) use prepare::{Given, Prepared, find, preflight};
pub use report::{DependentRecreation, Recreation, RecreationResult};
pub(crate) use settle::{Watch, settle};
pub(crate) use steps::OnPhase;
pub(crate) use stop::{exited_by, grace};
pub(crate) use undo::{Swap, await_removal};

use super::in_hand::InHand;
use super::recover::recover_first;
use super::spec;
use super::{requests, state};
use crate::call::Call;
use crate::{Code, Error, Failure, Operation, Outcome, Progress, Refit};
use steps::{Run, Stage};

/// How often the tag may move between the look at the image and the create.
const ATTEMPTS: u32 = 3;

impl Refit {
    /// Replaces a container, named or by id, by a new one from the image that its reference names now, which must be local.
    ///
    /// Configuration, networks and volumes are kept; a container that ran runs again, one that did not is not started. A failure after the
    /// stop is `ROLLED_BACK`: the same container runs again as before. A run that was killed is CONFLICT for the next one, and repaired by
    /// [`Refit::recover`]. Cancelled before the stop it changes nothing; from the stop on it is undone; once the new container is settled
    /// it is finished.
    pub fn recreate_container(&self, container: impl Into<String>, options: RecreateOptions) -> Operation<Recreation> {
        let container = container.into();
        self.operation(move |refit, call| async move {
            let report = |phase: &'static str, permille: u32| call.report(Progress::whole("recreate", container.as_str(), phase, permille));
            let recreation = recreate(&refit, &call, &container, &options, &Given::default(), &report).await?;
            report("done", 1000);
            Ok(recreation)
        })
    }
}

/// The recreation of one container, as a part of a call that reports in its own way.
pub(crate) async fn recreate(
    refit: &Refit,
    call: &Call,
    container: &str,
    options: &RecreateOptions,
    given: &Given,
    on_phase: OnPhase<'_>,
) -> Outcome<Recreation> {
    let begun = Instant::now();
    let engine = &refit.shared.engine;
    on_phase("checking", 0);
    options.check()?;
    if options.recover_first {
        recover_first(refit, call, container, on_phase).await?;
    }
    let found = call.run(find(engine, container)).await?;
    let name = state::name(&found).to_owned();
    let refuse = |error: Error, found: &Value| Failure::with_report(error.clone(), refused(found, &error, begun));
    let Some(in_hand) = InHand::take(&engine.endpoint().to_string(), &name, "recreate") else {
        let error = Code::Busy.error(format!("container {name} is being recreated or recovered by this process")).with_container(name);
        return Err(refuse(error, &found));
    };
    let on_phase = |phase: &'static str, permille: u32| {
        in_hand.phase(phase, permille);
        on_phase(phase, permille);
    };
    let mut attempt = 1;
    loop {
        // What was found may have been replaced until it was in hand.
        let found = call.run(find(engine, state::id(&found))).await?;
        let prepared = match call.run(preflight(engine, &found, options, given)).await {
            Ok(prepared) => prepared,
            Err(error) => return Err(refuse(error, &found)),
        };
        if prepared.new_image.is_none() {
            return Err(refuse(image_missing(&prepared), &found));
        }
        let mut run = Run::new(refit, call, &prepared, options, &on_phase, Recreation::begun(&prepared));
        let result = perform(&mut run).await;
        if result.is_err() && run.tag_moved && run.report.result == RecreationResult::Failed && attempt < ATTEMPTS {
            attempt += 1;
            continue;
        }
        return conclude(run, result, begun).await;
    }
}

/// Replaces, and puts back what has failed.
async fn perform(run: &mut Run<'_>) -> crate::Result<()> {
    let replaced = match run.replace().await {
        Ok(()) => run.finish().await,
        Err(error) => Err(error),
    };
    let Err(error) = replaced else {
        run.report.result = RecreationResult::Recreated;
        return Ok(());
    };
    put_back(run, error).await
}

/// The containers as before, and the error that the caller gets.
async fn put_back(run: &mut Run<'_>, error: Error) -> crate::Result<()> {
    let name = run.swap.name.clone();
    if run.swap.lease.is_lost() {
        run.report.result = if run.stage == Stage::Beside { RecreationResult::Failed } else { RecreationResult::RollbackFailed };
        return Err(error);
    }
    if run.stage == Stage::Beside {
        run.report.result = RecreationResult::Failed;
        let Err(left) = run.swap.discard().await else { return Err(error) };
        let message = format!(
            "{}; container {name} is as it was, but the new container beside it could not be removed, which container_recover will do: {}",
            error.message(),
            left.message()
        );
        let code = error.code();
        return Err(error.into_cause_of(code, message));
    }
    (run.on_phase)("rolling_back", 950);
    let words = last_words_of_new(run).await;
    run.report.logs_tail.clone_from(&words);
    match run.swap.undo().await {
        Ok(()) if !run.swap.mode.runs() => {
            run.report.result = RecreationResult::Failed;
            Err(error)
        }
        Ok(()) => {
            run.report.result = RecreationResult::RolledBack;
            if run.swap.old != run.report.old_id {
                let message = format!("it was made again, as {}, from the image id {} that it had", run.swap.old, run.old_image_id());
                run.warn("made_again", message);
            }
            Err(rolled_back(error, &name, words.as_deref()))
        }
        Err(undo) => {
            run.report.result = RecreationResult::RollbackFailed;
            if run.swap.lease.is_lost() {
                return Err(undo.caused_by(&error));
            }
            Err(rollback_failed(run, &error, &undo))
        }
    }
}

async fn last_words_of_new(run: &Run<'_>) -> Option<String> {
    let new = run.swap.new.as_ref().filter(|_| run.stage == Stage::Started)?;
    let container = requests::inspect(run.engine, new).await.ok()??;
    last_words::last_words(run.engine, &container).await
}

/// Who asked for the end, and whose change got in the way, is told as such; everything else is a failed update.
fn rolled_back(error: Error, name: &str, words: Option<&str>) -> Error {
    if matches!(error.code(), Code::Cancelled | Code::Stopped | Code::Timeout | Code::Conflict) {
        let (code, message) = (error.code(), format!("{}; container {name} was put back as before", error.message()));
        return error.into_cause_of(code, message);
    }
    let words = words.map(|words| {
        let mut last: Vec<&str> = words.lines().rev().take(3).collect();
        last.reverse();
        format!("; its last words: {}", last.join(" | "))
    });
    let message =
        format!("container {name} could not be recreated and was put back as before: {}{}", error.message(), words.unwrap_or_default());
    error.into_cause_of(Code::RolledBack, message)
}

fn rollback_failed(run: &Run<'_>, error: &Error, undo: &Error) -> Error {
    let new = run.swap.new.as_deref().map_or_else(String::new, |new| format!(" and the new one {}", super::names::short(new)));
    let message = format!(
        "container {} could not be recreated ({}) and could not be put back ({}): the old container {}{new} stand under it or under names that \
         begin with {0}.refit-, and container_recover for {0} will finish it",
        run.swap.name,
        error.message(),
        undo.message(),
        super::names::short(&run.swap.old),
    );
    undo.clone().into_cause_of(Code::RollbackFailed, message).caused_by(error).with_container(run.swap.name.clone())
}

/// The report, with what the engine says at the end.
async fn conclude(mut run: Run<'_>, result: crate::Result<()>, begun: Instant) -> Outcome<Recreation> {
    if run.report.result != RecreationResult::RollbackFailed
        && let Some(file) = &run.kept_file
    {
        file.remove().await;
    }
    let name = &run.swap.name;
    let standing = requests::inspect(run.engine, name).await.ok().flatten();
    run.report.state = standing.as_ref().map(|standing| state::status(standing).to_owned());
    let prepared = run.prepared;
    if let (Ok(()), Some(new), Some(image)) = (&result, &standing, &prepared.new_image) {
        run.report.changes = spec::changes(&prepared.container, new, &prepared.old_image, image, &prepared.facts);
        run.report.downtime_ms = run.stopped.as_ref().and_then(|stopped| downtime(stopped, new));
    }
    run.report.elapsed_ms = begun.elapsed().as_millis() as u64;
    match result {
        Ok(()) => Ok(run.report),
        Err(error) => {
            let error = error.with_container(name.clone()).with_image(prepared.reference());
            run.report.error = Some(error.document());
            Err(Failure::with_report(error, run.report))
        }
    }
}

/// By the engine's clock.
fn downtime(stopped: &Value, new: &Value) -> Option<u64> {
    let (finished, started) = (state::finished_at(stopped)?, state::started_at(new)?);
    u64::try_from(started.duration_since(finished).as_millis()).ok()
}

fn image_missing(prepared: &Prepared) -> Error {
    let (name, reference) = (prepared.name(), prepared.reference());
    Code::ImageMissing
        .error(format!("cannot recreate container {name}: its image {reference} is not local; pull it by hand, a recreation never does"))
        .with_container(name)
        .with_image(reference)
        .with_missing(vec![reference.to_owned()])
}

fn refused(container: &Value, error: &Error, begun: Instant) -> Recreation {
    let mut report = Recreation::of(container);
    report.error = Some(error.document());
    report.state = Some(state::status(container).to_owned());
    report.elapsed_ms = begun.elapsed().as_millis() as u64;
    report
}

impl Recreation {
    /// Nothing was begun.
    fn of(container: &Value) -> Self {
        Self {
            container: state::name(container).to_owned(),
            result: RecreationResult::Refused,
            old_id: state::id(container).to_owned(),
            new_id: None,
            image: prepare::reference(container).to_owned(),
            old_image_id: container.get("Image").and_then(Value::as_str).map(str::to_owned),
            new_image_id: None,
            state: None,
            downtime_ms: None,
            changes: Vec::new(),
            warnings: Vec::new(),
            dependents: Vec::new(),
            writable_layer_changes: None,
            old_left: false,
            logs_tail: None,
            error: None,
            elapsed_ms: 0,
        }
    }

    fn begun(prepared: &Prepared) -> Self {
        let id = |image: &Value| image.get("Id").and_then(Value::as_str).map(str::to_owned);
        Self { new_image_id: prepared.new_image.as_ref().and_then(id), result: RecreationResult::Failed, ..Self::of(&prepared.container) }
    }
}
