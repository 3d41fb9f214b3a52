//! The types of the header.
#![allow(non_camel_case_types, reason = "C's names")]

use std::ffi::{CString, c_char, c_void};

use crate::{Cancel, Error};

/// What a call returns: 0 (`REFIT_OK`), or the kind of its error. See `REFIT_E_*`.
pub type refit_code = i32;

/// A handle: one engine, its registries, and what is remembered between calls. Any number of threads may use it at once.
pub struct refit {
    /// A pointer to it is one to a [`Handle`](super::handle::Handle) in an `Arc`, which lives until the last call on it has returned.
    _opaque: [u8; 0],
}

/// A token that ends calls early. One-shot, sticky, for any thread and any number of calls.
pub struct refit_cancel(pub(super) Cancel);

/// An error, owned by the caller.
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
}

/// One report of a long call. The strings live until the callback returns.
#[repr(C)]
pub struct refit_progress {
    /// Size of this structure, set by the library; fields are only appended.
    pub struct_size: usize,
    /// "check", "pull", "recreate", "recover", "update", "rollback", "backup", "restore", "service_update".
    pub operation: *const c_char,
    /// The image, container, volume or service that it is about.
    pub subject: *const c_char,
    /// An open set: "checking", "resolving", "downloading", "extracting", "verifying", "creating", "hook", "stopping", "backing_up",
    /// "renaming", "starting", "waiting", "pausing", "removing", "rolling_back", "done".
    pub phase: *const c_char,
    /// The layer in the engine's short form; NULL: the whole operation.
    pub layer: *const c_char,
    /// Bytes, or steps where nothing has a size.
    pub current: u64,
    /// The same in all; 0: unknown.
    pub total: u64,
    /// Speed of the download; 0: unknown.
    pub bytes_per_second: u64,
    /// Time left of the download; 0: unknown.
    pub eta_seconds: u64,
    /// Thousandths of the whole operation: never goes down, 1000 only at the end of a call that succeeds.
    pub permille: u32,
    /// Which of several images or containers, from 1.
    pub step: u32,
    /// How many there are.
    pub steps: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Called for a long call's reports, on the thread that made the call, before it returns, never twice at once. It may call the library.
/// Non-zero ends the call as `REFIT_E_STOPPED`; it is not called again. At most ten reports a second and layer, and every change of phase
/// of the whole operation. A slow callback delays neither the work nor another caller. It must not throw.
pub type refit_progress_fn = Option<unsafe extern "C-unwind" fn(progress: *const refit_progress, user_data: *mut c_void) -> i32>;

/// A line of a container's output.
#[repr(C)]
pub struct refit_log_line {
    /// Size of this structure, set by the library; fields are only appended.
    pub struct_size: usize,
    /// RFC 3339, or NULL when not asked for.
    pub timestamp: *const c_char,
    /// The bytes as they came, without the line end, a NUL after them; may hold NULs and not be UTF-8.
    pub text: *const c_char,
    /// Bytes of `text`.
    pub length: usize,
    /// 1: stdout, 2: stderr.
    pub stream: i32,
    /// 1: a long line goes on in the next call.
    pub partial: i32,
}

/// Takes a line of output; non-zero stops.
pub type refit_log_fn = Option<unsafe extern "C-unwind" fn(line: *const refit_log_line, user_data: *mut c_void) -> i32>;

/// Takes all of the data; non-zero stops.
pub type refit_write_fn = Option<unsafe extern "C-unwind" fn(data: *const u8, length: usize, user_data: *mut c_void) -> i32>;

/// Gives data: the number of bytes written to `buffer`, 0 at the end, negative to stop.
pub type refit_read_fn = Option<unsafe extern "C-unwind" fn(buffer: *mut u8, capacity: usize, user_data: *mut c_void) -> i64>;
