//! The codes in C.

use std::ffi::{CStr, c_char};

use super::types::refit_code;
use crate::Code;

/// The version of this header: major * 1000000 + minor * 1000 + patch.
#[allow(dead_code, reason = "C reads it in the header")]
pub const REFIT_VERSION_NUMBER: u32 = 1_000;
/// The version of the ABI: the N of `librefit.so.N`.
pub const REFIT_ABI_VERSION: u32 = 0;

/// The call succeeded.
pub const REFIT_OK: refit_code = 0;
/// An argument or option is invalid; nothing has happened. The message names it.
pub const REFIT_E_INVALID_ARGUMENT: refit_code = 1;
/// The token was fired, or the handle was closed.
pub const REFIT_E_CANCELLED: refit_code = 2;
/// The callback returned a value that ends the call.
pub const REFIT_E_STOPPED: refit_code = 3;
/// The call did not end within its own `timeout_s`.
pub const REFIT_E_TIMEOUT: refit_code = 4;
/// There is no such image, container, volume or file.
pub const REFIT_E_NOT_FOUND: refit_code = 5;
/// A required image is not local: pull it first.
pub const REFIT_E_IMAGE_MISSING: refit_code = 6;
/// The registry does not accept the credentials, or needs some.
pub const REFIT_E_UNAUTHORIZED: refit_code = 7;
/// The name is taken, the object is in use, it was changed concurrently, or an interrupted run left something.
pub const REFIT_E_CONFLICT: refit_code = 8;
/// The engine or the registry cannot be reached.
pub const REFIT_E_UNREACHABLE: refit_code = 9;
/// The engine answered with an error.
pub const REFIT_E_ENGINE: refit_code = 10;
/// The registry answered with an error.
pub const REFIT_E_REGISTRY: refit_code = 11;
/// The registry limits the number of requests: try again later.
pub const REFIT_E_RATE_LIMITED: refit_code = 12;
/// This version of the library, the engine or the container does not support it.
pub const REFIT_E_UNSUPPORTED: refit_code = 13;
/// The operation failed and was rolled back: the state is the one before the call.
pub const REFIT_E_ROLLED_BACK: refit_code = 14;
/// The operation failed and could not be rolled back: the message says what state it left.
pub const REFIT_E_ROLLBACK_FAILED: refit_code = 15;
/// A digest or an archive does not match its checksum.
pub const REFIT_E_DATA: refit_code = 16;
/// Another call or process is working on the same object: try again later.
pub const REFIT_E_BUSY: refit_code = 17;
/// A local file or folder cannot be read or written: the disk is full, or it is about `state_dir`.
pub const REFIT_E_IO: refit_code = 18;
/// A defect of the library was caught; the next call works.
pub const REFIT_E_PANIC: refit_code = 99;

/// The version of the library: "0.1.0". Do not free it.
#[unsafe(no_mangle)]
pub extern "C" fn refit_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The ABI version of the library: compare it with `REFIT_ABI_VERSION`.
#[unsafe(no_mangle)]
pub extern "C" fn refit_abi_version() -> u32 {
    REFIT_ABI_VERSION
}

/// The name of a code without its prefix: "OK", "NOT_FOUND"; "UNKNOWN" for a number that is not a code. Do not free it.
#[unsafe(no_mangle)]
pub extern "C" fn refit_code_name(code: refit_code) -> *const c_char {
    name(code).as_ptr()
}

fn name(code: refit_code) -> &'static CStr {
    match code {
        REFIT_OK => c"OK",
        REFIT_E_INVALID_ARGUMENT => c"INVALID_ARGUMENT",
        REFIT_E_CANCELLED => c"CANCELLED",
        REFIT_E_STOPPED => c"STOPPED",
        REFIT_E_TIMEOUT => c"TIMEOUT",
        REFIT_E_NOT_FOUND => c"NOT_FOUND",
        REFIT_E_IMAGE_MISSING => c"IMAGE_MISSING",
        REFIT_E_UNAUTHORIZED => c"UNAUTHORIZED",
        REFIT_E_CONFLICT => c"CONFLICT",
        REFIT_E_UNREACHABLE => c"UNREACHABLE",
        REFIT_E_ENGINE => c"ENGINE",
        REFIT_E_REGISTRY => c"REGISTRY",
        REFIT_E_RATE_LIMITED => c"RATE_LIMITED",
        REFIT_E_UNSUPPORTED => c"UNSUPPORTED",
        REFIT_E_ROLLED_BACK => c"ROLLED_BACK",
        REFIT_E_ROLLBACK_FAILED => c"ROLLBACK_FAILED",
        REFIT_E_DATA => c"DATA",
        REFIT_E_BUSY => c"BUSY",
        REFIT_E_IO => c"IO",
        REFIT_E_PANIC => c"PANIC",
        _ => c"UNKNOWN",
    }
}

const _: () = {
    // Every kind of error has its constant: a kind that was forgotten here does not compile.
    assert!(Code::ALL.len() == 19);
    assert!(Code::InvalidArgument as i32 == REFIT_E_INVALID_ARGUMENT && Code::Panic as i32 == REFIT_E_PANIC);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_name_in_c() {
        for code in Code::ALL {
            assert_eq!(name(*code as refit_code).to_str(), Ok(code.name()));
        }
        assert_eq!((name(0), name(-1), name(19)), (c"OK", c"UNKNOWN", c"UNKNOWN"));
    }

    #[test]
    fn the_version_numbers_agree() {
        let parts: Vec<u32> = env!("CARGO_PKG_VERSION").split('.').map(|part| part.parse().unwrap_or(0)).collect();
        assert_eq!(REFIT_VERSION_NUMBER, parts[0] * 1_000_000 + parts[1] * 1_000 + parts[2]);
    }
}
