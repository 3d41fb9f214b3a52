//! `/_ping`, `/version` and `/info`.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;

use crate::engine::Engine;
use crate::engine::answer::Answer;
use crate::engine::api_version::ApiVersion;
use crate::engine::request;
use crate::engine::transport::{self, Transport};
use crate::json::{list, text};
use crate::{Code, Result};

const PING: &str = "/_ping";

const VERSION: &str = "/version";

/// Asks for the newest API version, of an engine of which none is known yet.
pub(in crate::engine) async fn ping(transport: &Transport, timeout: Duration) -> Result<Answer> {
    get_without_version(transport, PING, timeout).await
}

/// The oldest API version that the engine still speaks; `None` where its answer names none.
pub(in crate::engine) async fn oldest_version(transport: &Transport, timeout: Duration) -> Result<Option<ApiVersion>> {
    let answer = get_without_version(transport, VERSION, timeout).await?;
    let version: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    Ok(version["MinAPIVersion"].as_str().and_then(|oldest| oldest.parse().ok()))
}

async fn get_without_version(transport: &Transport, path: &str, timeout: Duration) -> Result<Answer> {
    let request = Request::get(format!("{}{path}", transport.base())).body(transport::body(Bytes::new()));
    let request = request.map_err(|error| Code::InvalidArgument.error("the engine's address is not one").caused_by(&error))?;
    request::collect(transport, transport.send(request, timeout).await?, timeout).await
}

/// The engine's clock, in seconds since 1970.
pub(crate) async fn clock(engine: &Engine) -> Result<i64> {
    let answer = engine.call("asking the engine for its time", Method::GET, PING, None, engine.timeout()).await?;
    answer.engine_time().ok_or_else(|| Code::Engine.error("the engine's answer has no Date header"))
}

/// Its version, components and platform. Raw, as `info`: Podman's differ from Docker's.
pub(crate) async fn version(engine: &Engine) -> Result<Value> {
    engine.get("asking the engine for its version", VERSION).await
}

/// Its settings, its host and its disk.
pub(crate) async fn info(engine: &Engine) -> Result<Value> {
    engine.get("asking the engine for its settings", "/info").await
}

/// The bytes of the volumes whose size the engine tells, by their names. It reads all of their folders.
pub(crate) async fn volume_sizes(engine: &Engine) -> Result<BTreeMap<String, u64>> {
    // Older engines tell of all that takes room on the disk, whatever is asked; from 1.52 on the volumes are elsewhere in the answer.
    let usage = engine.get("asking the engine for the sizes of the volumes", "/system/df?type=volume&verbose=1").await?;
    let volumes = ["/Volumes", "/VolumeUsage/Items", "/VolumesUsage/Items"].into_iter().flat_map(|at| list(&usage, at));
    Ok(volumes.filter_map(|volume| Some((text(volume, "/Name").to_owned(), volume.pointer("/UsageData/Size")?.as_u64()?))).collect())
}
