//! The report of a recreation, successful or not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ErrorDocument;
use crate::container::ContainerState;
use crate::container::create_body::{Change, Warning};

/// The result of a recreation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecreationResult {
    /// The new container has the name.
    Recreated,
    /// The old container was stopped and is restored.
    RolledBack,
    /// The rollback failed.
    RollbackFailed,
    /// Nothing was begun.
    Refused,
    /// It failed, and the old one was never stopped.
    Failed,
    /// A container before it failed.
    NotAttempted,
}

/// A backup of a volume that a recreation has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct TakenBackup {
    /// The volume.
    pub volume: String,
    /// The file, `<volume>-<UTC time>.tar.zst` in the folder `backup_volumes`, as `volume_restore` takes it.
    pub file: String,
}

/// The recreation of one container.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "recreation")]
#[non_exhaustive]
pub struct Recreation {
    /// Its name.
    pub container: String,
    /// What became of it.
    pub result: RecreationResult,
    /// The id before.
    pub old_id: String,
    /// The id after; where the recreation failed, that of a new container that was removed again.
    pub new_id: Option<String>,
    /// The reference that it is created from.
    pub image: String,
    /// The image before.
    pub old_image_id: Option<String>,
    /// The image that the reference names now.
    pub new_image_id: Option<String>,
    /// The state of the container that has the name at the end, in the engine's word; `None` where the engine did not answer.
    pub state: Option<ContainerState>,
    /// Milliseconds from `State.FinishedAt` of the old container to `State.StartedAt` of the new one: the engine's clock at its events `die`
    /// and `start`. `None` for one that did not run, and for one with `--rm`, which is gone before it can be inspected.
    pub downtime_ms: Option<u64>,
    /// What differs between the inspects before and after, and why.
    pub changes: Vec<Change>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
    /// The containers that referenced it by its id and were recreated with it: all of them or none.
    pub dependents: Vec<Recreation>,
    /// The volumes that were backed up before the new container was started, where that was asked for.
    pub backups: Vec<TakenBackup>,
    /// Files that were added or changed outside of volumes, which are not kept; `None` where they were not counted, or not within 2 s.
    pub writable_layer_changes: Option<u64>,
    /// The old container could not be removed and is still there: `container_recover` removes it.
    pub old_left: bool,
    /// The last lines of the new container, when it failed.
    pub logs_tail: Option<String>,
    /// Why it failed.
    pub error: Option<ErrorDocument>,
    /// How long it took.
    pub elapsed_ms: u64,
}
