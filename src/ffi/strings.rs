//! Strings that C passes and gets.
//!
//! Rules: docs/abi.md, section 1.

use std::ffi::{CStr, CString, c_char};

use crate::{Code, Result};

/// An optional string of the caller: NULL is `None`.
///
/// # Safety
/// `text` is NULL or NUL-terminated and readable during the call.
pub(super) unsafe fn optional(name: &str, text: *const c_char) -> Result<Option<String>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and NUL-terminated by the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    match text.to_str() {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(Code::InvalidArgument.error(format!("{name} is not UTF-8"))),
    }
}

/// A required string of the caller: NULL and "" are refused.
///
/// # Safety
/// As for [`optional`].
pub(super) unsafe fn required(name: &str, text: *const c_char) -> Result<String> {
    // SAFETY: the caller's promise is the same.
    match unsafe { optional(name, text) }? {
        None => Err(Code::InvalidArgument.error(format!("{name} is NULL"))),
        Some(text) if text.is_empty() => Err(Code::InvalidArgument.error(format!("{name} is empty"))),
        Some(text) => Ok(text),
    }
}

/// A list of strings as JSON; NULL, "" and `null` are `None`.
///
/// # Safety
/// As for [`optional`].
pub(super) unsafe fn list(name: &str, text: *const c_char) -> Result<Option<Vec<String>>> {
    // SAFETY: the caller's promise is the same.
    let Some(text) = unsafe { optional(name, text) }?.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    serde_json::from_str(&text).map_err(|_| Code::InvalidArgument.error(format!("{name} is not a JSON list of strings")))
}

/// A required list of strings as JSON: NULL, "" and `null` are refused.
///
/// # Safety
/// As for [`optional`].
pub(super) unsafe fn required_list(name: &str, text: *const c_char) -> Result<Vec<String>> {
    // SAFETY: the caller's promise is the same.
    let list = unsafe { list(name, text) }?;
    list.ok_or_else(|| Code::InvalidArgument.error(format!("{name} is NULL, empty or null: it must be a JSON list of strings")))
}

/// A document as a C string that the caller frees. JSON has no NUL: serde escapes it.
pub(super) fn hand_out(json: String) -> *mut c_char {
    CString::new(json).unwrap_or_default().into_raw()
}

/// Frees a string that the library returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_string_free(s: *mut c_char) {
    if !s.is_null() {
        // SAFETY: made by `CString::into_raw` in `hand_out`, freed once by the convention.
        drop(unsafe { CString::from_raw(s) });
    }
}

/// Frees bytes that the library returned, with the length that it returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_bytes_free(data: *mut u8, length: usize) {
    if !data.is_null() {
        // SAFETY: a boxed slice of this length, made by this library, freed once by the convention.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(data, length)) });
    }
}
