//! `/services`: raw JSON, so that every field of a spec survives its update.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::swarm::of_manager;
use crate::engine::request::registry_auth;
use crate::engine::{Engine, escape, phrases};
use crate::error::shown;
use crate::json::texts;
use crate::{Code, Error, Result};

/// What a service is updated to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'a> {
    /// This spec, and the value of `X-Registry-Auth` with which its nodes pull. Without one the credential of the spec before stays.
    Spec { spec: &'a Value, auth: Option<&'a str> },
    /// The spec before, which the engine has kept. The one that is sent is the current one, and not read.
    Previous { spec: &'a Value },
}

/// Every service, with `ServiceStatus` (the counts of its tasks) from API 1.41 on.
pub(crate) async fn list(engine: &Engine) -> Result<Vec<Value>> {
    let what = "listing the services";
    let answer = engine.get(what, "/services?status=true").await;
    match answer.map_err(|error| of_manager(what, error))? {
        Value::Array(services) => Ok(services),
        _ => Err(Code::Engine.error(format!("{what}: the engine's answer is not a list"))),
    }
}

/// A service by its name, its id or the beginning of one; `None` when there is none.
pub(crate) async fn inspect(engine: &Engine, service: &str) -> Result<Option<Value>> {
    let what = format!("inspecting service {}", shown(service));
    match engine.get(&what, &format!("/services/{}", escape(service))).await {
        Ok(inspect) => Ok(Some(inspect)),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(of_manager(&what, error)),
    }
}

/// Changes a service that has this version; what the engine warns of. [`is_changed_meanwhile`] tells that it has another version by now.
pub(crate) async fn update(engine: &Engine, id: &str, version: u64, change: Change<'_>) -> Result<Vec<String>> {
    let (what, path) = (format!("updating service {id}"), format!("/services/{}/update?version={version}", escape(id)));
    let mut headers = HeaderMap::new();
    let (path, spec) = match change {
        Change::Spec { spec, auth } => {
            registry_auth(&mut headers, auth)?;
            (format!("{path}&registryAuthFrom=spec"), spec)
        }
        Change::Previous { spec } => (format!("{path}&registryAuthFrom=previous-spec&rollback=previous"), spec),
    };
    let mut stream = engine.stream_of(&what, Method::POST, &path, &headers, Some(spec)).await.map_err(|error| of_manager(&what, error))?;
    let mut answer = Vec::new();
    while let Some(chunk) = stream.next().await? {
        answer.extend_from_slice(&chunk);
    }
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    Ok(texts(&answer, "/Warnings"))
}

/// Whether an update was refused because the service has been changed since it was read.
pub(crate) fn is_changed_meanwhile(error: &Error) -> bool {
    phrases::is_out_of_sequence(error)
}
