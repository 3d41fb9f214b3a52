//! After a failure: the rollback, and the error that the caller gets.
//!
//! Rules: docs/recreate.md, section 6.

use super::RecreationResult;
use super::run::{ROLLING_BACK, Run, Stage};
use crate::container::replacement::log_tail::log_tail;
use crate::container::replacement::{GroupRollback, Member, MemberState, ReplacementPair, names, roll_back_group};
use crate::container::state;
use crate::engine::api::containers;
use crate::{Code, Error};

/// How many of the new container's last log lines an error's message has.
const LINES_IN_MESSAGE: usize = 3;

/// Rolls back all runs of a group after the error of one of them, at `failed`.
pub(super) async fn roll_back(runs: &mut [Run<'_>], failed: usize, error: Error) -> Error {
    if runs[0].stage == Stage::OldUntouched { remove_new_containers(runs, error).await } else { restore(runs, failed, error).await }
}

async fn roll_back_pairs(runs: &mut [Run<'_>], old_touched: bool) -> GroupRollback {
    let mut members: Vec<Member<'_, '_>> = runs.iter_mut().map(|run| Member { pair: &mut run.pair, pending_stop: None }).collect();
    roll_back_group(&mut members, old_touched).await
}

fn set_result(runs: &mut [Run<'_>], result: RecreationResult) {
    for run in runs {
        run.report.result = result;
    }
}

/// No container was stopped: what was created beside the old ones is removed.
async fn remove_new_containers(runs: &mut [Run<'_>], mut error: Error) -> Error {
    let name = runs[0].pair.name.clone();
    set_result(runs, RecreationResult::Failed);
    let rollback = roll_back_pairs(runs, false).await;
    // Another attempt would meet what is left.
    for run in &mut *runs {
        run.may_retry &= rollback.errors.is_empty();
    }
    if runs[0].turn.never_came() && rollback.errors.is_empty() {
        set_result(runs, RecreationResult::NotAttempted);
    }
    for (at, left) in rollback.errors {
        let message = format!(
            "{}; container {name} was not changed, but the new container beside {} could not be removed, which container_recover will do: {}",
            error.message(),
            runs[at].pair.name,
            left.message()
        );
        let code = error.code();
        error = error.into_cause_of(code, message);
    }
    error
}

/// A container may have been stopped: all are restored.
async fn restore(runs: &mut [Run<'_>], failed: usize, error: Error) -> Error {
    set_result(runs, RecreationResult::RollbackFailed);
    if runs.iter().any(|run| run.pair.lease.is_lost()) {
        return error;
    }
    runs[0].step("rolling_back", ROLLING_BACK);
    // The others do not wait for what has failed.
    runs[0].turn.end();
    let log_tail = log_tail_of_new(&runs[failed]).await;
    runs[failed].report.logs_tail.clone_from(&log_tail);
    let GroupRollback { states, errors } = roll_back_pairs(runs, true).await;
    for (run, state) in runs.iter_mut().zip(states) {
        if state == MemberState::RolledBack {
            record_rollback(run).await;
        }
        if let Some(note) = run.pair.volumes.note.take() {
            run.warn(note.code(), note.message());
        }
    }
    if let Some((at, rollback)) = errors.into_iter().next() {
        let pair = &runs[at].pair;
        return if pair.lease.is_lost() { rollback.caused_by(&error) } else { rollback_failed(pair, &error, &rollback) };
    }
    let any_stopped = runs.iter().any(|run| run.report.result == RecreationResult::RolledBack);
    if any_stopped { rolled_back(error, &runs[0].pair.name, log_tail.as_deref()) } else { error }
}

/// A container that ran and was never stopped has only not been replaced.
async fn record_rollback(run: &mut Run<'_>) {
    let started = |container: &serde_json::Value| (state::id(container).to_owned(), state::started_at(container));
    let now = containers::inspect(run.engine, &run.pair.old).await.ok().flatten();
    let same = now.as_ref().is_some_and(|now| started(now) == started(&run.prepared.container));
    run.report.result = if run.pair.mode.runs() && !same { RecreationResult::RolledBack } else { RecreationResult::Failed };
    if run.pair.old != run.report.old_id {
        let image = now.as_ref().and_then(|now| now.get("Image")?.as_str()).unwrap_or_default();
        let from = if image.is_empty() || image == run.old_image_id() {
            format!("the image id {} that it had", run.old_image_id())
        } else {
            format!(
                "its reference {}, because the image that it had was removed too, so it has the image {image}",
                run.prepared.reference()
            )
        };
        let message = format!("it was recreated, as {}, from {from}", run.pair.old);
        run.warn("made_again", message);
    }
}

async fn log_tail_of_new(run: &Run<'_>) -> Option<String> {
    let new = run.pair.new.as_ref().filter(|_| run.stage == Stage::NewStarted)?;
    let container = containers::inspect(run.engine, new).await.ok()??;
    log_tail(run.engine, &container).await
}

/// A call that was ended, and a concurrent change, keep their code; every other error is a failed update.
fn rolled_back(error: Error, name: &str, log_tail: Option<&str>) -> Error {
    if matches!(error.code(), Code::Cancelled | Code::Stopped | Code::Timeout | Code::Conflict) {
        let (code, message) = (error.code(), format!("{}; container {name} was rolled back", error.message()));
        return error.into_cause_of(code, message);
    }
    let log_tail = log_tail.map(|log_tail| {
        let mut last: Vec<&str> = log_tail.lines().rev().take(LINES_IN_MESSAGE).collect();
        last.reverse();
        format!("; last log lines of the new container: {}", last.join(" | "))
    });
    let message =
        format!("container {name} could not be recreated and was rolled back: {}{}", error.message(), log_tail.unwrap_or_default());
    error.into_cause_of(Code::RolledBack, message)
}

fn rollback_failed(pair: &ReplacementPair<'_>, error: &Error, rollback: &Error) -> Error {
    let new = pair.new.as_deref().map_or_else(String::new, |new| format!(" and the new one {}", names::short(new)));
    let message = format!(
        "container {} could not be recreated ({}) and its rollback failed ({}): the old container {}{new} have this name or names that begin \
         with {0}.refit-, and container_recover for {0} will finish it",
        pair.name,
        error.message(),
        rollback.message(),
        names::short(&pair.old),
    );
    rollback.clone().into_cause_of(Code::RollbackFailed, message).caused_by(error).with_container(pair.name.clone())
}
