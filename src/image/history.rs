//! `img_history`: how an image was built.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inspect;
use crate::engine::api::images;
use crate::engine::names::check_image;
use crate::error::shown;
use crate::json::unix_time;
use crate::{Code, Refit, Result};

/// The steps in which an image was built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "img_history")]
#[non_exhaustive]
pub struct ImageHistory {
    /// The newest first.
    pub layers: Vec<HistoryLayer>,
}

/// A step of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "history_layer")]
#[non_exhaustive]
pub struct HistoryLayer {
    /// The image of this step, where it is local.
    pub id: Option<String>,
    /// When.
    pub created: Option<Timestamp>,
    /// The build's instruction.
    pub created_by: String,
    /// Bytes.
    pub size: u64,
    /// The build's comment.
    pub comment: String,
}

impl Refit {
    /// How a local image was built. [`NotFound`](crate::Code::NotFound) when it is not local.
    #[tracing::instrument(level = "error", name = "img_history", skip_all, fields(image = %shown(image)), err(level = "warn"))]
    pub async fn image_history(&self, image: &str) -> Result<ImageHistory> {
        check_image(image)?;
        let steps = images::history(&self.shared.engine, image).await;
        let steps = steps.map_err(|error| if error.code() == Code::NotFound { inspect::not_local(image) } else { error })?;
        let layers = steps.into_iter().map(|step| HistoryLayer {
            id: Some(step.id).filter(|id| id.starts_with("sha256:")),
            created: unix_time(step.created),
            created_by: step.created_by,
            size: step.size.try_into().unwrap_or(0),
            comment: step.comment,
        });
        Ok(ImageHistory { layers: layers.collect() })
    }
}
