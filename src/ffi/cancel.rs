//! The cancel token in C.
//!
//! Rules: docs/abi.md, section 5.

use super::types::refit_cancel;
use crate::Cancel;

/// Makes a token that is not fired. Free it with `refit_cancel_free`.
#[unsafe(no_mangle)]
pub extern "C" fn refit_cancel_new() -> *mut refit_cancel {
    Box::into_raw(Box::new(refit_cancel(Cancel::new())))
}

/// Cancels every call that was given this token, now and later. Any thread may fire a token, any number of times; a signal handler must
/// not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_cancel_fire(cancel: *const refit_cancel) {
    // SAFETY: NULL or not freed, by the convention.
    if let Some(cancel) = unsafe { cancel.as_ref() } {
        cancel.0.fire();
    }
}

/// Frees a token. Calls that were given it go on and keep its state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_cancel_free(cancel: *mut refit_cancel) {
    if !cancel.is_null() {
        // SAFETY: made by `Box::into_raw` above, freed once by the convention.
        drop(unsafe { Box::from_raw(cancel) });
    }
}
