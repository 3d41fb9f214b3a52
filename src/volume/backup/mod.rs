//! `volume_backup`: all of a volume in one local file.
//!
//! Rules: docs/volumes.md, section 7.

mod dated;
mod file;
mod format;
mod pack;
mod write;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::archive::Scanner;
use super::list::users_that_run;
use super::storage::{Access, Storage, VolumePath, no_volume};
use crate::container::Warning;
use crate::engine::api::{container_list, volumes};
use crate::error::shown;
use crate::history::{Draft, HistoryKind, HistoryResult};
use crate::json::{text, text_map};
use crate::operation::call::Call;
use crate::{Code, Operation, Progress, Refit, Result};

pub(crate) use dated::{LONGEST_VOLUME, back_up_into, remove_dead_parts};
use file::{NewBackup, Target};
pub(crate) use format::{End, Manifest, Mark, TAIL, VolumeSpec, below};
use pack::Packer;
use write::Written;

/// After so many bytes progress is reported again.
const REPORTED: u64 = 1024 * 1024;

/// How a volume is backed up.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// How hard zstd compresses, 1 to 19. Default: 3.
    pub level: i32,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self { level: 3 }
    }
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "volume_backup")]
#[non_exhaustive]
pub struct VolumeBackup {
    /// As asked.
    pub volume: String,
    /// As asked.
    pub file: String,
    /// Files, folders and links of the volume, its root too.
    pub entries: u64,
    /// The bytes of the volume's archive, before it was compressed.
    pub bytes_in: u64,
    /// The bytes of the file.
    pub bytes_out: u64,
    /// The SHA-256 of the file, in hex.
    pub sha256: String,
    /// How long it took.
    pub elapsed_ms: u64,
    /// `volume_in_use`: a running container has the volume, so that the backup may hold files of different moments.
    pub warnings: Vec<Warning>,
}

impl Refit {
    /// Writes all of a volume to a local file, a tar archive that zstd has compressed, which [`Refit::restore_volume`] verifies and restores. The file
    /// is there as a whole, or the one that was there before stays: it is written under a hidden name beside it, synced, and renamed.
    ///
    /// [`Conflict`](Code::Conflict) when a file becomes shorter meanwhile, [`Busy`](Code::Busy) when the same file is being written by another
    /// backup, and [`Io`](Code::Io) when it cannot be written, because the disk is full for instance.
    pub fn backup_volume(&self, volume: &str, file: impl AsRef<Path>, options: BackupOptions) -> Operation<VolumeBackup> {
        let (volume, file) = (volume.to_owned(), file.as_ref().to_owned());
        let span = tracing::error_span!("volume_backup", volume = %shown(&volume));
        self.operation(span, move |refit, call| async move {
            let draft = Draft::of_volume(HistoryKind::Backup, &call, &volume);
            let report = |phase: &'static str, bytes: u64| {
                call.report(Progress { current: bytes, ..Progress::whole("backup", volume.clone(), phase, 0) });
            };
            match backup(&refit, &call, &volume, Target::Replaced(file), &options, &report).await {
                Ok(mut done) => {
                    done.warnings.extend(refit.record(draft, HistoryResult::Done).await);
                    call.report(Progress::whole("backup", volume, "done", 1000));
                    Ok(done)
                }
                Err(error) => {
                    refit.record_failure(draft, &error).await;
                    Err(error.into())
                }
            }
        })
    }
}

/// Reports what is being done, and how many bytes of the volume's archive were read.
type OnRead<'a> = &'a (dyn Fn(&'static str, u64) + Send + Sync);

async fn backup(
    refit: &Refit,
    call: &Call,
    volume: &str,
    target: Target,
    options: &BackupOptions,
    report: OnRead<'_>,
) -> Result<VolumeBackup> {
    let begun = Instant::now();
    if !(1..=19).contains(&options.level) {
        return Err(Code::InvalidArgument.error(format!("level is {}: it must be from 1 to 19", options.level)));
    }
    report("checking", 0);
    let file = target.path().display().to_string();
    let storage = Storage::open(refit, call, volume, Access::Read).await?;
    let worked = call.run(work(refit, &storage, target, options, report)).await;
    let (new, packed, written, warnings) = storage.close(call, worked).await?;
    // From here on nothing is waited for but a rename.
    new.publish().await?;
    Ok(VolumeBackup {
        volume: volume.to_owned(),
        file,
        entries: packed.entries(),
        bytes_in: packed.bytes(),
        bytes_out: written.bytes,
        sha256: written.sha256,
        elapsed_ms: begun.elapsed().as_millis() as u64,
        warnings,
    })
}

type Worked = (NewBackup, Packer, Written, Vec<Warning>);

/// All that may be dropped at any point: what was written is removed then.
async fn work(refit: &Refit, storage: &Storage, target: Target, options: &BackupOptions, report: OnRead<'_>) -> Result<Worked> {
    let engine = &refit.shared.engine;
    let Some((inspect, _)) = volumes::inspect(engine, &storage.volume).await? else { return Err(no_volume(&storage.volume)) };
    let (containers, _) = container_list::list(engine).await?;
    let running = users_that_run(&storage.volume, &containers);
    let warnings = (!running.is_empty()).then(|| in_use(&storage.volume, &running)).into_iter().collect();
    let root = VolumePath::parse("/")?;
    let mut stream = {
        let place = storage.find(&root, true).await?;
        storage.read(&place).await?
    };
    let mut new = NewBackup::create(target).await?;
    let mut writer = new.writer(options.level)?;
    let manifest = Manifest::new(&storage.volume, spec(&inspect), Timestamp::now());
    let (mut scanner, mut packer) = (Scanner::default(), Packer::begin(&manifest));
    let unreadable = |error: crate::Error| error.into_cause_of(Code::Engine, "the engine's archive cannot be read");
    let mut reported = 0;
    while let Some(bytes) = stream.next_or_quiet().await? {
        scanner.push(bytes);
        while let Some(piece) = scanner.next().map_err(unreadable)? {
            packer.add(piece);
            if let Some(packed) = packer.full() {
                writer.write(packed).await?;
            }
        }
        if reported == 0 || packer.bytes() - reported >= REPORTED {
            reported = packer.bytes();
            report("backing_up", reported);
        }
    }
    if !scanner.has_ended() {
        return Err(storage.error(
            Code::Conflict,
            &root,
            "a file became shorter while it was backed up, which ends the engine's archive: back it up again, best while no container writes",
        ));
    }
    writer.write(packer.rest()).await?;
    let written = writer.end(packer.entries(), packer.bytes()).await?;
    Ok((new, packer, written, warnings))
}

/// What a volume is created with.
pub(crate) fn spec(inspect: &Value) -> VolumeSpec {
    let options: BTreeMap<String, String> = text_map(inspect, "/Options");
    VolumeSpec { driver: text(inspect, "/Driver").to_owned(), options, labels: text_map(inspect, "/Labels") }
}

/// The warning that a volume is mounted by containers that run.
pub(crate) fn in_use(volume: &str, running: &[String]) -> Warning {
    let message = format!(
        "volume {} is mounted by {}, which runs: files that were written meanwhile may be of different moments in the backup; stop it first for a \
         backup of one moment",
        shown(volume),
        shown(&running.join(", "))
    );
    Warning { code: "volume_in_use".into(), container: running.first().cloned(), message }
}
