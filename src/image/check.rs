//! `img_check_update`: not built yet; this is what an update needs of it.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{Code, Outcome, Refit};

/// How an image is checked.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CheckOptions {
    /// `os/architecture[/variant]`. Default: the local image's.
    pub platform: Option<String>,
}

/// What the registry said.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Check {
    /// What was found.
    pub state: CheckState,
    /// What the tag names in the registry.
    pub remote: Option<RemoteImage>,
    /// The registry's image as the engine would inspect it, where the check has read its configuration:
    /// `{Os, Architecture, Variant, Config}`. A plan compares it with the local one.
    #[serde(skip)]
    pub remote_image: Option<Value>,
}

/// An image of the registry.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct RemoteImage {
    /// Of the manifest or index that the tag names.
    pub digest: String,
    /// What a pull would download.
    pub download_bytes: Option<u64>,
}

/// The states of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CheckState {
    /// It is the newest.
    UpToDate,
    /// The registry has a newer one.
    UpdateAvailable,
    /// It is in the registry alone.
    NotLocal,
}

impl Refit {
    /// Whether the registry has a newer image.
    pub async fn check_update(&self, image: &str, _options: &CheckOptions) -> Outcome<Check> {
        Err(Code::Unsupported.error("img_check_update is not in this version").with_image(image).into())
    }
}
