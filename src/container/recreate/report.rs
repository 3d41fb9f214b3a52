//! What a recreation tells, whatever became of it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::ErrorDocument;
use crate::container::spec::{Change, Warning};

/// What became of a container that was to be recreated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecreationResult {
    /// The new container has the name.
    Recreated,
    /// The old one was stopped, and is back as before.
    RolledBack,
    /// It could not be put back.
    RollbackFailed,
    /// Nothing was begun.
    Refused,
    /// It failed, and the old one was never stopped.
    Failed,
    /// One before it failed; or its successor was not made before something failed.
    NotAttempted,
}

/// The recreation of one container.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "recreation")]
#[non_exhaustive]
pub struct Recreation {
    /// Its name.
    pub container: String,
    /// What became of it.
    pub result: RecreationResult,
    /// The id before.
    pub old_id: String,
    /// The id after; of a container that was made and removed again where it failed.
    pub new_id: Option<String>,
    /// The reference that it is made from.
    pub image: String,
    /// The image before.
    pub old_image_id: Option<String>,
    /// The image that the reference names now.
    pub new_image_id: Option<String>,
    /// The state of whoever has the name at the end, in the engine's word; `None` where the engine could not be asked.
    pub state: Option<String>,
    /// From the end of the old one to the start of the new one, by the engine's clock; `None` for one that did not run.
    pub downtime_ms: Option<u64>,
    /// What differs between the inspects before and after, and why.
    pub changes: Vec<Change>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
    /// Those that held the container by its id, when they were recreated with it: all of them or none.
    pub dependents: Vec<Recreation>,
    /// Files that were added or changed outside of volumes, which are not kept.
    pub writable_layer_changes: Option<u64>,
    /// The old container could not be removed and stands beside the new one: `container_recover`.
    pub old_left: bool,
    /// The last lines of the new container, when it failed.
    pub logs_tail: Option<String>,
    /// Why it failed.
    pub error: Option<ErrorDocument>,
    /// How long it took.
    pub elapsed_ms: u64,
}
