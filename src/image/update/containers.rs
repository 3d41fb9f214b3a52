//! The containers of an update: the first alone, then side by side.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::plan::Turn;
use super::report::ContainerUpdate;
use super::{OnFailure, UpdateOptions};
use crate::call::Call;
use crate::container::recreate;
use crate::{Error, Progress, Refit};

/// Thousandths of an update at which its containers begin: the download is the other half.
pub(super) const BEGIN: u32 = 500;

/// What became of the containers.
pub(super) struct Turned {
    pub(super) containers: Vec<ContainerUpdate>,
    pub(super) errors: Vec<Error>,
}

/// Rebuilds each container at its turn. After a failure or the call's end nothing new starts.
pub(super) async fn take_turns(refit: &Refit, call: &Call, turns: &[Turn], options: &UpdateOptions) -> Turned {
    let at_once = options.max_concurrency.unwrap_or(refit.shared.options.max_concurrency).max(1);
    let mut done: Vec<(usize, ContainerUpdate)> = Vec::new();
    let mut errors = Vec::new();
    let mut running = FuturesUnordered::new();
    let (mut next, mut alone) = (0, false);
    loop {
        let goes_on = call.interrupt().is_none() && (errors.is_empty() || options.on_failure == OnFailure::Continue);
        let order_in_hand = running.is_empty() || next == 0 || turns.get(next).is_some_and(|turn| turn.order == turns[next - 1].order);
        // A new image is proved by the first container alone.
        let room = if done.is_empty() || alone || turns.get(next).is_some_and(|turn| turn.alone) { 1 } else { at_once };
        if goes_on && next < turns.len() && running.len() < room && order_in_hand {
            // One that was recreated with the container that it holds has had its turn.
            if !done.iter().any(|(index, _)| *index == next) {
                alone = turns[next].alone;
                running.push(turn(refit, call, turns, next, options));
            }
            next += 1;
            continue;
        }
        let Some((index, update, error)) = running.next().await else { break };
        if let ContainerUpdate::Recreation(recreation) = &update {
            for dependent in &recreation.dependents {
                let index = turns.iter().position(|turn| turn.id == dependent.old_id);
                done.extend(index.map(|index| (index, ContainerUpdate::Recreation(Box::new(dependent.clone())))));
            }
        }
        errors.extend(error);
        done.push((index, update));
    }
    for (index, turn) in turns.iter().enumerate().skip(next) {
        if !done.iter().any(|(had, _)| *had == index) {
            done.push((index, ContainerUpdate::not_attempted(&turn.name)));
        }
    }
    done.sort_by_key(|(index, _)| *index);
    if next < turns.len()
        && let Some(interrupt) = call.interrupt()
    {
        errors.push(interrupt.error());
    }
    Turned { containers: done.into_iter().map(|(_, update)| update).collect(), errors }
}

async fn turn(
    refit: &Refit,
    call: &Call,
    turns: &[Turn],
    index: usize,
    options: &UpdateOptions,
) -> (usize, ContainerUpdate, Option<Error>) {
    let turn = &turns[index];
    let (step, steps) = (index as u32 + 1, turns.len() as u32);
    let share = (1000 - BEGIN) / steps;
    let report = |phase: &'static str, permille: u32| {
        // Those before this one are done, or in hand beside it.
        let whole = (BEGIN + share * index as u32 + share * permille.min(1000) / 1000).min(999);
        call.report(Progress { step, steps, ..Progress::whole("update", turn.name.as_str(), phase, whole) });
    };
    match recreate::recreate(refit, call, &turn.id, &options.recreate, Some(&turn.old_image), &report).await {
        Ok(recreation) => (index, ContainerUpdate::Recreation(Box::new(recreation)), None),
        Err(failure) => match failure.report {
            Some(recreation) => (index, ContainerUpdate::Recreation(Box::new(recreation)), Some(failure.error)),
            None => (index, ContainerUpdate::not_attempted(&turn.name), Some(failure.error)),
        },
    }
}
