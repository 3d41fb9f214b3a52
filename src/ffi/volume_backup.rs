//! Backups of volumes in C.
#![allow(unused_variables, reason = "calls that are not built yet have their parameters already")]

use std::ffi::{c_char, c_void};

use super::guard::Out;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_progress_fn};

/// Backs up a volume into a local archive: `volume, file, entries, bytes_in, bytes_out, sha256, elapsed_ms`.
///
/// This version does not have it: UNSUPPORTED.
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
    unsafe { Out::json("volume_backup", out_json, err) }.unsupported()
}

/// Restores a volume from a local archive: `volume, file, entries, bytes, replaced, elapsed_ms`.
///
/// This version does not have it: UNSUPPORTED.
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
    unsafe { Out::json("volume_restore", out_json, err) }.unsupported()
}
