//! Doing what was decided, under a lease of our own.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::RecoveryAction;
use super::table::{Decision, Standing};
use crate::call::Call;
use crate::container::lease::{Clock, Lease};
use crate::container::names::{self, LEASE, LONGEST_LEASE, Mode, Role, TemporaryName};
use crate::container::recreate::{FOR_EVER, KeptBody, KeptFile, OnPhase, RecreateOptions, Remake, Swap, Watch, exited_by, grace, settle};
use crate::container::{requests, spec, state};
use crate::{Code, Error, Refit, Result};

/// What the engine adds to a grace before it gives up killing.
const AFTER_GRACE: i64 = 15;

/// How long a container that may take for ever to stop is waited for: nobody knows whether it was told to.
const ENDLESS_GRACE: Duration = Duration::from_secs(300);

/// What a dry run says.
pub(super) fn would(decision: Decision) -> RecoveryAction {
    match decision {
        Decision::Leave => RecoveryAction::Foreign,
        Decision::UndoAfterStop | Decision::Undo | Decision::RemoveNew => RecoveryAction::WouldUndo,
        _ => RecoveryAction::WouldFinish,
    }
}

/// The containers of one name, in our hand.
pub(super) struct Repair<'a> {
    call: &'a Call,
    on_phase: OnPhase<'a>,
    swap: Swap<'a>,
    watch: Watch,
    file: Option<KeptFile>,
}

/// Takes the lease over and acts; beside an error, what is still to be done.
pub(super) async fn act(taking: Taking<'_>, standing: &Standing, decision: Decision) -> (RecoveryAction, Option<Error>) {
    let clock = taking.clock;
    let done = async {
        let mut repair = Repair::take(taking, standing).await?;
        let action = repair.perform(standing, decision, clock).await?;
        repair.forget().await;
        Ok(action)
    };
    match done.await {
        Ok(action) => (action, None),
        Err(error) => (would(decision), Some(error)),
    }
}

/// What is needed to take the containers of a name into our hand.
pub(super) struct Taking<'a> {
    pub(super) refit: &'a Refit,
    pub(super) call: &'a Call,
    pub(super) name: &'a str,
    pub(super) clock: Clock,
    pub(super) kept: Option<(KeptBody, KeptFile)>,
    pub(super) on_phase: OnPhase<'a>,
}

/// What became of a stop that may have been under way.
enum Stopped {
    /// There was none.
    Not,
    Exited,
    /// By its `--rm` option.
    Removed,
}

impl<'a> Repair<'a> {
    /// Takes the lease over; BUSY when another run is quicker.
    pub(super) async fn take(taking: Taking<'a>, standing: &Standing) -> Result<Self> {
        let Taking { refit, call, name, clock, kept, on_phase } = taking;
        let engine = &refit.shared.engine;
        let mut lease = Lease::new(engine, name, clock);
        // The new container's name first: whoever wins it has the run. It is held, since that container is the last to be removed.
        let mut old_name = None;
        for named in standing.new.iter().chain(&standing.old) {
            let taken = lease.take(&named.name).await?;
            if taken.role == Role::Old {
                old_name = Some(taken.clone());
            }
            if lease.name().is_none() {
                lease.hold(state::id(&named.container), taken);
            }
        }
        let Some(first) = standing.new.first().or(standing.old.first()) else {
            return Err(Code::NotFound.error(format!("nothing is left of a recreation of container {name}")));
        };
        let old = match (&standing.holder, standing.old.first()) {
            (_, Some(old)) => state::id(&old.container).to_owned(),
            (Some(holder), None) => state::id(holder).to_owned(),
            (None, None) => first.name.other.clone(),
        };
        let new = match (standing.new.first(), &standing.holder) {
            (Some(new), _) => Some(state::id(&new.container).to_owned()),
            (None, holder) => holder.as_ref().map(|holder| state::id(holder).to_owned()),
        };
        let (kept, file) = kept.map_or((None, None), |(kept, file)| (Some(kept), Some(file)));
        let is_half = |kept: &KeptBody| new.as_deref().is_some_and(|new| kept.is_half_made(&old, new));
        let remake = kept.as_ref().filter(|kept| is_half(kept)).and(old_name).map(Remake::half);
        let kept = kept.filter(|kept| remake.is_some() || state::id(&kept.old).starts_with(&old));
        let swap = Swap {
            engine,
            name: name.to_owned(),
            mode: first.name.mode,
            old,
            new,
            spare: None,
            lease,
            engine_wait: refit.shared.options.engine_wait,
            kept,
            state_dir: refit.shared.options.state_dir.as_deref(),
            remake,
        };
        let defaults = RecreateOptions::default();
        let watch = Watch { settle: defaults.settle, health_timeout: defaults.health_timeout };
        Ok(Self { call, on_phase, swap, watch, file })
    }

