//! `/volumes`.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::engine::{Engine, escape};
use crate::error::shown;
use crate::{Code, Result};

/// Every volume: `{"Name", "Driver", "CreatedAt", "Labels", "Options", "Mountpoint", "Scope"}`.
pub(crate) async fn list(engine: &Engine) -> Result<Vec<Value>> {
    let mut answer = engine.get("listing the volumes", "/volumes").await?;
    match answer.get_mut("Volumes").map(Value::take) {
        Some(Value::Array(volumes)) => Ok(volumes),
        _ => Ok(Vec::new()),
    }
}

/// A volume, and the engine's clock in seconds since 1970; `None` when there is none of that name.
pub(crate) async fn inspect(engine: &Engine, volume: &str) -> Result<Option<(Value, i64)>> {
    let what = format!("inspecting volume {}", shown(volume));
    let path = format!("/volumes/{}", escape(volume));
    match engine.call(&what, Method::GET, &path, None, engine.timeout()).await {
        Ok(answer) => {
            let now = answer.engine_time().ok_or_else(|| Code::Engine.error(format!("{what}: the engine's answer has no Date header")))?;
            Ok(Some((answer.json(&what)?, now)))
        }
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates a volume, or answers with the one of that name that is there, whatever its driver and options are. A driver that the engine does not
/// know fails after 15 s [measured on 20.10].
pub(crate) async fn create(
    engine: &Engine,
    volume: &str,
    driver: &str,
    options: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> Result<Value> {
    let what = format!("creating volume {}", shown(volume));
    let body = json!({"Name": volume, "Driver": driver, "DriverOpts": options, "Labels": labels});
    engine.call(&what, Method::POST, "/volumes/create", Some(&body), engine.long_timeout()).await?.json(&what)
}

/// Removes a volume; `CONFLICT` while a container, running or not, has it. Never with `force`, which hides that there is none.
pub(crate) async fn remove(engine: &Engine, volume: &str) -> Result<()> {
    let what = format!("removing volume {}", shown(volume));
    engine.call(&what, Method::DELETE, &format!("/volumes/{}", escape(volume)), None, engine.long_timeout()).await?;
    Ok(())
}
