//! Finishing an interrupted recreation: the new container gets the name and runs, and the old one is removed.
//!
//! Rules: docs/recreate.md, section 7.

use std::time::Duration;

use serde_json::Value;

use super::RecoveryAction;
use super::run::RecoveryRun;
use super::served::{has_served, is_late};
use super::table::ObservedState;
use crate::container::replacement::lease::Clock;
use crate::container::replacement::names::{self, Mode, TemporaryName};
use crate::container::replacement::{Watch, hook, inspect_again, settle, start_when_port_is_free};
use crate::container::{create_body, state};
use crate::engine::Engine;
use crate::engine::api::containers;
use crate::json::integer;
use crate::{Code, Result};

impl RecoveryRun<'_> {
    /// The new container is the only one: it gets the name and is started, in this order, because log drivers and the engine's DNS take the name at
    /// the start.
    pub(super) async fn finish_with_new(&mut self, observed: &ObservedState) -> Result<RecoveryAction> {
        self.rename_new(observed).await?;
        if let Some(new) = self.pair.new.clone()
            && self.pair.mode.runs()
        {
            self.step("starting", 300);
            start_when_port_is_free(self.pair.engine, &new, || true).await?;
            self.pause(&new).await?;
        }
        Ok(RecoveryAction::Finished)
    }

    /// Gives the new container its name, from a name that only this recovery has set.
    pub(super) async fn rename_new(&mut self, observed: &ObservedState) -> Result<()> {
        let Some(new) = observed.new.first() else { return Ok(()) };
        self.step("renaming", 200);
        self.pair.lease.ensure().await?;
        let from = self.pair.lease.name().map_or_else(|| new.name.to_string(), ToString::to_string);
        let (engine, to) = (self.pair.engine, self.pair.name.clone());
        self.pair.lease.rename(state::id(&new.container), &from, &to).await?;
        let old = containers::inspect(engine, &self.pair.old).await?;
        self.pair.lease.follow(old.iter().map(|old| (state::id(old), state::name(old))))
    }

    pub(super) async fn start(&mut self) -> Result<()> {
        let (engine, old) = (self.pair.engine, self.pair.old.clone());
        let Some(new) = self.pair.new.clone() else { return Ok(()) };
        if let Some(old) = containers::inspect(engine, &old).await? {
            self.pair.lease.follow([(state::id(&old), state::name(&old))])?;
            self.pair.disable_restart_of_old(&old).await?;
        }
        self.pair.lease.ensure().await?;
        self.pair.lease.during(start_when_port_is_free(engine, &new, || true)).await
    }

    /// Waits until the new container has settled: one that was just started may be about to fail, in a recovery too. Whether it had settled
    /// before.
    pub(super) async fn settle(&mut self) -> Result<bool> {
        self.step("waiting", 600);
        let Some(new) = self.pair.new.clone() else { return Err(Code::NotFound.error("the new container is not known")) };
        let asked = self.pair.lease.clock().now();
        let container = inspect_again(self.pair.engine, &new).await?;
        let container = container.ok_or_else(|| Code::NotFound.error("the new container is gone"))?;
        let has_settled = self.has_settled(&container, asked);
        if !has_settled && self.pair.mode.runs() {
            let (engine, call, watch) = (self.pair.engine, self.call, self.watch);
            let (lease, clock) = (self.dead_lease, self.pair.lease.clock());
            if restarts(&container) > 0 && is_late(lease, asked, watch) {
                let old = containers::inspect(engine, &self.pair.old).await?.unwrap_or_default();
                self.pair.lease.during(call.run(settle_again(engine, &container, &old, (lease, clock), watch))).await?;
            } else {
                self.pair.lease.during(call.run(settle(engine, &new, watch))).await?;
            }
        }
        self.run_after_hooks(&new).await?;
        self.pause(&new).await?;
        Ok(has_settled)
    }

    /// Whether it had been up for longer than it must when the engine was asked.
    fn has_settled(&self, container: &Value, asked: i64) -> bool {
        let up = state::started_at(container).map_or(0, |started| asked - started.as_second());
        let is_unhealthy = container.pointer("/State/Health/Status").is_some_and(|health| health == "unhealthy" || health == "starting");
        state::is_running(container)
            && state::status(container) != "restarting"
            && !is_unhealthy
            && up > i64::try_from(self.watch.settle.as_secs()).unwrap_or(i64::MAX)
    }

    /// Whether a container outside of this recovery references the new one by its id. `group` are the names of this recovery.
    pub(super) async fn is_referenced(&self, group: &[&str]) -> Result<bool> {
        let Some(new) = &self.pair.new else { return Ok(false) };
        let (list, _) = containers::list(self.pair.engine).await?;
        let is_other = |name: &str| TemporaryName::parse(name).is_none() && !group.contains(&name);
        for entry in list.iter().filter(|entry| names::own_name(entry).is_some_and(is_other)) {
            let Some(id) = entry.get("Id").and_then(Value::as_str) else { continue };
            if let Some(container) = containers::inspect(self.pair.engine, id).await?
                && create_body::referenced_containers(&container).any(|referenced| referenced == new)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The commands that the dead run may not have come to. They may run a second time where it died before it had noted their end.
    async fn run_after_hooks(&mut self, new: &str) -> Result<()> {
        let (engine, call) = (self.pair.engine, self.call);
        let commands = std::mem::take(&mut self.after_hooks);
        if commands.is_empty() || !containers::inspect(engine, new).await?.as_ref().is_some_and(state::is_running) {
            return Ok(());
        }
        for command in &commands {
            self.step("hook", 850);
            self.pair.lease.during(call.run(hook::run(engine, new, command, self.hooks_timeout))).await?;
        }
        Ok(())
    }

    async fn pause(&mut self, new: &str) -> Result<()> {
        if self.pair.mode != Mode::Paused {
            return Ok(());
        }
        match containers::inspect(self.pair.engine, new).await? {
            Some(container) if state::is_running(&container) && !state::is_paused(&container) => {
                containers::pause(self.pair.engine, new).await
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn remove_old(&mut self) -> Result<()> {
        self.step("removing", 900);
        // The new container stays: nothing is to be recreated from the snapshot any more.
        self.remove_snapshot_file().await;
        match containers::inspect(self.pair.engine, &self.pair.old).await? {
            Some(old) => self.pair.remove_old(&old).await,
            None => Ok(()),
        }
    }
}

fn restarts(container: &Value) -> i64 {
    integer(container, "/RestartCount").unwrap_or_default()
}

/// A container that its policy has restarted may have served before. It has once a run lasts as long as it must; one that ends earlier is a failure.
async fn settle_again(engine: &Engine, first: &Value, old: &Value, (lease, clock): (u32, Clock), watch: Watch) -> Result<()> {
    loop {
        let now = clock.now();
        let container = containers::inspect(engine, state::id(first)).await?;
        let container = container.ok_or_else(|| Code::NotFound.error("the new container is gone"))?;
        if has_served(&container, old, lease, now, watch) {
            return Ok(());
        }
        if restarts(&container) > restarts(first) || !state::is_running(&container) {
            let (name, code) = (state::name(&container), state::exit_code(&container));
            return Err(Code::Engine.error(format!("the new container {name} ends again and again, with exit code {code}")));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