    /// The work is done: what was kept for it is not needed any more.
    pub(super) async fn forget(&self) {
        if let Some(file) = &self.file {
            file.remove().await;
        }
    }

    async fn perform(&mut self, standing: &Standing, decision: Decision, clock: Clock) -> Result<RecoveryAction> {
        match decision {
            Decision::Leave | Decision::WaitForRemoval => Ok(RecoveryAction::Foreign),
            Decision::UndoAfterStop => match self.await_stop(standing, clock).await? {
                Stopped::Removed => self.forward(standing).await,
                Stopped::Not | Stopped::Exited => self.undo().await,
            },
            Decision::Undo => self.undo().await,
            Decision::RemoveNew => match self.await_stop(standing, clock).await? {
                Stopped::Removed => self.forward_and_remove_old(standing).await,
                Stopped::Not | Stopped::Exited => self.remove_new(standing).await,
            },
            Decision::Forward => self.forward(standing).await,
            Decision::ForwardAndRemoveOld => self.forward_and_remove_old(standing).await,
            Decision::StartNew => self.start_or_undo().await,
            Decision::SettleNew => self.settle_or_undo().await,
            Decision::RemoveOld => self.remove_stopped_old().await,
        }
    }

    /// Waits for a stop that may be under way, so that an undo finds the container as it will be.
    pub(super) async fn await_any_stop(&mut self, standing: &Standing, clock: Clock) -> Result<()> {
        self.await_stop(standing, clock).await.map(|_| ())
    }

    /// A stop that the dead run had asked for goes on in the engine; until it has ended, a start would be answered with "is running".
    async fn await_stop(&mut self, standing: &Standing, clock: Clock) -> Result<Stopped> {
        let (Some(new), Some(holder)) = (standing.new.first(), &standing.holder) else { return Ok(Stopped::Not) };
        if !self.swap.mode.runs() || !state::is_running(holder) {
            return Ok(Stopped::Exited);
        }
        (self.on_phase)("waiting", 100);
        let end = Instant::now() + self.stop_may_last(new.name.lease, holder, clock);
        let (engine, call, engine_wait) = (self.swap.engine, self.call, self.swap.engine_wait);
        let waiting = async {
            match exited_by(engine, holder, end, engine_wait).await {
                Some(true) if state::is_auto_remove(holder) => {
                    requests::await_removal(engine, state::id(holder)).await.map(|()| Stopped::Removed)
                }
                Some(true) => Ok(Stopped::Exited),
                Some(false) => Ok(Stopped::Not),
                // An `--rm` container that ends later would be lost with its successor.
                None => {
                    Err(Code::Unreachable.error("the engine does not answer while a stop may be under way: recover again once it does"))
                }
            }
        };
        self.swap.lease.during(call.run(waiting)).await
    }

