//! `img_status`: whether an image is there, and what is being done to it.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::pull::{Last, LayerStatus};
use crate::reference::Reference;
use crate::{ErrorDocument, Refit, Result};

/// The state of an image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "img_status")]
#[non_exhaustive]
pub struct ImageStatus {
    /// As asked.
    pub image: String,
    /// It is local.
    pub exists: bool,
    /// It is being pulled through this handle.
    pub pulling: bool,
    /// A container can be made from it; stays true while a local image is updated.
    pub ready: bool,
    /// What is being done to it through this handle.
    pub operation: Option<OperationState>,
    /// What the last check through this handle (or its `state_dir`) found: a document of `img_check_update`.
    pub last_check: Option<Value>,
    /// Why the last pull through this handle failed; gone after one that succeeds.
    pub last_error: Option<LastError>,
}

/// Work on an image that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct OperationState {
    /// `pull`.
    pub kind: &'static str,
    /// `resolving`, `downloading`, `extracting`, `verifying`.
    pub phase: &'static str,
    /// Thousandths.
    pub permille: u32,
    /// Bytes downloaded.
    pub current: u64,
    /// Bytes to download, as far as the engine has told.
    pub total: Option<u64>,
    /// Speed of the download.
    pub bytes_per_second: Option<u64>,
    /// Time left of the download.
    pub eta_seconds: Option<u64>,
    /// RFC 3339.
    pub started_at: String,
    /// Its layers, in the engine's order.
    pub layers: Vec<LayerStatus>,
}

/// An error of the past.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct LastError {
    /// The number in the C ABI.
    pub code: i32,
    /// The name after `REFIT_E_`.
    pub name: &'static str,
    /// One line.
    pub message: String,
    /// When (RFC 3339).
    pub at: String,
}

impl LastError {
    fn new(error: ErrorDocument, at: String) -> Self {
        Self { code: error.code, name: error.name, message: error.message, at }
    }
}

impl Refit {
    /// Whether an image is local, and what this handle does to it.
    pub async fn image_status(&self, image: &str) -> Result<ImageStatus> {
        let exists = self.image_exists(image).await?;
        let reference = Reference::parse(image).map(|reference| reference.normalised()).unwrap_or_default();
        let pulls = &self.shared.pulls;
        let operation = pulls.under_way(&reference).map(|pull| {
            let whole = pull.state.whole();
            OperationState {
                kind: "pull",
                phase: whole.phase,
                permille: whole.permille,
                current: whole.current,
                total: whole.total,
                bytes_per_second: whole.bytes_per_second,
                eta_seconds: whole.eta.map(|eta| eta.as_secs()),
                started_at: pull.started_at,
                layers: pull.state.layers,
            }
        });
        let last_check = self.shared.last_checks.of(image);
        let last_error = match pulls.last(&reference) {
            Some(Last::Failed { at, error }) => Some(LastError::new(error, at)),
            _ => None,
        };
        Ok(ImageStatus { image: image.to_owned(), exists, pulling: operation.is_some(), ready: exists, operation, last_check, last_error })
    }
}
