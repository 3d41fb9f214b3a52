//! The folder's mode: 0700, when it is created and when it is already there.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use crate::error::shown;
use crate::{Code, Error, Result};

const PRIVATE: u32 = 0o700;
/// The bits of the group and of everybody else.
const OTHERS: u32 = 0o077;
/// How the names of what refit keeps in the folder begin.
const OWN_NAMES: [&str; 4] = ["checks", "history", "recreations", "restores"];

/// Creates the folder, or makes one that is already there inaccessible to others. A folder that others can open and that holds more than
/// refit's own files is left as it is, and is an error: its mode is somebody else's decision (think of `/tmp`).
pub(super) fn make_private(folder: &Path) -> Result<()> {
    let created = DirBuilder::new().recursive(true).mode(PRIVATE).create(folder);
    created.map_err(|error| {
        Code::Io.error(format!("state_dir {} cannot be created", shown(&folder.display().to_string()))).caused_by(&error)
    })?;
    let mode = mode(folder)?;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    if !holds_only_own_files(folder) {
        let message = "it holds other files, and others can open it: choose a folder for refit alone, or make this one private (chmod 700)";
        return Err(accessible(folder, mode, message));
    }
    let changed = fs::set_permissions(folder, Permissions::from_mode(PRIVATE));
    changed
        .map_err(|error| accessible(folder, mode, "others can open it: its owner must make it private (chmod 700)").caused_by(&error))?;
    // A file system without modes takes the change and does nothing.
    match self::mode(folder)? {
        mode if mode & OTHERS != 0 => Err(accessible(folder, mode, "its file system keeps no modes: choose a folder on another one")),
        _ => Ok(()),
    }
}

fn mode(folder: &Path) -> Result<u32> {
    let metadata = fs::metadata(folder);
    let metadata = metadata.map_err(|error| Code::Io.error(format!("state_dir {} cannot be read", folder.display())).caused_by(&error))?;
    Ok(metadata.permissions().mode() & 0o7777)
}

fn accessible(folder: &Path, mode: u32, message: &str) -> Error {
    Code::Io.error(format!("state_dir {} has mode {mode:04o} and must have 0700: {message}", folder.display()))
}

/// Whether everything in the folder is refit's. One that cannot be listed is not known to be.
fn holds_only_own_files(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.into_iter().all(|entry| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // A temporary file has a dot before the name of its target.
            OWN_NAMES.iter().any(|own| name.trim_start_matches('.').starts_with(own))
        })
    })
}
