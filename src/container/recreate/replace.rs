//! Steps 4 to 9: the old container is stopped, the names are exchanged, and the new one is started and watched.
//!
//! Rules: docs/recreate.md, section 4.

use std::slice::from_ref;

use serde_json::Value;

use super::run::{Run, Stage};
use crate::container::replacement::names::Mode;
use crate::container::replacement::stop::{self, StopFailure};
use crate::container::replacement::{hook, join_networks, settle, start_when_port_is_free};
use crate::container::{create_body, libpod, state};
use crate::engine::api::containers;
use crate::{Code, Error, Result};

/// Where an inspect has it.
const RESTART_POLICY: &str = "/HostConfig/RestartPolicy";

impl Run<'_> {
    /// Waits for the turn, and runs the hooks in the old container: what they have prepared for the stop (a warning to players, a save) does not wait
    /// for other containers.
    pub(super) async fn hooks_before(&mut self) -> Result<()> {
        let call = self.call;
        self.pair.lease.during(call.run(self.turn.take())).await?;
        if self.pair.mode != Mode::Running {
            return Ok(());
        }
        self.hooks(&self.pair.old.clone(), 250, &self.options.hooks.before).await
    }

    /// Steps 4 to 9. After an error [`Self::stage`] says what has to be rolled back.
    pub(super) async fn replace_old(&mut self) -> Result<()> {
        let Some(new) = self.pair.new.clone() else { return Ok(()) };
        let stopped = self.stop().await?;
        self.back_up().await?;
        if self.is_on_overlay {
            self.join_overlays(&new, &stopped).await?;
        }
        self.exchange_names(&new).await?;
        if self.pair.mode.runs() {
            self.start(&new, &stopped).await?;
        }
        Ok(())
    }

    /// The old container, which must still be in the state in which the run found it.
    pub(super) async fn old_unchanged(&self) -> Result<Value> {
        let old = self.old_in_place().await?;
        if Mode::of(&old) != self.pair.mode || state::is_being_removed(&old) {
            return Err(self.conflict(&format!("became {}", state::status(&old))));
        }
        Ok(old)
    }

    async fn old_in_place(&self) -> Result<Value> {
        let old = containers::inspect(self.engine, &self.pair.old).await?;
        let old = old.ok_or_else(|| Code::NotFound.error(format!("container {} was removed meanwhile", self.pair.name)))?;
        if state::name(&old) != self.pair.name {
            return Err(self.conflict("was renamed"));
        }
        self.check_settings(&old).await?;
        Ok(old)
    }

    /// Whoever has changed a setting of the old container since it was inspected (`docker update`, `docker network connect`) would lose it:
    /// the new one was created without.
    async fn check_settings(&self, old: &Value) -> Result<()> {
        let mut old = old.clone();
        libpod::complete(self.engine, &mut old).await?;
        match create_body::changed_fields(&self.prepared.input_as_inspected(), &old).as_slice() {
            [] => Ok(()),
            fields => Err(self.conflict(&format!("was changed ({})", fields.join(", ")))),
        }
    }

    /// After the stop: what was changed since the last look before it stays, in the rollback too.
    async fn check_stopped(&mut self, stopped: &Value) -> Result<()> {
        if state::id(stopped) != state::id(&self.prepared.container) {
            return Ok(()); // the standby of an `--rm` container, which is gone
        }
        let renamed = state::name(stopped) != self.pair.name;
        let checked = if renamed { Err(self.conflict("was renamed")) } else { self.check_settings(stopped).await };
        if checked.is_err() {
            state::name(stopped).clone_into(&mut self.pair.name);
            let before = self.pair.snapshot.as_mut().and_then(|snapshot| snapshot.old.pointer_mut(RESTART_POLICY));
            if let (Some(before), Some(now)) = (before, stopped.pointer(RESTART_POLICY)) {
                before.clone_from(now);
            }
        }
        checked
    }

    /// Step 4: the old container is stopped; one that did not run is only inspected.
    async fn stop(&mut self) -> Result<Value> {
        self.begin_step("stopping", 300).await?;
        // A container's processes may have ended with the container whose namespace they share.
        let old = if self.is_dependent { self.old_in_place().await? } else { self.old_unchanged().await? };
        self.call.check()?;
        self.pair.lease.ensure().await?;
        self.stage = Stage::Replacing;
        if !self.pair.mode.runs() {
            return Ok(old);
        }
        let (engine, engine_wait) = (self.engine, self.pair.engine_wait);
        let chosen = self.options.stop_timeout;
        let stopping = async { Ok(stop::stop(engine, &old, chosen, engine_wait).await) };
        let stopped = self.turn.during(self.pair.lease.during(stopping)).await?;
        if let Err(StopFailure::StillRunning(error)) = stopped {
            self.stage = Stage::OldUntouched;
            return Err(error);
        }
        if self.pair.standby.is_some() {
            self.pair.use_standby().await?;
        }
        if let Err(StopFailure::Exited(error)) = stopped {
            return Err(error);
        }
        self.begin_step("stopping", 400).await?;
        let stopped = containers::inspect(self.engine, &self.pair.old).await?.ok_or_else(|| self.conflict("was removed"))?;
        if state::is_running(&stopped) {
            return Err(self.conflict("was started"));
        }
        self.check_stopped(&stopped).await?;
        self.stopped = Some(stopped.clone());
        Ok(stopped)
    }

    /// A swarm network shows the configured address only once the container has stopped.
    async fn join_overlays(&mut self, new: &str, stopped: &Value) -> Result<()> {
        for connect in self.prepared.input().overlay_connects(stopped) {
            self.begin_step("renaming", 420).await?;
            join_networks(self.engine, new, from_ref(&connect.network), from_ref(&connect)).await?;
        }
        Ok(())
    }

    /// Steps 5 and 6. The second rename names the container by its temporary name: a run that has taken the lease over has changed that.
    async fn exchange_names(&mut self, new: &str) -> Result<()> {
        self.begin_step("renaming", 450).await?;
        let old_name = self.pair.old_name(new);
        containers::rename(self.engine, &self.pair.old, &old_name.to_string()).await?;
        let new_name = self.pair.lease.name().map_or_else(|| new.to_owned(), ToString::to_string);
        self.call.check()?;
        let name = self.pair.name.clone();
        self.pair.lease.rename(new, &new_name, &name).await?;
        self.pair.lease.hold(&self.pair.old, old_name);
        Ok(())
    }

    /// Steps 7 to 9.
    async fn start(&mut self, new: &str, stopped: &Value) -> Result<()> {
        self.begin_step("starting", 480).await?;
        self.pair.lease.confirm().await?;
        self.pair.disable_restart_of_old(stopped).await?;
        self.begin_step("starting", 500).await?;
        self.stage = Stage::NewStarted;
        let call = self.call;
        let start = start_when_port_is_free(self.engine, new, || call.interrupt().is_none());
        // The engine goes on with a start whose request was given up: a call that has ended waits a little for the answer.
        let start = call.run_to_answer(self.engine.timeout(), start);
        let started = self.turn.during(self.pair.lease.during(start)).await;
        self.turn.end();
        started.map_err(|error| self.of_new(error))?;
        self.step("waiting", 600);
        let watch = self.options.watch(&self.prepared.container);
        let settled = self.pair.lease.during(call.run(settle(self.engine, new, watch))).await?;
        self.started = Some(settled.clone());
        if state::is_running(&settled) {
            self.hooks(new, 850, &self.options.hooks.after).await.map_err(|error| self.of_new(error))?;
            self.note_end_of_hooks().await;
        }
        if self.pair.mode == Mode::Paused && state::is_running(&settled) {
            self.step("pausing", 880);
            self.pair.lease.ensure().await?;
            containers::pause(self.engine, new).await.map_err(|error| self.of_new(error))?;
        }
        Ok(())
    }

    /// A recovery runs the hooks that the snapshot has. Where this cannot be written, it runs them a second time.
    async fn note_end_of_hooks(&mut self) {
        if let (Some(snapshot), Some(state_dir)) = (&mut self.pair.snapshot, self.pair.state_dir)
            && !snapshot.after_hooks.is_empty()
        {
            snapshot.after_hooks.clear();
            let _ = snapshot.write(state_dir).await;
        }
    }

    /// A 409 for the new container says that it has ended, not that something else has changed it.
    fn of_new(&self, error: Error) -> Error {
        if error.code() != Code::Conflict || self.pair.lease.is_lost() {
            return error;
        }
        let message = error.message().to_owned();
        error.into_cause_of(Code::Engine, message)
    }

    async fn hooks(&mut self, container: &str, permille: u32, commands: &[Vec<String>]) -> Result<()> {
        let (engine, call, limit) = (self.engine, self.call, self.options.hooks.timeout);
        for command in commands {
            self.step("hook", permille);
            let run = self.pair.lease.during(call.run(hook::run(engine, container, command, limit)));
            self.turn.during(run).await?;
        }
        Ok(())
    }
}
