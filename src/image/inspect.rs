//! An image as the engine inspects it.

use serde_json::Value;

use crate::engine::Engine;
use crate::reference::Reference;
use crate::{Code, Result};

/// The raw inspect of an image; `None` when it is not local.
pub(crate) async fn find(engine: &Engine, image: &str) -> Result<Option<Value>> {
    found(engine, image, "").await
}

/// The same with the manifests of its index, which a containerd store tells from API 1.48 on.
pub(crate) async fn find_with_manifests(engine: &Engine, image: &str) -> Result<Option<Value>> {
    found(engine, image, "?manifests=1").await
}

async fn found(engine: &Engine, image: &str, query: &str) -> Result<Option<Value>> {
    let what = format!("inspecting image {image}");
    match engine.get(&what, &format!("/images/{}/json{query}", path(image)?)).await {
        Ok(inspect) => Ok(Some(inspect)),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error.with_image(image)),
    }
}

/// The raw inspect of an image that has to be local.
pub(crate) async fn get(engine: &Engine, image: &str) -> Result<Value> {
    find(engine, image).await?.ok_or_else(|| not_local(image))
}

pub(crate) fn not_local(image: &str) -> crate::Error {
    Code::NotFound.error(format!("image {image} is not local: pull it with img_pull, or look at img_list")).with_image(image)
}

/// An image as a part of an engine's path: a reference or an id, of which every character may stand in one.
pub(crate) fn path(image: &str) -> Result<&str> {
    if !Reference::is_image_id(image) {
        Reference::parse(image).map_err(|error| error.with_image(image))?;
    }
    Ok(image)
}

/// A text of the inspect; the engine's empty text is no knowledge.
pub(crate) fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A time of the engine as RFC 3339; the engine's year 1 is no knowledge.
pub(crate) fn time(value: &Value, pointer: &str) -> Option<String> {
    text(value, pointer).filter(|time| !time.starts_with("0001-"))
}

/// A list of texts; `null` is empty.
pub(crate) fn texts(value: &Value, pointer: &str) -> Vec<String> {
    let list = value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A list of texts that may be absent: `null` and `[]` are kept apart from texts.
pub(crate) fn optional_texts(value: &Value, pointer: &str) -> Option<Vec<String>> {
    value.pointer(pointer).filter(|list| list.is_array()).map(|_| texts(value, pointer))
}

/// The keys of an object, as the engine writes its sets.
pub(crate) fn keys(value: &Value, pointer: &str) -> Vec<String> {
    value.pointer(pointer).and_then(Value::as_object).map(|set| set.keys().cloned().collect()).unwrap_or_default()
}

/// Tags or digests of an image, without the engine's `<none>:<none>`.
pub(crate) fn names(value: &Value, key: &str) -> Vec<String> {
    let mut names = texts(value, &format!("/{key}"));
    names.retain(|name| !name.contains("<none>"));
    names
}
