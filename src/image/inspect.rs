//! An image as the engine inspects it.

use serde_json::Value;

use crate::engine::Engine;
use crate::engine::api::images::{self, Detail};
use crate::engine::names::check_image;
use crate::error::shown;
use crate::{Code, Result};

/// The raw inspect of an image; `None` when it is not local.
pub(crate) async fn find(engine: &Engine, image: &str) -> Result<Option<Value>> {
    check_image(image)?;
    images::inspect(engine, image, Detail::None).await
}

/// The raw inspect of an image that has to be local.
pub(crate) async fn get(engine: &Engine, image: &str) -> Result<Value> {
    find(engine, image).await?.ok_or_else(|| not_local(image))
}

pub(crate) fn not_local(image: &str) -> crate::Error {
    Code::NotFound.error(format!("image {} is not local: pull it with img_pull, or look at img_list", shown(image))).with_image(image)
}
