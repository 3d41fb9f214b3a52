//! A command that runs in a container before or after the change.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::last_words::streams;
use crate::engine::{Engine, escape};
use crate::{Code, Result};

/// The call's own time limit ends a hook; the engine is silent while it runs.
const PATIENCE: Duration = Duration::from_secs(86_400);

/// Runs a command and waits for its end; an exit code other than 0 is an error with its last line.
pub(super) async fn run(engine: &Engine, container: &str, command: &[String]) -> Result<()> {
    let what = format!("running the hook {command:?} in container {container}");
    let body = json!({"Cmd": command, "AttachStdout": true, "AttachStderr": true});
    let exec = engine.post(&what, &format!("/containers/{}/exec", escape(container)), Some(&body)).await?;
    let id = exec.get("Id").and_then(Value::as_str).unwrap_or_default();
    let start = format!("/exec/{}/start", escape(id));
    let output = engine.call(&what, Method::POST, &start, Some(&json!({"Detach": false, "Tty": false})), PATIENCE).await?;
    let ended = engine.get(&what, &format!("/exec/{}/json", escape(id))).await?;
    match ended.get("ExitCode").and_then(Value::as_i64) {
        Some(0) => Ok(()),
        code => {
            let text = String::from_utf8_lossy(&streams(&output.body)).into_owned();
            let last = text.trim_end().lines().last().unwrap_or("it wrote nothing").to_owned();
            let code = code.map_or_else(|| "an unknown code".to_owned(), |code| code.to_string());
            Err(Code::Engine.error(format!("{what}: it ended with exit code {code}: {last}")))
        }
    }
}
