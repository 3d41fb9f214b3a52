//! The containers of one name under a lease that this recovery has taken over.

use std::time::Duration;

use serde_json::Value;

use super::table::ObservedState;
use super::{ROLLING_BACK, RecoverOptions, stop_in_progress};
use crate::container::replacement::hook::HOOKS_TIMEOUT;
use crate::container::replacement::lease::{Clock, Lease};
use crate::container::replacement::names::Role;
use crate::container::replacement::step_log::StepLog;
use crate::container::replacement::volumes::{RestoreReporter, VolumesRollback};
use crate::container::replacement::{
    PendingStop, Phase, PhaseReporter, RecoverySnapshot, ReplacementPair, RestoreAttempt, SnapshotFile, Watch,
};
use crate::container::state;
use crate::operation::call::Call;
use crate::{Code, Refit, Result};

/// What is needed to take over the containers of a name.
pub(super) struct Takeover<'a> {
    pub(super) refit: &'a Refit,
    pub(super) call: &'a Call,
    pub(super) name: &'a str,
    pub(super) clock: Clock,
    pub(super) options: &'a RecoverOptions,
    pub(super) snapshot: Option<(RecoverySnapshot, SnapshotFile)>,
    pub(super) on_phase: PhaseReporter<'a>,
}

/// One recovery of one name.
pub(super) struct RecoveryRun<'a> {
    pub(super) call: &'a Call,
    on_phase: PhaseReporter<'a>,
    steps: StepLog,
    pub(super) pair: ReplacementPair<'a>,
    pub(super) watch: Watch,
    /// The commands that the run was to run in the new container once it had settled, where the snapshot tells them.
    pub(super) after_hooks: Vec<Vec<String>>,
    pub(super) hooks_timeout: Duration,
    /// When the lease of the dead run has ended, or ends, in seconds since 1970 by the engine's clock.
    pub(super) dead_lease: u32,
    /// The grace of the stop that the dead run had requested, where it was not the container's own.
    stop_timeout: Option<Duration>,
    file: Option<SnapshotFile>,
}

