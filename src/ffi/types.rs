//! The types of the header.
#![allow(non_camel_case_types, reason = "C's names")]

use std::ffi::{CString, c_char, c_void};

use crate::{Cancel, Error};

/// The result of a call: 0 (`REFIT_OK`), or the kind of its error, `REFIT_E_*`.
pub type refit_code = i32;

/// A handle: the connection to one engine and to its registries, and the state that is kept between calls.
pub struct refit {
    /// A pointer to it is one to a [`Handle`](super::handle::Handle) in an `Arc`, which lives until the last call on it has returned.
    _opaque: [u8; 0],
}

/// A token that cancels calls. Once fired it stays fired. Any number of calls may use one token, and any thread may fire it.
pub struct refit_cancel(pub(super) Cancel);

/// An error. The caller owns it and frees it with `refit_error_free`.
pub struct refit_error {
    pub(super) code: refit_code,
    pub(super) message: CString,
    pub(super) json: CString,
}

impl refit_error {
    pub(super) fn new(error: &Error) -> Self {
        // serde_json escapes NULs, and messages have no control characters.
        let json = serde_json::to_string(error).unwrap_or_else(|_| "{}".into());
        Self {
            code: error.code() as refit_code,
            message: CString::new(error.message()).unwrap_or_default(),
            json: CString::new(json).unwrap_or_default(),
        }
    }

    /// An error of which nothing but its code can be said.
    pub(super) fn without_message(code: refit_code) -> Self {
        Self { code, message: CString::default(), json: c"{}".to_owned() }
    }
}

/// A progress report. Its strings are valid until the callback returns.
#[repr(C)]
pub struct refit_progress {
    /// The size of this structure, set by the library. Later versions append fields.
    pub struct_size: usize,
    /// "check", "pull", "recreate", "recover", "update", "rollback", "backup", "restore" or "service_update".
    pub operation: *const c_char,
    /// The image, container, volume or service.
    pub subject: *const c_char,
    /// What is being done. Later versions may add phases: "checking", "resolving", "downloading", "extracting", "verifying", "creating",
    /// "hook", "stopping", "backing_up", "renaming", "starting", "waiting", "pausing", "removing", "rolling_back", "restoring",
    /// "done".
    pub phase: *const c_char,
    /// The layer's id in the engine's short form; NULL when the report is about the whole operation.
    pub layer: *const c_char,
    /// Bytes done, or steps done where there is no size.
    pub current: u64,
    /// Bytes or steps in all; 0 when unknown.
    pub total: u64,
    /// The speed of the download; 0 when unknown.
    pub bytes_per_second: u64,
    /// The remaining time of the download; 0 when unknown.
    pub eta_seconds: u64,
    /// Thousandths of the whole operation that are done. It never decreases, and is 1000 only at the end of a call that succeeds.
    pub permille: u32,
    /// The number of the image or container, from 1.
    pub step: u32,
    /// How many images or containers there are.
    pub steps: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Receives the progress of a long call. A result other than 0 ends the call with `REFIT_E_STOPPED`, and the callback is not called again.
/// There are at most ten reports per second and layer, and one for every change of phase of the whole operation. A slow callback delays
/// neither the work nor other callers. The callback must not throw a C++ exception or `longjmp` out of it.
pub type refit_progress_fn = Option<unsafe extern "C-unwind" fn(progress: *const refit_progress, user_data: *mut c_void) -> i32>;

/// A line of a container's log.
#[repr(C)]
pub struct refit_log_line {
    /// The size of this structure, set by the library. Later versions append fields.
    pub struct_size: usize,
    /// RFC 3339; NULL unless `timestamps` is set.
    pub timestamp: *const c_char,
    /// The bytes of the line without its end, and a NUL after them. They may contain NULs and may be invalid UTF-8.
    pub text: *const c_char,
    /// The number of bytes in `text`.
    pub length: usize,
    /// 1: stdout, 2: stderr.
    pub stream: i32,
    /// 1: the line is longer, and the next call continues it.
    pub partial: i32,
}

/// Receives a line of a log. A result other than 0 ends the call with `REFIT_E_STOPPED`.
pub type refit_log_fn = Option<unsafe extern "C-unwind" fn(line: *const refit_log_line, user_data: *mut c_void) -> i32>;

/// An event of the library. Its strings are valid until the callback returns.
#[repr(C)]
pub struct refit_log_record {
    /// The size of this structure, set by the library. Later versions append fields.
    pub struct_size: usize,
    /// The part of the library, "refit::engine::request". An open set.
    pub target: *const c_char,
    /// One line.
    pub message: *const c_char,
    /// One JSON object, `op?` the function of this header that was called ("img_pull"), `image?`, `container?` or `volume?` its subject, and what the event
    /// has: `step`, `result`, `code`, `method`, `host`, `path`, `status`, `ms` and others, an open set.
    pub fields_json: *const c_char,
    /// `REFIT_LOG_ERROR` to `REFIT_LOG_TRACE`.
    pub level: i32,
    /// Always 0.
    pub reserved: i32,
}

/// Receives an event of the library, on any thread, on several at once: see refit_set_logger.
pub type refit_log_record_fn = Option<unsafe extern "C-unwind" fn(record: *const refit_log_record, user_data: *mut c_void)>;

/// Receives data and must consume all of it. A result other than 0 ends the call with `REFIT_E_STOPPED`.
pub type refit_write_fn = Option<unsafe extern "C-unwind" fn(data: *const u8, length: usize, user_data: *mut c_void) -> i32>;

/// Supplies data: returns the number of bytes written to `buffer`, 0 at the end, or a negative number to end the call with
/// `REFIT_E_STOPPED`.
pub type refit_read_fn = Option<unsafe extern "C-unwind" fn(buffer: *mut u8, capacity: usize, user_data: *mut c_void) -> i64>;
