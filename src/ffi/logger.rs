//! `refit_set_logger`: the events of the library for a callback of the process.
//!
//! The threads of C handles have a subscriber of their own, and so has a C call while it begins: no global one is installed, and one that a
//! Rust program has installed is left alone.
//!
//! Rules: docs/abi.md, section 12.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, reload};

use super::codes::{REFIT_E_INVALID_ARGUMENT, REFIT_E_PANIC, REFIT_E_UNSUPPORTED, REFIT_OK};
use super::guard;
use super::handle::is_forked_child;
use super::log_layer::{Event, LogLayer};
use super::types::{refit_code, refit_log_record, refit_log_record_fn};
use crate::{Code, Result};

/// The callback of the process, and how many threads are in it.
#[derive(Debug)]
pub(super) struct Logger {
    function: unsafe extern "C-unwind" fn(*const refit_log_record, *mut c_void),
    user_data: *mut c_void,
    state: Mutex<State>,
    /// Wakes who waits for the last call to return.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    removed: bool,
}

// SAFETY: the caller of `refit_set_logger` promises that the function and its data may be used on any thread.
unsafe impl Send for Logger {}
// SAFETY: as above.
unsafe impl Sync for Logger {}

static LOGGER: RwLock<Option<Arc<Logger>>> = RwLock::new(None);

/// Two changes of the logger are one after the other.
static CHANGE: Mutex<()> = Mutex::new(());

thread_local! {
    /// Whether this thread is in the callback.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// The subscriber of this thread of the library, until the thread ends.
    static THREAD: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// The one subscriber, and how its level is changed.
struct Subscriber {
    dispatch: Dispatch,
    level: reload::Handle<LevelFilter, Registry>,
    /// Of a process with only one subscriber `tracing` asks the current thread's, which on a thread of the host is none: what is known of an
    /// event would depend on who has met it first, and a change of the level would be lost. With two it asks all.
    _second: Dispatch,
}

fn subscriber() -> &'static Subscriber {
    static SUBSCRIBER: OnceLock<Subscriber> = OnceLock::new();
    SUBSCRIBER.get_or_init(|| {
        let (filter, level) = reload::Layer::new(LevelFilter::OFF);
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(filter).with(LogLayer));
        Subscriber { dispatch, level, _second: Dispatch::new(NoSubscriber::new()) }
    })
}

/// For the beginning of each thread of the library.
pub(super) fn begin_thread() {
    THREAD.set(Some(dispatcher::set_default(&subscriber().dispatch)));
}

/// For its end.
pub(super) fn end_thread() {
    THREAD.take();
}

/// Runs what a call does on the caller's thread: the spans that are made there are this subscriber's.
pub(super) fn in_call<T>(body: impl FnOnce() -> T) -> T {
    dispatcher::with_default(&subscriber().dispatch, body)
}

/// A call in the callback would wait for the thread that it is on.
pub(super) fn check_not_inside() -> Result<()> {
    if !INSIDE.get() {
        return Ok(());
    }
    Err(Code::Unsupported.error("the callback of refit_set_logger must not call the library: it runs on a thread that does the work"))
}

/// Whether this thread is in the callback.
pub(super) fn is_inside() -> bool {
    INSIDE.get()
}

/// Hands an event over. One that comes from within the callback is dropped.
pub(super) fn write(event: &Event) {
    let logger = LOGGER.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(logger) = logger.filter(|_| !INSIDE.get())
        && logger.begin()
    {
        // A panic of the callback must not end the work that it is told of.
        let _ = guard::guarded(|| logger.call(event));
        logger.end();
    }
}

impl Logger {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False: it was removed.
    fn begin(&self) -> bool {
        let mut state = self.lock();
        state.calls += usize::from(!state.removed);
        INSIDE.set(!state.removed);
        !state.removed
    }

    fn call(&self, event: &Event) {
        // SAFETY: by the promise to `refit_set_logger` the function and its data may be used until it was removed, which waits for this call;
        // the record lives until the call has returned.
        event.with_record(|record| unsafe { (self.function)(record, self.user_data) });
    }

    fn end(&self) {
        INSIDE.set(false);
        self.lock().calls -= 1;
        self.idle.notify_all();
    }

    /// No call begins from here on. Waits for those that have begun, unless this thread is in one itself.
    fn remove(&self) {
        let mut state = self.lock();
        state.removed = true;
        while state.calls > 0 && !INSIDE.get() {
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Sends the events of the library in this process, of all handles, to a callback, in place of the one that was set before; a NULL callback
/// removes it. `level` is the least important that is sent, `REFIT_LOG_ERROR` to `REFIT_LOG_TRACE`; with a NULL callback it is not read.
///
/// REFIT_LOG_ERROR: a rollback that failed, a defect. REFIT_LOG_WARN: a call that failed, a warning of a report. REFIT_LOG_INFO: each step of
/// a recreation, a rollback and a recovery, and what became of it. REFIT_LOG_DEBUG: the end of each long call, and each request to an engine or
/// a registry with its method, path, status and milliseconds. No event holds a credential, a header, a query, a body or the environment of a
/// container.
///
/// The callback is called on any thread of the library, on several at once, and while one runs, that thread does nothing else: it should be
/// quick, and hand over to a queue what takes long. It must not call the library, except refit_set_logger and the functions without a handle:
/// a call there is REFIT_E_UNSUPPORTED. It must not throw or `longjmp`.
///
/// Once refit_set_logger has returned, the callback that was set before is never called again, and no call of it is running: calls that have
/// begun are waited for. In the callback itself it does not wait: no call begins any more, but that one, and those on other threads that had
/// begun, return later. Any thread may call it at any time, before the first refit_open and after the last refit_close too.
///
/// Codes: INVALID_ARGUMENT (`level` is no level: nothing was changed), UNSUPPORTED (in a child after fork).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_set_logger(level: i32, callback: refit_log_record_fn, user_data: *mut c_void) -> refit_code {
    guard::guarded(|| {
        if is_forked_child() {
            return REFIT_E_UNSUPPORTED;
        }
        let Some(function) = callback else {
            set(LevelFilter::OFF, None);
            return REFIT_OK;
        };
        let Some(level) = super::log_layer::filter(level) else { return REFIT_E_INVALID_ARGUMENT };
        let (state, idle) = (Mutex::default(), Condvar::new());
        set(level, Some(Arc::new(Logger { function, user_data, state, idle })));
        REFIT_OK
    })
    .unwrap_or(REFIT_E_PANIC)
}

fn set(level: LevelFilter, logger: Option<Arc<Logger>>) {
    let before = {
        let _change = CHANGE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *LOGGER.write().unwrap_or_else(PoisonError::into_inner), logger);
        // It fails only when the subscriber is gone, which lives as long as the process.
        let _ = subscriber().level.reload(level);
        before
    };
    if let Some(before) = before {
        before.remove();
    }
}