    /// How much longer a stop may go on that the dead run had asked for. Its lease tells of a grace beyond the container's own.
    fn stop_may_last(&self, lease: u32, holder: &Value, clock: Clock) -> Duration {
        let (lease, now) = (i64::from(lease), clock.now());
        let renewed = if lease - now > LONGEST_LEASE { now } else { lease - LEASE };
        // Whatever started it since has ended the stop.
        if state::started_at(holder).is_some_and(|started| started.as_second() > renewed) {
            return Duration::ZERO;
        }
        let chosen = self.swap.kept.as_ref().and_then(|kept| kept.stop_timeout);
        let grace = match grace(holder, chosen) {
            FOR_EVER => ENDLESS_GRACE,
            grace => grace,
        };
        let left = renewed.saturating_add_unsigned(grace.as_secs()).saturating_add(AFTER_GRACE) - now;
        Duration::from_secs(u64::try_from(left).unwrap_or(0))
    }

    pub(super) async fn undo(&mut self) -> Result<RecoveryAction> {
        (self.on_phase)("rolling_back", 500);
        self.swap.undo().await?;
        Ok(RecoveryAction::Undone)
    }

    /// As an undo, but for the removal of the new container.
    pub(super) async fn restore(&mut self) -> Result<()> {
        (self.on_phase)("rolling_back", 400);
        self.swap.restore().await
    }

    async fn remove_new(&mut self, standing: &Standing) -> Result<RecoveryAction> {
        (self.on_phase)("removing", 500);
        for named in standing.old.iter().chain(&standing.new) {
            self.swap.lease.ensure().await?;
            requests::remove_new(self.swap.engine, state::id(&named.container)).await?;
        }
        Ok(RecoveryAction::Undone)
    }

    /// The new container gets the name, from a name that only we have.
    async fn take_name(&mut self, standing: &Standing) -> Result<()> {
        let Some(new) = standing.new.first() else { return Ok(()) };
        (self.on_phase)("renaming", 200);
        self.swap.lease.ensure().await?;
        let name = self.swap.lease.name().map_or_else(|| new.name.to_string(), ToString::to_string);
        requests::rename(self.swap.engine, &name, &self.swap.name).await?;
        let engine = self.swap.engine;
        let old = requests::inspect(engine, &self.swap.old).await?;
        self.swap.lease.follow(old.iter().map(|old| (state::id(old), state::name(old))))
    }

    async fn forward(&mut self, standing: &Standing) -> Result<RecoveryAction> {
        if let Some(new) = self.swap.new.clone()
            && self.swap.mode.runs()
        {
            // Before it has the name: nothing else tells the next recovery that it is to be started.
            (self.on_phase)("starting", 200);
            let start = requests::start_when_port_is_free(self.swap.engine, &new, || true);
            self.swap.lease.during(start).await?;
            self.pause(&new).await?;
        }
        self.take_name(standing).await?;
        Ok(RecoveryAction::Finished)
    }

    async fn forward_and_remove_old(&mut self, standing: &Standing) -> Result<RecoveryAction> {
        self.take_name(standing).await?;
        self.start_or_undo().await
    }

    async fn start_or_undo(&mut self) -> Result<RecoveryAction> {
        (self.on_phase)("starting", 300);
        match self.start().await {
            Ok(()) => self.settle_or_undo().await,
            Err(error) if self.swap.lease.is_lost() => Err(error),
            Err(error) => self.undo_after(error).await,
        }
    }

    pub(super) async fn start(&mut self) -> Result<()> {
        let (engine, old) = (self.swap.engine, self.swap.old.clone());
        let Some(new) = self.swap.new.clone() else { return Ok(()) };
        if let Some(old) = requests::inspect(engine, &old).await?
            && matches!(state::restart_policy(&old), "always" | "on-failure")
        {
            self.swap.lease.ensure().await?;
            requests::update_restart_policy(engine, state::id(&old), &json!({"Name": "no"})).await?;
        }
        self.swap.lease.ensure().await?;
        self.swap.lease.during(requests::start_when_port_is_free(engine, &new, || true)).await
    }

