//! `volume_restore`: all of a volume from a backup.
//!
//! Rules: docs/volumes.md, section 8.

mod for_rollback;
mod found;
mod guard;
mod record;
mod replace;
mod source;
mod unfinished;
mod unpack;

use std::path::{Path, PathBuf};
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backup::VolumeSpec;
use super::storage::{in_memory, is_in_memory};
use crate::container::Warning;
use crate::container::replacement::engine_id;
use crate::engine::names::{check_image, check_volume};
use crate::error::shown;
use crate::history::{Draft, HistoryKind, HistoryResult};
use crate::operation::call::Call;
use crate::{Code, Error, Failure, Operation, Outcome, Progress, Refit, Result};

use found::{Emptying, Found, busy};
use guard::RestoreGuard;
use record::{RecordFile, RestoreRecord};
use source::{BackupFile, Next, name};
use unpack::Unpacker;

pub(crate) use for_rollback::restore_for_rollback;
pub(crate) use unfinished::{Finished, Unfinished, forget, note_change, unfinished};

/// How a volume is restored.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// Replace all that is in the volume. Default: a volume that is not empty is refused.
    pub overwrite: bool,
    /// A local image with `sh`, `rm` and `find`, which empties the volume and runs without network. Default: that of the handle. Without one a volume
    /// that is not empty is removed and created again, which the engine refuses while containers have it.
    pub helper_image: Option<String>,
}

/// A volume that was restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "volume_restore")]
#[non_exhaustive]
pub struct VolumeRestore {
    /// As asked.
    pub volume: String,
    /// As asked.
    pub file: String,
    /// Files, folders and links of the backup.
    pub entries: u64,
    /// Of the archive of the volume, that were written to it.
    pub bytes: u64,
    /// There was something in the volume, and it is gone.
    pub replaced: bool,
    /// How long it took.
    pub elapsed_ms: u64,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
}

/// One restore: that of a call, or one that was interrupted.
pub(super) struct Job {
    pub(super) volume: String,
    pub(super) file: PathBuf,
    pub(super) overwrite: bool,
    pub(super) helper_image: Option<String>,
    /// Of the backup that it must be; `None`: any.
    pub(super) sha256: Option<String>,
    /// One that was interrupted, and the right to finish it.
    pub(super) begun: Option<(RestoreRecord, RecordFile)>,
}

/// How far a restore is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RestorePhase {
    pub(crate) name: &'static str,
    /// Bytes of the backup's file, which is read twice.
    pub(crate) read: u64,
    /// All bytes of the file.
    pub(crate) size: u64,
    /// Thousandths of the restore.
    pub(crate) permille: u32,
}

/// Reports how far a restore is.
pub(crate) type OnRestore<'a> = &'a (dyn Fn(RestorePhase) + Send + Sync);

/// Reports it as the call's own.
pub(super) fn report_of_call<'a>(call: &'a Call, volume: &'a str) -> impl Fn(RestorePhase) + Send + Sync + 'a {
    move |phase: RestorePhase| {
        let whole = Progress::whole("restore", volume, phase.name, phase.permille);
        call.report(Progress { current: phase.read, total: Some(phase.size), ..whole });
    }
}

impl Refit {
    /// Replaces all that is in a volume by what is in a backup that [`Refit::backup_volume`] made, or the earlier Go package did. The backup is
    /// verified as a whole before anything is changed. A volume that is missing is created as it was at the backup.
    ///
    /// [`Conflict`](Code::Conflict) when a running container has the volume, and when it is not empty and `overwrite` is not set;
    /// [`Data`](Code::Data) when the backup is damaged. An error after the volume has begun to change comes with the report, and
    /// [`Refit::recover`] finishes the restore where the handle has a `state_dir`.
    pub fn restore_volume(&self, volume: &str, file: impl AsRef<Path>, options: RestoreOptions) -> Operation<VolumeRestore> {
        let (volume, file) = (volume.to_owned(), file.as_ref().to_owned());
        let span = tracing::error_span!("volume_restore", volume = %shown(&volume));
        self.operation(span, move |refit, call| async move {
            let draft = Draft::of_volume(HistoryKind::Restore, &call, &volume);
            let helper_image = options.helper_image.or_else(|| refit.shared.options.helper_image.clone());
            let job = Job { volume: volume.clone(), file, overwrite: options.overwrite, helper_image, sha256: None, begun: None };
            let outcome = restore(&refit, &call, job, &report_of_call(&call, &volume)).await;
            match outcome {
                Ok(mut done) => {
                    done.warnings.extend(refit.record(draft, HistoryResult::Done).await);
                    call.report(Progress::whole("restore", volume, "done", 1000));
                    Ok(done)
                }
                Err(mut failure) => {
                    let warning = refit.record_failure(draft, &failure.error).await;
                    if let Some(report) = &mut failure.report {
                        report.warnings.extend(warning);
                    }
                    Err(failure)
                }
            }
        })
    }
}

