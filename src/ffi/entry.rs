//! A C call on a handle: its arguments are checked and its work runs on the handle's runtime while the caller's thread waits.

use std::ffi::c_char;

use tracing::Span;

use super::callback::Callback;
use super::delivery::{self, Delivered, Feed, Taken};
use super::handle::{Handle, Inside, unwatched};
use super::logger;
use super::options::Options;
use super::strings;
use super::types::{refit, refit_cancel};
use crate::operation::call::Call;
use crate::{Cancel, Code, Operation, Outcome, Refit, Result};

/// What all calls on a handle begin with.
pub(super) struct Entry {
    inside: Inside,
    cancel: Cancel,
    /// An option that the call does not read is refused before any work.
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
        // SAFETY: NULL or not freed, by the caller's promise; the clone stays valid when the token is freed.
        let cancel = unsafe { cancel.as_ref() }.map(|cancel| cancel.0.clone()).unwrap_or_default();
        Ok(Self { inside, cancel, options })
    }

    /// A read: work that changes nothing and may be dropped at any point.
    pub(super) fn read<T, F>(mut self, work: impl FnOnce(Refit) -> F + Send + 'static) -> Outcome<T>
    where
        T: Send + 'static,
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        unwatched(self.operation(None, |refit| refit.operation(Span::none(), |refit, call| async move { call.run(work(refit)).await }))?)
    }

    /// One request that changes something. When the engine has accepted it, it goes on although the call is cancelled.
    pub(super) fn change<T, F>(mut self, work: impl FnOnce(Refit) -> F + Send + 'static) -> Outcome<T>
    where
        T: Send + 'static,
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let actor = self.options.string("actor")?;
        unwatched(self.operation(actor, |refit| refit.operation(Span::none(), |refit, call| async move { call.run(work(refit)).await }))?)
    }

    /// A read that ends in an orderly way when the call is ended, and has no callback.
    pub(super) fn fetch<T: Send + 'static>(mut self, start: impl FnOnce(&Refit) -> Operation<T>) -> Outcome<T> {
        unwatched(self.operation(None, start)?)
    }

    /// A call whose input comes from a callback: `run` runs the operation on this thread.
    pub(super) fn supply<T: Send + 'static>(
        mut self,
        start: impl FnOnce(&Refit) -> Operation<T>,
        run: impl FnOnce(Operation<T>) -> Outcome<T>,
    ) -> Outcome<T> {
        let actor = self.options.string("actor")?;
        // `inside` lives until the callback has been called for the last time.
        let operation = self.operation(actor, start)?;
        run(operation)
    }

    /// A long call, with or without a callback.
    pub(super) fn watch<T: Send + 'static>(mut self, callback: Callback, start: impl FnOnce(&Refit) -> Operation<T>) -> Outcome<T> {
        let actor = self.options.string("actor")?;
        // `inside` lives until the callback has been called for the last time.
        let operation = self.operation(actor, start)?;
        callback.watch(operation)
    }

    /// A read whose result goes to a callback piece by piece: `feed` runs on the handle's runtime, `hand_over` on this thread.
    pub(super) fn deliver<B, F>(
        mut self,
        feed: impl FnOnce(Refit, Call, Feed<B>) -> F + Send + 'static,
        hand_over: impl FnMut(B, &Call) -> Taken,
    ) -> Delivered
    where
        B: Send + 'static,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (feed_end, pieces) = delivery::channel();
        // `inside` lives until the callback has been called for the last time.
        let operation = self
            .operation(None, |refit| refit.operation(Span::none(), |refit, call| async move { Ok(feed(refit, call, feed_end).await?) }));
        match operation {
            Ok(operation) => pieces.deliver(operation, hand_over),
            Err(error) => Delivered { begun: false, result: Err(error) },
        }
    }

    /// The operation with what every call has: the token, the time limit, who asked for it. Any other option is refused.
    fn operation<T: Send + 'static>(&mut self, actor: Option<String>, start: impl FnOnce(&Refit) -> Operation<T>) -> Result<Operation<T>> {
        let timeout = self.options.timeout()?;
        std::mem::take(&mut self.options).finish()?;
        let refit = self.inside.handle.refit()?;
        let mut operation = logger::in_call(|| start(refit)).cancel(&self.cancel);
        if let Some(timeout) = timeout {
            operation = operation.timeout(timeout);
        }
        if let Some(actor) = actor {
            operation = operation.actor(actor);
        }
        Ok(operation)
    }
}
