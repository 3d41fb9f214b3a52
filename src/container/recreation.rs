//! `container_recreate`: the recovery of an interrupted run where the caller wants one first, then the recreation.

use super::inventory::Inventory;
use super::recover::recover_first;
use super::recreate::{self, Known, RecreateOptions, Recreation};
use super::replacement::{Phase, PhaseReporter};
use crate::engine::names::check_container;
use crate::error::shown;
use crate::history::{Draft, HistoryContainer, HistoryKind, HistoryResult};
use crate::operation::call::Call;
use crate::{Failure, Operation, Outcome, Progress, Refit};

impl Refit {
    /// Replaces a container, named or by id, by a new one from the image that its reference names now, which must be local.
    ///
    /// Configuration, networks and volumes are kept; a container that ran runs again, one that did not is not started. A failure after the
    /// stop is `ROLLED_BACK`: the same container runs again as before. A run that was killed is CONFLICT for the next one, and finished or
    /// rolled back by [`Refit::recover`]. Cancelled before the stop it changes nothing; from the stop on it is rolled back; once the new
    /// container has settled it is finished.
    pub fn recreate_container(&self, container: impl Into<String>, options: RecreateOptions) -> Operation<Recreation> {
        let container = container.into();
        let span = tracing::error_span!("container_recreate", container = %shown(&container));
        self.operation(span, move |refit, call| async move {
            let report = |phase: Phase| {
                let whole = Progress::whole("recreate", container.as_str(), phase.name, phase.permille);
                call.report(Progress { current: phase.bytes, total: phase.bytes_in_all, ..whole });
            };
            let draft = Draft::of_container(HistoryKind::Recreate, &call, container.trim_start_matches('/'));
            let known = Known { old_image: None, inventory: &Inventory::default(), turns: None };
            let outcome = recreate(&refit, &call, &container, &options, known, &report).await;
            let recreation = refit.record_recreation(draft, outcome).await?;
            report(Phase::new("done", 1000));
            Ok(recreation)
        })
    }
}

impl Refit {
    /// Writes the record of a recreation that has ended, and passes its outcome on.
    async fn record_recreation(&self, mut draft: Draft, outcome: Outcome<Recreation>) -> Outcome<Recreation> {
        match outcome {
            Ok(mut recreation) => {
                self.add_images(&mut draft, &recreation).await;
                let warning = self.record(draft, HistoryResult::Done).await;
                recreation.warnings.extend(warning);
                Ok(recreation)
            }
            Err(failure) => {
                let Failure { error, mut report } = *failure;
                if let Some(recreation) = &report {
                    self.add_images(&mut draft, recreation).await;
                }
                let warning = self.record_failure(draft, &error).await;
                if let Some(recreation) = &mut report {
                    recreation.warnings.extend(warning);
                }
                Err(Box::new(Failure { error, report }))
            }
        }
    }

    async fn add_images(&self, draft: &mut Draft, recreation: &Recreation) {
        draft.container_is(&recreation.container);
        let of = |recreation: &Recreation| HistoryContainer {
            container: recreation.container.clone(),
            result: recreation.result,
            error: recreation.error.clone(),
        };
        draft.backups = std::iter::once(recreation).chain(&recreation.dependents).flat_map(|one| one.backups.clone()).collect();
        draft.containers = std::iter::once(recreation).chain(&recreation.dependents).map(of).collect();
        draft.from = self.image_in_history(&recreation.image, recreation.old_image_id.as_deref()).await;
        draft.to = self.image_in_history(&recreation.image, recreation.new_image_id.as_deref()).await;
    }
}

/// The recreation of one container, as a part of a call that reports in its own way and may have read something before.
pub(crate) async fn recreate(
    refit: &Refit,
    call: &Call,
    container: &str,
    options: &RecreateOptions,
    known: Known<'_>,
    on_phase: PhaseReporter<'_>,
) -> Outcome<Recreation> {
    on_phase(Phase::new("checking", 0));
    options.check()?;
    check_container(container)?;
    if options.recover_first {
        recover_first(refit, call, container, on_phase).await?;
    }
    recreate::recreate(refit, call, container, options, known, on_phase).await
}