impl<'a> RecoveryRun<'a> {
    /// Takes the lease over; BUSY when another run is quicker.
    pub(super) async fn take(takeover: Takeover<'a>, observed: &ObservedState) -> Result<Self> {
        let Takeover { refit, call, name, clock, options, snapshot, on_phase } = takeover;
        let engine = &refit.shared.engine;
        let mut lease = Lease::new(engine, name, clock);
        // The new container's name first: the process that renames it has the run. It carries the lease, because that container is removed last.
        let mut old_name = None;
        for named in observed.new.iter().chain(&observed.old) {
            let taken = lease.take(state::id(&named.container), &named.name).await?;
            if taken.role == Role::Old {
                old_name = Some(taken.clone());
            }
            if lease.name().is_none() {
                lease.hold(state::id(&named.container), taken);
            }
        }
        let Some(first) = observed.new.first().or(observed.old.first()) else {
            return Err(Code::NotFound.error(format!("nothing is left of a recreation of container {name}")));
        };
        let id = |container: &Value| state::id(container).to_owned();
        let named_old = observed.old.first().map(|old| id(&old.container));
        let (old, standby) = match (&observed.holder, named_old) {
            // Beside an old container that has its name the other is its standby.
            (Some(holder), standby) if !observed.new.is_empty() => (id(holder), standby),
            (_, Some(old)) => (old, None),
            (Some(holder), None) => (id(holder), None),
            (None, None) => (first.name.other.clone(), None),
        };
        let new = observed.new.first().map(|new| &new.container).or(observed.holder.as_ref()).map(id);
        let (snapshot, file) = snapshot.map_or((None, None), |(snapshot, file)| (Some(snapshot), Some(file)));
        let of_this_run = snapshot.as_ref().filter(|snapshot| new.as_deref() == Some(snapshot.new_id.as_str()));
        let watch = of_this_run.and_then(|snapshot| snapshot.watch).unwrap_or(options.watch());
        let after_hooks = of_this_run.map(|snapshot| snapshot.after_hooks.clone()).unwrap_or_default();
        let hooks_timeout = of_this_run.and_then(|snapshot| snapshot.hooks_timeout).unwrap_or(HOOKS_TIMEOUT);
        let in_name = first.name.marks.stop_timeout.map(|seconds| Duration::from_secs(seconds.into()));
        let stop_timeout = in_name.or(of_this_run.and_then(|snapshot| snapshot.stop_timeout)).or(options.stop_timeout);
        let is_incomplete = |snapshot: &RecoverySnapshot| new.as_deref().is_some_and(|new| snapshot.is_incomplete(&old, new));
        let incomplete = snapshot.as_ref().filter(|snapshot| is_incomplete(snapshot)).and(old_name);
        let restore_attempt = incomplete.map(|name| RestoreAttempt { name, complete: false });
        // A container that was created again in place of the old one starts only once its volumes are restored.
        let is_made_again =
            |snapshot: &RecoverySnapshot| snapshot.volumes.is_some() && [Some(&old), new.as_ref()].contains(&snapshot.made_again.as_ref());
        let snapshot =
            snapshot.filter(|snapshot| restore_attempt.is_some() || state::id(&snapshot.old).starts_with(&old) || is_made_again(snapshot));
        let pair = ReplacementPair {
            refit,
            engine,
            name: name.to_owned(),
            mode: first.name.mode,
            marks: first.name.marks,
            old,
            new,
            standby,
            lease,
            engine_wait: refit.shared.options.engine_wait,
            snapshot,
            state_dir: refit.shared.state_dir.as_ref(),
            restore_attempt,
            volumes: VolumesRollback { force: options.force, ..VolumesRollback::default() },
            restore_reporter: RestoreReporter { on_phase, permille: ROLLING_BACK },
        };
        Ok(Self {
            call,
            on_phase,
            steps: StepLog::default(),
            pair,
            watch,
            after_hooks,
            hooks_timeout,
            dead_lease: first.name.lease,
            stop_timeout,
            file,
        })
    }

    /// The step that begins: for the progress, the state of the container and the log.
    pub(super) fn step(&mut self, phase: &'static str, permille: u32) {
        (self.on_phase)(Phase::new(phase, permille));
        self.steps.begin(&self.pair.name, phase);
    }

    /// The recovery is done: the snapshot is not needed any more.
    pub(super) async fn remove_snapshot_file(&self) {
        if let Some(file) = &self.file {
            file.remove().await;
        }
    }

    /// Whether an error ends the recovery, whatever was found.
    pub(super) fn must_end(&self) -> bool {
        self.pair.lease.is_lost() || self.call.interrupt().is_some()
    }

    /// The stop that the dead run may have requested, where the old container still runs.
    pub(super) async fn pending_stop(&mut self, observed: &ObservedState) -> Option<PendingStop<'a>> {
        let (new, holder) = (observed.new.first()?, observed.holder.as_ref()?);
        if !self.pair.mode.runs() || !state::is_running(holder) {
            return None;
        }
        self.step("waiting", 100);
        let clock = self.pair.lease.clock();
        let end = stop_in_progress::latest_end(self.pair.engine, new, holder, self.stop_timeout, clock).await;
        let left = end.map_or(Duration::ZERO, |end| Duration::from_secs(u64::try_from(end - clock.now()).unwrap_or(0)));
        Some(PendingStop::new(self.call, holder, left))
    }

    /// Waits for such a stop; whether the engine has then removed the container by its `--rm` option.
    pub(super) async fn await_pending_stop(&mut self, observed: &ObservedState) -> Result<bool> {
        match self.pending_stop(observed).await {
            Some(stop) => stop.wait(&mut self.pair.lease, self.pair.engine, self.pair.engine_wait).await,
            None => Ok(false),
        }
    }
}
