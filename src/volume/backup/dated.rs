//! Backups that a recreation makes: each in a file of its own, in one folder, named by the volume and the time.
//!
//! Rules: docs/volumes.md, section 9.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::file::{PART, Target};
use super::{BackupOptions, OnRead, VolumeBackup, backup};
use crate::operation::call::Call;
use crate::state_dir::lock_file;
use crate::{Refit, Result};

/// What follows the time in a name.
const ENDING: &str = ".tar.zst";
/// The longest name of a volume whose backup, while it is written, has no longer a name than a file may have.
pub(crate) const LONGEST_VOLUME: usize = 255 - ".-20261129T163354.123Z".len() - ENDING.len() - PART.len();

/// Backs up a volume to a new file `<volume>-<UTC time>.tar.zst` of the folder. No file is replaced.
pub(crate) async fn back_up_into(refit: &Refit, call: &Call, volume: &str, folder: &Path, report: OnRead<'_>) -> Result<VolumeBackup> {
    let mut path = folder.join(name(volume, Timestamp::now()));
    while path.symlink_metadata().is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        path = folder.join(name(volume, Timestamp::now()));
    }
    backup(refit, call, volume, Target::New(path), &BackupOptions::default(), report).await
}

fn name(volume: &str, at: Timestamp) -> String {
    format!("{volume}-{}{ENDING}", at.strftime("%Y%m%dT%H%M%S%.3fZ"))
}

/// Removes the parts of backups of this volume whose process was killed: no later backup has their names. One that is being written is locked.
pub(crate) async fn remove_dead_parts(folder: &Path, volume: &str) {
    let (folder, volume) = (folder.to_owned(), volume.to_owned());
    // What cannot be read or removed keeps no backup from being made.
    let _ = tokio::task::spawn_blocking(move || {
        for part in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| is_part(path, &volume)) {
            if let Ok(Some(_locked)) = lock_file(&part) {
                let _ = fs::remove_file(&part);
            }
        }
    })
    .await;
}

fn is_part(path: &Path, volume: &str) -> bool {
    let time = path.file_name().and_then(|name| name.to_str()).and_then(|name| {
        let name = name.strip_prefix('.')?.strip_suffix(PART)?.strip_suffix(ENDING)?;
        name.strip_prefix(volume)?.strip_prefix('-')
    });
    time.is_some_and(|time| jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S%.fZ", time).is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_name_has_the_volume_and_the_time() {
        let at: Timestamp = "2026-11-29T16:33:54.0079Z".parse().unwrap();
        assert_eq!(name("data", at), "data-20261129T163354.007Z.tar.zst");
        assert_eq!(format!(".{}{PART}", name(&"v".repeat(LONGEST_VOLUME), at)).len(), 255);
    }

    #[test]
    fn only_the_parts_of_this_volume_are_removed() {
        let cases = [
            (".data-20261129T163354.007Z.tar.zst.refit-partial", true),
            (".data-x-20261129T163354.007Z.tar.zst.refit-partial", false),
            (".data-20261129T163354.007Z.tar.zst", false),
            ("data-20261129T163354.007Z.tar.zst", false),
            (".data-mine.tar.zst.refit-partial", false),
        ];
        for (name, expected) in cases {
            assert_eq!(is_part(Path::new(name), "data"), expected, "{name}");
        }
    }
}