/// Restores. The error of one that has begun to change the volume has a report.
pub(super) async fn restore(refit: &Refit, call: &Call, job: Job, on_phase: OnRestore<'_>) -> Outcome<VolumeRestore> {
    let begun = Instant::now();
    check_volume(&job.volume)?;
    job.helper_image.as_deref().map_or(Ok(()), check_image)?;
    let engine = &refit.shared.engine;
    let Some(_guard) = RestoreGuard::take(&engine.endpoint().to_string(), &job.volume) else { return Err(busy(&job.volume).into()) };
    let report = |name: &'static str, read: u64, size: u64, from: u64, to: u64| {
        let permille = (from + (to - from) * read.min(size) / size.max(1)) as u32;
        on_phase(RestorePhase { name, read, size, permille });
    };
    report("checking", 0, 0, 0, 0);
    // What is refused at once is refused before gigabytes are read.
    let (found, _) = Found::look(refit, call, &job.volume).await?;
    found.emptying(&job.volume, job.overwrite, job.helper_image.as_deref())?;
    let file = BackupFile::open(&job.file).await?;
    let verified = call.run(verify(&file, &|read| report("verifying", read, file.size, 0, 400))).await?;
    if job.sha256.as_ref().is_some_and(|wanted| *wanted != verified.sha256) {
        let message = format!("{} is another backup than the one that was made: it was changed or replaced since", name(&file.path));
        return Err(Code::Conflict.error(message).into());
    }
    let spec = match &job.begun {
        Some((record, _)) if record.sha256 != verified.sha256 => {
            let message = format!(
                "{} is another backup than the one of which the restore was begun: restore from one of your choice",
                name(&file.path)
            );
            return Err(Code::Conflict.error(message).into());
        }
        Some((record, _)) => record.spec.clone(),
        None => verified.spec,
    };
    // A container may have been started while the backup was read.
    let (found, now) = Found::look(refit, call, &job.volume).await?;
    let emptying = found.emptying(&job.volume, job.overwrite, job.helper_image.as_deref())?;
    if found == Found::Missing && is_in_memory(&spec.options) {
        return Err(in_memory(&job.volume).into());
    }
    let resumes = job.begun.as_ref().is_some_and(|(record, _)| record.replaced);
    let mut done = VolumeRestore {
        volume: job.volume.clone(),
        file: job.file.display().to_string(),
        entries: verified.entries,
        bytes: 0,
        replaced: resumes || matches!(found, Found::Full(..)),
        elapsed_ms: 0,
        warnings: Vec::new(),
    };
    let spec = if let Emptying::CreateAgain(own) = &emptying { own.clone() } else { spec };
    let record = RestoreRecord {
        engine: call.run(engine_id(engine)).await?,
        volume: job.volume.clone(),
        file: std::path::absolute(&job.file).unwrap_or_else(|_| job.file.clone()),
        sha256: verified.sha256,
        spec,
        helper_image: job.helper_image.clone(),
        replaced: done.replaced,
        begun: job.begun.as_ref().map_or(now, |(record, _)| record.begun),
        changed_since: false,
    };
    let held = match (job.begun, &refit.shared.state_dir) {
        (Some((_, held)), _) => Some(held),
        (None, Some(state_dir)) => {
            let locked = call.run(RecordFile::lock(state_dir, &record.engine, &record.volume)).await?;
            Some(locked.ok_or_else(|| busy(&record.volume))?)
        }
        (None, None) => None,
    };
    let replace = replace::Replace {
        refit,
        call,
        found: &found,
        emptying: &emptying,
        record: &record,
        held: held.as_ref(),
        file: &file,
        content: verified.content.as_deref(),
    };
    let result =
        replace.run(&mut done, &|read| report("extracting", read, file.size, 500, 999), &|| report("removing", 0, 0, 400, 400)).await;
    done.elapsed_ms = begun.elapsed().as_millis() as u64;
    match result {
        Ok(()) => Ok(done),
        Err(replace::Unchanged(error)) => Err(error.into()),
        Err(replace::Changed(error)) => Err(Failure::with_report(incomplete(error, &record, held.is_some()), done)),
    }
}

/// An error after which the volume is neither as before nor restored.
fn incomplete(error: Error, record: &RestoreRecord, has_record: bool) -> Error {
    let next = if has_record { "container_recover finishes it, or restore it again" } else { "restore it again" };
    let message = format!("{}; volume {} may hold a part of the backup only: {next}", error.message(), shown(&record.volume));
    error.with_message(message)
}

/// A backup that is whole.
struct Verified {
    spec: VolumeSpec,
    entries: u64,
    /// Of the file.
    sha256: String,
    /// Of the content; `None` of one that the earlier Go package made.
    content: Option<String>,
}

/// Reads all of it, and changes nothing.
async fn verify(file: &BackupFile, on_read: &(dyn Fn(u64) + Send + Sync)) -> Result<Verified> {
    let (mut pieces, mut unpacker) = (file.stream(true), Unpacker::new(file.packing));
    loop {
        match pieces.next().await? {
            Next::Bytes(bytes) => {
                unpacker.push(bytes);
                while unpacker.next().map_err(|error| about(file, error))?.is_some() {}
                on_read(pieces.read());
            }
            Next::End(of_file) => {
                let whole = unpacker.finish().map_err(|error| about(file, error))?;
                let spec = whole.manifest.map(|manifest| manifest.spec).unwrap_or_default();
                return Ok(Verified { spec, entries: whole.entries, sha256: of_file.unwrap_or_default(), content: whole.sha256 });
            }
        }
    }
}

/// An error of the backup's content, with the backup's name.
fn about(file: &BackupFile, error: Error) -> Error {
    let message = format!("backup {}: {}", name(&file.path), error.message());
    error.with_message(message)
}
