//! What is needed to make the old container again, kept from before the stop until the end.
//!
//! One case needs it: `docker container prune` between stop and start removes the exited old container and the created new one together.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::container::names::{Mode, TemporaryName};
use crate::container::spec::Spec;
use crate::container::state;
use crate::engine::Engine;
use crate::{Code, Error, Result};

/// The old container as it was, and the requests that make it again from the image that it had.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptBody {
    /// Which engine, from [`engine_id`].
    pub(crate) engine: String,
    pub(crate) container: String,
    pub(crate) mode: Mode,
    /// The old container's inspect.
    pub(crate) old: Value,
    /// The new container's id.
    pub(crate) new_id: String,
    /// The id of one that was made from this in place of the old one, once it was whole.
    pub(crate) made_again: Option<String>,
    /// The grace that the caller chose for the stop.
    pub(crate) stop_timeout: Option<Duration>,
    /// The requests, with the old image's id.
    pub(crate) spec: Spec,
}

/// The engine's own id, or where it is reached.
pub(crate) async fn engine_id(engine: &Engine) -> Result<String> {
    let id = engine.facts().await?.id;
    Ok(if id.is_empty() { engine.endpoint().to_string() } else { id })
}

/// The file of a recreation in hand; removed by [`KeptFile::remove`], and left behind by a crash.
#[derive(Debug)]
pub(crate) struct KeptFile(PathBuf);

impl KeptBody {
    /// Whether a container under this temporary name was made by the same run, and is not the old one made again.
    pub(crate) fn is_of_failed(&self, name: &TemporaryName, id: &str) -> bool {
        state::id(&self.old).starts_with(&name.other) && self.made_again.as_deref() != Some(id)
    }

    /// Whether a container in the place of the old one was made from this, beside this successor, and is not known to be whole. An `--rm`
    /// one has a spare there.
    pub(crate) fn is_half_made(&self, id: &str, new_id: &str) -> bool {
        let is_another = state::id(&self.old) != id && self.made_again.as_deref() != Some(id);
        self.new_id == new_id && is_another && !state::is_auto_remove(&self.old)
    }

    /// Writes it below the handle's `state_dir`, for its owner alone, and waits until the disk has it.
    pub(crate) async fn write(&self, state_dir: &Path) -> Result<KeptFile> {
        let path = path(state_dir, &self.engine, &self.container);
        let bytes = serde_json::to_vec(self).map_err(|error| Code::Panic.error("a kept body is not JSON").caused_by(&error))?;
        let target = path.clone();
        on_disk(&path, "writing", move || write(&target, &bytes)).await?;
        Ok(KeptFile(path))
    }
}

impl KeptFile {
    /// The work is done. A file that stays is found to be stale by the next recovery.
    pub(crate) async fn remove(&self) {
        let path = self.0.clone();
        let _ = on_disk(&self.0, "removing", move || fs::remove_file(path)).await;
    }
}

/// The bodies that were kept for an engine, with their files. What cannot be read as one is left alone.
pub(crate) async fn kept(state_dir: &Path, engine: &str) -> Result<Vec<(KeptBody, KeptFile)>> {
    let folder = folder(state_dir);
    let files = on_disk(&folder, "reading", {
        let folder = folder.clone();
        move || read_all(&folder)
    });
    let bodies = files.await?.into_iter().filter_map(|(path, bytes)| Some((serde_json::from_slice(&bytes).ok()?, KeptFile(path))));
    Ok(bodies.filter(|(body, _): &(KeptBody, KeptFile)| body.engine == engine).collect())
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("recreations")
}

/// One file an engine and container.
fn path(state_dir: &Path, engine: &str, container: &str) -> PathBuf {
    let engine: String = Sha256::digest(engine).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    folder(state_dir).join(format!("{container}-{engine}.json"))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(folder)?.sync_all()
}

fn read_all(folder: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            // One that is removed meanwhile, or is not readable, says nothing of the others.
            files.extend(fs::read(&path).ok().map(|bytes| (path, bytes)));
        }
    }
    Ok(files)
}

/// Away from the threads that serve the engine's answers.
async fn on_disk<T: Send + 'static>(path: &Path, what: &str, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    let failed =
        |cause: &(dyn std::error::Error + 'static)| -> Error { Code::Io.error(format!("{what} {}", path.display())).caused_by(cause) };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_body_is_kept_for_its_owner_and_its_engine() {
        let state_dir = std::env::temp_dir().join(format!("refit-kept-{}", std::process::id()));
        let spec = json!({"platform": null, "body": {"Image": "sha256:a"}, "disconnects": [], "connects": [], "overlay": false,
            "warnings": [], "lossy": []});
        let body = KeptBody {
            engine: "unix:///a".into(),
            container: "web".into(),
            mode: Mode::Paused,
            old: json!({"Id": "o"}),
            new_id: "w".into(),
            made_again: None,
            stop_timeout: None,
            spec: serde_json::from_value(spec).unwrap(),
        };
        assert!(kept(&state_dir, "unix:///a").await.unwrap().is_empty());
        let file = body.write(&state_dir).await.unwrap();
        assert_eq!(fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(folder(&state_dir).join("torn.json"), b"{\"engine\":").unwrap();
        assert!(kept(&state_dir, "unix:///b").await.unwrap().is_empty());
        let found = kept(&state_dir, "unix:///a").await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].0.old, found[0].0.mode), (&body.old, Mode::Paused));
        found[0].1.remove().await;
        assert!(kept(&state_dir, "unix:///a").await.unwrap().is_empty());
        fs::remove_dir_all(state_dir).unwrap();
    }
}
