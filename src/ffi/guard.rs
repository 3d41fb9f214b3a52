//! What every C call does: set its outputs to NULL, catch panics, turn the result into a code.
//!
//! Rules: docs/abi.md, section 1.

use std::cell::Cell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

use super::codes::REFIT_OK;
use super::strings::hand_out;
use super::types::{refit_code, refit_error};
use crate::operation::panic_error;
use crate::{Error, Outcome};

thread_local! {
    /// How many guarded calls this thread is in; more than one while a callback calls the library.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Whether a panic of this thread is caught here and comes back as an error.
pub(super) fn is_guarded() -> bool {
    DEPTH.get() > 0
}

/// Runs `body` and turns a panic into an error.
pub(super) fn guarded<T>(body: impl FnOnce() -> T) -> Result<T, Error> {
    DEPTH.set(DEPTH.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(body));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(|panic| {
        let error = panic_error(&*panic);
        // The payload's own drop may panic.
        std::mem::forget(panic);
        error
    })
}

/// The outputs of a call, set to NULL.
pub(super) struct Out {
    op: &'static str,
    json: *mut *mut c_char,
    err: *mut *mut refit_error,
}

impl Out {
    /// # Safety
    /// Each of `json` and `err` is NULL or writable until the call returns.
    pub(super) unsafe fn json(op: &'static str, json: *mut *mut c_char, err: *mut *mut refit_error) -> Self {
        // SAFETY: NULL or writable, by the caller's promise.
        if let Some(json) = unsafe { json.as_mut() } {
            *json = std::ptr::null_mut();
        }
        // SAFETY: NULL or writable, by the caller's promise.
        if let Some(err) = unsafe { err.as_mut() } {
            *err = std::ptr::null_mut();
        }
        Self { op, json, err }
    }

    /// # Safety
    /// `err` is NULL or writable until the call returns.
    pub(super) unsafe fn error_only(op: &'static str, err: *mut *mut refit_error) -> Self {
        // SAFETY: NULL is allowed, and `err` is as the caller promises.
        unsafe { Self::json(op, std::ptr::null_mut(), err) }
    }

    /// A call whose result is a document.
    pub(super) fn run<T: Serialize>(self, body: impl FnOnce() -> Outcome<T>) -> refit_code {
        let json = self.json;
        let write = move |document: &T| {
            // SAFETY: NULL or writable, by the promise to `json`.
            if let Some(json) = unsafe { json.as_mut() } {
                *json = hand_out(serde_json::to_string(document).unwrap_or_else(|_| "{}".into()));
            }
        };
        self.finish(body, |document| write(&document), |report| write(&report))
    }

    /// A call whose result is something else.
    pub(super) fn run_value<T>(self, body: impl FnOnce() -> Outcome<T>, write: impl FnOnce(T)) -> refit_code {
        self.finish(body, write, drop)
    }

    /// The body and the writing of its result run inside the guard: a document that cannot be written is a defect like any other.
    fn finish<T>(self, body: impl FnOnce() -> Outcome<T>, write: impl FnOnce(T), report: impl FnOnce(T)) -> refit_code {
        let call = || match body() {
            Ok(value) => {
                write(value);
                Ok(())
            }
            Err(failure) => {
                if let Some(value) = failure.report {
                    report(value);
                }
                Err(failure.error)
            }
        };
        match guarded(call).and_then(|done| done) {
            Ok(()) => REFIT_OK,
            Err(error) => self.fail(error),
        }
    }

    fn fail(self, error: Error) -> refit_code {
        let code = error.code() as refit_code;
        let object = guarded(|| refit_error::new(&error.in_op(self.op))).unwrap_or_else(|_| refit_error::without_message(code));
        // SAFETY: NULL or writable, by the promise to `json`.
        if let Some(err) = unsafe { self.err.as_mut() } {
            *err = Box::into_raw(Box::new(object));
        }
        code
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::ffi::codes::REFIT_E_PANIC;
    use crate::ffi::error::{refit_error_free, refit_error_message};
    use std::ffi::CStr;

    /// A document that panics while it is written.
    struct Broken;

    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("while the document is written");
        }
    }

    #[test]
    fn a_panic_while_an_output_is_written_is_an_error() {
        let mut json = std::ptr::null_mut();
        let mut err = std::ptr::null_mut();
        // SAFETY: both live until the call has returned.
        let out = unsafe { Out::json("img_list", &raw mut json, &raw mut err) };
        assert_eq!(out.run(|| Ok(Broken)), REFIT_E_PANIC);
        // SAFETY: the error that the call gave, freed once.
        let message = unsafe { CStr::from_ptr(refit_error_message(err)) }.to_str().unwrap().to_owned();
        // SAFETY: as above.
        unsafe { refit_error_free(err) };
        assert!(json.is_null() && message.contains("while the document is written"), "{message}");
        assert!(!is_guarded());
    }
}
