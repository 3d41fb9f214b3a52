//! The engine and the history in C.

use std::ffi::c_char;

use super::entry::Entry;
use super::guard::Out;
use super::types::{refit, refit_cancel, refit_code, refit_error};

/// What the engine says of itself: `engine ("docker"/"podman"), version, api_version, min_api_version, os, architecture, store
/// ("classic"/"containerd"/"podman"), storage_driver, host, root_dir, swarm, mirrors [], insecure_registries [], state_dir?`.
///
/// Codes: UNREACHABLE, ENGINE, UNSUPPORTED, INVALID_ARGUMENT, CANCELLED, TIMEOUT.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_engine_info(
    r: *const refit,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("refit_engine_info", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        entry.read(|refit| async move { Ok(refit.engine_info().await?) })
    })
}

/// What was done through this handle (or its `state_dir`), newest first: `entries [ {id, at, kind, actor?, image?, container?, from?, to?,
/// result, error?, elapsed_ms, containers []} ]`. This version keeps no history: the list is empty.
///
/// Options: `image`, `container`, `actor`, `kind`, `since` strings, `limit` 100, 1 to 1000000. Codes: INVALID_ARGUMENT, CANCELLED, TIMEOUT.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_history_list(
    r: *const refit,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("refit_history_list", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        for key in ["image", "container", "actor", "kind", "since"] {
            entry.options.string(key)?;
        }
        entry.options.integer("limit", 1..=1_000_000)?;
        entry.read(|refit| async move { Ok(refit.history()) })
    })
}
