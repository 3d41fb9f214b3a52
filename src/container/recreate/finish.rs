//! Step 10: the old container is removed.
//!
//! Rules: docs/recreate.md, section 4.

use serde_json::Value;

use super::run::Run;
use crate::container::replacement::RetryLimit;
use crate::container::state;
use crate::engine::api::containers;
use crate::{Error, Result};

impl Run<'_> {
    /// Before step 10: an old container that did not run has not been started meanwhile.
    pub(super) async fn check_not_started(&self) -> Result<()> {
        match containers::inspect(self.engine, &self.pair.old).await {
            Ok(Some(old)) if self.was_started(&old) => Err(self.conflict("was started")),
            // Without an answer, the removal finds out.
            _ => Ok(()),
        }
    }

    fn was_started(&self, old: &Value) -> bool {
        state::is_running(old) && !self.pair.mode.runs()
    }

    /// Step 10. An old container that stays is reported, and fails the run only when it runs.
    pub(super) async fn remove_old(&mut self) -> Result<()> {
        self.step("removing", 900);
        let mut retries = RetryLimit::new(self.pair.engine_wait);
        loop {
            let (removed, runs) = match containers::inspect(self.engine, &self.pair.old).await {
                Ok(None) => (Ok(()), false),
                Ok(Some(old)) if self.was_started(&old) => return Err(self.conflict("was started")),
                Ok(Some(old)) => (self.pair.remove_old(&old).await, state::is_running(&old)),
                Err(error) => (Err(error), false),
            };
            match removed {
                Ok(()) => {
                    self.pair.lease.release(&self.pair.old);
                    return Ok(());
                }
                Err(error) if self.pair.lease.is_lost() => return Err(error),
                // It may have been started meanwhile, or the engine did not answer.
                Err(error) if retries.allows(&error).await => {}
                Err(error) if runs => return Err(error),
                Err(error) => return self.report_old_left(error),
            }
        }
    }

    pub(super) fn report_old_left(&mut self, error: Error) -> Result<()> {
        if self.pair.lease.is_lost() {
            return Err(error);
        }
        self.report.old_left = true;
        let message = format!("the old container could not be removed, container_recover will remove it: {}", error.message());
        self.warn("old_left", message);
        Ok(())
    }
}
