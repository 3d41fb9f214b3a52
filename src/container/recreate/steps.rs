//! The sequence, step by step. Nothing of the old container is touched before its successor stands whole beside it.

use serde_json::{Value, json};

use super::body_kept::{self, KeptBody, KeptFile};
use super::prepare::Prepared;
use super::settle::{self, Watch};
use super::stop::{self, Unstopped};
use super::undo::{Patience, Swap};
use super::{RecreateOptions, Recreation, hook};
use crate::call::Call;
use crate::container::lease::Lease;
use crate::container::names::Mode;
use crate::container::spec::{self, Warning};
use crate::container::{libpod, requests, state};
use crate::engine::Engine;
use crate::refit::Refit;
use crate::{Code, Error, Result};

/// How far a run has come: what a failure has to put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The old container is as it was.
    Beside,
    /// It may be stopped, renamed, or replaced.
    Swapping,
    /// The new one was started.
    Started,
}

/// What the caller hears of the steps, in thousandths of the whole.
pub(crate) type OnPhase<'a> = &'a (dyn Fn(&'static str, u32) + Send + Sync);

/// One run.
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine,
    pub(super) call: &'a Call,
    pub(super) prepared: Prepared,
    pub(super) options: &'a RecreateOptions,
    pub(super) on_phase: OnPhase<'a>,
    pub(super) swap: Swap<'a>,
    pub(super) stage: Stage,
    pub(super) report: Recreation,
    /// It failed only since the tag was moved between the look at the image and the create.
    pub(super) may_try_again: bool,
    pub(super) kept_file: Option<KeptFile>,
    /// The old container's inspect after its stop.
    pub(super) stopped: Option<Value>,
    /// It holds another one that was replaced just before, and may have ended with that.
    is_dependent: bool,
    /// A swarm's network tells more once the old one has stopped.
    is_on_overlay: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        refit: &'a Refit,
        call: &'a Call,
        prepared: Prepared,
        options: &'a RecreateOptions,
        on_phase: OnPhase<'a>,
        is_dependent: bool,
    ) -> Self {
        let engine = &refit.shared.engine;
        let report = Recreation::begun(&prepared);
        let swap = Swap {
            engine,
            name: prepared.name().to_owned(),
            mode: state::mode(&prepared.container),
            old: state::id(&prepared.container).to_owned(),
            new: None,
            spare: None,
            lease: Lease::new(engine, prepared.name(), prepared.clock),
            engine_wait: refit.shared.options.engine_wait,
            kept: None,
            state_dir: refit.shared.options.state_dir.as_deref(),
            remake: None,
        };
        Self {
            engine,
            call,
            prepared,
            options,
            on_phase,
            swap,
            stage: Stage::Beside,
            report,
            may_try_again: false,
            kept_file: None,
            stopped: None,
            is_dependent,
            is_on_overlay: false,
        }
    }

    /// Steps 1 to 3: the new container stands whole beside the old one, of which nothing was touched.
    pub(super) async fn make(&mut self) -> Result<()> {
        let spec = self.prepared.subject().spec()?;
        self.is_on_overlay = spec.overlay;
        self.report.warnings.extend(spec.warnings.iter().cloned());
        for loss in &spec.lossy {
            self.warn("lossy", loss.clone());
        }
        self.count_layer_changes().await;
        let new = self.create(&spec).await?;
        self.verify(&new).await?;
        self.keep(&new).await?;
        if state::is_auto_remove(&self.prepared.container) && self.swap.mode.runs() {
            self.create_spare(&new).await?;
        }
        Ok(())
    }

    /// What the caller wants done in the old container first.
    pub(super) async fn hooks_before(&mut self) -> Result<()> {
        if self.swap.mode != Mode::Running {
            return Ok(());
        }
        self.hooks(&self.swap.old.clone(), 250, &self.options.hooks.before).await
    }

    /// Steps 4 to 9. An error leaves the containers as [`Self::stage`] says.
    pub(super) async fn exchange(&mut self) -> Result<()> {
        let Some(new) = self.swap.new.clone() else { return Ok(()) };
        let stopped = self.stop().await?;
        if self.is_on_overlay {
            self.join_overlays(&new, &stopped).await?;
        }
        self.exchange_names(&new).await?;
        if self.swap.mode.runs() {
            self.start(&new, &stopped).await?;
        }
        Ok(())
    }

    /// Before a change that a cancelled call does not make any more.
    pub(super) async fn next(&mut self, phase: &'static str, permille: u32) -> Result<()> {
        (self.on_phase)(phase, permille);
        self.call.check()?;
        self.swap.lease.ensure().await
    }

    pub(super) fn old_image_id(&self) -> &str {
        self.report.old_image_id.as_deref().unwrap_or_default()
    }

    pub(super) fn warn(&mut self, code: &str, message: String) {
        let container = Some(self.swap.name.clone());
        self.report.warnings.push(Warning { code: code.into(), container, message });
    }

    fn conflict(&self, what: &str) -> Error {
        Code::Conflict.error(format!("container {} {what} while it was being recreated", self.swap.name))
    }

    /// What the engine keeps beside the image and is not kept here. An engine that does not tell costs a number.
    async fn count_layer_changes(&mut self) {
        let path = format!("/containers/{}/changes", self.swap.old);
        let counting = self.engine.get("counting the files of the container's own", &path);
        let Ok(changes) = self.call.run(counting).await else { return };
        let mounts = self.prepared.container.get("Mounts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mounted: Vec<&str> = mounts.iter().filter_map(|mount| mount.get("Destination")?.as_str()).collect();
        self.report.writable_layer_changes = Some(layer_changes(&changes, &mounted));
    }

    /// Step 3: the new container is the old one made again, from the image that was looked at.
    async fn verify(&mut self, new: &str) -> Result<()> {
        (self.on_phase)("verifying", 200);
        let mut made = requests::inspect(self.engine, new).await?.ok_or_else(|| self.conflict("lost its new container"))?;
        libpod::complete(self.engine, &mut made).await?;
        let Err(differences) = spec::verify(&self.prepared.subject(), &made) else { return Ok(()) };
        self.may_try_again = differences.iter().any(|difference| difference.field == "Image");
        let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
        Err(Code::Engine.error(format!(
            "container {} was made otherwise than it is, and was left as it was: {}",
            self.swap.name,
            told.join("; ")
        )))
    }

    /// From here on an undo can make the old container again, in this process or, with a `state_dir`, in another.
    async fn keep(&mut self, new: &str) -> Result<()> {
        let kept = KeptBody {
            engine: body_kept::engine_id(self.engine).await?,
            container: self.swap.name.clone(),
            mode: self.swap.mode,
            old: self.prepared.container.clone(),
            new_id: new.to_owned(),
            made_again: None,
            stop_timeout: self.options.stop_timeout,
            spec: self.prepared.subject_before().spec_from_old_image()?,
        };
        if let Some(state_dir) = self.swap.state_dir {
            self.kept_file = Some(kept.write(state_dir).await?);
        }
        self.swap.kept = Some(kept);
        Ok(())
    }

    /// The old container, which must still be what this run took it for.
    pub(super) async fn old_unchanged(&self) -> Result<Value> {
        let old = self.old_in_place().await?;
        if state::mode(&old) != self.swap.mode || state::is_going(&old) {
            return Err(self.conflict(&format!("became {}", state::status(&old))));
        }
        Ok(old)
    }

    async fn old_in_place(&self) -> Result<Value> {
        let old = requests::inspect(self.engine, &self.swap.old).await?;
        let old = old.ok_or_else(|| Code::NotFound.error(format!("container {} was removed meanwhile", self.swap.name)))?;
        if state::name(&old) != self.swap.name {
            return Err(self.conflict("was renamed"));
        }
        Ok(old)
    }

    /// Step 4: the old container, stopped. What had not run is only looked at.
    async fn stop(&mut self) -> Result<Value> {
        self.next("stopping", 300).await?;
        // Processes end with the one whose namespace they share.
        let old = if self.is_dependent { self.old_in_place().await? } else { self.old_unchanged().await? };
        self.call.check()?;
        self.swap.lease.ensure().await?;
        self.stage = Stage::Swapping;
        if !self.swap.mode.runs() {
            return Ok(old);
        }
        let (engine, engine_wait) = (self.engine, self.swap.engine_wait);
        let chosen = self.options.stop_timeout;
        let beyond = stop::grace(&old, chosen).saturating_sub(stop::grace(&old, None));
        let stopping = async { Ok(stop::stop(engine, &old, chosen, engine_wait).await) };
        let stopped = self.swap.lease.during_longer(beyond, stopping).await?;
        if let Err(Unstopped::Runs(error)) = stopped {
            self.stage = Stage::Beside;
            return Err(error);
        }
        if self.swap.spare.is_some() {
            self.swap.go_on_with_spare().await?;
        }
        if let Err(Unstopped::Exited(error)) = stopped {
            return Err(error);
        }
        self.next("stopping", 400).await?;
        let stopped = requests::inspect(self.engine, &self.swap.old).await?.ok_or_else(|| self.conflict("was removed"))?;
        if state::is_running(&stopped) {
            return Err(self.conflict("was started by somebody"));
        }
        self.stopped = Some(stopped.clone());
        Ok(stopped)
    }

    /// A swarm's network tells the address that was asked for only once the container has stopped.
    async fn join_overlays(&mut self, new: &str, stopped: &Value) -> Result<()> {
        for connect in self.prepared.subject().overlay_connects(stopped) {
            self.next("renaming", 420).await?;
            requests::disconnect(self.engine, new, &connect.network).await?;
            requests::connect(self.engine, new, &connect).await?;
        }
        Ok(())
    }

    /// Steps 5 and 6. The second rename goes by the name: whoever has taken the lease over has renamed it.
    async fn exchange_names(&mut self, new: &str) -> Result<()> {
        self.next("renaming", 450).await?;
        let old_name = self.swap.old_name(new);
        requests::rename(self.engine, &self.swap.old, &old_name.to_string()).await?;
        let new_name = self.swap.lease.name().map_or_else(|| new.to_owned(), ToString::to_string);
        self.call.check()?;
        requests::rename(self.engine, &new_name, &self.swap.name).await?;
        self.swap.lease.hold(&self.swap.old, old_name);
        Ok(())
    }

    /// Steps 7 to 9.
    async fn start(&mut self, new: &str, stopped: &Value) -> Result<()> {
        // Exited, it would come back at the engine's next start and fight for ports and volumes.
        if matches!(state::restart_policy(stopped), "always" | "on-failure") {
            self.next("starting", 480).await?;
            requests::update_restart_policy(self.engine, &self.swap.old, &json!({"Name": "no"})).await?;
        }
        self.next("starting", 500).await?;
        self.stage = Stage::Started;
        let call = self.call;
        let start = requests::start_when_port_is_free(self.engine, new, || call.interrupt().is_none());
        self.swap.lease.during(start).await.map_err(|error| self.of_new(error))?;
        (self.on_phase)("waiting", 600);
        let watch = Watch { settle: self.options.settle, health_timeout: self.options.health_timeout };
        let settled = self.swap.lease.during(call.run(settle::settle(self.engine, new, watch))).await?;
        if state::is_running(&settled) {
            self.hooks(new, 850, &self.options.hooks.after).await.map_err(|error| self.of_new(error))?;
        }
        if self.swap.mode == Mode::Paused && state::is_running(&settled) {
            (self.on_phase)("pausing", 880);
            self.swap.lease.ensure().await?;
            requests::pause(self.engine, new).await.map_err(|error| self.of_new(error))?;
        }
        Ok(())
    }

    /// The engine's 409 says that the new container has ended, not that somebody got in the way.
    fn of_new(&self, error: Error) -> Error {
        if error.code() != Code::Conflict || self.swap.lease.is_lost() {
            return error;
        }
        let message = error.message().to_owned();
        error.into_cause_of(Code::Engine, message)
    }

    async fn hooks(&mut self, container: &str, permille: u32, commands: &[Vec<String>]) -> Result<()> {
        let (engine, call) = (self.engine, self.call);
        for command in commands {
            (self.on_phase)("hook", permille);
            self.swap.lease.during(call.run(hook::run(engine, container, command))).await?;
        }
        Ok(())
    }

    /// Before step 10: nobody has started what was stopped when the run began.
    pub(super) async fn may_finish(&self) -> Result<()> {
        match requests::inspect(self.engine, &self.swap.old).await {
            Ok(Some(old)) if self.is_meant_to_run(&old) => Err(self.conflict("was started by somebody")),
            // What cannot be asked is told by the removal.
            _ => Ok(()),
        }
    }

    fn is_meant_to_run(&self, old: &Value) -> bool {
        state::is_running(old) && !self.swap.mode.runs()
    }

    /// Step 10. What stays of the old container is told, and fails the run only when it runs.
    pub(super) async fn finish(&mut self) -> Result<()> {
        (self.on_phase)("removing", 900);
        let mut patience = Patience::new(self.swap.engine_wait);
        loop {
            let (removed, runs) = match requests::inspect(self.engine, &self.swap.old).await {
                Ok(None) => (Ok(()), false),
                Ok(Some(old)) if self.is_meant_to_run(&old) => return Err(self.conflict("was started by somebody")),
                Ok(Some(old)) => (self.swap.remove_old(&old).await, state::is_running(&old)),
                Err(error) => (Err(error), false),
            };
            match removed {
                Ok(()) => {
                    self.swap.lease.release(&self.swap.old);
                    return Ok(());
                }
                Err(error) if self.swap.lease.is_lost() => return Err(error),
                // It may have been started meanwhile, or the engine was away.
                Err(error) if patience.allows(&error).await => {}
                Err(error) if runs => return Err(error),
                Err(error) => return self.left(error),
            }
        }
    }

    pub(super) fn left(&mut self, error: Error) -> Result<()> {
        if self.swap.lease.is_lost() {
            return Err(error);
        }
        self.report.old_left = true;
        let message = format!("the old container could not be removed, container_recover will remove it: {}", error.message());
        self.warn("old_left", message);
        Ok(())
    }
}

/// Files that were added or changed, outside of what is mounted.
fn layer_changes(changes: &Value, mounted: &[&str]) -> u64 {
    const DELETED: u64 = 2;
    let outside = |change: &&Value| {
        let path = change.get("Path").and_then(Value::as_str).unwrap_or_default();
        let inside =
            |mount: &&str| path.strip_prefix(mount.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        change.get("Kind").and_then(Value::as_u64) != Some(DELETED) && !mounted.iter().any(inside)
    };
    changes.as_array().map_or(0, |changes| changes.iter().filter(outside).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_mounts_and_deleted_ones_are_not_counted() {
        let change = |path: &str, kind: u64| json!({"Path": path, "Kind": kind});
        let changes = json!([
            change("/etc", 0),
            change("/etc/new", 1),
            change("/gone", 2),
            change("/data", 1),
            change("/data/x", 1),
            change("/data2", 1)
        ]);
        assert_eq!(layer_changes(&changes, &["/data/"]), 3);
        assert_eq!(layer_changes(&Value::Null, &[]), 0);
    }
}
