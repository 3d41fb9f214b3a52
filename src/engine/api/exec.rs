//! `/containers/CONTAINER/exec` and `/exec`: commands in running containers.

use bollard::config::{ExecConfig, ExecInspectResponse};
use http::{HeaderMap, Method};
use serde_json::json;
use tokio::io::AsyncWrite;

use crate::Result;
use crate::engine::{ByteStream, Engine, escape};
use crate::error::shown;

/// Creates an exec of a command, both of whose streams are read; its id.
pub(crate) async fn create(engine: &Engine, container: &str, command: &[String]) -> Result<String> {
    create_with(engine, container, ExecConfig { cmd: Some(command.to_vec()), ..ExecConfig::default() }).await
}

/// The same with the engine's other settings.
pub(crate) async fn create_with(engine: &Engine, container: &str, config: ExecConfig) -> Result<String> {
    let what = format!("creating an exec in container {}", shown(container));
    let config = ExecConfig { attach_stdout: Some(true), attach_stderr: Some(true), ..config };
    let create = |docker: bollard::Docker| {
        let config = config.clone();
        async move { docker.create_exec(container, config).await }
    };
    Ok(engine.typed(&what, create).await?.id)
}

/// Starts it; both its streams, in frames, as they come. Raw, since bollard asks the engine to give up HTTP on the connection, which
/// proxies of an engine refuse and which needs no answer here.
pub(crate) async fn attach(engine: &Engine, exec: &str) -> Result<ByteStream> {
    let (what, body) = (format!("running exec {exec}"), json!({"Detach": false, "Tty": false}));
    engine.stream_of(&what, Method::POST, &format!("/exec/{}/start", escape(exec)), &HeaderMap::new(), Some(&body)).await
}

/// The same of an exec that was created with an input: what is written goes there, and shutting it down ends it.
pub(crate) async fn attach_with_input(engine: &Engine, exec: &str) -> Result<(ByteStream, impl AsyncWrite + Send + use<>)> {
    let (what, body) = (format!("running exec {exec}"), json!({"Detach": false, "Tty": false}));
    engine.upgrade(&what, &format!("/exec/{}/start", escape(exec)), &body).await
}

/// What became of it: `exit_code` once it has ended.
pub(crate) async fn inspect(engine: &Engine, exec: &str) -> Result<ExecInspectResponse> {
    let inspect = |docker: bollard::Docker| async move { docker.inspect_exec(exec).await };
    engine.typed(&format!("inspecting exec {exec}"), inspect).await
}
