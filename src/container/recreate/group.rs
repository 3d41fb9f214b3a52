//! A container and those that reference it by its id, replaced together: all of them, or none.
//!
//! Every new container is created before an old one is stopped. Then they are replaced one after another, each after what it references. No
//! old container is removed before the last new one has settled, so that a failure, or a recovery, can still roll all of them back.
//!
//! Rules: docs/recreate.md, section 8.

use std::collections::VecDeque;
use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::future;
use serde_json::Value;
use tokio::sync::Notify;

use super::rollback::roll_back;
use super::run::Run;
use super::turn::{Turn, Turns};
use super::{Prepared, RecreateOptions, Recreation, RecreationResult};
use crate::client::Refit;
use crate::container::create_body::{Change, Difference};
use crate::container::replacement::PhaseReporter;
use crate::container::{create_body, libpod, state};
use crate::engine::api::containers;
use crate::json;
use crate::operation::call::Call;
use crate::{Code, Error, Failure, Outcome, Result};

/// How often the leases of the waiting runs are checked.
const LEASE_CHECK: Duration = Duration::from_secs(5);

/// A container and its dependents, as one call recreates them.
pub(super) struct Group<'a> {
    refit: &'a Refit,
    call: &'a Call,
    options: &'a RecreateOptions,
    on_phase: PhaseReporter<'a>,
    /// The container first, then its dependents in their order.
    pub(super) runs: Vec<Run<'a>>,
    /// Dependents whose new container is not created yet, because it has to name the new container of the one that they reference.
    pub(super) waiting: VecDeque<Prepared>,
    /// The run in progress: a failure is this run's.
    pub(super) at: usize,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        refit: &'a Refit,
        call: &'a Call,
        mut prepared: Prepared,
        options: &'a RecreateOptions,
        dependents_options: &'a RecreateOptions,
        on_phase: PhaseReporter<'a>,
        turns: Option<&'a Turns>,
    ) -> Self {
        let waiting = std::mem::take(&mut prepared.dependents).into();
        let bystanders = create_body::bystander_warnings(&prepared.inventory.containers, state::id(&prepared.container));
        let mut first = Run::new(refit, call, prepared, options, on_phase, false);
        first.report.warnings.extend(bystanders);
        first.turn = Turn::new(turns.filter(|_| first.pair.mode.runs()));
        let runs = vec![first];
        Self { refit, call, options: dependents_options, on_phase, runs, waiting, at: 0 }
    }

    /// Replaces all, or rolls all back.
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
        Err(roll_back(&mut self.runs, self.at, error).await)
    }

    async fn replace(&mut self) -> Result<()> {
        self.runs[0].create_new().await?;
        // It stays in the queue until its run has begun, so that the report has it if something fails before.
        while let Some(mut prepared) = self.waiting.front().cloned() {
            for run in &self.runs {
                let Some(new) = &run.pair.new else { continue };
                if let Some(new) = containers::inspect(run.engine, new).await? {
                    prepared.follow(&run.prepared.container, &new);
                }
            }
            self.waiting.pop_front();
            self.at = self.runs.len();
            self.runs.push(Run::new(self.refit, self.call, prepared, self.options, self.on_phase, true));
            run_while_renewing_leases(&mut self.runs, self.at, |run| Box::pin(run.create_new())).await?;
        }
        self.at = 0;
        run_while_renewing_leases(&mut self.runs, 0, |run| Box::pin(run.hooks_before())).await?;
        for at in 1..self.runs.len() {
            self.at = at;
            self.runs[at].old_unchanged().await?;
        }
        for at in 0..self.runs.len() {
            self.at = at;
            self.runs[at].backed_up_before = self.runs[..at].iter().flat_map(Run::backed_up).collect();
            run_while_renewing_leases(&mut self.runs, at, |run| Box::pin(run.replace_old())).await?;
        }
        Ok(())
    }

    /// The old container that the others reference is removed last: as long as it is there, a recovery finds the group by it.
    async fn finish(&mut self) -> Result<()> {
        for at in 0..self.runs.len() {
            self.at = at;
            self.runs[at].check_not_started().await?;
        }
        // All have settled: from here on nothing is to be recreated from the snapshots.
        for file in self.runs.iter().filter_map(|run| run.snapshot_file.as_ref()) {
            file.remove().await;
        }
        for at in (1..self.runs.len()).rev() {
            if let Err(error) = run_while_renewing_leases(&mut self.runs, at, |run| Box::pin(run.remove_old())).await {
                self.runs[at].report_old_left(error)?;
            }
        }
        self.at = 0;
        self.runs[0].remove_old().await
    }

    /// A dependent's failure, as that of the whole call.
    fn named(&mut self, error: Error) -> Error {
        if self.at == 0 {
            return error;
        }
        let dependent = &mut self.runs[self.at];
        let name = dependent.pair.name.clone();
        dependent.report.error = Some(error.clone().with_container(&name).document());
        let (code, message) = (error.code(), format!("its dependent {name}: {}", error.message()));
        error.into_cause_of(code, message)
    }

    /// The ids of the containers that it has created, renamed or removed.
    pub(super) fn ids(&self) -> Vec<String> {
        let of = |run: &Run<'_>| {
            let pair = &run.pair;
            [Some(state::id(&run.prepared.container).to_owned()), Some(pair.old.clone()), pair.new.clone(), pair.standby.clone()]
        };
        self.runs.iter().flat_map(of).flatten().collect()
    }

    /// Whether it failed only because a tag was moved between the inspection of the image and the create.
    pub(super) fn may_retry(&self) -> bool {
        self.runs[0].report.result == RecreationResult::Failed && self.runs.iter().any(|run| run.may_retry)
    }

    /// The report, with the state of the containers at the end.
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
        && let Some(file) = &run.snapshot_file
    {
        file.remove().await;
    }
    let mut container = containers::inspect(run.engine, &run.pair.name).await.ok().flatten();
    if let Some(container) = &mut container {
        // Without Podman's answer a change may be missing from the report.
        let _ = libpod::complete(run.engine, container).await;
    }
    run.report.state = container.as_ref().map(|container| state::status(container).into());
    let prepared = &run.prepared;
    if let (RecreationResult::Recreated, Some(new), Some(image)) = (run.report.result, &container, prepared.new_image.as_deref()) {
        run.report.changes = create_body::changes(&prepared.container, new, &prepared.old_image, image, &prepared.facts);
        for accepted in run.accepted.drain(..) {
            let because = "accept_changes allows it".to_owned();
            match run.report.changes.iter_mut().find(|change| change.field == accepted.field) {
                Some(change) => change.because = because,
                None => {
                    let Difference { field, expected: before, found: after } = accepted;
                    run.report.changes.push(Change { field, before, after, because });
                }
            }
        }
        // Whoever restarts the new one once it has settled does not make the downtime longer.
        run.report.downtime_ms = run.stopped.as_ref().zip(run.started.as_ref()).and_then(|(stopped, started)| downtime(stopped, started));
    }
    log_result(&run.report);
}

