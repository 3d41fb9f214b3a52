//! The handle's own folder (`state_dir`): what outlives the process. Its files hold what containers were created with, so that nobody else
//! may read them; they are written whole or not at all, and never on a thread of the runtime.

mod atomic;
mod folder;
mod lock;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Code, Error, Result};

pub(crate) use lock::{FileLock, lock_file};

/// An open state folder. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    folder: Arc<Path>,
}

impl StateDir {
    /// Opens the folder, and creates it when it is missing. It is accessible to its owner alone afterwards; where that cannot be, the error
    /// names the folder, its mode and what to do. A folder that cannot be written to opens: what would be kept in it is lost.
    pub(crate) async fn open(folder: &Path) -> Result<Self> {
        let path = folder.to_owned();
        let private = tokio::task::spawn_blocking(move || folder::make_private(&path));
        private.await.map_err(|error| failed(folder, "opening", &error))??;
        Ok(Self { folder: folder.into() })
    }

    /// Where a file is. `name` is relative to the folder: `checks.json`, `recreations/web.json`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file's content; `None` when there is no such file.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.on_disk(name, "reading", |path| match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            content => content.map(Some),
        })
        .await
    }

    /// The files of a subfolder that have the extension, by their names relative to the state folder. Without the subfolder there are none.
    pub(crate) async fn read_all(&self, subfolder: &str, extension: &'static str) -> Result<Vec<(String, Vec<u8>)>> {
        let prefix = subfolder.to_owned();
        self.on_disk(subfolder, "reading", move |folder| read_all(folder, &prefix, extension)).await
    }

    /// Replaces a file as a whole. When this returns, the disk has it.
    pub(crate) async fn write(&self, name: &str, content: Vec<u8>) -> Result<()> {
        self.on_disk(name, "writing", move |path| atomic::write(path, &content)).await
    }

    /// Removes a file; one that is not there is no error.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        self.on_disk(name, "removing", |path| match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        })
        .await
    }

    /// Waits for the lock of a file, which excludes other processes and other holders in this one until the value is dropped.
    pub(crate) async fn lock(&self, name: &str) -> Result<FileLock> {
        FileLock::acquire(&self.path(&format!("{name}.lock"))).await
    }

    /// Locks a file of that name and `.lock` in a subfolder, which is made when it is missing; `None` when somebody else has it locked.
    pub(crate) async fn try_lock(&self, name: &str) -> Result<Option<fs::File>> {
        self.on_disk(&format!("{name}.lock"), "locking", |path| {
            DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(path))?;
            lock_file(path)
        })
        .await
    }

    /// Work with a file, away from the threads that serve the engine's answers.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        name: &str,
        what: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.path(name);
        let target = path.clone();
        match tokio::task::spawn_blocking(move || work(&target)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(failed(&path, what, &error)),
            Err(error) => Err(failed(&path, what, &error)),
        }
    }
}

/// Replaces a file as a whole, on the thread that calls it: for work that is [`StateDir::on_disk`] already.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    atomic::write(path, content)
}

fn failed(path: &Path, what: &str, cause: &(dyn std::error::Error + 'static)) -> Error {
    Code::Io.error(format!("{what} {}", path.display())).caused_by(cause)
}

fn read_all(folder: &Path, prefix: &str, extension: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.extension().is_some_and(|own| own == extension) {
            // A file that is removed meanwhile, or is not readable, says nothing about the others.
            files.extend(fs::read(&path).ok().map(|content| (format!("{prefix}/{name}"), content)));
        }
    }
    Ok(files)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
