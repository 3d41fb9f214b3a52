//! An update of a service is watched until the engine has ended it, or has gone back.
//!
//! Rules: docs/services.md, section 4.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::failure::Failure;
use super::spec::Service;
use super::stage::{self, Stage};
use super::target::Target;
use super::tasks::{self, Counts};
use super::{find, update::OP};
use crate::engine::api::services::{self, Change};
use crate::engine::api::{nodes, tasks as api};
use crate::json::text;
use crate::operation::call::Call;
use crate::{Code, Error, Progress, Refit, Result};

/// How often the engine is asked. It tells of no change by itself.
const INTERVAL: Duration = Duration::from_millis(400);

/// How long the list of the nodes is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the update begins in the progress of the call, and where the rollback does.
const BEGUN: u32 = 50;

/// How the watch ended.
#[derive(Debug)]
pub(super) enum End {
    Updated,
    RolledBack,
    /// The engine has not gone back; why.
    RollbackFailed(String),
    /// Somebody else has updated the service.
    Changed,
    /// The service is gone.
    Gone(Error),
    /// `wait_s` has passed.
    TimedOut,
    /// The call was ended.
    Interrupted(Error),
    /// The engine has not answered for as long as it is waited for.
    Lost(Error),
}

/// The update that is watched, and what was last seen of it.
pub(super) struct Watch<'a> {
    pub(super) refit: &'a Refit,
    pub(super) call: &'a Call,
    pub(super) name: &'a str,
    pub(super) id: &'a str,
    /// The image before.
    pub(super) from: &'a str,
    pub(super) target: Target,
    pub(super) counts: Option<Counts>,
    pub(super) update_state: Option<String>,
    /// The engine's words about the update.
    pub(super) message: String,
    pub(super) failure: Option<Failure>,
    /// Why it waits, where a task does not start.
    pub(super) waiting: Option<String>,
    pub(super) is_rolling_back: bool,
    /// The nodes that are down, by the names of their machines.
    pub(super) down: Vec<String>,
}

impl Watch<'_> {
    /// Watches until the end, at most for so long.
    pub(super) async fn run(&mut self, limit: Duration) -> End {
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        let call = self.call.clone();
        tokio::select! {
            biased;
            end = self.follow() => end,
            interrupt = call.interrupted() => End::Interrupted(interrupt.error()),
            () = &mut deadline => End::TimedOut,
        }
    }

    /// It may be dropped at any point: the engine goes on.
    async fn follow(&mut self) -> End {
        let mut silent_since: Option<Instant> = None;
        loop {
            match self.look().await {
                Ok(Some(end)) => return end,
                Ok(None) => silent_since = None,
                Err(error) if error.code() == Code::NotFound => return End::Gone(error),
                // A manager that is restarted, or a swarm that elects a new leader.
                Err(error) => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.refit.shared.options.engine_wait {
                        return End::Lost(error);
                    }
                }
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// One look, and what has to be done for what is seen.
    async fn look(&mut self) -> Result<Option<End>> {
        let service = find::service(self.refit, self.id).await?;
        let tasks = api::of_service(&self.refit.shared.engine, self.id).await?;
        let (stage, counts) = stage::of(&service, &tasks, &self.target);
        self.counts = Some(counts);
        self.update_state = service.update_state();
        // Why the engine has stopped; of a rollback that has ended it says only that.
        let tells_why = matches!(stage, Stage::Paused | Stage::RollbackFailed) || self.message.is_empty();
        if tells_why && matches!(stage, Stage::Paused | Stage::RollingBack | Stage::RolledBack | Stage::RollbackFailed) {
            service.update_message().clone_into(&mut self.message);
        }
        self.waiting = tasks::waiting(&tasks, &self.target);
        self.is_rolling_back = stage == Stage::RollingBack;
        self.report(&stage, counts);
        if matches!(stage, Stage::RollingBack | Stage::RolledBack | Stage::RollbackFailed) {
            self.see_failure(&tasks).await;
        }
        match stage {
            Stage::Updating => {
                self.note_failed(&tasks);
                Ok(None)
            }
            Stage::RollingBack => Ok(None),
            Stage::Converged => Ok(Some(End::Updated)),
            Stage::RolledBack => Ok(Some(End::RolledBack)),
            Stage::RollbackFailed => Ok(Some(End::RollbackFailed(self.message.clone()))),
            Stage::Changed => Ok(Some(End::Changed)),
            Stage::Paused => self.roll_back(&service, &tasks).await,
        }
    }

    /// Sees which nodes are down, for an update that has not ended.
    pub(super) async fn see_nodes(&mut self) {
        let listed = tokio::time::timeout(PATIENCE, nodes::list(&self.refit.shared.engine)).await;
        let nodes = listed.ok().and_then(Result::ok).unwrap_or_default();
        let down = nodes.iter().filter(|node| text(node, "/Status/State") == "down");
        self.down = down.map(|node| text(node, "/Description/Hostname").to_owned()).collect();
    }

    /// Asks for the engine's own rollback, where the engine has stopped the update by itself.
    async fn roll_back(&mut self, service: &Service, tasks: &[Value]) -> Result<Option<End>> {
        if service.previous_image() != Some(self.from) || self.target.is_previous_of(service) {
            self.see_failure(tasks).await;
            let before = service.previous_image().unwrap_or("none");
            return Ok(Some(End::RollbackFailed(format!(
                "somebody else has changed the service since, and the spec that the engine would go back to has the image {before}"
            ))));
        }
        let asked =
            services::update(&self.refit.shared.engine, self.id, service.version(), Change::Previous { spec: service.spec() }).await;
        match asked {
            Ok(_) => {
                self.is_rolling_back = true;
                self.see_failure(tasks).await;
                Ok(None)
            }
            // The service is looked at again.
            Err(error) if services::is_changed_meanwhile(&error) => Ok(None),
            Err(error) if matches!(error.code(), Code::Unreachable | Code::NotFound) => Err(error),
            Err(error) => {
                self.see_failure(tasks).await;
                Ok(Some(End::RollbackFailed(error.message().to_owned())))
            }
        }
    }

    /// Reads what a failed task wrote, once.
    async fn see_failure(&mut self, tasks: &[Value]) {
        let is_read = self.failure.as_ref().is_some_and(|failure| failure.log.is_some());
        if !is_read && let Some(task) = tasks::failed(tasks, &self.target) {
            self.failure = Some(Failure::of(self.refit, task).await);
        }
    }

    /// Notes the engine's words about a failed task, for an update that goes on nevertheless.
    fn note_failed(&mut self, tasks: &[Value]) {
        if let Some(task) = tasks::failed(tasks, &self.target) {
            self.failure = Some(Failure::without_log(task));
        }
    }

    fn report(&self, stage: &Stage, counts: Counts) {
        let phase = match stage {
            Stage::RollingBack | Stage::RolledBack | Stage::RollbackFailed | Stage::Paused => "rolling_back",
            Stage::Updating | Stage::Converged | Stage::Changed => "updating",
        };
        let done = counts.running.min(counts.wanted);
        let permille = BEGUN + (done * u64::from(950 - BEGUN) / counts.wanted.max(1)) as u32;
        self.call.report(Progress {
            current: done,
            total: Some(counts.wanted),
            step: (done + 1).min(counts.wanted).max(1) as u32,
            steps: counts.wanted.max(1) as u32,
            ..Progress::whole(OP, self.name, phase, permille)
        });
    }
}
