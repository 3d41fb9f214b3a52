//! Between the stop of the old container and the start of the new one: the volumes are backed up.
//!
//! Rules: docs/volumes.md, section 9.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::TakenBackup;
use super::run::Run;
use super::volumes::refuse_neighbours;
use crate::container::replacement::Phase;
use crate::container::replacement::volumes::{KeptBackup, VolumesSnapshot};
use crate::container::state;
use crate::engine::api::{container_list, containers};
use crate::error::shown;
use crate::volume::VolumeBackup;
use crate::volume::backup::{back_up_into, remove_dead_parts};
use crate::{Code, Error, Result};

/// Thousandths of a recreation at which the volumes are backed up.
const PERMILLE: u32 = 410;

impl Run<'_> {
    /// Backs up the volumes that the options ask for. A failure leaves no file of this run: the data is where it was.
    pub(super) async fn back_up(&mut self) -> Result<()> {
        let Some(folder) = self.options.backup_volumes.clone() else { return Ok(()) };
        let planned = std::mem::take(&mut self.prepared.volumes.volumes);
        let restores = self.options.restore_on_rollback && self.pair.mode.runs();
        if restores {
            // One may have been started since the preflight.
            let (listed, _) = container_list::list(self.engine).await?;
            refuse_neighbours(&planned, &self.pair.old, &listed)?;
        }
        let taken_at = self.pair.lease.clock().now();
        // Another container of the same run has the volume too: it was backed up before that one was replaced.
        let wanted: Vec<String> =
            planned.iter().map(|one| one.volume.clone()).filter(|volume| !self.backed_up_before.contains(volume)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let mut kept = Vec::new();
        for volume in &wanted {
            match self.back_up_volume(volume, &folder).await {
                Ok(backup) if planned.iter().any(|one| one.writable && one.volume == *volume) => kept.push(backup),
                Ok(_) => {}
                Err(error) => return Err(self.remove_backups(error).await),
            }
        }
        let checked = match self.still_stopped().await {
            Ok(()) if restores => {
                self.keep_for_rollback(VolumesSnapshot {
                    backups: kept,
                    helper_image: self.refit.shared.options.helper_image.clone(),
                    taken_at,
                    restored: false,
                })
                .await
            }
            checked => checked,
        };
        match checked {
            Ok(()) => Ok(()),
            Err(error) => Err(self.remove_backups(error).await),
        }
    }

    /// From here on a rollback restores the volumes where the new container has run, in this process or another.
    async fn keep_for_rollback(&mut self, volumes: VolumesSnapshot) -> Result<()> {
        if let (Some(snapshot), Some(state_dir)) = (&mut self.pair.snapshot, self.pair.state_dir) {
            snapshot.volumes = (!volumes.backups.is_empty()).then_some(volumes);
            snapshot.write(state_dir).await?;
        }
        Ok(())
    }

    /// The run ends before the new container has started: the data is where it was.
    async fn remove_backups(&mut self, error: Error) -> Error {
        let made: Vec<PathBuf> = self.report.backups.drain(..).map(|backup| backup.file.into()).collect();
        let _ = tokio::task::spawn_blocking(move || made.iter().for_each(|file| drop(fs::remove_file(file)))).await;
        error
    }

    async fn back_up_volume(&mut self, volume: &str, folder: &Path) -> Result<KeptBackup> {
        self.begin_step("backing_up", PERMILLE).await?;
        remove_dead_parts(folder, volume).await;
        let (refit, call, on_phase) = (self.refit, self.call, self.on_phase);
        let report = |_: &'static str, bytes: u64| on_phase(Phase { bytes, ..Phase::new("backing_up", PERMILLE) });
        let done = self.turn.during(self.pair.lease.during(back_up_into(refit, call, volume, folder, &report))).await;
        let VolumeBackup { file, sha256, warnings, .. } = done.map_err(|error| not_backed_up(volume, error))?;
        for warning in warnings {
            if !self.report.warnings.contains(&warning) {
                self.report.warnings.push(warning);
            }
        }
        let kept = KeptBackup { volume: volume.to_owned(), file: file.clone().into(), sha256 };
        self.report.backups.push(TakenBackup { volume: volume.to_owned(), file });
        Ok(kept)
    }

    /// A backup takes its time: whoever has started the old container meanwhile has written what is in no backup.
    async fn still_stopped(&self) -> Result<()> {
        let old = containers::inspect(self.engine, &self.pair.old).await?.ok_or_else(|| self.conflict("was removed"))?;
        let started = |container: &serde_json::Value| state::started_at(container);
        let since = self.stopped.as_ref().unwrap_or(&self.prepared.container);
        let was_started = state::is_running(&old) || started(&old) != started(since);
        if was_started { Err(self.conflict("was started")) } else { Ok(()) }
    }

    /// The volumes of which this run has a backup.
    pub(super) fn backed_up(&self) -> BTreeSet<String> {
        self.report.backups.iter().map(|backup| backup.volume.clone()).collect()
    }
}

fn not_backed_up(volume: &str, error: Error) -> Error {
    if matches!(error.code(), Code::Cancelled | Code::Stopped | Code::Timeout) {
        return error;
    }
    let message = format!("volume {} could not be backed up: {}", shown(volume), error.message());
    error.with_message(message)
}
