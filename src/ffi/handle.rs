//! The handle: opened, closed, and kept alive by the calls that run on it.

use std::cell::RefCell;
use std::ffi::c_char;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::guard::Out;
use super::open_options;
use super::options::Options;
use super::strings;
use super::types::{refit, refit_code, refit_error};
use crate::operation::Operation;
use crate::{Code, Error, Outcome, Refit, Result};

/// The process that opened the first handle. What it forks has no threads of the library, and may have its locks held for ever.
static PROCESS: OnceLock<u32> = OnceLock::new();

/// How long `refit_close` lets running calls go on before it cancels them.
const GRACE: Duration = Duration::from_secs(2);

/// The name of the library's own threads.
const THREADS: &str = "refit";

/// What stands behind the pointer that C has.
pub(super) struct Handle {
    refit: OnceLock<Refit>,
    /// Taken when the handle is dropped, which happens on a caller's thread: a runtime must not end on one of its own.
    runtime: Option<Runtime>,
    gate: Mutex<Gate>,
    calls_ended: Condvar,
    /// After `fork()` the runtime's threads are gone: a child must not wait for them.
    process: u32,
}

#[derive(Default)]
struct Gate {
    closed: bool,
    running: usize,
}

thread_local! {
    /// The handles whose calls this thread is in; more than one while a callback calls the library.
    static INSIDE: RefCell<Vec<*const Handle>> = const { RefCell::new(Vec::new()) };
}

impl Handle {
    /// The handle behind a pointer of C, with a count of its own; `None` for NULL.
    ///
    /// # Safety
    /// `r` is NULL or from `refit_open`, and either open or closed by a callback of a call that has not returned.
    pub(super) unsafe fn of(r: *const refit) -> Option<Arc<Self>> {
        let handle = r.cast::<Self>();
        if handle.is_null() {
            return None;
        }
        // SAFETY: the Arc of `refit_open` is alive by the caller's promise.
        unsafe {
            Arc::increment_strong_count(handle);
            Some(Arc::from_raw(handle))
        }
    }

    fn new(worker_threads: usize) -> Result<Self> {
        silence_panics();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(worker_threads)
            .thread_name(THREADS)
            .on_thread_start(block_sigpipe)
            .enable_all()
            .build()
            .map_err(|error| Code::Io.error("the library's threads cannot be started").caused_by(&error))?;
        Ok(Self {
            refit: OnceLock::new(),
            runtime: Some(runtime),
            gate: Mutex::default(),
            calls_ended: Condvar::new(),
            process: std::process::id(),
        })
    }

    /// Begins a call on this thread, unless the handle is closed or belongs to another process.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Inside> {
        check_process()?;
        let mut gate = self.lock();
        if gate.closed {
            return Err(Code::Cancelled.error("the handle is closed"));
        }
        gate.running += 1;
        drop(gate);
        INSIDE.with_borrow_mut(|inside| inside.push(Arc::as_ptr(self)));
        Ok(Inside(self.clone()))
    }

    pub(super) fn refit(&self) -> Result<&Refit> {
        self.refit.get().ok_or_else(|| Code::Panic.error("the handle was never connected"))
    }

    fn close(self: &Arc<Self>) {
        if self.process != std::process::id() {
            // The parent's threads do not exist here; nothing can be waited for, so the memory stays.
            std::mem::forget(self.clone());
            return;
        }
        let mut gate = self.lock();
        gate.closed = true;
        let closing = self.refit.get().map(|refit| refit.shared.closing.clone()).unwrap_or_default();
        if INSIDE.with_borrow(|inside| inside.contains(&Arc::as_ptr(self))) {
            closing.cancel();
            return;
        }
        let end = Instant::now() + GRACE;
        while gate.running > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                closing.cancel();
                gate = self.calls_ended.wait(gate).unwrap_or_else(PoisonError::into_inner);
            } else {
                gate = self.calls_ended.wait_timeout(gate, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if self.process != std::process::id() {
            std::mem::forget(runtime);
            return;
        }
        // The caller's thread may belong to another runtime, in which ours must not be waited for.
        let ended = std::thread::Builder::new().name("refit-close".into()).spawn(move || runtime.shutdown_timeout(Duration::from_secs(1)));
        if let Ok(thread) = ended {
            let _ = thread.join();
        }
    }
}

/// After `fork()` a child may only exit or exec.
fn check_process() -> Result<()> {
    if *PROCESS.get_or_init(std::process::id) == std::process::id() {
        return Ok(());
    }
    Err(Code::Unsupported.error("this process was forked from one that had opened refit: a child may only exit or exec"))
}

/// A call under way on this thread; keeps the handle alive.
pub(super) struct Inside(pub(super) Arc<Handle>);

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(std::vec::Vec::pop);
        self.0.lock().running -= 1;
        self.0.calls_ended.notify_all();
    }
}

/// A panic comes back as an error; the library prints nothing. Other people's panics are told as before.
fn silence_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let on_our_thread = std::thread::current().name().is_some_and(|name| name == THREADS);
            if !on_our_thread && INSIDE.with_borrow(Vec::is_empty) {
                before(panic);
            }
        }));
    });
}

