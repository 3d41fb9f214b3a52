//! `/nodes`: the engines of a swarm.

use serde_json::Value;

use super::swarm::of_manager;
use crate::Result;
use crate::engine::Engine;

/// Every node: `{"ID", "Spec": {"Availability"}, "Status": {"State"}, "Description": {"Hostname", "Platform": {"OS", "Architecture"}}}`.
pub(crate) async fn list(engine: &Engine) -> Result<Vec<Value>> {
    let what = "listing the nodes";
    let answer = engine.get(what, "/nodes").await.map_err(|error| of_manager(what, error))?;
    Ok(answer.as_array().cloned().unwrap_or_default())
}
