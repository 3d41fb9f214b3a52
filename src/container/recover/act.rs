//! Doing what was decided for one container.
//!
//! Rules: docs/recreate.md, section 7.

use super::run::{RecoveryRun, Takeover};
use super::table::{Decision, ObservedState};
use super::{ROLLING_BACK, RecoveryAction};
use crate::container::replacement::Extent;
use crate::container::replacement::volumes::VolumesNote;
use crate::container::state;
use crate::engine::api::containers;
use crate::{Error, Result};

/// What a dry run reports.
pub(super) fn dry_run_action(decision: Decision) -> RecoveryAction {
    match decision {
        Decision::DoNothing => RecoveryAction::Foreign,
        Decision::RollBackAfterStop | Decision::RollBack | Decision::RemoveNew => RecoveryAction::WouldUndo,
        _ => RecoveryAction::WouldFinish,
    }
}

/// Takes the lease over and acts; beside an error, what is still to be done.
///
/// With what the report has to say of the volumes.
pub(super) async fn act(
    takeover: Takeover<'_>,
    observed: &ObservedState,
    decision: Decision,
) -> (RecoveryAction, Option<Error>, Option<VolumesNote>) {
    let done = async {
        let mut run = RecoveryRun::take(takeover, observed).await?;
        let action = run.perform(observed, decision).await?;
        run.remove_snapshot_file().await;
        Ok((action, run.pair.volumes.note.take()))
    };
    match done.await {
        Ok((action, note)) => (action, None, note),
        Err(error) => (dry_run_action(decision), Some(error), None),
    }
}

impl RecoveryRun<'_> {
    async fn perform(&mut self, observed: &ObservedState, decision: Decision) -> Result<RecoveryAction> {
        match decision {
            Decision::DoNothing | Decision::WaitForRemoval => Ok(RecoveryAction::Foreign),
            Decision::RollBackAfterStop if self.await_pending_stop(observed).await? => self.finish_with_new(observed).await,
            Decision::RollBackAfterStop | Decision::RollBack => self.roll_back(Extent::All).await,
            Decision::RemoveNew if self.await_pending_stop(observed).await? => {
                self.pair.use_standby().await?;
                self.finish_without_old(observed).await
            }
            Decision::RemoveNew => self.roll_back(Extent::NewOnly).await,
            Decision::Finish => {
                if self.is_made_again() {
                    self.pair.restore_volumes().await?;
                }
                self.finish_with_new(observed).await
            }
            Decision::FinishAndRemoveOld => self.finish_without_old(observed).await,
            Decision::StartNew => self.start_or_roll_back().await,
            Decision::SettleNew => self.settle_or_roll_back().await,
            Decision::RemoveOld => self.remove_stopped_old().await,
            Decision::KeepNew => self.remove_old().await.map(|()| RecoveryAction::RemovedOld),
        }
    }

    /// What has the new container's name is the old one, created again by a rollback that has not restored its volumes yet.
    fn is_made_again(&self) -> bool {
        self.pair.snapshot.as_ref().is_some_and(|snapshot| {
            let is_pending = snapshot.volumes.as_ref().is_some_and(|volumes| !volumes.restored);
            is_pending && snapshot.made_again.is_some() && snapshot.made_again == self.pair.new
        })
    }

    async fn roll_back(&mut self, extent: Extent) -> Result<RecoveryAction> {
        self.step("rolling_back", ROLLING_BACK);
        self.pair.roll_back(extent).await?;
        Ok(RecoveryAction::Undone)
    }

    /// An `--rm` container is gone: the new one takes its place, and its standby is removed.
    async fn finish_without_old(&mut self, observed: &ObservedState) -> Result<RecoveryAction> {
        self.rename_new(observed).await?;
        self.start_or_roll_back().await
    }

    async fn start_or_roll_back(&mut self) -> Result<RecoveryAction> {
        self.step("starting", 300);
        match self.start().await {
            Ok(()) => self.settle_or_roll_back().await,
            Err(error) if self.pair.lease.is_lost() => Err(error),
            Err(error) => self.roll_back_after(error).await,
        }
    }

    async fn settle_or_roll_back(&mut self) -> Result<RecoveryAction> {
        match self.settle().await {
            Ok(had_settled) => {
                self.remove_old().await?;
                Ok(if had_settled { RecoveryAction::RemovedOld } else { RecoveryAction::Finished })
            }
            Err(error) if self.must_end() => Err(error),
            // Its dependents reference it already: they were recreated with it, which was once all of them had settled.
            Err(_) if self.is_referenced(&[]).await? => self.remove_old().await.map(|()| RecoveryAction::Finished),
            Err(error) => self.roll_back_after(error).await,
        }
    }

    async fn roll_back_after(&mut self, error: Error) -> Result<RecoveryAction> {
        self.roll_back(Extent::All).await.map_err(|rollback| rollback.caused_by(&error))
    }

    /// The old container may have been started since it was observed. Who starts a container that did not run wants it to run.
    async fn remove_stopped_old(&mut self) -> Result<RecoveryAction> {
        match containers::inspect(self.pair.engine, &self.pair.old).await? {
            Some(old) if state::is_running(&old) && !self.pair.mode.runs() => self.roll_back(Extent::All).await,
            _ => self.remove_old().await.map(|()| RecoveryAction::RemovedOld),
        }
    }
}
