//! `/tasks`: what a service runs, and ran.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::swarm::of_manager;
use crate::Result;
use crate::engine::{Engine, escape};

/// Every task of a service, also those that have ended.
pub(crate) async fn of_service(engine: &Engine, id: &str) -> Result<Vec<Value>> {
    list(engine, &format!("listing the tasks of service {id}"), &json!({ "service": [id] })).await
}

/// The tasks of all services that are to run.
pub(crate) async fn to_run(engine: &Engine) -> Result<Vec<Value>> {
    list(engine, "listing the tasks", &json!({ "desired-state": ["running"] })).await
}

async fn list(engine: &Engine, what: &str, filters: &Value) -> Result<Vec<Value>> {
    let path = format!("/tasks?filters={}", escape(&filters.to_string()));
    let answer = engine.get(what, &path).await.map_err(|error| of_manager(what, error))?;
    Ok(answer.as_array().cloned().unwrap_or_default())
}

/// The last lines that a task wrote, wherever its node is: in frames, unless it has a terminal.
pub(crate) async fn logs(engine: &Engine, id: &str, lines: u32, patience: Duration) -> Result<Bytes> {
    let path = format!("/tasks/{}/logs?stdout=1&stderr=1&tail={lines}", escape(id));
    Ok(engine.call(&format!("reading the log of task {id}"), Method::GET, &path, None, patience).await?.body)
}
