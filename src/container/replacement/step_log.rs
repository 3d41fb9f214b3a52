//! The steps of a recreation, a rollback and a recovery in the log.

/// The steps of one container; a step that reports its progress more than once is one event.
#[derive(Debug, Default)]
pub(crate) struct StepLog {
    last: &'static str,
}

impl StepLog {
    pub(crate) fn begin(&mut self, container: &str, step: &'static str) {
        if step != self.last {
            self.last = step;
            tracing::info!(container, step, "container {container}: {step}");
        }
    }
}
