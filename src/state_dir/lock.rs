//! A lock between processes, on a file of its own: the file that it protects is replaced by a rename, and a lock would go with the old one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
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

/// `None`: somebody else holds it.
fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
        Err(error) => Err(error.into()),
    }
}
