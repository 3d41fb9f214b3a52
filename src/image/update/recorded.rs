//! The record of an update or of a rollback in the history.

use crate::history::{Draft, HistoryContainer, HistoryResult};
use crate::{Failure, Outcome, Refit};

use super::report::{ContainerUpdate, UpdateReport};

impl Refit {
    /// Writes the record of an update that has ended, and passes its outcome on.
    pub(super) async fn record_update(&self, mut draft: Draft, outcome: Outcome<UpdateReport>) -> Outcome<UpdateReport> {
        match outcome {
            Ok(mut report) => {
                draft.containers = containers(&report);
                draft.backups.clone_from(&report.backups);
                let has_changed = !report.containers.is_empty() || draft.from != draft.to;
                let result = if has_changed { HistoryResult::Done } else { HistoryResult::Unchanged };
                report.warnings.extend(self.record(draft, result).await);
                Ok(report)
            }
            Err(failure) => {
                let Failure { error, mut report } = *failure;
                draft.containers = report.as_ref().map(containers).unwrap_or_default();
                draft.backups = report.as_ref().map(|report| report.backups.clone()).unwrap_or_default();
                let warning = self.record_failure(draft, &error).await;
                if let Some(report) = &mut report {
                    report.warnings.extend(warning);
                }
                Err(Box::new(Failure { error, report }))
            }
        }
    }
}

/// Without their `changes`, which may hold values of the environment.
fn containers(report: &UpdateReport) -> Vec<HistoryContainer> {
    let of = |update: &ContainerUpdate| match update {
        ContainerUpdate::Recreation(done) => {
            HistoryContainer { container: done.container.clone(), result: done.result, error: done.error.clone() }
        }
        ContainerUpdate::NotAttempted(left) => HistoryContainer { container: left.container.clone(), result: left.result, error: None },
    };
    report.containers.iter().map(of).collect()
}
