//! The error object.

use std::ffi::c_char;

use super::codes::REFIT_OK;
use super::types::{refit_code, refit_error};

/// The code of an error; `REFIT_OK` for NULL.
///
/// # Safety
/// `err` is NULL or an error of this library that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_error_code(err: *const refit_error) -> refit_code {
    // SAFETY: NULL or alive, by the caller's promise.
    unsafe { err.as_ref() }.map_or(REFIT_OK, |error| error.code)
}

/// The message: one line, what was attempted on what, and what to do next where that is known; "" for NULL. It lives as long as the error.
///
/// # Safety
/// `err` is NULL or an error of this library that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_error_message(err: *const refit_error) -> *const c_char {
    // SAFETY: NULL or alive, by the caller's promise.
    unsafe { err.as_ref() }.map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// The error as JSON: `code, name, message, op, image?, container?, http_status?, retry_after_s?, missing [], causes []`; "{}" for NULL.
/// It lives as long as the error.
///
/// # Safety
/// `err` is NULL or an error of this library that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_error_json(err: *const refit_error) -> *const c_char {
    // SAFETY: NULL or alive, by the caller's promise.
    unsafe { err.as_ref() }.map_or(c"{}".as_ptr(), |error| error.json.as_ptr())
}

/// Frees an error. NULL is a no-op.
///
/// # Safety
/// `err` is NULL or an error of this library, freed once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_error_free(err: *mut refit_error) {
    if !err.is_null() {
        // SAFETY: made by `Box::into_raw` in `guard`, freed once by the caller's promise.
        drop(unsafe { Box::from_raw(err) });
    }
}
