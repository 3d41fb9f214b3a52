//! A storage container that runs a script, for what the engine's archives cannot do: they delete nothing.

use std::time::Duration;

use bytes::BytesMut;
use serde_json::{Value, json};

use super::{Access, Purpose, Storage};
use crate::engine::api::containers::{self, LogQuery};
use crate::engine::join_frames;
use crate::error::shown;
use crate::operation::call::Call;
use crate::{Code, Refit, Result};

/// A script that deletes millions of files takes this long at most.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The number of the stream in the engine's frames.
const STDOUT: u8 = 1;

/// What a container has that runs a shell: no network, no health check, root as its user, and a root file system that nothing can write to.
pub(super) fn complete(body: &mut Value, command: &[String]) {
    body["Entrypoint"] = json!(["sh"]);
    body["Cmd"] = json!(command);
    body["User"] = json!("0:0");
    body["WorkingDir"] = json!("/");
    body["Healthcheck"] = json!({"Test": ["NONE"]});
    body["HostConfig"]["ReadonlyRootfs"] = json!(true);
    body["HostConfig"]["LogConfig"] = json!({"Type": "json-file", "Config": {}});
    body["HostConfig"]["SecurityOpt"] = json!(["no-new-privileges"]);
}

impl Storage {
    /// Makes a container of `image`, which must be local, that will run a script with `sh -c` when it is started. `{}` in an argument is where the
    /// volume is mounted.
    pub(crate) async fn open_shell(
        refit: &Refit,
        call: &Call,
        volume: &str,
        access: Access,
        image: &str,
        script: &'static str,
        arguments: Vec<String>,
    ) -> Result<Self> {
        let purpose = Purpose::Shell { image: image.to_owned(), script, arguments };
        Self::open_with(refit, call, volume, access, purpose).await
    }

    /// Runs the script to its end. ENGINE with what it wrote when it fails.
    pub(crate) async fn run(&self) -> Result<()> {
        let engine = self.engine();
        containers::start(engine, &self.id).await?;
        let exit = containers::wait(engine, &self.id, LONGEST).await?;
        match exit["StatusCode"].as_i64() {
            Some(0) => Ok(()),
            code => {
                let log = containers::logs(engine, &self.id, 20, engine.timeout()).await.unwrap_or_default();
                let words = String::from_utf8_lossy(&join_frames(&log)).into_owned();
                let message =
                    format!("volume {}: helper_image ended with code {}: {}", self.volume, code.unwrap_or(-1), shown(words.trim()));
                Err(Code::Engine.error(message))
            }
        }
    }

    /// What the script has written to its standard output, to the end.
    pub(crate) async fn output(&self) -> Result<Vec<u8>> {
        let mut log = containers::log_stream(self.engine(), &self.id, &LogQuery::default()).await?;
        let (mut frames, mut output) = (BytesMut::new(), Vec::new());
        while let Some(bytes) = log.next_or_quiet().await? {
            frames.extend_from_slice(&bytes);
            while let Some(&[stream, _, _, _, a, b, c, d]) = frames.first_chunk::<8>() {
                let whole = 8 + u32::from_be_bytes([a, b, c, d]) as usize;
                if frames.len() < whole {
                    break;
                }
                let frame = frames.split_to(whole);
                if stream == STDOUT {
                    output.extend_from_slice(&frame[8..]);
                }
            }
        }
        Ok(output)
    }
}
