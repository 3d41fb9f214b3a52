//! `img_status`: whether an image is there, and what is being done to it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::inspect;
use super::pull::{LastPull, LayerStatus};
use crate::container::OperationKind;
use crate::error::shown;
use crate::json::text;
use crate::reference::Reference;
use crate::{ErrorDocument, Refit, Result};

/// The state of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// What the last check through this handle (or its `state_dir`) found: a document of `img_check_update`. `null` once the image was pulled,
    /// updated or rolled back since, or its reference names another local image.
    pub last_check: Option<Value>,
    /// Why the last pull through this handle failed; gone after one that succeeds.
    pub last_error: Option<LastError>,
}

/// An operation on an image that is in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct OperationState {
    /// `pull`.
    pub kind: OperationKind,
    /// `resolving`, `downloading`, `extracting`, `verifying`.
    pub phase: String,
    /// Thousandths.
    pub permille: u32,
    /// Bytes downloaded.
    pub current: u64,
    /// Bytes to download, as far as the engine has reported them.
    pub total: Option<u64>,
    /// Speed of the download.
    pub bytes_per_second: Option<u64>,
    /// Time left of the download.
    pub eta_seconds: Option<u64>,
    /// When it was started last.
    pub started_at: Timestamp,
    /// Its layers, in the engine's order.
    pub layers: Vec<LayerStatus>,
}

/// An error of the past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct LastError {
    /// The number in the C ABI.
    pub code: i32,
    /// The name after `REFIT_E_`.
    pub name: String,
    /// One line.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

impl LastError {
    fn new(error: ErrorDocument, at: Timestamp) -> Self {
        Self { code: error.code, name: error.name, message: error.message, at }
    }
}

impl Refit {
    /// Whether an image is local, and what this handle does to it.
    #[tracing::instrument(level = "error", name = "img_status", skip_all, fields(image = %shown(image)), err(level = "warn"))]
    pub async fn image_status(&self, image: &str) -> Result<ImageStatus> {
        let local = inspect::find(&self.shared.engine, image).await?;
        let (exists, id) = (local.is_some(), local.as_ref().map(|local| text(local, "/Id")));
        let reference = Reference::parse(image).map(|reference| reference.normalised()).unwrap_or_default();
        let pulls = &self.shared.pulls;
        let operation = pulls.running(&reference).map(|pull| {
            let whole = pull.state.report();
            OperationState {
                kind: OperationKind::Pull,
                phase: whole.phase.into(),
                permille: whole.permille,
                current: whole.current,
                total: whole.total,
                bytes_per_second: whole.bytes_per_second,
                eta_seconds: whole.eta.map(|eta| eta.as_secs()),
                started_at: pull.started_at,
                layers: pull.state.layers,
            }
        });
        let last_check = self.shared.last_checks.of(image, id);
        let last_error = match pulls.last(&reference) {
            Some(LastPull::Failed { at, error }) => Some(LastError::new(error, at)),
            _ => None,
        };
        Ok(ImageStatus { image: image.to_owned(), exists, pulling: operation.is_some(), ready: exists, operation, last_check, last_error })
    }
}
