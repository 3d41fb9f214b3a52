//! After a failure: everything as before, and the error that the caller gets.

use serde_json::Value;

use super::group::Group;
use super::last_words::last_words;
use super::steps::{Run, Stage};
use super::{RecreationResult, Swap};
use crate::container::{names, requests, state};
use crate::{Code, Error, Result};

/// Nothing was stopped: what was made beside is removed, the last first.
pub(super) async fn discard(group: &mut Group<'_>, error: Error) -> Result<()> {
    let name = group.runs[0].swap.name.clone();
    group.runs.iter_mut().for_each(|run| run.report.result = RecreationResult::Failed);
    let (mut error, mut all_removed) = (error, true);
    for run in group.runs.iter_mut().rev().filter(|run| !run.swap.lease.is_lost()) {
        let Err(left) = run.swap.discard().await else { continue };
        all_removed = false;
        let message = format!(
            "{}; container {name} is as it was, but the new container beside {} could not be removed, which container_recover will do: {}",
            error.message(),
            run.swap.name,
            left.message()
        );
        let code = error.code();
        error = error.into_cause_of(code, message);
    }
    // Another attempt would meet what is left.
    group.runs.iter_mut().for_each(|run| run.may_try_again &= all_removed);
    Err(error)
}

/// Something was stopped: the container is put back, and then those that hold it, which can only then start. Its own successor goes last.
pub(super) async fn put_back(group: &mut Group<'_>, error: Error) -> Result<()> {
    group.runs.iter_mut().for_each(|run| run.report.result = RecreationResult::RollbackFailed);
    if group.runs.iter().any(|run| run.swap.lease.is_lost()) {
        return Err(error);
    }
    (group.runs[0].on_phase)("rolling_back", 950);
    let words = last_words_of_new(&group.runs[group.at]).await;
    group.runs[group.at].report.logs_tail.clone_from(&words);
    let undo_failed = |swap: &Swap<'_>, undo: Error| {
        if swap.lease.is_lost() { undo.caused_by(&error) } else { rollback_failed(swap, &error, &undo) }
    };
    if group.runs.len() > 1
        && let Err(undo) = group.runs[0].swap.restore().await
    {
        return Err(undo_failed(&group.runs[0].swap, undo));
    }
    // One that cannot be put back does not keep the others from it; a recovery finds it by the successor of the first.
    let (mut restored, mut failed) = (Vec::new(), None);
    for run in &mut group.runs[1..] {
        match run.swap.restore().await {
            Ok(()) => restored.push(run),
            Err(undo) => failed = failed.or(Some(undo_failed(&run.swap, undo))),
        }
    }
    // The last first: Podman removes no successor that another one holds.
    for run in restored.into_iter().rev() {
        match run.swap.undo().await {
            Ok(()) => was_put_back(run).await,
            Err(undo) => failed = failed.or(Some(undo_failed(&run.swap, undo))),
        }
    }
    if let Some(failed) = failed {
        return Err(failed);
    }
    let first = &mut group.runs[0];
    if let Err(undo) = first.swap.undo().await {
        return Err(undo_failed(&first.swap, undo));
    }
    was_put_back(first).await;
    let any_ended = group.runs.iter().any(|run| run.report.result == RecreationResult::RolledBack);
    Err(if any_ended { rolled_back(error, &group.runs[0].swap.name, words.as_deref()) } else { error })
}

/// A container that ran and was never stopped has only not been replaced.
async fn was_put_back(run: &mut Run<'_>) {
    let started = |container: &Value| (state::id(container).to_owned(), state::started_at(container));
    let now = requests::inspect(run.engine, &run.swap.old).await.ok().flatten();
    let same = now.is_some_and(|now| started(&now) == started(&run.prepared.container));
    run.report.result = if run.swap.mode.runs() && !same { RecreationResult::RolledBack } else { RecreationResult::Failed };
    if run.swap.old != run.report.old_id {
        let message = format!("it was made again, as {}, from the image id {} that it had", run.swap.old, run.old_image_id());
        run.warn("made_again", message);
    }
}

async fn last_words_of_new(run: &Run<'_>) -> Option<String> {
    let new = run.swap.new.as_ref().filter(|_| run.stage == Stage::Started)?;
    let container = requests::inspect(run.engine, new).await.ok()??;
    last_words(run.engine, &container).await
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

fn rollback_failed(swap: &Swap<'_>, error: &Error, undo: &Error) -> Error {
    let new = swap.new.as_deref().map_or_else(String::new, |new| format!(" and the new one {}", names::short(new)));
    let message = format!(
        "container {} could not be recreated ({}) and could not be put back ({}): the old container {}{new} stand under it or under names that \
         begin with {0}.refit-, and container_recover for {0} will finish it",
        swap.name,
        error.message(),
        undo.message(),
        names::short(&swap.old),
    );
    undo.clone().into_cause_of(Code::RollbackFailed, message).caused_by(error).with_container(swap.name.clone())
}
