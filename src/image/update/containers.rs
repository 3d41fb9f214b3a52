//! The containers of an update: the first alone, then several at once. One that only waits until it has settled takes no place.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;

use super::plan::UpdateStep;
use super::report::ContainerUpdate;
use super::{OnFailure, UpdateOptions};
use crate::container::inventory::Inventory;
use crate::container::recreate::{Known, Turns};
use crate::container::replacement::Phase;
use crate::container::{Recreation, RecreationResult, TakenBackup, recreation};
use crate::operation::call::Call;
use crate::{Error, Progress, Refit};

/// Thousandths of an update at which its containers begin: the download is the other half.
pub(super) const BEGIN: u32 = 500;

/// How many are in progress for each place, those included that only wait.
const IN_ALL: usize = 3;

/// What became of the containers.
pub(super) struct Outcomes {
    pub(super) containers: Vec<ContainerUpdate>,
    pub(super) errors: Vec<Error>,
}

impl Outcomes {
    /// The backups of all containers. A dependent is in the report of its container, and may have one of its own.
    pub(super) fn backups(&self) -> Vec<TakenBackup> {
        let mut backups: Vec<TakenBackup> = Vec::new();
        for backup in self.containers.iter().flat_map(ContainerUpdate::backups) {
            if !backups.contains(backup) {
                backups.push(backup.clone());
            }
        }
        backups
    }
}

/// Recreates the containers in their order. After a failure or the call's end nothing new starts.
pub(super) async fn recreate_in_order(
    refit: &Refit,
    call: &Call,
    steps: &[UpdateStep],
    options: &UpdateOptions,
    inventory: &Inventory,
) -> Outcomes {
    let at_once = options.max_concurrency.unwrap_or(refit.shared.options.max_concurrency).max(1);
    let mut done: Vec<(usize, ContainerUpdate)> = Vec::new();
    let mut errors = Vec::new();
    // An engine that does not answer fails the containers.
    let processors = refit.shared.engine.facts().await.ok().and_then(|facts| facts.processors);
    let turns = Turns::new(at_once, processors);
    let progress = InProgress::new(&turns, options.on_failure);
    let mut running = FuturesUnordered::new();
    let (mut next, mut alone) = (0, false);
    loop {
        let may_start = call.interrupt().is_none() && (!progress.has_failed() || options.on_failure == OnFailure::Continue);
        let same_order = running.is_empty() || next == 0 || steps.get(next).is_some_and(|turn| turn.order == steps[next - 1].order);
        // The first container shows alone whether the new image works.
        let has_room = if done.is_empty() || alone || steps.get(next).is_some_and(|turn| turn.alone) {
            running.is_empty()
        } else {
            running.len() < at_once + progress.waiting() && running.len() < IN_ALL * at_once
        };
        if may_start && next < steps.len() && has_room && same_order {
            // One that was recreated together with the container that it refers to is done.
            if !done.iter().any(|(index, _)| *index == next) {
                alone = steps[next].alone;
                let known = Known { old_image: Some(&steps[next].old_image), inventory, turns: Some(&turns) };
                running.push(recreate_one(refit, call, steps, next, options, known, &progress));
            }
            next += 1;
            continue;
        }
        let (index, update, error) = tokio::select! {
            ended = running.next() => match ended {
                Some(ended) => ended,
                None => break,
            },
            () = progress.changed.notified() => continue,
        };
        progress.end(index);
        if let ContainerUpdate::Recreation(recreation) = &update {
            for dependent in &recreation.dependents {
                let index = steps.iter().position(|turn| turn.id == dependent.old_id);
                done.extend(index.map(|index| (index, ContainerUpdate::Recreation(Box::new(dependent.clone())))));
            }
        }
        errors.extend(error);
        done.push((index, update));
    }
    for (index, turn) in steps.iter().enumerate().skip(next) {
        if !done.iter().any(|(had, _)| *had == index) {
            done.push((index, ContainerUpdate::not_attempted(&turn.name)));
        }
    }
    done.sort_by_key(|(index, _)| *index);
    if next < steps.len()
        && let Some(interrupt) = call.interrupt()
    {
        errors.push(interrupt.error());
    }
    Outcomes { containers: done.into_iter().map(|(_, update)| update).collect(), errors }
}

/// What the recreations in progress do, so that the next ones can begin.
#[derive(Debug)]
struct InProgress<'a> {
    state: Mutex<Phases>,
    changed: Notify,
    turns: &'a Turns,
    on_failure: OnFailure,
}

#[derive(Debug, Default)]
struct Phases {
    /// Those whose new container has started and only has to settle or become healthy.
    waiting: BTreeSet<usize>,
    /// One has failed, or is being rolled back.
    failed: bool,
}

impl<'a> InProgress<'a> {
    fn new(turns: &'a Turns, on_failure: OnFailure) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), turns, on_failure }
    }

    fn phase(&self, index: usize, phase: &str) {
        match phase {
            "waiting" => self.lock().waiting.insert(index),
            "rolling_back" => return self.fail(),
            _ => return,
        };
        self.changed.notify_one();
    }

    /// One that still waits for its turn must not get it when this one ends.
    fn fail(&self) {
        self.lock().failed = true;
        if self.on_failure == OnFailure::Stop {
            self.turns.close();
        }
        self.changed.notify_one();
    }

    fn end(&self, index: usize) {
        self.lock().waiting.remove(&index);
    }

    fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn has_failed(&self) -> bool {
        self.lock().failed
    }

    fn lock(&self) -> MutexGuard<'_, Phases> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn recreate_one(
    refit: &Refit,
    call: &Call,
    steps: &[UpdateStep],
    index: usize,
    options: &UpdateOptions,
    known: Known<'_>,
    progress: &InProgress<'_>,
) -> (usize, ContainerUpdate, Option<Error>) {
    let turn = &steps[index];
    let (step, steps) = (index as u32 + 1, steps.len() as u32);
    let share = (1000 - BEGIN) / steps;
    let report = |phase: Phase| {
        progress.phase(index, phase.name);
        // Those before this one are done, or in progress at the same time.
        let whole = (BEGIN + share * index as u32 + share * phase.permille.min(1000) / 1000).min(999);
        call.report(Progress {
            step,
            steps,
            current: phase.bytes,
            total: phase.bytes_in_all,
            ..Progress::whole("update", turn.name.as_str(), phase.name, whole)
        });
    };
    let failure = match recreation::recreate(refit, call, &turn.id, &options.recreate, known, &report).await {
        Ok(recreation) => return (index, ContainerUpdate::Recreation(Box::new(recreation)), None),
        Err(failure) => failure,
    };
    if failure.report.as_ref().is_some_and(|recreation| recreation.result == RecreationResult::NotAttempted) {
        return (index, ContainerUpdate::not_attempted(&turn.name), None);
    }
    progress.fail();
    let error = failure.error.with_container(&turn.name);
    // Without a report it was gone, or the engine did not answer about it.
    let refused = || Recreation::refused_before(&turn.id, &turn.name, &turn.reference, &turn.old_image, &error);
    let recreation = failure.report.unwrap_or_else(refused);
    (index, ContainerUpdate::Recreation(Box::new(recreation)), Some(error))
}
