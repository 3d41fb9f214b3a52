//! Swarm services in C.
#![allow(unused_variables, reason = "calls that are not built yet have their parameters already")]

use std::ffi::{c_char, c_void};

use super::guard::Out;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_progress_fn};

/// The services of a swarm: `services [ {id, name, image, replicas_running, replicas_wanted, update_state?} ]`.
///
/// This version does not have it: UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn service_list(
    r: *const refit,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    unsafe { Out::json("service_list", out_json, err) }.unsupported()
}

/// A check of the image of a service: as `img_check_update`, and `service`.
///
/// This version does not have it: UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn service_check_update(
    r: *const refit,
    service: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    unsafe { Out::json("service_check_update", out_json, err) }.unsupported()
}

/// Updates a service: `service, result, from {image}, to {image}, elapsed_ms, error?`.
///
/// This version does not have it: UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn service_update(
    r: *const refit,
    service: *const c_char,
    options_json: *const c_char,
    on_progress: refit_progress_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    unsafe { Out::json("service_update", out_json, err) }.unsupported()
}
