//! Backups of volumes in C.

use std::ffi::{c_char, c_void};

use super::callback::Callback;
use super::entry::Entry;
use super::guard::Out;
use super::strings;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_progress_fn};
use crate::volume::{BackupOptions, RestoreOptions};

/// Writes all of a volume to a local file, a tar archive that zstd has compressed: `volume, file, entries, bytes_in, bytes_out, sha256, elapsed_ms,
/// warnings [ {code, container?, message} ]`. `entries` are the volume's files, folders and links, its root too; `bytes_in` those of its archive
/// before it was compressed; `bytes_out` and `sha256` are the file's. `volume_restore` verifies and restores it; without refit,
/// `tar --zstd -xf FILE --strip-components=1 volume` unpacks it.
///
/// The file is written under a hidden name beside it, `.NAME.refit-partial`, synced, and renamed: `file_path` is the whole backup or what it was
/// before. Its mode is 0600, since it holds the volume's driver options and labels too. After an error or a cancel nothing of it is left; what a
/// killed process leaves is taken over by the next backup of the same name. No image is pulled and nothing runs; the storage container is that of
/// volume_list_files.
///
/// It has modes, owners by number, times in whole seconds, hard and symbolic links, pipes, devices and the attribute security.capability. The
/// engine leaves out sockets, fractions of times and the attributes user.*. A sparse file is backed up as long as it is.
///
/// The volume may be in use; the warning "volume_in_use" says that files which were written meanwhile may be of different moments. A file that grows
/// is as long as it was when it was begun, one that vanishes is left out, and one that becomes shorter ends the backup as CONFLICT.
///
/// Progress: "backing_up" with `current` the bytes of the volume's archive so far; `total` is 0, as the engine does not say how large a volume is.
///
/// Options: `level` 3, 1 to 19 (zstd; 19 takes about 100 MiB of memory), `actor`. Codes: NOT_FOUND (no such volume), CONFLICT (a file became shorter
/// meanwhile: try again), BUSY (another backup is being written to the same file), IO (it cannot be written: the disk is full, its folder is missing),
/// INVALID_ARGUMENT (a folder, too), UNSUPPORTED (Podman), UNREACHABLE, ENGINE, CANCELLED, STOPPED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_backup(
    r: *const refit,
    volume: *const c_char,
    file_path: *const c_char,
    options_json: *const c_char,
    on_progress: refit_progress_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("volume_backup", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let (volume, file) = unsafe { (strings::required("volume", volume)?, strings::required("file_path", file_path)?) };
        let defaults = BackupOptions::default();
        let options = BackupOptions { level: entry.options.integer("level", 1..=19)?.map_or(defaults.level, |level| level as i32) };
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.backup_volume(&volume, file, options))
    })
}

/// Replaces all that is in a volume by what is in a backup of `volume_backup`, or in a gzip archive of the earlier Go package: `volume, file, entries,
/// bytes, replaced, elapsed_ms, warnings []`. `bytes` are those of the volume's archive that were written; `replaced`: there was something in the
/// volume, and it is gone, as files that are not in the backup go too.
///
/// The backup is read as a whole and verified before anything is changed. A volume that is missing is created with the driver, options and labels
/// that it had at the backup; one that is there keeps its own. The engine deletes nothing from a volume: `find` and `rm` run in `helper_image`,
/// without network; without one the volume is removed and created again with its own labels, which is possible while no container has it, running or
/// not, its driver is "local" and it has no driver options; otherwise it is UNSUPPORTED.
///
/// No container that has the volume may run. From the first change on an error comes with the document, and the volume may hold a part of the backup
/// only: `container_recover` with NULL finishes the restore, also of a process that was killed, where the handle has a `state_dir`; otherwise restore
/// it again. A cancel before leaves the volume as it was.
///
/// Progress: "verifying" and "extracting" with `current` and `total` bytes of the file.
///
/// Options: `overwrite` false (a volume that is not empty is CONFLICT), `helper_image` (the handle's): a local image with sh, rm and find; `actor`.
/// Codes: NOT_FOUND (no such file), DATA (it is damaged, cut, or no backup), CONFLICT (a running container has the volume: the message names it; it
/// is not empty), BUSY (it is being restored), UNSUPPORTED (it cannot be emptied; it is in memory; Podman), IMAGE_MISSING (`helper_image` is not
/// local), INVALID_ARGUMENT (also an entry that leads out of the volume), IO, UNREACHABLE, ENGINE (the engine's disk is full, too), CANCELLED,
/// STOPPED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_restore(
    r: *const refit,
    volume: *const c_char,
    file_path: *const c_char,
    options_json: *const c_char,
    on_progress: refit_progress_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("volume_restore", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let (volume, file) = unsafe { (strings::required("volume", volume)?, strings::required("file_path", file_path)?) };
        let options =
            RestoreOptions { overwrite: entry.options.boolean("overwrite", false)?, helper_image: entry.options.string("helper_image")? };
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.restore_volume(&volume, file, options))
    })
}
