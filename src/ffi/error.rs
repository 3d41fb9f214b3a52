//! The error object in C.

use std::ffi::c_char;

use super::codes::REFIT_OK;
use super::types::{refit_code, refit_error};

/// The code of an error; `REFIT_OK` for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_error_code(err: *const refit_error) -> refit_code {
    // SAFETY: NULL or not freed, by the convention.
    unsafe { err.as_ref() }.map_or(REFIT_OK, |error| error.code)
}

/// The message: one line that says what was attempted on what, and what to do next where that is known; "" for NULL. It is valid until the
/// error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_error_message(err: *const refit_error) -> *const c_char {
    // SAFETY: NULL or not freed, by the convention.
    unsafe { err.as_ref() }.map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// The error as JSON: `code, name, message, op, image?, container?, http_status?, retry_after_s?, missing [], causes [],
/// create_body?`; "{}" for NULL. `create_body` is the body of the engine's `POST /containers/create` for a container that is lost otherwise,
/// with the values of its environment. It is valid until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_error_json(err: *const refit_error) -> *const c_char {
    // SAFETY: NULL or not freed, by the convention.
    unsafe { err.as_ref() }.map_or(c"{}".as_ptr(), |error| error.json.as_ptr())
}

/// Frees an error, its message and its JSON.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_error_free(err: *mut refit_error) {
    if !err.is_null() {
        // SAFETY: made by `Box::into_raw` in `guard`, freed once by the convention.
        drop(unsafe { Box::from_raw(err) });
    }
}
