//! The volumes of a rollback: the new container may have changed what is in them, and they are restored from the backups of this run before the old
//! container starts.
//!
//! Rules: docs/volumes.md, section 10.

use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::pair::ReplacementPair;
use super::retry_limit::RetryLimit;
use super::{Phase, PhaseReporter};
use crate::container::state;
use crate::engine::api::{container_list, containers};
use crate::error::shown;
use crate::volume::other_users;
use crate::volume::restore::{RestorePhase, restore_for_rollback};
use crate::{Code, Error, Result};

/// From what the volumes are restored. In the file of the snapshot, so that another process can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumesSnapshot {
    pub(crate) backups: Vec<KeptBackup>,
    /// The image with the shell that empties a volume.
    pub(crate) helper_image: Option<String>,
    /// Before the first backup was made, in seconds since 1970 by the engine's clock.
    pub(crate) taken_at: i64,
    /// A rollback has restored all of them.
    #[serde(default)]
    pub(crate) restored: bool,
}

/// The backup of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptBackup {
    pub(crate) volume: String,
    pub(crate) file: PathBuf,
    /// Of the file: another one under its name is not taken for it.
    pub(crate) sha256: String,
}

/// What became of the volumes in a rollback.
#[derive(Debug, Clone, Default)]
pub(crate) struct VolumesRollback {
    /// Take volumes over from a call that may still be alive.
    pub(crate) force: bool,
    /// They could not be restored, and trying again does not help.
    pub(crate) is_refused: bool,
    /// What the report has to say.
    pub(crate) note: Option<VolumesNote>,
}

/// Where a rollback reports how far it is with the volumes.
#[derive(Clone, Copy)]
pub(crate) struct RestoreReporter<'a> {
    pub(crate) on_phase: PhaseReporter<'a>,
    /// Thousandths of the whole at which the rollback has begun.
    pub(crate) permille: u32,
}

impl std::fmt::Debug for RestoreReporter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestoreReporter").field("permille", &self.permille).finish_non_exhaustive()
    }
}

impl RestoreReporter<'_> {
    /// The phases of a restore that read the backup. Its other ones would be taken for those of the recreation.
    fn report(&self, restore: RestorePhase) {
        let name = match restore.name {
            "verifying" => "verifying",
            "extracting" => "restoring",
            _ => return,
        };
        (self.on_phase)(Phase { bytes: restore.read, bytes_in_all: Some(restore.size), ..Phase::new(name, self.permille) });
    }
}

/// What the report of a rollback has to say of the volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VolumesNote {
    /// They were restored from these files.
    Restored(String),
    /// They were not: the old container was started by something else, and what it has written stays.
    Left(String),
}

impl VolumesNote {
    /// The code of a warning.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Restored(_) => "volumes_restored",
            Self::Left(_) => "volumes_not_restored",
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Restored(files) => format!("its volumes are as they were before the new container started: restored from {files}"),
            Self::Left(files) => format!(
                "its volumes were not restored: the old container was started meanwhile, and what it has written since would be lost; the backups are {files}"
            ),
        }
    }
}

impl VolumesSnapshot {
    /// The files, for a message.
    pub(crate) fn files(&self) -> String {
        let files: Vec<String> = self.backups.iter().map(|backup| backup.file.display().to_string()).collect();
        shown(&files.join(", ")).into_owned()
    }
}

