//! The file of a backup that is being made: under a hidden name beside the one that it gets, so that an earlier backup stays until this one is whole.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::write::Writer;
use crate::error::shown;
use crate::state_dir::lock_file;
use crate::{Code, Error, Result};

/// The end of a hidden name.
pub(super) const PART: &str = ".refit-partial";
/// The longest name of a file that Linux takes.
const LONGEST_NAME: usize = 255;

/// The file that a backup gets.
#[derive(Debug)]
pub(super) enum Target {
    /// Its name; an earlier backup that has it is replaced.
    Replaced(PathBuf),
    /// Its name, which nothing may have.
    New(PathBuf),
}

impl Target {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Replaced(path) | Self::New(path) => path,
        }
    }

    /// CONFLICT where something has a name that nothing may have. Only one backup of that name is written at a time, since its part is locked.
    fn check(&self) -> Result<()> {
        match self {
            Self::New(path) if path.symlink_metadata().is_ok() => {
                Err(Code::Conflict.error(format!("there is a file {} already, which is not replaced", name(path))))
            }
            _ => Ok(()),
        }
    }
}

/// A file that is not whole yet. It is removed when the value is dropped before [`NewBackup::publish`].
#[derive(Debug)]
pub(super) struct NewBackup {
    target: Target,
    temporary: Temporary,
    file: Option<File>,
}

/// The hidden name.
#[derive(Debug)]
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

impl NewBackup {
    /// Makes the file, or takes over one that a killed backup has left. BUSY while another backup of the same name is written, by whatever process.
    pub(super) async fn create(target: Target) -> Result<Self> {
        let made = tokio::task::spawn_blocking(move || Self::create_now(target));
        made.await.map_err(|error| Code::Io.error("a backup was not begun").caused_by(&error))?
    }

    fn create_now(target: Target) -> Result<Self> {
        let path = target.path();
        if path.is_dir() {
            return Err(Code::InvalidArgument.error(format!("{} is a folder: file_path is the name of a file", name(path))));
        }
        let Some(own) = path.file_name() else {
            return Err(Code::InvalidArgument.error(format!("{} is no name of a file", name(path))));
        };
        let temporary = path.with_file_name(hidden(&own.to_string_lossy()));
        let failed = |error: &io::Error| cannot_be_written(path, error);
        let Some(file) = lock_file(&temporary).map_err(|error| failed(&error))? else {
            return Err(Code::Busy.error(format!("another backup is being written to {}: wait for its end", name(path))));
        };
        let temporary = Temporary(Some(temporary));
        target.check()?;
        let made = file.set_permissions(Permissions::from_mode(0o600)).and_then(|()| file.set_len(0));
        made.map_err(|error| failed(&error))?;
        Ok(Self { target, temporary, file: Some(file) })
    }

    /// Compresses, and writes, on threads of their own.
    pub(super) fn writer(&mut self, level: i32) -> Result<Writer> {
        let Some(file) = self.file.take() else { return Err(Code::Panic.error("a backup has one writer")) };
        Ok(Writer::begin(self.target.path().to_owned(), file, level))
    }

    /// Gives the file its name, in place of the one that has it.
    pub(super) async fn publish(self) -> Result<()> {
        let published = tokio::task::spawn_blocking(move || {
            let Self { target, mut temporary, .. } = self;
            let Some(hidden) = &temporary.0 else { return Ok(()) };
            target.check()?;
            let target = target.path();
            fs::rename(hidden, target).map_err(|error| cannot_be_written(target, &error))?;
            temporary.0 = None;
            let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|error| {
                let message = format!("{} is there, but its folder cannot be synced: a loss of power may still take it away", name(target));
                Code::Io.error(message).caused_by(&error)
            })
        });
        published.await.map_err(|error| Code::Io.error("a backup was not renamed").caused_by(&error))?
    }
}

/// The same each time, so that the next backup takes over what a killed one has left.
fn hidden(name: &str) -> String {
    let hidden = format!(".{name}{PART}");
    if hidden.len() <= LONGEST_NAME {
        return hidden;
    }
    let digits: String = Sha256::digest(name).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!(".{digits}{PART}")
}

fn name(path: &Path) -> String {
    shown(&path.display().to_string()).into_owned()
}

pub(super) fn cannot_be_written(target: &Path, error: &io::Error) -> Error {
    let next = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": make room, or choose another folder",
        io::ErrorKind::NotFound => ": make its folder first",
        io::ErrorKind::PermissionDenied => ": this process may not write there",
        _ => "",
    };
    Code::Io.error(format!("backup {} cannot be written ({error}){next}; nothing of it is left", name(target))).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hidden_name_is_the_same_each_time_and_never_too_long() {
        assert_eq!(hidden("a.tar.zst"), ".a.tar.zst.refit-partial");
        let long = "n".repeat(255);
        assert_eq!(hidden(&long), hidden(&long));
        assert!(hidden(&long).len() <= LONGEST_NAME);
    }
}
