//! The caller's callback, on the caller's thread.

use std::ffi::{CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::types::{refit_progress, refit_progress_fn};
use crate::{Operation, Outcome, Progress};

/// A callback and its data; without a function nothing is told.
pub(super) struct Callback {
    pub(super) function: refit_progress_fn,
    pub(super) user_data: *mut c_void,
}

impl Callback {
    pub(super) const NONE: Self = Self { function: None, user_data: std::ptr::null_mut() };

    /// Runs an operation to its end and tells its reports on this thread. A callback that panics ends the work first, then the call.
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
                match catch_unwind(AssertUnwindSafe(|| self.tell(&report))) {
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

    fn tell(&self, report: &Progress) -> i32 {
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
        // SAFETY: the function and its data are the caller's, valid until the call returns; the strings live until it returns.
        unsafe { function(&raw const progress, self.user_data) }
    }
}