impl ReplacementPair<'_> {
    /// Whether a rollback has to restore the volumes, where the new container has run.
    pub(super) fn restores_volumes(&self) -> bool {
        match &self.snapshot {
            Some(snapshot) => snapshot.volumes.as_ref().is_some_and(|volumes| !volumes.restored),
            None => self.marks.restores_volumes,
        }
    }

    /// The error of a rollback that would have to restore the volumes and does not know their backups.
    pub(super) fn backups_unknown(&mut self) -> Error {
        self.volumes.is_refused = true;
        let message = format!(
            "the volumes of container {} have to be restored before it starts, and only the state_dir of the interrupted run tells from which \
             backups: nothing was started; call container_recover through a handle with that state_dir",
            self.name
        );
        Code::NotFound.error(message)
    }

    /// Restores the volumes. Nothing starts the old container before this is done, and written down.
    pub(crate) async fn restore_volumes(&mut self) -> Result<()> {
        let Some(volumes) = self.snapshot.as_ref().and_then(|snapshot| snapshot.volumes.clone()) else {
            return Err(self.backups_unknown());
        };
        let restored = self.restore_all(&volumes).await;
        if restored.is_err() && !self.lease.is_lost() {
            self.volumes.is_refused = true;
        }
        restored?;
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.volumes = Some(VolumesSnapshot { restored: true, ..volumes.clone() });
            if let Some(state_dir) = self.state_dir {
                snapshot.write(state_dir).await?;
            }
        }
        self.volumes.note = Some(VolumesNote::Restored(volumes.files()));
        Ok(())
    }

    async fn restore_all(&mut self, volumes: &VolumesSnapshot) -> Result<()> {
        for backup in &volumes.backups {
            let mut retries: Option<(RetryLimit, Instant)> = None;
            loop {
                let error = match self.restore_one(backup, volumes).await {
                    Ok(()) => break,
                    Err(error) => error,
                };
                // A restore may take longer than an engine is waited for: the wait begins with the first failure, and anew after a long attempt.
                let engine_wait = self.engine_wait;
                let is_new =
                    retries.as_ref().is_none_or(|(_, failed)| failed.elapsed() > engine_wait.max(std::time::Duration::from_secs(10)));
                if is_new {
                    retries = Some((RetryLimit::of_rollback(engine_wait), Instant::now()));
                }
                let Some((limit, failed)) = &mut retries else { return Err(error) };
                let may_help = matches!(error.code(), Code::Unreachable | Code::Busy | Code::Engine);
                if self.lease.is_lost() || !may_help || !self.lease.during(async { Ok(limit.allows(&error).await) }).await? {
                    return Err(error);
                }
                *failed = Instant::now();
            }
        }
        Ok(())
    }

    async fn restore_one(&mut self, backup: &KeptBackup, volumes: &VolumesSnapshot) -> Result<()> {
        self.lease.ensure().await?;
        self.refuse_users(backup, volumes.taken_at).await?;
        let (refit, force) = (self.refit, self.volumes.force);
        let helper_image = volumes.helper_image.clone().or_else(|| refit.shared.options.helper_image.clone());
        let reporter = self.restore_reporter;
        let on_phase = |phase: RestorePhase| reporter.report(phase);
        let restored = self.lease.during(restore_for_rollback(refit, backup, helper_image, force, &on_phase)).await;
        restored.map_err(|error| {
            let message = format!(
                "volume {} could not be restored from {}, and the old container of {} was not started: {}",
                shown(&backup.volume),
                shown(&backup.file.display().to_string()),
                self.name,
                error.message()
            );
            error.with_message(message)
        })
    }

    /// CONFLICT when another container was started with the volume since the backup: what it has written would be lost.
    async fn refuse_users(&self, backup: &KeptBackup, since: i64) -> Result<()> {
        let own: Vec<&str> =
            [Some(&self.old), self.new.as_ref(), self.standby.as_ref()].into_iter().flatten().map(String::as_str).collect();
        let (list, _) = container_list::list(self.engine).await?;
        for id in other_users(&backup.volume, &own, &list) {
            let Some(container) = containers::inspect(self.engine, id).await? else { continue };
            if state::is_running(&container) || state::started_at(&container).is_some_and(|started| started.as_second() >= since) {
                let message = format!(
                    "volume {} is mounted by {}, which runs, or was started after the backup {}: what it has written since would be lost; stop it, and \
                     restore the volume by hand (volume_restore)",
                    shown(&backup.volume),
                    shown(state::name(&container)),
                    shown(&backup.file.display().to_string())
                );
                return Err(Code::Conflict.error(message).with_container(state::name(&container)));
            }
        }
        Ok(())
    }
}
