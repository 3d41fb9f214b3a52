//! What only Podman's own API tells. It answers on the socket of the Docker-compatible one, below any version [measured on 5.8].

use serde_json::Value;

use super::state;
use crate::Result;
use crate::engine::{Engine, escape};

/// Under this key Podman's own inspect stands in the compatible one.
pub(crate) const KEY: &str = "Libpod";

/// Puts Podman's own inspect of a container beside the compatible one; other engines have none.
pub(crate) async fn complete(engine: &Engine, container: &mut Value) -> Result<()> {
    if !engine.facts().await?.podman() {
        return Ok(());
    }
    let (id, name) = (state::id(container), state::name(container));
    let what = format!("asking Podman about container {name}");
    let own = engine.get(&what, &format!("/libpod/containers/{}/json", escape(id))).await.map_err(|error| error.with_container(name))?;
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
    let own = engine.get(&format!("asking Podman about image {id}"), &format!("/libpod/images/{}/json", escape(&id))).await?;
    if let (Some(Value::Object(config)), Some(healthcheck)) = (image.get_mut("Config"), own.get("Healthcheck")) {
        config.insert("Healthcheck".into(), healthcheck.clone());
    }
    Ok(())
}
