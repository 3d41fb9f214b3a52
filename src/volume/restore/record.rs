//! A restore that has begun to change its volume, in the handle's folder: what finishes it after its process was killed.
//!
//! Rules: docs/volumes.md, section 8.

use std::fs::{self, File};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::state_dir::StateDir;
use crate::volume::backup::VolumeSpec;
use crate::{Code, Result};

/// The subfolder of the state folder.
const FOLDER: &str = "restores";

/// A restore that may have changed its volume and is not finished.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RestoreRecord {
    /// Which engine, from `engine_id`.
    pub(crate) engine: String,
    pub(crate) volume: String,
    /// The backup, from the root of the file system.
    pub(crate) file: PathBuf,
    /// Of the backup.
    pub(crate) sha256: String,
    /// With what the volume is made where it is missing.
    pub(crate) spec: VolumeSpec,
    pub(crate) helper_image: Option<String>,
    /// There was something in the volume.
    pub(crate) replaced: bool,
    /// Not later than its first change, in seconds since 1970 by the engine's clock.
    pub(crate) begun: i64,
    /// A call of refit has changed files of the volume since: they are not replaced without being asked.
    #[serde(default)]
    pub(crate) changed_since: bool,
}

/// The right to restore a volume among the processes that share the folder, until it is dropped.
#[derive(Debug)]
pub(crate) struct RecordFile {
    state_dir: StateDir,
    name: String,
    _lock: File,
}

impl RecordFile {
    /// `None` while another restore has it.
    pub(crate) async fn lock(state_dir: &StateDir, engine: &str, volume: &str) -> Result<Option<Self>> {
        let name = file_name(engine, volume);
        let locked = state_dir.try_lock(&name).await?;
        Ok(locked.map(|lock| Self { state_dir: state_dir.clone(), name, _lock: lock }))
    }

    /// When this returns, the disk has it.
    pub(crate) async fn write(&self, record: &RestoreRecord) -> Result<()> {
        let bytes = serde_json::to_vec(record).map_err(|error| Code::Panic.error("a record is not JSON").caused_by(&error))?;
        self.state_dir.write(&self.name, bytes).await
    }

    /// The record that is there now.
    pub(crate) async fn read(&self) -> Result<Option<RestoreRecord>> {
        Ok(self.state_dir.read(&self.name).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Nothing is left to be finished.
    pub(crate) async fn remove(&self) -> Result<()> {
        self.state_dir.remove(&self.name).await
    }
}

impl Drop for RecordFile {
    fn drop(&mut self) {
        // Who has opened it meanwhile sees that it was removed.
        let _ = fs::remove_file(self.state_dir.path(&format!("{}.lock", self.name)));
    }
}

/// The restores of an engine that are not finished.
pub(crate) async fn unfinished(state_dir: &StateDir, engine: &str) -> Result<Vec<RestoreRecord>> {
    let mut records = of_all_engines(state_dir).await?;
    records.retain(|record| record.engine == engine);
    records.sort_by(|a, b| a.volume.cmp(&b.volume));
    Ok(records)
}

/// The restores that are not finished. The engine is not asked.
pub(crate) async fn of_all_engines(state_dir: &StateDir) -> Result<Vec<RestoreRecord>> {
    let files = state_dir.read_all(FOLDER, "json").await?.into_iter();
    Ok(files.filter_map(|(_, bytes)| serde_json::from_slice(&bytes).ok()).collect())
}

/// One file an engine and volume.
fn file_name(engine: &str, volume: &str) -> String {
    let both = Sha256::new().chain_update(engine).chain_update([0]).chain_update(volume).finalize();
    let digits: String = both.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{FOLDER}/{digits}.json")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_record_is_of_its_engine_and_one_restore_has_it_at_a_time() {
        let folder = std::env::temp_dir().join(format!("refit-restores-{}", std::process::id()));
        let state_dir = StateDir::open(&folder).await.unwrap();
        let file = RecordFile::lock(&state_dir, "e", "data").await.unwrap().unwrap();
        assert!(RecordFile::lock(&state_dir, "e", "data").await.unwrap().is_none());
        assert!(RecordFile::lock(&state_dir, "e", "other").await.unwrap().is_some());
        let record = RestoreRecord {
            engine: "e".into(),
            volume: "data".into(),
            file: "/b".into(),
            sha256: "0".into(),
            spec: VolumeSpec::default(),
            helper_image: None,
            replaced: true,
            begun: 1_795_000_000,
            changed_since: false,
        };
        file.write(&record).await.unwrap();
        drop(file);
        assert!(unfinished(&state_dir, "f").await.unwrap().is_empty());
        assert_eq!(unfinished(&state_dir, "e").await.unwrap()[0].volume, "data");
        let file = RecordFile::lock(&state_dir, "e", "data").await.unwrap().unwrap();
        assert_eq!(file.read().await.unwrap().unwrap().sha256, "0");
        file.remove().await.unwrap();
        drop(file);
        assert!(unfinished(&state_dir, "e").await.unwrap().is_empty());
        assert_eq!(fs::read_dir(folder.join(FOLDER)).unwrap().count(), 0, "no lock is left");
        fs::remove_dir_all(folder).unwrap();
    }
}
