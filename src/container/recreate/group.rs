//! A container and those that hold it by its id, replaced as one: all of them, or none.
//!
//! Every successor is made before anything is stopped. Then one after another takes its place, each one after what it holds; nothing of the
//! old ones is removed before the last has settled, so that a failure, or a recovery, can still put all of them back.

use std::collections::VecDeque;
use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::future;
use serde_json::Value;
use tokio::sync::Notify;

use super::put_back::{discard, put_back};
use super::steps::{OnPhase, Run, Stage};
use super::{Prepared, RecreateOptions, Recreation, RecreationResult};
use crate::call::Call;
use crate::container::{libpod, requests, spec, state};
use crate::refit::Refit;
use crate::{Code, Error, Failure, Outcome, Result};

/// How often the leases of those that wait are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// A container and its dependents in the hand of one call.
pub(super) struct Group<'a> {
    refit: &'a Refit,
    call: &'a Call,
    options: &'a RecreateOptions,
    on_phase: OnPhase<'a>,
    /// The container first, then its dependents in their order.
    pub(super) runs: Vec<Run<'a>>,
    /// Dependents whose successor is not made yet, since it has to name that of the one that they hold.
    pub(super) waiting: VecDeque<Prepared>,
    /// The run in hand, which a failure is of.
    pub(super) at: usize,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        refit: &'a Refit,
        call: &'a Call,
        mut prepared: Prepared,
        options: &'a RecreateOptions,
        dependents_options: &'a RecreateOptions,
        on_phase: OnPhase<'a>,
    ) -> Self {
        let waiting = std::mem::take(&mut prepared.dependents).into();
        let runs = vec![Run::new(refit, call, prepared, options, on_phase, false)];
        Self { refit, call, options: dependents_options, on_phase, runs, waiting, at: 0 }
    }

    /// Replaces, and puts back what has failed.
    pub(super) async fn perform(&mut self) -> Result<()> {
        let replaced = match self.replace().await {
            Ok(()) => self.finish().await,
            Err(error) => Err(error),
        };
        let Err(error) = replaced else {
            self.runs.iter_mut().for_each(|run| run.report.result = RecreationResult::Recreated);
            return Ok(());
        };
        let error = self.named(error);
        if self.runs[0].stage == Stage::Beside { discard(self, error).await } else { put_back(self, error).await }
    }

    async fn replace(&mut self) -> Result<()> {
        self.runs[0].make().await?;
        // It waits until its run has begun, so that the report has it whatever fails before.
        while let Some(mut prepared) = self.waiting.front().cloned() {
            for run in &self.runs {
                let Some(new) = &run.swap.new else { continue };
                if let Some(new) = requests::inspect(run.engine, new).await? {
                    prepared.follow(&run.report.old_id, &new);
                }
            }
            self.waiting.pop_front();
            self.at = self.runs.len();
            self.runs.push(Run::new(self.refit, self.call, prepared, self.options, self.on_phase, true));
            keeping(&mut self.runs, self.at, |run| Box::pin(run.make())).await?;
        }
        self.at = 0;
        keeping(&mut self.runs, 0, |run| Box::pin(run.hooks_before())).await?;
        for at in 1..self.runs.len() {
            self.at = at;
            self.runs[at].old_unchanged().await?;
        }
        for at in 0..self.runs.len() {
            self.at = at;
            keeping(&mut self.runs, at, |run| Box::pin(run.exchange())).await?;
        }
        Ok(())
    }

    /// The one that the others hold goes last: as long as it is there, a recovery knows of the group.
    async fn finish(&mut self) -> Result<()> {
        for at in 0..self.runs.len() {
            self.at = at;
            self.runs[at].may_finish().await?;
        }
        // All have settled: from here on nothing is to be made again from what was kept.
        for file in self.runs.iter().filter_map(|run| run.kept_file.as_ref()) {
            file.remove().await;
        }
        for at in (1..self.runs.len()).rev() {
            if let Err(error) = keeping(&mut self.runs, at, |run| Box::pin(run.finish())).await {
                self.runs[at].left(error)?;
            }
        }
        self.at = 0;
        self.runs[0].finish().await
    }

    /// A dependent's failure, as one of the whole.
    fn named(&mut self, error: Error) -> Error {
        if self.at == 0 {
            return error;
        }
        let dependent = &mut self.runs[self.at];
        let name = dependent.swap.name.clone();
        dependent.report.error = Some(error.clone().with_container(&name).document());
        let (code, message) = (error.code(), format!("its dependent {name}: {}", error.message()));
        error.into_cause_of(code, message)
    }

    /// Whether it failed only since a tag was moved between the look at the image and the create.
    pub(super) fn may_try_again(&self) -> bool {
        self.runs[0].report.result == RecreationResult::Failed && self.runs.iter().any(|run| run.may_try_again)
    }

    /// The report, with what the engine says at the end.
    pub(super) async fn conclude(mut self, result: Result<()>, begun: Instant) -> Outcome<Recreation> {
        let elapsed_ms = begun.elapsed().as_millis() as u64;
        for run in &mut self.runs {
            conclude(run).await;
            run.report.elapsed_ms = elapsed_ms;
        }
        let mut runs = self.runs.into_iter();
        let Some(first) = runs.next() else { return Err(Code::Panic.error("a recreation has no container").into()) };
        let mut report = first.report;
        report.dependents = runs.map(|run| run.report).chain(self.waiting.iter().map(Recreation::not_attempted)).collect();
        match result {
            Ok(()) => Ok(report),
            Err(error) => {
                let error = error.with_container(report.container.clone()).with_image(report.image.clone());
                report.error = Some(error.document());
                Err(Failure::with_report(error, report))
            }
        }
    }
}

