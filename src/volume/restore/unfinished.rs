//! Restores whose process was killed, or whose call was ended, while the volume was being replaced.
//!
//! Rules: docs/volumes.md, section 8.

use super::found::{busy, refuse_running};
use super::record::{self, RecordFile, RestoreRecord};
use super::source::BackupFile;
use super::{Job, report_of_call, restore};
use crate::container::replacement::engine_id;
use crate::container::state;
use crate::engine::api::{container_list, containers};
use crate::error::shown;
use crate::operation::call::Call;
use crate::volume::list::users;
use crate::{Code, Refit, Result};

/// A restore that is not finished.
#[derive(Debug)]
pub(crate) struct Unfinished {
    record: RestoreRecord,
}

/// What became of one.
#[derive(Debug)]
pub(crate) enum Finished {
    Yes,
    /// It goes on in another call or process.
    Busy,
    /// It was finished by another one meanwhile.
    Gone,
}

impl Unfinished {
    pub(crate) fn volume(&self) -> &str {
        &self.record.volume
    }

    /// The backup.
    pub(crate) fn file(&self) -> String {
        self.record.file.display().to_string()
    }

    /// Whether the call that began it goes on.
    pub(crate) async fn is_busy(&self, refit: &Refit) -> Result<bool> {
        let Some(state_dir) = &refit.shared.state_dir else { return Ok(false) };
        Ok(RecordFile::lock(state_dir, &self.record.engine, &self.record.volume).await?.is_none())
    }

    /// An error is why it would not be finished now, as far as can be seen without reading the backup.
    pub(crate) async fn refusal(&self, refit: &Refit, call: &Call) -> Result<()> {
        refuse_used(refit, call, &self.record).await?;
        call.run(BackupFile::open(&self.record.file)).await.map(drop)
    }

    /// Restores the volume from the same backup, from its beginning.
    pub(crate) async fn finish(&self, refit: &Refit, call: &Call) -> Result<Finished> {
        let Some(state_dir) = &refit.shared.state_dir else { return Ok(Finished::Gone) };
        let RestoreRecord { engine, volume, .. } = &self.record;
        let Some(held) = call.run(RecordFile::lock(state_dir, engine, volume)).await? else { return Ok(Finished::Busy) };
        let Some(record) = held.read().await? else { return Ok(Finished::Gone) };
        refuse_used(refit, call, &record).await?;
        let job = Job {
            volume: record.volume.clone(),
            file: record.file.clone(),
            overwrite: true,
            helper_image: record.helper_image.clone().or_else(|| refit.shared.options.helper_image.clone()),
            sha256: None,
            begun: Some((record, held)),
        };
        match restore(refit, call, job, &report_of_call(call, self.volume())).await {
            Ok(_) => Ok(Finished::Yes),
            Err(failure) if failure.error.code() == Code::Busy => Ok(Finished::Busy),
            Err(failure) => Err(failure.error),
        }
    }
}

/// CONFLICT when files of the volume were changed, or a container with it was started, since the restore was interrupted: what was written would be
/// lost.
async fn refuse_used(refit: &Refit, call: &Call, record: &RestoreRecord) -> Result<()> {
    let engine = &refit.shared.engine;
    if record.changed_since {
        let message = format!(
            "files of volume {} were changed after a restore from {} was interrupted, and that would be lost: restore the volume again \
             (volume_restore with overwrite) if it is to be as in the backup",
            shown(&record.volume),
            shown(&record.file.display().to_string())
        );
        return Err(Code::Conflict.error(message));
    }
    let (containers, _) = call.run(container_list::list(engine)).await?;
    refuse_running(&record.volume, &containers)?;
    for user in users(&record.volume, &containers) {
        let Some(container) = call.run(containers::inspect(engine, &user)).await? else { continue };
        if state::started_at(&container).is_none_or(|started| started.as_second() < record.begun) {
            continue;
        }
        let message = format!(
            "container {} was started with volume {} after a restore from {} was interrupted, and what it has written since would be lost: \
             restore the volume again (volume_restore with overwrite) if it is to be as in the backup",
            shown(&user),
            shown(&record.volume),
            shown(&record.file.display().to_string())
        );
        return Err(Code::Conflict.error(message).with_container(user));
    }
    Ok(())
}

/// The restores of this engine that the handle's folder knows.
pub(crate) async fn unfinished(refit: &Refit) -> Result<Vec<Unfinished>> {
    let Some(state_dir) = &refit.shared.state_dir else { return Ok(Vec::new()) };
    let records = record::unfinished(state_dir, &engine_id(&refit.shared.engine).await?).await?;
    Ok(records.into_iter().map(|record| Unfinished { record }).collect())
}

/// Before a call changes files of a volume: a restore that was interrupted is not finished over them. BUSY while a restore goes on.
pub(crate) async fn note_change(refit: &Refit, volume: &str) -> Result<()> {
    let Some(state_dir) = &refit.shared.state_dir else { return Ok(()) };
    let is_of_volume = |record: &RestoreRecord| record.volume == volume && !record.changed_since;
    if !record::of_all_engines(state_dir).await?.iter().any(is_of_volume) {
        return Ok(());
    }
    let engine = engine_id(&refit.shared.engine).await?;
    if !record::unfinished(state_dir, &engine).await?.iter().any(is_of_volume) {
        return Ok(());
    }
    let Some(held) = RecordFile::lock(state_dir, &engine, volume).await? else { return Err(busy(volume)) };
    match held.read().await? {
        Some(record) => held.write(&RestoreRecord { changed_since: true, ..record }).await,
        None => Ok(()),
    }
}

/// The volume was removed on purpose: nothing of it is to be finished.
pub(crate) async fn forget(refit: &Refit, volume: &str) {
    let Some(state_dir) = &refit.shared.state_dir else { return };
    let Ok(engine) = engine_id(&refit.shared.engine).await else { return };
    let there = record::unfinished(state_dir, &engine).await.unwrap_or_default();
    if there.iter().any(|record| record.volume == volume)
        && let Ok(Some(held)) = RecordFile::lock(state_dir, &engine, volume).await
    {
        let _ = held.remove().await;
    }
}
