//! `/containers`: raw JSON, since typed models lose the fields that they do not know.

use std::time::Duration;

use bollard::models::ContainerStatsResponse;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::engine::{Answer, ByteStream, Engine, Versioned, escape, phrases};
use crate::error::shown;
use crate::{Code, Result};

/// What is removed with a container.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Removal {
    /// Also while it runs.
    pub(crate) force: bool,
    /// The volumes that were made for it alone; those that another container uses stay.
    pub(crate) volumes: bool,
}

/// Every container, stopped ones included, and the engine's clock at the time, in seconds since 1970.
pub(crate) async fn list(engine: &Engine) -> Result<(Vec<Value>, i64)> {
    read_list(engine, "listing the containers", "/containers/json?all=1").await
}

/// The container with this name, and those with temporary names, those of other containers included.
pub(crate) async fn list_named(engine: &Engine, name: &str) -> Result<(Vec<Value>, i64)> {
    let filters = json!({ "name": [name_pattern(name), TEMPORARY] });
    let path = format!("/containers/json?all=1&filters={}", escape(&filters.to_string()));
    read_list(engine, &format!("listing container {}", shown(name)), &path).await
}

/// What all temporary names of recreations have in them, as a regular expression. It is short because Docker compiles it anew for each name
/// that it compares: with the container's name before it a list of a thousand takes five times as long.
pub(super) const TEMPORARY: &str = "[.]refit-";

/// Exactly this name, as a regular expression: a container's name has no other character than the dot that means something in one.
/// Docker compares with the slash, Podman without.
fn name_pattern(name: &str) -> String {
    format!("^/?{}$", name.replace('.', "[.]"))
}

async fn read_list(engine: &Engine, what: &str, path: &str) -> Result<(Vec<Value>, i64)> {
    let answer = engine.call(what, Method::GET, path, None, engine.timeout()).await?;
    let now = answer.engine_time().ok_or_else(|| Code::Engine.error(format!("{what}: the engine's answer has no Date header")))?;
    match answer.json(what)? {
        Value::Array(list) => Ok((list, now)),
        _ => Err(Code::Engine.error(format!("{what}: the engine's answer is not a list"))),
    }
}

/// A container by name, id or the beginning of an id; `None` when there is none. In the newest API version that shows all of its
/// configuration.
pub(crate) async fn inspect(engine: &Engine, container: &str) -> Result<Option<Value>> {
    let what = format!("inspecting container {}", shown(container));
    match engine.get(&what, Versioned::inspect(&format!("/containers/{}/json", escape(container)))).await {
        Ok(inspect) => Ok(Some(inspect)),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error.with_container(container)),
    }
}

/// Creates a container; its id, and what the engine warns of. It takes as long as the engine copies files of the image into new volumes.
pub(crate) async fn create(
    engine: &Engine,
    name: &str,
    platform: Option<&str>,
    body: &Value,
    patience: Duration,
) -> Result<(String, Vec<String>)> {
    let what = format!("creating container {}", shown(name));
    let platform = platform.map(|platform| format!("&platform={}", escape(platform))).unwrap_or_default();
    let path = format!("/containers/create?name={}{platform}", escape(name));
    let answer = engine.call(&what, Method::POST, &path, Some(body), patience).await?.json(&what)?;
    let warnings = answer.get("Warnings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let warnings = warnings.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    match answer.get("Id").and_then(Value::as_str) {
        Some(id) => Ok((id.to_owned(), warnings)),
        None => Err(Code::Engine.error(format!("{what}: the engine's answer has no Id"))),
    }
}

/// Renames; the engine's clock at the time. By the old name it is a compare-and-swap: `NOT_FOUND` once somebody else has renamed it.
pub(crate) async fn rename(engine: &Engine, container: &str, name: &str) -> Result<Option<i64>> {
    let what = format!("renaming container {} to {}", shown(container), shown(name));
    let path = format!("/containers/{}/rename?name={}", escape(container), escape(name));
    Ok(engine.call(&what, Method::POST, &path, None, engine.timeout()).await?.engine_time())
}

/// Starts it; false when it runs already.
pub(crate) async fn start(engine: &Engine, id: &str) -> Result<bool> {
    let path = format!("/containers/{}/start", escape(id));
    let answer = engine.call(&format!("starting container {id}"), Method::POST, &path, None, engine.long_timeout()).await?;
    Ok(is_changed(&answer))
}

/// Stops it, and answers when it has exited; false when it did not run. Without a grace it is the container's own.
pub(crate) async fn stop(engine: &Engine, id: &str, grace: Option<Duration>, patience: Duration) -> Result<bool> {
    let path = format!("/containers/{}/stop{}", escape(id), seconds(grace));
    let answer = engine.call(&format!("stopping container {id}"), Method::POST, &path, None, patience).await?;
    Ok(is_changed(&answer))
}

