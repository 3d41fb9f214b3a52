//! `/_ping`, `/version` and `/info`.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;

use crate::engine::Engine;
use crate::engine::request::{self, Answer};
use crate::engine::transport::{self, Transport};
use crate::{Code, Result};

const PING: &str = "/_ping";

/// Asks for the newest API version, of an engine of which none is known yet: below no version.
pub(in crate::engine) async fn ping(transport: &Transport, timeout: Duration) -> Result<Answer> {
    let ping = Request::get(format!("{}{PING}", transport.base())).body(transport::body(Bytes::new()));
    let ping = ping.map_err(|error| Code::InvalidArgument.error("the engine's address is not one").caused_by(&error))?;
    request::collect(transport, transport.send(ping, timeout).await?, timeout).await
}

/// The engine's clock, in seconds since 1970.
pub(crate) async fn clock(engine: &Engine) -> Result<i64> {
    let answer = engine.call("asking the engine for its time", Method::GET, PING, None, engine.timeout()).await?;
    answer.engine_time().ok_or_else(|| Code::Engine.error("the engine's answer has no Date header"))
}

/// Its version, components and platform. Raw, as `info`: Podman's differ from Docker's.
pub(crate) async fn version(engine: &Engine) -> Result<Value> {
    engine.get("asking the engine for its version", "/version").await
}

/// Its settings, its host and its disk.
pub(crate) async fn info(engine: &Engine) -> Result<Value> {
    engine.get("asking the engine for its settings", "/info").await
}
