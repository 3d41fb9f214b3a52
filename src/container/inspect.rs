//! A container as the engine inspects it: raw, since typed models lose fields.

use serde_json::Value;

use crate::engine::{Engine, escape};
use crate::{Code, Result};

/// The raw inspect of a container by id or name; `None` when there is none.
pub(crate) async fn find(engine: &Engine, container: &str) -> Result<Option<Value>> {
    let what = format!("inspecting container {container}");
    match engine.get(&what, &format!("/containers/{}/json", escape(container))).await {
        Ok(inspect) => Ok(Some(inspect)),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error.with_container(container)),
    }
}
