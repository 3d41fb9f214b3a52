//! The report of an update, also of one that failed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::container::{Recreation, RecreationResult, TakenBackup, Warning};
use crate::image::{Check, PullResult, RemovedOld};
use crate::{Code, Error, ErrorDocument};

/// What an update did.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "img_update")]
#[non_exhaustive]
pub struct UpdateReport {
    /// As asked.
    pub image: String,
    /// What the registry said.
    pub check: Option<Check>,
    /// What the pull did, when there was one.
    pub pull: Option<PullResult>,
    /// What became of the tag; `None` where the engine did not say what it names now.
    pub tag: Option<TagFate>,
    /// Every container that had its turn, and those that had none after a failure or a cancel.
    pub containers: Vec<ContainerUpdate>,
    /// The volumes that were backed up, of all containers.
    pub backups: Vec<TakenBackup>,
    /// What was removed, when that was asked for.
    pub removed_old: Option<RemovedOld>,
    /// What did not succeed beside the update, which is done: `remove_old_failed`, `history_not_written`.
    pub warnings: Vec<Warning>,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Why the update failed.
    pub error: Option<ErrorDocument>,
}

impl UpdateReport {
    /// Of an update that has done nothing yet.
    pub(super) fn begun(image: &str) -> Self {
        Self {
            image: image.to_owned(),
            check: None,
            pull: None,
            tag: Some(TagFate::Unchanged),
            containers: Vec::new(),
            backups: Vec::new(),
            removed_old: None,
            elapsed_ms: 0,
            error: None,
            warnings: Vec::new(),
        }
    }
}

/// What became of the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TagFate {
    /// It names another image than before: the new one, or one that somebody else gave it meanwhile.
    Moved,
    /// It names the image again that it named before this update moved it, because no container was replaced.
    Restored,
    /// It names what it named before.
    Unchanged,
}

/// A container of an update.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ContainerUpdate {
    /// Its turn came.
    Recreation(Box<Recreation>),
    /// It never came.
    NotAttempted(NotAttempted),
}

/// A container that was left as it is, since something before it failed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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

    /// The volumes that were backed up before it was replaced, and before those that were recreated with it.
    pub(super) fn backups(&self) -> impl Iterator<Item = &TakenBackup> {
        let recreation = match self {
            Self::Recreation(recreation) => Some(recreation),
            Self::NotAttempted(_) => None,
        };
        recreation.into_iter().flat_map(|one| one.backups.iter().chain(one.dependents.iter().flat_map(|dependent| &dependent.backups)))
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
    fn the_worst_error_is_reported() {
        let error = |codes: &[Code]| worst(codes.iter().map(|code| code.error("x")).collect()).map(|error| error.code());
        assert_eq!(error(&[]), None);
        assert_eq!(error(&[Code::Engine, Code::Busy]), Some(Code::Engine));
        assert_eq!(error(&[Code::Busy, Code::Cancelled]), Some(Code::Cancelled));
        assert_eq!(error(&[Code::Cancelled, Code::RolledBack, Code::Engine]), Some(Code::RolledBack));
        assert_eq!(error(&[Code::RolledBack, Code::RollbackFailed]), Some(Code::RollbackFailed));
    }
}
