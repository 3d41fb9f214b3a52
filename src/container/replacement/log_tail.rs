//! The last lines that a container wrote.

use std::time::Duration;

use serde_json::Value;

use crate::container::state;
use crate::engine::api::containers;
use crate::engine::{Engine, join_frames};

/// The last 20 lines, of both streams; `None` where the log driver keeps none, or the engine does not answer. Never fails: it is read when
/// something else has.
pub(crate) async fn log_tail(engine: &Engine, container: &Value) -> Option<String> {
    let log = containers::logs(engine, state::id(container), 20, Duration::from_secs(5)).await.ok()?;
    let is_terminal = container.pointer("/Config/Tty") == Some(&Value::Bool(true));
    let bytes = if is_terminal { log.to_vec() } else { join_frames(&log) };
    let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}
