//! A C call on a handle: its arguments checked, its work run on the handle's runtime while the caller's thread waits.

use std::ffi::c_char;

use super::callback::Callback;
use super::handle::{Handle, Inside, unwatched};
use super::options::Options;
use super::strings;
use super::types::{refit, refit_cancel};
use crate::{Cancel, Code, Operation, Outcome, Refit, Result};

/// The part that all calls have in common.
pub(super) struct Entry {
    inside: Inside,
    cancel: Cancel,
    /// What is not read by the call itself is refused before any work.
    pub(super) options: Options,
}

impl Entry {
    /// # Safety
    /// `r` is NULL or an open handle, `options_json` NULL or NUL-terminated, `cancel` NULL or a token that was not freed.
    pub(super) unsafe fn new(r: *const refit, options_json: *const c_char, cancel: *const refit_cancel) -> Result<Self> {
        // SAFETY: the caller's promise is the same.
        let Some(handle) = (unsafe { Handle::of(r) }) else {
            return Err(Code::InvalidArgument.error("r is NULL: open a handle with refit_open"));
        };
        let inside = handle.enter()?;
        // SAFETY: the caller's promise is the same.
        let options = Options::parse(unsafe { strings::optional("options_json", options_json) }?.as_deref())?;
        // SAFETY: NULL or alive, by the caller's promise; the clone lives on when the token is freed.
        let cancel = unsafe { cancel.as_ref() }.map(|cancel| cancel.0.clone()).unwrap_or_default();
        Ok(Self { inside, cancel, options })
    }

    /// Work that leaves nothing behind when it is dropped: a read.
    pub(super) fn read<T, F>(mut self, work: impl FnOnce(Refit) -> F + Send + 'static) -> Outcome<T>
    where
        T: Send + 'static,
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let timeout = self.options.timeout()?;
        std::mem::take(&mut self.options).finish()?;
        let refit = self.inside.0.refit()?;
        let operation = refit.operation(|refit, call| async move { call.run(work(refit)).await }).cancel(&self.cancel);
        unwatched(match timeout {
            Some(timeout) => operation.timeout(timeout),
            None => operation,
        })
    }

    /// One step on the engine. What it has accepted goes on when the call is cancelled.
    pub(super) fn change<T, F>(mut self, work: impl FnOnce(Refit) -> F + Send + 'static) -> Outcome<T>
    where
        T: Send + 'static,
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        self.options.string("actor")?;
        self.read(work)
    }

    /// A long call, with or without a callback.
    pub(super) fn watch<T: Send + 'static>(mut self, callback: Callback, start: impl FnOnce(&Refit) -> Operation<T>) -> Outcome<T> {
        let timeout = self.options.timeout()?;
        self.options.string("actor")?;
        std::mem::take(&mut self.options).finish()?;
        let mut operation = start(self.inside.0.refit()?).cancel(&self.cancel);
        if let Some(timeout) = timeout {
            operation = operation.timeout(timeout);
        }
        callback.watch(operation)
    }
}
