//! Podman's own API, which answers on the socket of the compatible one, below any version [measured on 5.8].

use serde_json::Value;

use crate::Result;
use crate::engine::{Engine, escape};

/// A container, with what the compatible inspect leaves out.
pub(crate) async fn inspect_container(engine: &Engine, id: &str) -> Result<Value> {
    engine.get(&format!("asking Podman about container {id}"), &format!("/libpod/containers/{}/json", escape(id))).await
}

/// An image, with what the compatible inspect leaves out.
pub(crate) async fn inspect_image(engine: &Engine, id: &str) -> Result<Value> {
    engine.get(&format!("asking Podman about image {id}"), &format!("/libpod/images/{}/json", escape(id))).await
}
