//! What an update tells, whatever became of it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::container::{Recreation, RecreationResult};
use crate::image::{Check, PullResult, RemovedOld};
use crate::{Code, Error, ErrorDocument};

/// What an update did.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "img_update")]
#[non_exhaustive]
pub struct UpdateReport {
    /// As asked.
    pub image: String,
    /// What the registry said.
    pub check: Option<Check>,
    /// What the pull did, when there was one.
    pub pull: Option<PullResult>,
    /// What became of the tag.
    pub tag: TagFate,
    /// Every container that had its turn, and those that had none after a failure or a cancel.
    pub containers: Vec<ContainerUpdate>,
    /// Always empty in this version.
    pub backups: Vec<()>,
    /// What was removed, when that was asked for.
    pub removed_old: Option<RemovedOld>,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Why the update failed.
    pub error: Option<ErrorDocument>,
}

/// What became of the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TagFate {
    /// It names the new image.
    Moved,
    /// It was put back on the old image, since no container has moved.
    Restored,
    /// It names what it named before.
    Unchanged,
}

/// A container of an update.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ContainerUpdate {
    /// Its turn came.
    Recreation(Box<Recreation>),
    /// It never came.
    NotAttempted(NotAttempted),
}

/// A container that was left as it is, since something before it failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct NotAttempted {
    /// Its name.
    pub container: String,
    /// `not_attempted`.
    pub result: RecreationResult,
}

impl ContainerUpdate {
    pub(super) fn not_attempted(container: &str) -> Self {
        Self::NotAttempted(NotAttempted { container: container.to_owned(), result: RecreationResult::NotAttempted })
    }

    /// Its new container has the name.
    pub(super) fn has_moved(&self) -> bool {
        matches!(self, Self::Recreation(recreation) if recreation.result == RecreationResult::Recreated)
    }
}

/// The error of the whole: `ROLLBACK_FAILED`, then `ROLLED_BACK`, then the caller's own end, then the first of the others.
pub(super) fn worst(errors: Vec<Error>) -> Option<Error> {
    let rank = |error: &Error| match error.code() {
        Code::RollbackFailed => 0,
        Code::RolledBack => 1,
        Code::Cancelled | Code::Stopped | Code::Timeout => 2,
        _ => 3,
    };
    errors.into_iter().min_by_key(rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_error_is_told() {
        let error = |codes: &[Code]| worst(codes.iter().map(|code| code.error("x")).collect()).map(|error| error.code());
        assert_eq!(error(&[]), None);
        assert_eq!(error(&[Code::Engine, Code::Busy]), Some(Code::Engine));
        assert_eq!(error(&[Code::Busy, Code::Cancelled]), Some(Code::Cancelled));
        assert_eq!(error(&[Code::Cancelled, Code::RolledBack, Code::Engine]), Some(Code::RolledBack));
        assert_eq!(error(&[Code::RolledBack, Code::RollbackFailed]), Some(Code::RollbackFailed));
    }
}
