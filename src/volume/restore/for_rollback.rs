//! The restore of a volume in a rollback: from the backup that the same run has made, whatever is in the volume now.
//!
//! Rules: docs/volumes.md, section 10.

use super::{Job, OnRestore, busy, restore};
use crate::container::replacement::volumes::KeptBackup;
use crate::operation::call::Call;
use crate::volume::storage::{Wanted, left, remove_left};
use crate::{Refit, Result};

/// Restores it. Nothing cancels it: a rollback goes on to its end.
///
/// The run that has begun it may be dead, and its containers with it: those whose lease has ended, or all with `force`, are removed first, so that
/// none of them still deletes files.
pub(crate) async fn restore_for_rollback(
    refit: &Refit,
    backup: &KeptBackup,
    helper_image: Option<String>,
    force: bool,
    on_phase: OnRestore<'_>,
) -> Result<()> {
    let engine = &refit.shared.engine;
    for left in left(engine, Wanted::OfVolume(&backup.volume)).await?.iter().filter(|left| force || !left.is_live) {
        if !remove_left(engine, left).await? {
            return Err(busy(&backup.volume));
        }
    }
    let job = Job {
        volume: backup.volume.clone(),
        file: backup.file.clone(),
        overwrite: true,
        helper_image,
        sha256: Some(backup.sha256.clone()),
        begun: None,
    };
    restore(refit, &Call::default(), job, on_phase).await.map(drop).map_err(|failure| failure.error)
}