    async fn settle_or_undo(&mut self) -> Result<RecoveryAction> {
        match self.settle().await {
            Ok(stood) => {
                self.remove_old().await?;
                Ok(if stood { RecoveryAction::RemovedOld } else { RecoveryAction::Finished })
            }
            Err(error) if self.is_final() => Err(error),
            // Its dependents hold it already: they were recreated with it, which was once all of them had settled.
            Err(_) if self.is_held(&[]).await? => self.remove_old().await.map(|()| RecoveryAction::Finished),
            Err(error) => self.undo_after(error).await,
        }
    }

    /// Waits until it has settled: a container that was just started may be about to fail, in a recovery too. Whether it had before.
    pub(super) async fn settle(&mut self) -> Result<bool> {
        (self.on_phase)("waiting", 600);
        let Some(new) = self.swap.new.clone() else { return Err(Code::NotFound.error("the new container is not known")) };
        let asked = self.swap.lease.clock().now();
        let container = requests::inspect(self.swap.engine, &new).await?;
        let container = container.ok_or_else(|| Code::NotFound.error("the new container is gone"))?;
        let stands = self.stands(&container, asked);
        if !stands && self.swap.mode.runs() {
            let (engine, call) = (self.swap.engine, self.call);
            self.swap.lease.during(call.run(settle(engine, &new, self.watch))).await?;
        }
        self.pause(&new).await?;
        Ok(stands)
    }

    /// Whether an error ends the recovery, whatever stands.
    pub(super) fn is_final(&self) -> bool {
        self.swap.lease.is_lost() || self.call.interrupt().is_some()
    }

    /// Whether a container that no recovery is for holds the new one by its id.
    pub(super) async fn is_held(&self, but_by: &[&str]) -> Result<bool> {
        let Some(new) = &self.swap.new else { return Ok(false) };
        let (list, _) = requests::list(self.swap.engine).await?;
        let is_other = |name: &str| TemporaryName::parse(name).is_none() && !but_by.contains(&name);
        for entry in list.iter().filter(|entry| names::own_name(entry).is_some_and(is_other)) {
            let Some(id) = entry.get("Id").and_then(Value::as_str) else { continue };
            if let Some(container) = requests::inspect(self.swap.engine, id).await?
                && spec::held(&container).any(|held| held == new)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether it had been up for longer than it must when the engine was asked.
    fn stands(&self, container: &Value, asked: i64) -> bool {
        let up = state::started_at(container).map_or(0, |started| asked - started.as_second());
        let is_unhealthy = container.pointer("/State/Health/Status").is_some_and(|health| health == "unhealthy" || health == "starting");
        state::is_running(container)
            && state::status(container) != "restarting"
            && !is_unhealthy
            && up > i64::try_from(self.watch.settle.as_secs()).unwrap_or(i64::MAX)
    }

    async fn undo_after(&mut self, error: Error) -> Result<RecoveryAction> {
        self.undo().await.map_err(|undo| undo.caused_by(&error))
    }

    async fn pause(&mut self, new: &str) -> Result<()> {
        if self.swap.mode != Mode::Paused {
            return Ok(());
        }
        match requests::inspect(self.swap.engine, new).await? {
            Some(container) if state::is_running(&container) && !state::is_paused(&container) => {
                requests::pause(self.swap.engine, new).await
            }
            _ => Ok(()),
        }
    }

    /// Somebody may have started it since it was looked at, and who starts what did not run means it.
    async fn remove_stopped_old(&mut self) -> Result<RecoveryAction> {
        match requests::inspect(self.swap.engine, &self.swap.old).await? {
            Some(old) if state::is_running(&old) && !self.swap.mode.runs() => self.undo().await,
            _ => self.remove_old().await.map(|()| RecoveryAction::RemovedOld),
        }
    }

    pub(super) async fn remove_old(&mut self) -> Result<()> {
        (self.on_phase)("removing", 900);
        // The new one is there to stay: nothing is to be made again from what was kept.
        self.forget().await;
        match requests::inspect(self.swap.engine, &self.swap.old).await? {
            Some(old) => self.swap.remove_old(&old).await,
            None => Ok(()),
        }
    }
}
