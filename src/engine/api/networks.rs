//! `/networks`. Podman's answer to a connect or disconnect is a word that is not JSON [measured on 5.8].

use http::Method;
use serde_json::{Value, json};

use crate::Result;
use crate::engine::{Engine, escape};

/// Every network.
pub(crate) async fn list(engine: &Engine) -> Result<Vec<Value>> {
    let networks = engine.get("listing the networks", "/networks").await?;
    Ok(networks.as_array().cloned().unwrap_or_default())
}

/// Connects a container, with the engine's own `EndpointConfig`.
pub(crate) async fn connect(engine: &Engine, network: &str, id: &str, endpoint: &Value) -> Result<()> {
    let what = format!("connecting container {id} to network {network}");
    let body = json!({"Container": id, "EndpointConfig": endpoint});
    engine.call(&what, Method::POST, &format!("/networks/{}/connect", escape(network)), Some(&body), engine.timeout()).await?;
    Ok(())
}

/// Disconnects a container.
pub(crate) async fn disconnect(engine: &Engine, network: &str, id: &str) -> Result<()> {
    let what = format!("disconnecting container {id} from network {network}");
    let body = json!({"Container": id});
    engine.call(&what, Method::POST, &format!("/networks/{}/disconnect", escape(network)), Some(&body), engine.timeout()).await?;
    Ok(())
}
