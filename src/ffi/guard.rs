//! What every C call does: null its outputs, contain panics, turn the result into a code.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

use super::codes::REFIT_OK;
use super::strings::hand_out;
use super::types::{refit_code, refit_error};
use crate::operation::panic_error;
use crate::{Code, Error, Outcome};

/// The outputs of a call, nulled.
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

    /// A call that this version does not have.
    pub(super) fn unsupported(self) -> refit_code {
        let message = format!("{} is not in this version", self.op);
        self.run_value::<()>(|| Err(Code::Unsupported.error(message).into()), drop)
    }

    fn finish<T>(self, body: impl FnOnce() -> Outcome<T>, write: impl FnOnce(T), report: impl FnOnce(T)) -> refit_code {
        let error = match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(value)) => {
                write(value);
                return REFIT_OK;
            }
            Ok(Err(failure)) => {
                if let Some(value) = failure.report {
                    report(value);
                }
                failure.error
            }
            Err(panic) => {
                let error = panic_error(&*panic);
                // The payload's own drop may panic.
                std::mem::forget(panic);
                error
            }
        };
        self.fail(error)
    }

    fn fail(self, error: Error) -> refit_code {
        let error = error.in_op(self.op);
        // SAFETY: NULL or writable, by the promise to `json`.
        if let Some(err) = unsafe { self.err.as_mut() } {
            *err = Box::into_raw(Box::new(refit_error::new(&error)));
        }
        error.code() as refit_code
    }
}