async fn conclude(run: &mut Run<'_>) {
    if run.report.result != RecreationResult::RollbackFailed
        && let Some(file) = &run.kept_file
    {
        file.remove().await;
    }
    let mut standing = requests::inspect(run.engine, &run.swap.name).await.ok().flatten();
    if let Some(standing) = &mut standing {
        // What Podman does not tell now costs a change in the report.
        let _ = libpod::complete(run.engine, standing).await;
    }
    run.report.state = standing.as_ref().map(|standing| state::status(standing).to_owned());
    let prepared = &run.prepared;
    if let (RecreationResult::Recreated, Some(new), Some(image)) = (run.report.result, &standing, &prepared.new_image) {
        run.report.changes = spec::changes(&prepared.container, new, &prepared.old_image, image, &prepared.facts);
        run.report.downtime_ms = run.stopped.as_ref().and_then(|stopped| downtime(stopped, new));
    }
}

/// By the engine's clock.
fn downtime(stopped: &Value, new: &Value) -> Option<u64> {
    let (finished, started) = (state::finished_at(stopped)?, state::started_at(new)?);
    u64::try_from(started.duration_since(finished).as_millis()).ok()
}

type Work<'r> = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send + 'r>>;

/// Works on one, and keeps the leases of the others alive meanwhile.
async fn keeping<'a>(runs: &mut [Run<'a>], at: usize, work: impl for<'r> FnOnce(&'r mut Run<'a>) -> Work<'r>) -> Result<()> {
    let (before, rest) = runs.split_at_mut(at);
    let Some((one, after)) = rest.split_first_mut() else { return Ok(()) };
    let mut others: Vec<&mut Run<'a>> = before.iter_mut().chain(after).collect();
    if others.is_empty() {
        return work(one).await;
    }
    let done = Notify::new();
    let working = async {
        let result = work(one).await;
        done.notify_one();
        result
    };
    // A renewal that has begun is waited for: what it did must be known.
    let renewing = async {
        while tokio::time::timeout(LOOK, done.notified()).await.is_err() {
            for other in &mut others {
                // A lease that is lost is found to be so before the next change under it.
                let _ = other.swap.lease.ensure().await;
            }
        }
    };
    future::join(working, renewing).await.0
}
