//! Files of volumes in C.

use std::ffi::c_char;

use super::callback::Callback;
use super::entry::Entry;
use super::guard::Out;
use super::options::Options;
use super::strings;
use super::types::{refit, refit_cancel, refit_code, refit_error};
use crate::volume::{ListFilesOptions, ReadFileOptions, RemoveFileOptions, WriteFileOptions};
use crate::{Code, Result};

/// Lists the files in a folder of a volume: `files [ {name, path, type, size, mode, uid, gid, modified, link_target?} ]`, by path; of a file, that one.
/// `type` is "file", "directory", "symlink" or "other"; `path` is relative to the volume; `mode` is a number, with setuid, setgid and sticky.
///
/// For the files of volumes: `path` is relative to the volume, with or without a slash at the beginning; "/" and "." are its root. A part that is ".."
/// is INVALID_ARGUMENT. Symbolic links are followed where they are relative and stay in the volume; others on the way, and those that lead to each
/// other, are INVALID_ARGUMENT. No image is pulled and none has to be there; nothing runs. The volume may be in use. While a call works there is a
/// container named refit-volume-…, which is never started and is removed with the end of the call, also when it fails or is cancelled;
/// container_recover removes one whose process was killed.
///
/// Without `helper_image` the engine reads all that is below the path, so that it takes as long as that is large, and sockets are not listed. With it
/// `find` and `stat` run in a container of that image, without network and as root, and nothing of the files is read. Files whose name is not UTF-8
/// are never listed; times are in whole seconds.
///
/// Options: `recursive` false, `helper_image` (the handle's): a local image with sh, find, stat and readlink; IMAGE_MISSING when it is not local. Codes: NOT_FOUND (no such volume or file), INVALID_ARGUMENT, CONFLICT (a file became shorter meanwhile: try again),
/// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_list_files(
    r: *const refit,
    volume: *const c_char,
    path: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("volume_list_files", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let (volume, path) = unsafe { (strings::required("volume", volume)?, strings::required("path", path)?) };
        let options =
            ListFilesOptions { recursive: entry.options.boolean("recursive", false)?, helper_image: entry.options.string("helper_image")? };
        entry.fetch(|refit| refit.volume_files(&volume, &path, options))
    })
}

/// Reads a file of a volume: `*out_data` and `*out_length`. Free the bytes with `refit_bytes_free`; those of an empty file are NULL.
///
/// Paths, links and containers: volume_list_files.
///
/// Options: `max_bytes` 67108864, 0 to 1099511627776: a larger file is INVALID_ARGUMENT; volume_export reads it as a stream. Codes: NOT_FOUND (no such
/// volume or file), INVALID_ARGUMENT (a folder, a pipe or a device, too), CONFLICT (its size changed meanwhile: try again), UNREACHABLE, ENGINE,
/// CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_read_file(
    r: *const refit,
    volume: *const c_char,
    path: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_data: *mut *mut u8,
    out_length: *mut usize,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::error_only("volume_read_file", err) };
    // SAFETY: by the convention.
    if let Some(data) = unsafe { out_data.as_mut() } {
        *data = std::ptr::null_mut();
    }
    // SAFETY: by the convention.
    if let Some(length) = unsafe { out_length.as_mut() } {
        *length = 0;
    }
    out.run_value(
        || {
            // SAFETY: by the convention.
            let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
            // SAFETY: by the convention.
            let (volume, path) = unsafe { (strings::required("volume", volume)?, strings::required("path", path)?) };
            let defaults = ReadFileOptions::default();
            let options = ReadFileOptions { max_bytes: entry.options.integer("max_bytes", 0..=1 << 40)?.unwrap_or(defaults.max_bytes) };
            entry.fetch(|refit| refit.read_volume_file(&volume, &path, options))
        },
        |content: Vec<u8>| {
            // SAFETY: by the convention.
            let (data, length) = unsafe { (out_data.as_mut(), out_length.as_mut()) };
            let (Some(data), false) = (data, content.is_empty()) else { return };
            if let Some(length) = length {
                *length = content.len();
            }
            *data = Box::into_raw(content.into_boxed_slice()).cast();
        },
    )
}

