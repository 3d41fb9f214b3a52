//! What a container tells, in C.

#![allow(unused_variables, reason = "calls that are not built yet have their parameters already")]

use std::ffi::{c_char, c_void};

use super::guard::Out;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_log_fn, refit_write_fn};

/// A container's output as text: `text, lines, truncated`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_logs(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    unsafe { Out::json("container_logs", out_json, err) }.unsupported()
}

/// A container's output line by line, as it comes: `lines, bytes`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_follow_logs(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    on_line: refit_log_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    unsafe { Out::json("container_follow_logs", out_json, err) }.unsupported()
}

/// A container's output in the engine's own frames: `bytes`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_raw_logs(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    on_data: refit_write_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    unsafe { Out::json("container_raw_logs", out_json, err) }.unsupported()
}

/// Runs a command in a running container: `exit_code, stdout, stderr, truncated`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_exec(
    r: *const refit,
    container: *const c_char,
    argv_json: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    unsafe { Out::json("container_exec", out_json, err) }.unsupported()
}

/// What a container uses: `cpu_percent, cpu_cores, memory_usage_bytes, ...`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_stats(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    unsafe { Out::json("container_stats", out_json, err) }.unsupported()
}
