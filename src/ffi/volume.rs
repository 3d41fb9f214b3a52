//! Volumes in C.
#![allow(unused_variables, reason = "calls that are not built yet have their parameters already")]

use std::ffi::{c_char, c_void};

use super::guard::Out;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_progress_fn, refit_read_fn, refit_write_fn};

/// The volumes: `volumes [ {name, driver, created?, labels {}, containers []} ]`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_list(
    r: *const refit,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    unsafe { Out::json("volume_list", out_json, err) }.unsupported()
}

/// Creates a volume: `volume, changed` (false: it was there).
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_create(
    r: *const refit,
    volume: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    unsafe { Out::json("volume_create", out_json, err) }.unsupported()
}

/// Whether there is a volume of that name.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_exists(
    r: *const refit,
    volume: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_exists: *mut i32,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    if let Some(exists) = unsafe { out_exists.as_mut() } {
        *exists = 0;
    }
    // SAFETY: as the convention says.
    unsafe { Out::error_only("volume_exists", err) }.unsupported()
}

/// Removes a volume: `volume, changed`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_remove(
    r: *const refit,
    volume: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    unsafe { Out::json("volume_remove", out_json, err) }.unsupported()
}

/// Lists the files below a path of a volume: `files [ {name, path, type, size, mode, uid, gid, modified, link_target?} ]`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
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
    // SAFETY: as the convention says.
    unsafe { Out::json("volume_list_files", out_json, err) }.unsupported()
}

/// Reads a file of a volume; freed with `refit_bytes_free`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
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
    // SAFETY: as the convention says.
    if let Some(data) = unsafe { out_data.as_mut() } {
        *data = std::ptr::null_mut();
    }
    // SAFETY: as the convention says.
    if let Some(length) = unsafe { out_length.as_mut() } {
        *length = 0;
    }
    // SAFETY: as the convention says.
    unsafe { Out::error_only("volume_read_file", err) }.unsupported()
}

/// Writes a file of a volume: `path, bytes, changed`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
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
    // SAFETY: as the convention says.
    unsafe { Out::json("volume_write_file", out_json, err) }.unsupported()
}

/// Removes a file of a volume: `path, changed`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
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
    // SAFETY: as the convention says.
    unsafe { Out::json("volume_remove_file", out_json, err) }.unsupported()
}

/// Hands out a path of a volume as a tar: `bytes, entries`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_export(
    r: *const refit,
    volume: *const c_char,
    path: *const c_char,
    options_json: *const c_char,
    on_data: refit_write_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    unsafe { Out::json("volume_export", out_json, err) }.unsupported()
}

/// Unpacks a tar below a path of a volume: `path, bytes, changed`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_import(
    r: *const refit,
    volume: *const c_char,
    path: *const c_char,
    options_json: *const c_char,
    read: refit_read_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    unsafe { Out::json("volume_import", out_json, err) }.unsupported()
}

/// Writes a volume into a local archive: `volume, file, entries, bytes_in, bytes_out, sha256, elapsed_ms`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
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
    // SAFETY: as the convention says.
    unsafe { Out::json("volume_backup", out_json, err) }.unsupported()
}

/// Puts an archive back into a volume: `volume, file, entries, bytes, replaced, elapsed_ms`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
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
    // SAFETY: as the convention says.
    unsafe { Out::json("volume_restore", out_json, err) }.unsupported()
}