/// Stops and starts it.
pub(crate) async fn restart(engine: &Engine, id: &str, grace: Option<Duration>, patience: Duration) -> Result<()> {
    let path = format!("/containers/{}/restart{}", escape(id), seconds(grace));
    engine.call(&format!("restarting container {id}"), Method::POST, &path, None, patience).await?;
    Ok(())
}

/// Freezes its processes. On a busy machine runc gives up before the last of them is frozen, and thaws them: it is requested again then.
pub(crate) async fn pause(engine: &Engine, id: &str) -> Result<()> {
    let (what, path) = (format!("pausing container {id}"), format!("/containers/{}/pause", escape(id)));
    let mut tries_left = 4;
    loop {
        match engine.post(&what, &path, None).await {
            Err(error) if tries_left > 0 && phrases::is_not_frozen(&error) => {
                tries_left -= 1;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            answer => return answer.map(drop),
        }
    }
}

/// Replaces the whole restart policy.
pub(crate) async fn update_restart_policy(engine: &Engine, id: &str, policy: &Value) -> Result<()> {
    let what = format!("changing the restart policy of container {id}");
    engine.post(&what, &format!("/containers/{}/update", escape(id)), Some(&json!({"RestartPolicy": policy}))).await?;
    Ok(())
}

/// Removes it.
pub(crate) async fn remove(engine: &Engine, id: &str, removal: Removal) -> Result<()> {
    let path = format!("/containers/{}?force={}&v={}", escape(id), removal.force, removal.volumes);
    engine.delete(&format!("removing container {id}"), &path).await?;
    Ok(())
}

/// Answers once it does not run: `{"StatusCode": 0, "Error": null}`.
pub(crate) async fn wait(engine: &Engine, id: &str, patience: Duration) -> Result<Value> {
    let what = format!("waiting for container {id}");
    engine.call(&what, Method::POST, &format!("/containers/{}/wait", escape(id)), None, patience).await?.json(&what)
}

/// The files of its own layer that differ from its image: `[{"Path": "/x", "Kind": 1}]`, or `null` for none.
pub(crate) async fn changes(engine: &Engine, id: &str) -> Result<Value> {
    engine.get(&format!("listing the changed files of container {id}"), &format!("/containers/{}/changes", escape(id))).await
}

/// The last lines of both its streams: in frames, unless it has a terminal.
pub(crate) async fn logs(engine: &Engine, id: &str, lines: u32, patience: Duration) -> Result<Bytes> {
    let path = format!("/containers/{}/logs?stdout=1&stderr=1&tail={lines}", escape(id));
    Ok(engine.call(&format!("reading the log of container {id}"), Method::GET, &path, None, patience).await?.body)
}

/// Which part of a log is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogQuery {
    /// The last lines; `None` is all.
    pub(crate) tail: Option<u32>,
    /// `SECONDS.NANOSECONDS` since 1970.
    pub(crate) since: Option<String>,
    pub(crate) timestamps: bool,
    /// Goes on until the container stops.
    pub(crate) follow: bool,
}

/// The log of both its streams, as it is read: in frames, unless it has a terminal.
pub(crate) async fn log_stream(engine: &Engine, id: &str, query: &LogQuery) -> Result<ByteStream> {
    let tail = query.tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string());
    let since = query.since.as_ref().map(|since| format!("&since={since}")).unwrap_or_default();
    let path = format!(
        "/containers/{}/logs?stdout=1&stderr=1&tail={tail}{since}&timestamps={}&follow={}",
        escape(id),
        u8::from(query.timestamps),
        u8::from(query.follow)
    );
    engine.stream(&format!("reading the log of container {id}"), Method::GET, &path, &HeaderMap::new()).await
}

/// What it uses now. With `one-shot`, which API 1.40 does not know, the engine answers at once, and without the sample before.
pub(crate) async fn stats(engine: &Engine, id: &str) -> Result<ContainerStatsResponse> {
    let what = format!("reading the statistics of container {id}");
    let answer = engine.get(&what, &format!("/containers/{}/stats?stream=false&one-shot=true", escape(id))).await?;
    serde_json::from_value(answer)
        .map_err(|error| Code::Engine.error(format!("{what}: the engine's answer was not understood")).caused_by(&error))
}

/// The engine counts whole seconds; a fraction is rounded up, so that nothing is killed early.
fn seconds(grace: Option<Duration>) -> String {
    grace.map(|grace| format!("?t={}", grace.as_secs() + u64::from(grace.subsec_nanos() > 0))).unwrap_or_default()
}

/// 304: it was so already.
fn is_changed(answer: &Answer) -> bool {
    answer.status != StatusCode::NOT_MODIFIED
}
