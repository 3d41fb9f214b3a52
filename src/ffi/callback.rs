//! The caller's progress callback, called on the caller's thread.
//!
//! Rules: docs/abi.md, section 6.

use std::ffi::{CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::types::{refit_progress, refit_progress_fn};
use crate::{Operation, Outcome, Progress};

/// A callback and its data; without a function nothing is reported.
pub(super) struct Callback {
    pub(super) function: refit_progress_fn,
    pub(super) user_data: *mut c_void,
}

impl Callback {
    pub(super) const NONE: Self = Self { function: None, user_data: std::ptr::null_mut() };

    /// Runs an operation to its end and reports its progress on this thread. When the callback panics, the work is stopped first and the
    /// panic goes on once it has ended.
    pub(super) fn watch<T: Send + 'static>(&self, operation: Operation<T>) -> Outcome<T> {
        let (running, _) = operation.start();
        let mut listening = self.function.is_some();
        let mut panicked = None;
        loop {
            let due = running.queue.wait();
            for report in due.reports {
                if !listening || running.call.is_closing() {
                    break;
                }
                match catch_unwind(AssertUnwindSafe(|| self.call(&report))) {
                    Ok(0) => continue,
                    Ok(_) => {}
                    Err(panic) => panicked = Some(panic),
                }
                listening = false;
                running.call.stop();
            }
            if due.ended {
                break;
            }
        }
        let outcome = running.result();
        match panicked {
            Some(panic) => resume_unwind(panic),
            None => outcome,
        }
    }

    fn call(&self, report: &Progress) -> i32 {
        let Some(function) = self.function else { return 0 };
        let text = |text: &str| CString::new(text).unwrap_or_default();
        let (operation, subject, phase) = (text(report.operation), text(&report.subject), text(report.phase));
        let layer = report.layer.as_deref().map(text);
        let progress = refit_progress {
            struct_size: size_of::<refit_progress>(),
            operation: operation.as_ptr(),
            subject: subject.as_ptr(),
            phase: phase.as_ptr(),
            layer: layer.as_ref().map_or(std::ptr::null(), |layer| layer.as_ptr()),
            current: report.current,
            total: report.total.unwrap_or(0),
            bytes_per_second: report.bytes_per_second.unwrap_or(0),
            eta_seconds: report.eta.map_or(0, |eta| eta.as_secs()),
            permille: report.permille,
            step: report.step,
            steps: report.steps,
            reserved: 0,
        };
        // SAFETY: the function and its data are the caller's, valid until the call returns; the strings are alive until it returns.
        unsafe { function(&raw const progress, self.user_data) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::ffi::codes::{REFIT_E_PANIC, REFIT_OK};
    use crate::ffi::error::{refit_error_free, refit_error_message};
    use crate::ffi::guard::Out;
    use crate::ffi::types::refit_code;
    use crate::operation::call::Call;

    unsafe extern "C-unwind" fn panics(_: *const refit_progress, _: *mut c_void) -> i32 {
        panic!("from the callback");
    }

    /// The code, and the message of the error.
    fn watch(callback: &Callback, operation: Operation<()>) -> (refit_code, String) {
        let mut err = std::ptr::null_mut();
        // SAFETY: `err` lives until the call has returned.
        let out = unsafe { Out::error_only("img_pull", &raw mut err) };
        let code = out.run_value(|| callback.watch(operation), drop);
        // SAFETY: NULL or the error that the call gave, freed once.
        let message = unsafe { std::ffi::CStr::from_ptr(refit_error_message(err)) }.to_str().unwrap().to_owned();
        // SAFETY: as above.
        unsafe { refit_error_free(err) };
        (code, message)
    }

    #[test]
    fn a_panic_is_an_error_and_the_next_call_works() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let operation = |end: fn(Call) -> Outcome<()>| {
            Operation::new(runtime.handle().clone(), std::sync::Arc::default(), tracing::Span::none(), move |call| async move {
                call.report(Progress::whole("pull", "app:1", "resolving", 0));
                end(call)
            })
        };
        let panicking = Callback { function: Some(panics), user_data: std::ptr::null_mut() };
        let (code, message) = watch(&panicking, operation(|_| Ok(())));
        assert_eq!((code, message.contains("from the callback")), (REFIT_E_PANIC, true), "{message}");
        let (code, message) = watch(&Callback::NONE, operation(|_| panic!("from the work")));
        assert_eq!((code, message.contains("from the work")), (REFIT_E_PANIC, true), "{message}");
        assert_eq!(watch(&Callback::NONE, operation(|_| Ok(()))), (REFIT_OK, String::new()));
    }
}
