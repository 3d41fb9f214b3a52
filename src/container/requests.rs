//! The engine's calls on one container, in raw JSON.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

pub(crate) use super::inspect::find as inspect;
use super::names::TemporaryName;
use super::spec::Connect;
use crate::engine::{Engine, escape};
use crate::{Code, Error, Result};

/// How long a start is tried again while the port of a container that has just ended is still held.
const PORT_WAIT: Duration = Duration::from_secs(10);

/// Every container, stopped ones included, and the engine's clock at the time.
pub(crate) async fn list(engine: &Engine) -> Result<(Vec<Value>, i64)> {
    let what = "listing the containers";
    let answer = engine.call(what, Method::GET, "/containers/json?all=1", None, engine.timeout()).await?;
    let now = answer.engine_time().ok_or_else(|| Code::Engine.error(format!("{what}: the engine's answer has no Date header")))?;
    match answer.json(what)? {
        Value::Array(list) => Ok((list, now)),
        _ => Err(Code::Engine.error(format!("{what}: the engine's answer is not a list"))),
    }
}

/// Makes a container; its id, and what the engine warns of.
pub(crate) async fn create(engine: &Engine, name: &TemporaryName, platform: Option<&str>, body: &Value) -> Result<(String, Vec<String>)> {
    let platform = platform.map(|platform| format!("&platform={}", escape(platform))).unwrap_or_default();
    let path = format!("/containers/create?name={}{platform}", escape(&name.to_string()));
    let answer = engine.post(&format!("creating container {name}"), &path, Some(body)).await?;
    let warnings = answer.get("Warnings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let warnings = warnings.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    match answer.get("Id").and_then(Value::as_str) {
        Some(id) => Ok((id.to_owned(), warnings)),
        None => Err(Code::Engine.error(format!("creating container {name}: the engine's answer has no Id"))),
    }
}

/// Renames; the engine's clock at the time. By the old name it is a compare-and-swap: `NOT_FOUND` once somebody else has renamed it.
pub(crate) async fn rename(engine: &Engine, container: &str, name: &str) -> Result<Option<i64>> {
    let path = format!("/containers/{}/rename?name={}", escape(container), escape(name));
    let what = format!("renaming container {container} to {name}");
    Ok(engine.call(&what, Method::POST, &path, None, engine.timeout()).await?.engine_time())
}

/// Starts it, once.
pub(crate) async fn start(engine: &Engine, id: &str) -> Result<()> {
    engine.post(&format!("starting container {id}"), &format!("/containers/{}/start", escape(id)), None).await?;
    Ok(())
}

/// Starts it, and again while the port of its predecessor is still held, as long as `goes_on` says so.
pub(crate) async fn start_when_port_is_free(engine: &Engine, id: &str, goes_on: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    loop {
        match start(engine, id).await {
            Err(error) if is_port_held(&error) && begun.elapsed() < PORT_WAIT && goes_on() => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            result => return result,
        }
    }
}

/// Podman holds a published port for a moment after the stop has returned; so does a proxy that is slow to end.
fn is_port_held(error: &Error) -> bool {
    let message = error.message();
    message.contains("address already in use") || message.contains("port is already allocated")
}

/// Stops it with a grace, and waits for the answer; `None` is the container's own grace.
pub(crate) async fn stop(engine: &Engine, id: &str, grace: Option<Duration>, patience: Duration) -> Result<()> {
    let query = grace.map(|grace| format!("?t={}", grace.as_secs_f64().ceil())).unwrap_or_default();
    let path = format!("/containers/{}/stop{query}", escape(id));
    engine.call(&format!("stopping container {id}"), Method::POST, &path, None, patience).await?;
    Ok(())
}

/// Freezes it.
pub(crate) async fn pause(engine: &Engine, id: &str) -> Result<()> {
    engine.post(&format!("pausing container {id}"), &format!("/containers/{}/pause", escape(id)), None).await?;
    Ok(())
}

/// Replaces the whole restart policy.
pub(crate) async fn update_restart_policy(engine: &Engine, id: &str, policy: &Value) -> Result<()> {
    let path = format!("/containers/{}/update", escape(id));
    engine.post(&format!("changing the restart policy of container {id}"), &path, Some(&json!({"RestartPolicy": policy}))).await?;
    Ok(())
}

/// Removes the new container, running or not, with the volumes that were made for it alone; those in use stay.
pub(crate) async fn remove_new(engine: &Engine, id: &str) -> Result<()> {
    remove(engine, id, "?v=true&force=true").await
}

/// Removes the old container, which must not run. Its volumes stay, always.
pub(crate) async fn remove_old(engine: &Engine, id: &str) -> Result<()> {
    remove(engine, id, "?v=false&force=false").await
}

async fn remove(engine: &Engine, id: &str, query: &str) -> Result<()> {
    match engine.delete(&format!("removing container {id}"), &format!("/containers/{}{query}", escape(id))).await {
        Err(error) if error.code() == Code::NotFound => Ok(()),
        // An earlier call, whose answer was not waited for, goes on.
        Err(error) if error.message().contains("already in progress") => await_removal(engine, id).await,
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

/// How long the engine may take to remove a container: one with many files in its layer takes seconds.
const REMOVAL: Duration = Duration::from_secs(60);

/// Waits until the engine has removed a container, as it does by itself with an `--rm` one that has ended.
pub(crate) async fn await_removal(engine: &Engine, id: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        match inspect(engine, id).await {
            Ok(None) => return Ok(()),
            Err(error) if begun.elapsed() > REMOVAL => return Err(error),
            Ok(Some(_)) if begun.elapsed() > REMOVAL => {
                return Err(Code::Engine.error(format!("the engine has not removed container {id} in {} s", REMOVAL.as_secs())));
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Leaves the networks that the engine has joined by itself, and joins those that a create does not take.
pub(crate) async fn join_networks(engine: &Engine, id: &str, disconnects: &[String], connects: &[Connect]) -> Result<()> {
    for network in disconnects {
        disconnect(engine, id, network).await?;
    }
    for join in connects {
        connect(engine, id, join).await?;
    }
    Ok(())
}

/// Leaves a network. Podman's answer, here and below, is a word that is not JSON [measured on 5.8].
pub(crate) async fn disconnect(engine: &Engine, id: &str, network: &str) -> Result<()> {
    let path = format!("/networks/{}/disconnect", escape(network));
    let what = format!("disconnecting container {id} from network {network}");
    engine.call(&what, Method::POST, &path, Some(&json!({"Container": id})), engine.timeout()).await?;
    Ok(())
}

/// Joins one.
pub(crate) async fn connect(engine: &Engine, id: &str, join: &Connect) -> Result<()> {
    let (network, path) = (&join.network, format!("/networks/{}/connect", escape(&join.network)));
    let what = format!("connecting container {id} to network {network}");
    engine.call(&what, Method::POST, &path, Some(&join.body(id)), engine.timeout()).await?;
    Ok(())
}
