//! A long call, as a Rust program starts it, follows its progress and ends it.

pub(crate) mod call;
pub(crate) mod cancel;
pub(crate) mod gate;
pub(crate) mod progress;

use std::future::{Future, IntoFuture};
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tracing::{Instrument, Span};

use crate::operation::call::Call;
use crate::operation::gate::Gate;
use crate::operation::progress::ProgressQueue;
use crate::{Cancel, Code, Error, Failure, Outcome, Progress};

type Work<T> = Box<dyn FnOnce(Call) -> Pin<Box<dyn Future<Output = Outcome<T>> + Send>> + Send>;
type NotStarted<T> = Box<dyn FnOnce(&Error) -> T + Send>;
type Listener = Box<dyn FnMut(&Progress) -> ControlFlow<()> + Send>;

/// A long call. It begins when it is awaited.
///
/// The work runs as a task of the runtime on which the handle was opened. Dropping the future cancels the call, as firing its [`Cancel`]
/// does: what was begun is finished or rolled back in the background, so that no container is left half replaced.
///
/// ```no_run
/// use std::ops::ControlFlow;
/// use std::time::Duration;
///
/// use refit::image::PullOptions;
/// use refit::{Cancel, Refit};
///
/// # async fn example(refit: Refit) -> Result<(), Box<dyn std::error::Error>> {
/// let cancel = Cancel::new(); // any task or thread may fire a clone of it
/// let pulled = refit
///     .pull("alpine:3", PullOptions::default())
///     .on_progress(|progress| {
///         println!("{} {} of 1000", progress.phase, progress.permille);
///         ControlFlow::Continue(())
///     })
///     .cancel(&cancel)
///     .timeout(Duration::from_secs(600))
///     .await?;
/// println!("{}", pulled.after.id);
/// # Ok(())
/// # }
/// ```
#[must_use = "an operation does nothing until it is awaited"]
pub struct Operation<T> {
    work: Work<T>,
    runtime: Handle,
    gate: Arc<Gate>,
    span: Span,
    cancel: Cancel,
    actor: Option<String>,
    timeout: Option<Duration>,
    listener: Option<Listener>,
    /// The report of a call that ended before it began.
    not_started: Option<NotStarted<T>>,
}

impl<T> std::fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Operation<T> {
    pub(crate) fn new<F>(runtime: Handle, gate: Arc<Gate>, span: Span, work: impl FnOnce(Call) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let work: Work<T> = Box::new(move |call| Box::pin(work(call)));
        Self { work, runtime, gate, span, cancel: Cancel::new(), actor: None, timeout: None, listener: None, not_started: None }
    }

    /// Calls `listener` for every progress report, in the task that awaits. [`ControlFlow::Break`] ends the call as
    /// [`Stopped`](Code::Stopped).
    pub fn on_progress(mut self, listener: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Ends the call when `cancel` is fired.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Says who asked for the call, for the history.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Ends the call as [`Timeout`](Code::Timeout) when it takes longer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The report of a call that ended before it began. Default: none.
    pub(crate) fn not_started(mut self, report: impl FnOnce(&Error) -> T + Send + 'static) -> Self {
        self.not_started = Some(Box::new(report));
        self
    }

    /// Starts the work. Its progress and its result are in [`Running`].
    pub(crate) fn start(self) -> (Running<T>, Option<Listener>) {
        let queue = Arc::new(ProgressQueue::default());
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let entered = self.gate.enter();
        let call = Call::new(self.cancel, self.gate.cancel_token(), deadline).with_actor(self.actor).with_progress(queue.clone());
        let result = Arc::new(Mutex::new(None));
        let running = Running { queue: queue.clone(), call: call.clone(), result: result.clone() };
        let (work, not_started) = (self.work, self.not_started);
        let end = EndOnDrop(queue);
        let (is_logged, begun) = (!self.span.is_none(), Instant::now());
        let task = async move {
            let end = end;
            let outcome = match entered.as_ref().map_err(Clone::clone).and_then(|_| call.check()) {
                // The handle was closed or the token fired before the call: nothing has been done.
                Err(error) => Err(match not_started {
                    Some(report) => Failure::with_report(error.clone(), report(&error)),
                    None => error.into(),
                }),
                Ok(()) => {
                    let work = AssertUnwindSafe(async move { work(call).await });
                    work.catch_unwind().await.unwrap_or_else(|panic| Err(panic_error(&*panic).into()))
                }
            };
            if is_logged {
                log_end(&outcome, begun);
            }
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            drop(end);
            drop(entered);
        };
        self.runtime.spawn(task.instrument(self.span));
        (running, self.listener)
    }
}

/// The last event of a call. One that has left a container for a person to look at is an error, any other failure a warning: the caller has
/// it as the result.
fn log_end<T>(outcome: &Outcome<T>, begun: Instant) {
    let ms = begun.elapsed().as_millis() as u64;
    match outcome.as_ref().map_err(|failure| &failure.error) {
        Ok(_) => tracing::debug!(ms, "done"),
        Err(error) if matches!(error.code(), Code::RollbackFailed | Code::Panic) => {
            tracing::error!(code = error.code().name(), ms, "{}", error.message());
        }
        Err(error) => tracing::warn!(code = error.code().name(), ms, "{}", error.message()),
    }
}

/// A call whose work has been started.
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

/// Ends the queue also when the runtime drops the task before its end: otherwise the caller would wait for ever.
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
            // Other calls may use the caller's token, so a future that is dropped fires a token of its own.
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

/// A panic as an error, with the message of the panic where it is a string.
pub(crate) fn panic_error(panic: &(dyn std::any::Any + Send)) -> Error {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Code::Panic.error(format!("a defect in refit was caught: {}", message.unwrap_or("it has no message")))
}
