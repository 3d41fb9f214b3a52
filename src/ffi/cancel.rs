//! The token.

use super::types::refit_cancel;
use crate::Cancel;

/// A new token that nobody has fired. Freed with `refit_cancel_free`.
#[unsafe(no_mangle)]
pub extern "C" fn refit_cancel_new() -> *mut refit_cancel {
    Box::into_raw(Box::new(refit_cancel(Cancel::new())))
}

/// Ends every call that was given this token, now and later. Any thread, any number of times; not from a signal handler. NULL is a no-op.
///
/// # Safety
/// `cancel` is NULL or a token that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_cancel_fire(cancel: *const refit_cancel) {
    // SAFETY: NULL or alive, by the caller's promise.
    if let Some(cancel) = unsafe { cancel.as_ref() } {
        cancel.0.fire();
    }
}

/// Frees a token; calls that use it go on with a copy of their own. NULL is a no-op.
///
/// # Safety
/// `cancel` is NULL or a token, freed once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_cancel_free(cancel: *mut refit_cancel) {
    if !cancel.is_null() {
        // SAFETY: made by `Box::into_raw` above, freed once by the caller's promise.
        drop(unsafe { Box::from_raw(cancel) });
    }
}