/// A connection that the other side has closed must not kill a host that has not ignored SIGPIPE.
fn block_sigpipe() {
    // SAFETY: a zeroed set is filled by sigemptyset before it is read; the mask is this thread's own.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

/// Opens a handle. It changes nothing on the engine; the environment and HOME are read here alone.
///
/// Options (all may be left out):
/// - `host` string: the engine (unix://, tcp://, https://; ssh:// is UNSUPPORTED), else DOCKER_HOST, else DOCKER_CONTEXT, else the current
///   context of docker's config.json, else the platform's socket.
/// - `connect` "now": the engine is asked which API it speaks; "lazy": the first call asks.
/// - `state_dir` folder (none; 0700, made when missing): last checks, and what a recreation in hand keeps.
/// - `docker_config` folder (DOCKER_CONFIG, else ~/.docker): contexts and credentials.
/// - `tls_dir` folder (DOCKER_CERT_PATH, or the context's own): ca.pem, cert.pem, key.pem.
/// - `timeout_s` 30, 1 to 3600: for each request to the engine, and for a stream the longest silence.
/// - `engine_wait_s` 120, 0 to 3600: how long an undo waits for an engine that went away.
/// - `registries` {HOST: {username, password, token, ca_file, insecure, mirror}}: where docker's config.json is not enough. token: an
///   identity token; ca_file: PEM, beside the system's; insecure: any certificate, and plain HTTP; mirror: an address that is asked first.
/// - `check_via` "auto" (the registry; the engine where only that reaches it), "registry" or "engine": whom a check asks.
/// - `max_concurrency` 4, 1 to 64: containers replaced side by side.
/// - `worker_threads` 2, 1 to 64.
/// - `helper_image` string; `history_max_entries` 10000, 1 to 10000000; `history_max_age_days` 365, 1 to 36500: without effect, as volumes
///   and the history are not in this version.
///
/// Codes: INVALID_ARGUMENT, UNREACHABLE (no engine answers: the message says at which address and what to look at), UNSUPPORTED (ssh://,
/// an engine older than API 1.40), ENGINE, IO (`state_dir`). `*out` is NULL on an error, else closed once with `refit_close`.
///
/// # Safety
/// `options_json` is NULL or NUL-terminated; `out` is writable; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_open(options_json: *const c_char, out: *mut *mut refit, err: *mut *mut refit_error) -> refit_code {
    // SAFETY: writable by the caller's promise.
    if let Some(out) = unsafe { out.as_mut() } {
        *out = std::ptr::null_mut();
    }
    // SAFETY: the caller's promise is the same.
    let guard = unsafe { Out::error_only("refit_open", err) };
    guard.run_value(
        || {
            check_process()?;
            if out.is_null() {
                return Err(Code::InvalidArgument.error("out is NULL").into());
            }
            // SAFETY: the caller's promise is the same.
            let mut options = Options::parse(unsafe { strings::optional("options_json", options_json) }?.as_deref())?;
            let worker_threads = options.integer("worker_threads", 1..=64)?.unwrap_or(2) as usize;
            let connect = open_options::read(options)?;
            let handle = Handle::new(worker_threads)?;
            let Some(runtime) = &handle.runtime else { return Err(no_runtime().into()) };
            let open = Operation::new(runtime.handle().clone(), CancellationToken::new(), |_| async { Ok(Refit::connect(connect).await?) });
            let (running, _) = open.start();
            while !running.queue.wait().ended {}
            let refit = running.result().map_err(Error::from)?;
            let _ = handle.refit.set(refit);
            Ok(handle)
        },
        |handle| {
            // SAFETY: not NULL, and writable by the caller's promise.
            unsafe { *out = Arc::into_raw(Arc::new(handle)).cast_mut().cast() };
        },
    )
}

fn no_runtime() -> Error {
    Code::Panic.error("the library's threads are gone")
}

/// Closes a handle: refuses new calls, gives the running ones 2 s, then cancels them and waits until they have returned (for a recreation:
/// until it is finished or undone). Called from inside a callback it marks the handle closed; the running call returns
/// `REFIT_E_CANCELLED` (`REFIT_OK` when it was already done) and frees it. No call may begin on another thread once close has begun.
/// NULL is a no-op.
///
/// # Safety
/// `r` is NULL or a handle of this library, closed once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_close(r: *mut refit) {
    if r.is_null() {
        return;
    }
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        // SAFETY: made by `Arc::into_raw` in `refit_open`, closed once by the caller's promise. A call that goes on has a count of its own.
        let handle = unsafe { Arc::from_raw(r.cast_const().cast::<Handle>()) };
        handle.close();
    }));
}

/// The outcome of an operation that no callback watches.
pub(super) fn unwatched<T: Send + 'static>(operation: Operation<T>) -> Outcome<T> {
    let (running, _) = operation.start();
    while !running.queue.wait().ended {}
    running.result()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// In a process of its own, since a panic hook is the whole process's.
    #[test]
    fn a_contained_panic_prints_nothing_and_others_are_told() {
        const CHILD: &str = "REFIT_TEST_PANICS";
        if std::env::var_os(CHILD).is_some() {
            silence_panics();
            let panics = |name: &str, message: &'static str, inside: bool| {
                let work = move || {
                    INSIDE.with_borrow_mut(|calls| calls.extend(inside.then_some(std::ptr::null())));
                    panic!("{message}")
                };
                let ended = std::thread::Builder::new().name(name.to_owned()).spawn(work).unwrap().join();
                assert!(ended.is_err());
            };
            panics(THREADS, "on a thread of the library", false);
            panics("caller", "inside a call", true);
            panics("caller", "of somebody else", false);
            return;
        }
        let name = std::thread::current().name().unwrap().to_owned();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let done = child.args([&name, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
        let told = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success() && told.contains("of somebody else"), "{told}");
        assert!(!told.contains("of the library") && !told.contains("inside a call"), "{told}");
    }
}
