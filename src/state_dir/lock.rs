//! A lock between processes, on a file of its own: the file that it protects is replaced by a rename, and a lock would go with the old one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::failed;
use crate::{Code, Result};

/// How often a lock that is held is tried again.
const RETRY: Duration = Duration::from_millis(10);
/// Who holds it writes one small file.
const LIMIT: Duration = Duration::from_secs(10);

/// A lock that is held. The system releases it when the value is dropped, and when its process ends in whatever way.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the lock; dropping the future gives up.
    pub(super) async fn acquire(path: &Path) -> Result<Self> {
        let begun = Instant::now();
        loop {
            let target = path.to_owned();
            let attempt = tokio::task::spawn_blocking(move || try_lock(&target)).await.map_err(|error| failed(path, "locking", &error))?;
            match attempt {
                Ok(Some(file)) => return Ok(Self { _file: file }),
                Ok(None) if begun.elapsed() < LIMIT => tokio::time::sleep(RETRY).await,
                Ok(None) => {
                    let message = format!("{} was held by another process for {} s", path.display(), LIMIT.as_secs());
                    return Err(Code::Io.error(message));
                }
                Err(error) => return Err(failed(path, "locking", &error)),
            }
        }
    }
}

/// How often a file that was removed while its lock was taken is opened again.
const ATTEMPTS: u32 = 16;

/// Opens a file for its owner alone, makes it when it is missing, and locks it until the value is dropped; `None` when somebody else has it locked, in
/// whatever process. Who holds the lock may remove the file.
pub(crate) fn lock_file(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..ATTEMPTS {
        let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // Its last holder may have removed it after it was opened here.
        let is_same = std::fs::symlink_metadata(path).is_ok_and(|there| match file.metadata() {
            Ok(own) => (there.dev(), there.ino()) == (own.dev(), own.ino()),
            Err(_) => false,
        });
        if is_same {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// `None`: somebody else holds it.
fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
        Err(error) => Err(error.into()),
    }
}
