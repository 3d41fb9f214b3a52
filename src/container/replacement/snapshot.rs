//! What the old container can be recreated from: taken before the stop, and removed at the end.
//!
//! One case needs it: `docker container prune` between stop and start removes the exited old container and the created new one together.
//!
//! Rules: docs/recreate.md, section 6.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::settle::Watch;
use super::volumes::VolumesSnapshot;
use crate::container::create_body::CreatePlan;
use crate::container::replacement::names::{Mode, TemporaryName};
use crate::container::state;
use crate::engine::Engine;
use crate::state_dir::StateDir;
use crate::{Code, Result};

/// The old container's inspect, and the requests that recreate it from the image that it had.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RecoverySnapshot {
    /// Which engine, from [`engine_id`].
    pub(crate) engine: String,
    pub(crate) container: String,
    pub(crate) mode: Mode,
    /// The old container's inspect.
    pub(crate) old: Value,
    /// The new container's id.
    pub(crate) new_id: String,
    /// The id of a container that was recreated from this, once that was complete.
    pub(crate) made_again: Option<String>,
    /// When it was taken, in seconds since 1970 by the engine's clock.
    #[serde(default)]
    pub(crate) taken_at: Option<i64>,
    /// The grace that the caller chose for the stop.
    pub(crate) stop_timeout: Option<Duration>,
    /// How long the new container has to run, and may take to become healthy.
    #[serde(default)]
    pub(crate) watch: Option<Watch>,
    /// The commands that are to run in the new container once it has settled, until they have run.
    #[serde(default)]
    pub(crate) after_hooks: Vec<Vec<String>>,
    /// How long each of them may take.
    #[serde(default)]
    pub(crate) hooks_timeout: Option<Duration>,
    /// What a rollback restores the volumes from, once all of them are backed up; `None` where it restores none.
    #[serde(default)]
    pub(crate) volumes: Option<VolumesSnapshot>,
    /// The requests, with the old image's id.
    #[serde(rename = "spec")]
    pub(crate) plan: CreatePlan,
}

/// The engine's own id, or where it is reached.
pub(crate) async fn engine_id(engine: &Engine) -> Result<String> {
    let id = engine.facts().await?.id;
    Ok(if id.is_empty() { engine.endpoint().to_string() } else { id })
}

/// The file of a recreation in progress; removed by [`SnapshotFile::remove`], and left behind by a crash.
#[derive(Debug)]
pub(crate) struct SnapshotFile {
    state_dir: StateDir,
    name: String,
}

impl RecoverySnapshot {
    /// Whether a container with this temporary name was created by the same run, and is not the recreated old one.
    pub(crate) fn is_of_same_run(&self, name: &TemporaryName, id: &str) -> bool {
        state::id(&self.old).starts_with(&name.other) && self.made_again.as_deref() != Some(id)
    }

    /// Whether a container beside this new one was created from this in place of the old one, and is not known to be complete. In the place
    /// of an `--rm` container that is its standby.
    pub(crate) fn is_incomplete(&self, id: &str, new_id: &str) -> bool {
        let is_another = state::id(&self.old) != id && self.made_again.as_deref() != Some(id);
        self.new_id == new_id && is_another && !state::is_auto_remove(&self.old)
    }

    /// Writes it below the handle's `state_dir`, for its owner alone, and waits until the disk has it.
    pub(crate) async fn write(&self, state_dir: &StateDir) -> Result<SnapshotFile> {
        let name = file_name(&self.engine, &self.container);
        let bytes = serde_json::to_vec(self).map_err(|error| Code::Panic.error("a snapshot is not JSON").caused_by(&error))?;
        state_dir.write(&name, bytes).await?;
        Ok(SnapshotFile { state_dir: state_dir.clone(), name })
    }
}

impl SnapshotFile {
    /// The work is done. A file that stays is found to be stale by the next recovery.
    pub(crate) async fn remove(&self) {
        let _ = self.state_dir.remove(&self.name).await;
    }
}

/// The snapshots of an engine, with their files. A file that is no snapshot is left alone.
pub(crate) async fn read_snapshots(state_dir: &StateDir, engine: &str) -> Result<Vec<(RecoverySnapshot, SnapshotFile)>> {
    let files = state_dir.read_all(FOLDER, "json").await?.into_iter();
    let snapshots = files.filter_map(|(name, bytes)| {
        let snapshot: RecoverySnapshot = serde_json::from_slice(&bytes).ok()?;
        (snapshot.engine == engine).then(|| (snapshot, SnapshotFile { state_dir: state_dir.clone(), name }))
    });
    Ok(snapshots.collect())
}

/// The subfolder of the state folder.
const FOLDER: &str = "recreations";

/// One file an engine and container. A container's name may be as long as a file's, or longer.
fn file_name(engine: &str, container: &str) -> String {
    let both = Sha256::new().chain_update(engine).chain_update([0]).chain_update(container).finalize();
    let digits: String = both.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{FOLDER}/{digits}.json")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn a_snapshot_is_read_by_its_owner_and_for_its_engine() {
        let folder = std::env::temp_dir().join(format!("refit-kept-{}", std::process::id()));
        let state_dir = StateDir::open(&folder).await.unwrap();
        let plan = json!({"platform": null, "body": {"Image": "sha256:a"}, "disconnects": [], "connects": [], "overlay": false,
            "warnings": [], "lossy": []});
        let body = RecoverySnapshot {
            engine: "unix:///a".into(),
            container: "web".into(),
            mode: Mode::Paused,
            old: json!({"Id": "o"}),
            new_id: "w".into(),
            made_again: None,
            taken_at: None,
            stop_timeout: None,
            watch: None,
            after_hooks: Vec::new(),
            hooks_timeout: None,
            volumes: None,
            plan: serde_json::from_value(plan).unwrap(),
        };
        assert!(read_snapshots(&state_dir, "unix:///a").await.unwrap().is_empty());
        body.write(&state_dir).await.unwrap();
        state_dir.write("recreations/torn.json", b"{\"engine\":".to_vec()).await.unwrap();
        assert!(read_snapshots(&state_dir, "unix:///b").await.unwrap().is_empty());
        let found = read_snapshots(&state_dir, "unix:///a").await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].0.old, found[0].0.mode), (&body.old, Mode::Paused));
        found[0].1.remove().await;
        assert!(read_snapshots(&state_dir, "unix:///a").await.unwrap().is_empty());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
