//! What an update of a service reports.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ErrorDocument;
use crate::container::Warning;

/// What an update of a service did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "service_update")]
#[non_exhaustive]
pub struct ServiceUpdate {
    /// The service's name.
    pub service: String,
    /// How it ended, or what the engine goes on with.
    pub result: ServiceResult,
    /// What the spec had before.
    pub from: ServiceSide,
    /// What was asked for; the same as before where nothing had to be changed.
    pub to: ServiceSide,
    /// The engine's word when the call ended; `None` where the service was never updated, or the engine did not say.
    pub update_state: Option<String>,
    /// Tasks of the new spec that run, when they were last counted.
    pub replicas_running: Option<u64>,
    /// Tasks that are to run.
    pub replicas_wanted: Option<u64>,
    /// The last lines of the log of a task that failed.
    pub logs_tail: Option<String>,
    /// What the caller should know and what stopped nothing: `engine` (the engine's own words), `update_paused`, `history_not_written`.
    pub warnings: Vec<Warning>,
    /// From the call to its return.
    pub elapsed_ms: u64,
    /// Why it failed.
    pub error: Option<ErrorDocument>,
}

/// How an update of a service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceResult {
    /// Every task that is to run is of the new image, and runs.
    Updated,
    /// The service was at that digest, and nothing was sent.
    Unchanged,
    /// A task failed, and the engine has gone back to the spec before.
    RolledBack,
    /// A task failed, and the engine has not gone back.
    RollbackFailed,
    /// The call has ended before the update has; the engine goes on with it.
    Updating,
    /// The call has ended before the rollback has; the engine goes on with it.
    RollingBack,
    /// Somebody else has updated or removed the service since the update was sent.
    ChangedMeanwhile,
    /// The engine has not taken the update: the service is as before.
    Failed,
}

/// One side of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ServiceSide {
    /// `NAME:TAG@DIGEST`, as the spec has it.
    pub image: String,
}

impl ServiceUpdate {
    pub(super) fn new(service: &str, from: &str, to: &str) -> Self {
        let side = |image: &str| ServiceSide { image: image.to_owned() };
        Self {
            service: service.to_owned(),
            result: ServiceResult::Failed,
            from: side(from),
            to: side(to),
            update_state: None,
            replicas_running: None,
            replicas_wanted: None,
            logs_tail: None,
            warnings: Vec::new(),
            elapsed_ms: 0,
            error: None,
        }
    }

    pub(super) fn warn(&mut self, code: &str, message: impl Into<String>) {
        self.warnings.push(Warning { code: code.into(), container: None, message: message.into() });
    }
}