fn log_result(report: &Recreation) {
    let (container, result) = (report.container.as_str(), json::word(&report.result));
    for warning in &report.warnings {
        tracing::warn!(container, code = warning.code, "container {container}: {}", warning.message);
    }
    let (old_id, new_id) = (report.old_id.as_str(), report.new_id.as_deref());
    tracing::info!(container, result, old_id, new_id, downtime_ms = report.downtime_ms, "container {container}: {result}");
}

/// By the engine's clock: the two times are those of its events `die` and `start`.
fn downtime(stopped: &Value, new: &Value) -> Option<u64> {
    let (finished, started) = (state::finished_at(stopped)?, state::started_at(new)?);
    u64::try_from(started.duration_since(finished).as_millis()).ok()
}

type Work<'r> = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send + 'r>>;

/// Works on one run and renews the leases of the others meanwhile.
async fn run_while_renewing_leases<'a>(
    runs: &mut [Run<'a>],
    at: usize,
    work: impl for<'r> FnOnce(&'r mut Run<'a>) -> Work<'r>,
) -> Result<()> {
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
    // A renewal that has begun is waited for: its result must be known.
    let renewing = async {
        while tokio::time::timeout(LEASE_CHECK, done.notified()).await.is_err() {
            for other in &mut others {
                // A lost lease is found before the next change under it.
                let _ = other.pair.lease.ensure().await;
            }
        }
    };
    future::join(working, renewing).await.0
}
