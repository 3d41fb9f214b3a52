//! `img_missing`: which of the images that are needed are not there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inspect;
use crate::engine::names::check_image;
use crate::error::shown;
use crate::{Refit, Result};

/// Required images, told apart; each list in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "img_missing")]
#[non_exhaustive]
pub struct MissingImages {
    /// Not local.
    pub missing: Vec<String>,
    /// Local.
    pub present: Vec<String>,
}

impl Refit {
    /// Whether an image is local.
    #[tracing::instrument(level = "error", name = "img_exists", skip_all, fields(image = %shown(image)), err(level = "warn"))]
    pub async fn image_exists(&self, image: &str) -> Result<bool> {
        Ok(inspect::find(&self.shared.engine, image).await?.is_some())
    }

    /// Which of the images are not local. An engine's error fails the whole call.
    #[tracing::instrument(level = "error", name = "img_missing", skip_all, err(level = "warn"))]
    pub async fn missing_images<S: AsRef<str>>(&self, images: &[S]) -> Result<MissingImages> {
        for image in images {
            check_image(image.as_ref())?;
        }
        let mut found = MissingImages { missing: Vec::new(), present: Vec::new() };
        for image in images {
            let image = image.as_ref();
            let list = if self.image_exists(image).await? { &mut found.present } else { &mut found.missing };
            list.push(image.to_owned());
        }
        Ok(found)
    }
}
