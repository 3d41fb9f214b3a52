//! Before anything is stopped: whether a proxy before the engine's socket lets through what the run needs from the stop on.
//!
//! Found only then, a forbidden rename or policy would be rolled back each time, and a forbidden start would leave the container down.
//!
//! Rules: docs/recreate.md, section 4.1.

use serde_json::Value;

use super::run::Run;
use crate::container::replacement::names::Mode;
use crate::container::state;
use crate::engine::api::containers;
use crate::engine::api::probes::{Probe, probe, probe_rename};
use crate::{Error, Result};

impl Run<'_> {
    /// Before the create: requests about what does not exist.
    pub(super) async fn probe_engine(&self, on_overlay: bool) -> Result<()> {
        let mut probes = vec![Probe::Remove];
        if self.pair.mode.runs() {
            probes.push(Probe::Start);
            probes.extend((self.pair.mode == Mode::Paused).then_some(Probe::Pause));
            probes.extend((!self.options.hooks.after.is_empty()).then_some(Probe::Exec));
        }
        probes.extend(on_overlay.then_some(Probe::Connect));
        for one in probes {
            self.call.run(probe(self.engine, one)).await.map_err(|error| self.forbidden(error))?;
        }
        Ok(())
    }

    /// After the create: the rename and the policy of the new container, as they are.
    pub(super) async fn probe_new(&self, new: &Value) -> Result<()> {
        self.call.run(probe_rename(self.engine, state::name(new))).await.map_err(|error| self.forbidden(error))?;
        if self.pair.mode.runs() && matches!(state::restart_policy(new), "always" | "on-failure") {
            let policy = new.pointer("/HostConfig/RestartPolicy").cloned().unwrap_or_default();
            containers::update_restart_policy(self.engine, state::id(new), &policy).await.map_err(|error| self.forbidden(error))?;
        }
        Ok(())
    }

    fn forbidden(&self, error: Error) -> Error {
        let message = format!("container {} was not recreated, and nothing was changed: {}", self.pair.name, error.message());
        error.with_message(message)
    }
}