/// Writes a file of a volume with `length` bytes at `data`, which may be NULL when `length` is 0: `path` (as asked), `bytes, changed`. Folders on the
/// way that are missing are made, with mode 0755 and owner 0. A link is followed where it stays in the volume. A folder in its place is
/// INVALID_ARGUMENT. Who reads the file meanwhile may see a part of it.
///
/// Paths, links and containers: volume_list_files. After a cancel the file may be there in part.
///
/// Options: `mode` (number, 0 to 4095), `uid`, `gid` (numbers): those of the file that is there, else 420 (0644), 0 and 0. `modified` RFC 3339 (now),
/// in whole seconds. `actor`. Codes: NOT_FOUND (no such volume, or a link to nothing), INVALID_ARGUMENT, UNSUPPORTED (the volume is in memory, and no
/// running container has it), CONFLICT (a folder on the way became a link meanwhile), UNREACHABLE, ENGINE (the engine's disk is full, too), CANCELLED,
/// TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_write_file(
    r: *const refit,
    volume: *const c_char,
    path: *const c_char,
    data: *const u8,
    length: usize,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("volume_write_file", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let (volume, path) = unsafe { (strings::required("volume", volume)?, strings::required("path", path)?) };
        let content = match (data.is_null(), length) {
            (_, 0) => Vec::new(),
            (true, _) => return Err(Code::InvalidArgument.error("data is NULL, and length is not 0").into()),
            // SAFETY: `length` readable bytes, by the convention.
            (false, length) => unsafe { std::slice::from_raw_parts(data, length) }.to_vec(),
        };
        let options = write_options(&mut entry.options)?;
        entry.watch(Callback::NONE, |refit| refit.write_volume_file(&volume, &path, content, options))
    })
}

pub(super) fn write_options(options: &mut Options) -> Result<WriteFileOptions> {
    const OWNERS: std::ops::RangeInclusive<u64> = 0..=u32::MAX as u64 - 1;
    Ok(WriteFileOptions {
        mode: options.integer("mode", 0..=0o7777)?.map(|mode| mode as u32),
        uid: options.integer("uid", OWNERS)?.map(|uid| uid as u32),
        gid: options.integer("gid", OWNERS)?.map(|gid| gid as u32),
        modified: options.time("modified")?,
    })
}

/// Removes a file of a volume, or a link and not what it leads to, or, with `recursive`, a folder and all that is in it: `path` (as asked),
/// `bytes` null, `changed`. The engine has no call for it: `rm` runs in `helper_image`, without network, as root and with a root file system that is
/// read-only.
///
/// Paths, links and containers: volume_list_files. The root of the volume is INVALID_ARGUMENT. After a cancel a folder may be removed in part.
///
/// Options: `recursive` false, `helper_image` (the handle's): a local image with sh and rm, `actor`. Codes: NOT_FOUND (no such volume or file),
/// INVALID_ARGUMENT (a folder without `recursive`, too), UNSUPPORTED (no `helper_image`), IMAGE_MISSING (it is not local), CONFLICT (it was made again
/// meanwhile), UNREACHABLE, ENGINE (rm failed: its words), CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_remove_file(
    r: *const refit,
    volume: *const c_char,
    path: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("volume_remove_file", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let (volume, path) = unsafe { (strings::required("volume", volume)?, strings::required("path", path)?) };
        let options = RemoveFileOptions {
            recursive: entry.options.boolean("recursive", false)?,
            helper_image: entry.options.string("helper_image")?,
        };
        entry.watch(Callback::NONE, |refit| refit.remove_volume_file(&volume, &path, options))
    })
}
