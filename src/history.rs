//! What was done through a handle. This version keeps nothing: the list is empty.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{ErrorDocument, Refit};

/// What was done, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "refit_history_list")]
#[non_exhaustive]
pub struct History {
    /// Always empty in this version.
    pub entries: Vec<HistoryEntry>,
}

/// One call that changed something.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// Of this record.
    pub id: String,
    /// RFC 3339.
    pub at: String,
    /// `pull`, `update`, `recreate`, `recover` and others.
    pub kind: String,
    /// Who asked for it, where the caller said.
    pub actor: Option<String>,
    /// The image that it was about.
    pub image: Option<String>,
    /// The container that it was about.
    pub container: Option<String>,
    /// The image before.
    pub from: Option<HistoryImage>,
    /// The image after.
    pub to: Option<HistoryImage>,
    /// What became of it.
    pub result: String,
    /// Why it failed.
    pub error: Option<ErrorDocument>,
    /// How long it took.
    pub elapsed_ms: u64,
    /// The containers that it touched.
    pub containers: Vec<String>,
}

/// An image in a record.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct HistoryImage {
    /// The engine's id.
    pub id: String,
    /// Of the manifest.
    pub digest: Option<String>,
    /// The label `org.opencontainers.image.version`.
    pub version: Option<String>,
}

impl Refit {
    /// What was done through this handle.
    #[must_use]
    pub fn history(&self) -> History {
        History::default()
    }
}
