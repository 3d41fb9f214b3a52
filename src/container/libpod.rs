//! What only Podman's own API reports, added where the rest of refit reads it.

use serde_json::Value;

use super::state;
use crate::Result;
use crate::engine::Engine;
use crate::engine::api::libpod;

/// The key of Podman's own inspect in the compatible one.
pub(crate) const KEY: &str = "Libpod";

/// Puts Podman's own inspect of a container beside the compatible one; other engines have none.
pub(crate) async fn complete(engine: &Engine, container: &mut Value) -> Result<()> {
    if !engine.facts().await?.podman() {
        return Ok(());
    }
    let (id, name) = (state::id(container), state::name(container));
    let own = libpod::inspect_container(engine, id).await.map_err(|error| error.with_container(name))?;
    if let Some(fields) = container.as_object_mut() {
        fields.insert(KEY.into(), own);
    }
    Ok(())
}

/// Puts an image's healthcheck where Docker shows it; Podman's compatible inspect leaves it out.
pub(crate) async fn complete_image(engine: &Engine, image: &mut Value) -> Result<()> {
    if !engine.facts().await?.podman() {
        return Ok(());
    }
    let id = image.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let own = libpod::inspect_image(engine, &id).await?;
    if let (Some(Value::Object(config)), Some(healthcheck)) = (image.get_mut("Config"), own.get("Healthcheck")) {
        config.insert("Healthcheck".into(), healthcheck.clone());
    }
    Ok(())
}
