//! A record of the history, as it is listed and as it stands in the file.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ErrorDocument;
use crate::container::TakenBackup;

/// The calls that changed something, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "refit_history_list")]
#[non_exhaustive]
pub struct History {
    /// Those that the filter lets pass, newest first.
    pub entries: Vec<HistoryEntry>,
}

/// One call that changed something, or tried to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The id of this record, unique across processes.
    pub id: String,
    /// When the call ended.
    pub at: Timestamp,
    /// What was called.
    pub kind: HistoryKind,
    /// Who asked for it, where the caller gave an `actor`.
    pub actor: Option<String>,
    /// The image, as asked.
    pub image: Option<String>,
    /// The container.
    pub container: Option<String>,
    /// The volume.
    pub volume: Option<String>,
    /// The service.
    pub service: Option<String>,
    /// The image that the tag named before; of a recreation, the image of the old container.
    pub from: Option<HistoryImage>,
    /// The image that the tag named after; of a recreation, the image of the new container. `None` after a failed pull and a removal.
    pub to: Option<HistoryImage>,
    /// How the call ended.
    pub result: HistoryResult,
    /// Why it failed.
    pub error: Option<ErrorDocument>,
    /// How long it took.
    pub elapsed_ms: u64,
    /// The containers that it recreated, or tried to.
    pub containers: Vec<HistoryContainer>,
    /// The volumes that were backed up before.
    #[serde(default)]
    pub backups: Vec<TakenBackup>,
}

/// What was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HistoryKind {
    /// A pull of its own; that of an update is a part of the update.
    Pull,
    /// An update, one of a batch too.
    Update,
    /// A recreation of its own; those of an update are a part of the update.
    Recreate,
    /// A rollback to an earlier image, by hand.
    Rollback,
    /// An image that was removed.
    RemoveOld,
    /// A backup of a volume.
    Backup,
    /// A volume that was restored.
    Restore,
    /// An update of a swarm's service.
    ServiceUpdate,
}

impl HistoryKind {
    /// The word in the document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Update => "update",
            Self::Recreate => "recreate",
            Self::Rollback => "rollback",
            Self::RemoveOld => "remove_old",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::ServiceUpdate => "service_update",
        }
    }

    /// The kind with this word.
    #[cfg(feature = "capi")]
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Pull, Self::Update, Self::Recreate, Self::Rollback, Self::RemoveOld, Self::Backup, Self::Restore];
        all.into_iter().chain([Self::ServiceUpdate]).find(|kind| kind.as_str() == word)
    }
}

/// How a call of the history ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HistoryResult {
    /// It changed what it was asked to change.
    Done,
    /// It succeeded, and nothing had to be changed.
    Unchanged,
    /// A container failed, and everything is as before.
    RolledBack,
    /// A container failed, and could not be rolled back.
    RollbackFailed,
    /// It failed.
    Failed,
    /// The caller ended it.
    Cancelled,
}

/// An image in a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct HistoryImage {
    /// Its id on the engine.
    pub id: String,
    /// The digest of its manifest.
    pub digest: Option<String>,
    /// The label `org.opencontainers.image.version`.
    pub version: Option<String>,
}

/// A container in a record. What was changed in it stands in the report of the call alone: it may hold values of its environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct HistoryContainer {
    /// Its name.
    pub container: String,
    /// What became of it.
    pub result: crate::container::RecreationResult,
    /// Why it failed.
    pub error: Option<ErrorDocument>,
}
