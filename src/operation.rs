//! A long call, as a Rust program starts, watches and ends it.

use std::future::{Future, IntoFuture};
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::call::Call;
use crate::progress::ProgressQueue;
use crate::{Cancel, Code, Error, Failure, Outcome, Progress};

type Work<T> = Box<dyn FnOnce(Call) -> Pin<Box<dyn Future<Output = Outcome<T>> + Send>> + Send>;
type Unbegun<T> = Box<dyn FnOnce(&Error) -> T + Send>;
type Listener = Box<dyn FnMut(&Progress) -> ControlFlow<()> + Send>;

/// A long call that begins when it is awaited.
///
/// The work runs as a task of the runtime on which the handle was made, so that a future which is dropped does not leave a container
/// half replaced: dropping it is the same as firing its [`Cancel`], and what was begun is finished or undone in the background.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Operation<T> {
    work: Work<T>,
    runtime: Handle,
    closing: CancellationToken,
    cancel: Cancel,
    timeout: Option<Duration>,
    listener: Option<Listener>,
    /// The report of a call that ended before it began.
    unbegun: Option<Unbegun<T>>,
}

impl<T> std::fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Operation<T> {
    pub(crate) fn new<F>(runtime: Handle, closing: CancellationToken, work: impl FnOnce(Call) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let work: Work<T> = Box::new(move |call| Box::pin(work(call)));
        Self { work, runtime, closing, cancel: Cancel::new(), timeout: None, listener: None, unbegun: None }
    }

    /// Calls `listener` for every report, in the task that awaits; [`ControlFlow::Break`] ends the call as STOPPED.
    pub fn on_progress(mut self, listener: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Ends the call when `cancel` is fired.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Ends the call as TIMEOUT after so long.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What a call reports that ended before it began. Default: nothing.
    pub(crate) fn unbegun(mut self, report: impl FnOnce(&Error) -> T + Send + 'static) -> Self {
        self.unbegun = Some(Box::new(report));
        self
    }

    /// Starts the work; what it reports and returns is in the [`Running`] part.
    pub(crate) fn start(self) -> (Running<T>, Option<Listener>) {
        let queue = Arc::new(ProgressQueue::default());
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let call = Call::new(self.cancel, self.closing, deadline).with_progress(queue.clone());
        let result = Arc::new(Mutex::new(None));
        let running = Running { queue: queue.clone(), call: call.clone(), result: result.clone() };
        let (work, unbegun) = (self.work, self.unbegun);
        let end = EndOnDrop(queue);
        self.runtime.spawn(async move {
            let end = end;
            let outcome = match call.check() {
                // A token that was fired before the call: nothing has been done.
                Err(error) => Err(match unbegun {
                    Some(report) => Failure::with_report(error.clone(), report(&error)),
                    None => error.into(),
                }),
                Ok(()) => {
                    let work = AssertUnwindSafe(async move { work(call).await });
                    work.catch_unwind().await.unwrap_or_else(|panic| Err(panic_error(&*panic).into()))
                }
            };
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            drop(end);
        });
        (running, self.listener)
    }
}

/// A call whose work has begun.
pub(crate) struct Running<T> {
    pub(crate) queue: Arc<ProgressQueue>,
    pub(crate) call: Call,
    result: Arc<Mutex<Option<Outcome<T>>>>,
}

impl<T> Running<T> {
    /// The result, once the queue has ended.
    pub(crate) fn result(&self) -> Outcome<T> {
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner).take();
        result.unwrap_or_else(|| Err(Code::Panic.error("the work ended without a result: its runtime was shut down").into()))
    }
}

/// Ends the queue also when the runtime drops the task in its middle: a listener never waits for ever.
struct EndOnDrop(Arc<ProgressQueue>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Fires the token of a call whose future was dropped before its end.
struct CancelOnDrop(Option<Cancel>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(cancel) = &self.0 {
            cancel.fire();
        }
    }
}

impl<T: Send + 'static> IntoFuture for Operation<T> {
    type Output = Outcome<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Outcome<T>> + Send>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            // The caller's token may serve other calls: a dropped future fires one of its own.
            let callers = self.cancel.clone();
            let own = Cancel::new();
            if callers.is_fired() {
                own.fire();
            }
            self.cancel = own.clone();
            let mut guard = CancelOnDrop(Some(own.clone()));
            let (running, mut listener) = self.start();
            let outcome = loop {
                let due = tokio::select! {
                    due = running.queue.wait_async() => due,
                    () = callers.fired(), if !own.is_fired() => { own.fire(); continue }
                };
                for report in &due.reports {
                    if listener.as_mut().is_some_and(|listener| listener(report).is_break()) {
                        running.call.stop();
                        listener = None;
                    }
                }
                if due.ended {
                    break running.result();
                }
            };
            guard.0 = None;
            outcome
        })
    }
}

/// A panic as an error: what it said, where it can be read.
pub(crate) fn panic_error(panic: &(dyn std::any::Any + Send)) -> Error {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Code::Panic.error(format!("a defect in refit was contained: {}", said.unwrap_or("it left no message")))
}
