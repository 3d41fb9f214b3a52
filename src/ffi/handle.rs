//! The handle in C: `refit_open`, `refit_close`, and the calls that keep it alive.
//!
//! Rules: docs/abi.md, section 7.

use std::cell::RefCell;
use std::ffi::c_char;
use std::sync::{Arc, OnceLock};

use super::guard::{self, Out};
use super::logger;
use super::open_options;
use super::options::Options;
use super::runtime::{SharedRuntime, THREADS};
use super::strings;
use super::types::{refit, refit_code, refit_error};
use crate::operation::Operation;
use crate::operation::gate::Entered;
use crate::{Code, Error, Outcome, Refit, Result};

/// The process that opened the first handle. Its children have none of the threads, and locks may be held in them for ever.
static PROCESS: OnceLock<u32> = OnceLock::new();

/// The object that a `refit *` of C points to.
pub(super) struct Handle {
    refit: OnceLock<Refit>,
    /// That of all handles.
    runtime: Arc<SharedRuntime>,
    /// After `fork()` the runtime's threads are gone: a child must not wait for them.
    process: u32,
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
        Ok(Self { refit: OnceLock::new(), runtime: SharedRuntime::of_process(worker_threads)?, process: std::process::id() })
    }

    /// Begins a call on this thread, unless the handle is closed or belongs to another process.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Inside> {
        check_process()?;
        logger::check_not_inside()?;
        let entered = self.refit()?.shared.gate.enter()?;
        INSIDE.with_borrow_mut(|inside| inside.push(Arc::as_ptr(self)));
        Ok(Inside { _entered: entered, handle: self.clone() })
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
        let Some(refit) = self.refit.get() else { return };
        if logger::is_inside() || INSIDE.with_borrow(|inside| inside.contains(&Arc::as_ptr(self))) {
            refit.shared.gate.close_from_inside();
        } else {
            refit.shared.gate.close_blocking();
        }
    }
}

/// Whether this is a child of a process that had opened a handle.
pub(super) fn is_forked_child() -> bool {
    PROCESS.get().is_some_and(|process| *process != std::process::id())
}

/// After `fork()` a child may only exit or exec.
fn check_process() -> Result<()> {
    if *PROCESS.get_or_init(std::process::id) == std::process::id() {
        return Ok(());
    }
    Err(Code::Unsupported.error("this process was forked from one that had opened refit: a child may only exit or exec"))
}

/// A call that runs on this thread. It keeps the handle alive.
pub(super) struct Inside {
    /// Dropped before the handle: `refit_close` waits for the count and frees the handle.
    _entered: Entered,
    pub(super) handle: Arc<Handle>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(std::vec::Vec::pop);
    }
}

/// A panic of the library becomes an error and prints nothing. A panic of the host is printed as before.
fn silence_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let on_our_thread = std::thread::current().name().is_some_and(|name| name == THREADS);
            if !on_our_thread && !guard::is_guarded() {
                before(panic);
            }
        }));
    });
}

/// Opens a handle. It changes nothing on the engine.
///
/// Options (each may be left out):
/// - `host` string: the engine (unix://, tcp://, https://, ssh://user@host:port/socket). Default: DOCKER_HOST, else DOCKER_CONTEXT, else the
///   current context of docker's config.json, else the platform's socket. ssh:// is a child process ssh for each connection that runs
///   `docker system dial-stdio` there; keys, known hosts and jump hosts are ssh's own configuration, and it must get in without a question.
/// - `connect` "now": refit_open asks the engine for its API version; "lazy": the first call does.
/// - `state_dir` folder (default: none): created with mode 0700 when missing. It holds the last checks, and the configuration of containers
///   whose recreation is in progress.
/// - `docker_config` folder (DOCKER_CONFIG, else ~/.docker): contexts and credentials.
/// - `tls_dir` folder (DOCKER_CERT_PATH, or the context's own): ca.pem, cert.pem, key.pem.
/// - `timeout_s` 30, 1 to 3600: the time limit of each request to the engine, and for a stream (a pull) the silence after which the engine is
///   pinged: as long as it answers, the stream is waited for.
/// - `long_timeout_s` 300, 1 to 3600: the time limit of a create and of a start, which may copy gigabytes into a volume or publish thousands
///   of ports.
/// - `engine_wait_s` 120, 0 to 3600: how long a rollback goes on while the engine is not reachable or refuses a step, and how long the
///   answer of a create is still waited for after `long_timeout_s`.
/// - `registries` {HOST: {username, password, token, ca_file, insecure, mirror}}: in addition to docker's config.json. token: an
///   identity token; ca_file: a PEM file of certificate authorities, in addition to the system's; insecure: accepts any certificate, and
///   plain HTTP; mirror: an address that is asked first.
/// - `check_via` "auto" (the registry, or the engine where only the engine reaches it), "registry" or "engine": who is asked by a check.
/// - `max_concurrency` 4, 1 to 64: how many containers an update recreates at the same time, after the first has gone alone. One that only
///   has to settle or to become healthy takes no place; with those, at most three times as many are in progress. Of those one
///   more than the engine has processors (a quarter of the places at least) are stopped and started at the same time, so that
///   each is down for less, unless a hook, a stop, a backup or a start takes more than 2 s.
/// - `worker_threads` 2, 1 to 64: the threads of the process's handles, which share them. That of the first handle counts as long as one is
///   open.
/// - `history_max_entries` 10000, 1 to 10000000, and `history_max_age_days` 365, 1 to 36500: how much of the history is kept;
/// - `helper_image` string: a local image with sh, rm, find, stat and readlink (busybox, debian), for volume_remove_file, volume_restore and
///   volume_list_files.
///
/// Codes: INVALID_ARGUMENT, UNREACHABLE (no engine answers: the message names the address and what to look at), UNSUPPORTED (an engine
/// older than API 1.40, or one that speaks only newer versions), ENGINE, IO (`state_dir`). `*out` is set to NULL first; close the handle once
/// with `refit_close`.
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
            logger::check_not_inside()?;
            if out.is_null() {
                return Err(Code::InvalidArgument.error("out is NULL").into());
            }
            // SAFETY: the caller's promise is the same.
            let mut options = Options::parse(unsafe { strings::optional("options_json", options_json) }?.as_deref())?;
            let worker_threads = options.integer("worker_threads", 1..=64)?.unwrap_or(2) as usize;
            let connect = open_options::read(options)?;
            let handle = Handle::new(worker_threads)?;
            let open = Operation::new(handle.runtime.handle().clone(), Arc::default(), tracing::Span::none(), |_| async {
                Ok(Refit::connect(connect).await?)
            });
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

/// Closes a handle and frees it. It refuses new calls, waits 2 s for the running ones, then cancels them and waits until they have returned
/// (a recreation is finished or rolled back first). No call may begin on another thread once refit_close has begun. In a callback it
/// returns at once: the call that runs the callback returns REFIT_E_CANCELLED (REFIT_OK when it had already succeeded), and the last
/// running call frees the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_close(r: *mut refit) {
    if r.is_null() {
        return;
    }
    let _ = guard::guarded(|| {
        // SAFETY: made by `Arc::into_raw` in `refit_open`, closed once by the caller's promise. A call that goes on has a count of its own.
        let handle = unsafe { Arc::from_raw(r.cast_const().cast::<Handle>()) };
        handle.close();
    });
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
    fn a_caught_panic_prints_nothing_and_a_panic_of_the_host_is_printed() {
        const CHILD: &str = "REFIT_TEST_PANICS";
        if std::env::var_os(CHILD).is_some() {
            silence_panics();
            let panics = |name: &str, message: &'static str, inside: bool| {
                let work = move || {
                    if inside { guard::guarded(|| panic!("{message}")).map_err(drop) } else { panic!("{message}") }
                };
                let ended = std::thread::Builder::new().name(name.to_owned()).spawn(work).unwrap().join();
                assert!(!matches!(ended, Ok(Ok(()))));
            };
            panics(THREADS, "on a thread of the library", false);
            panics("caller", "inside a call", true);
            panics("caller", "of the host", false);
            return;
        }
        let name = std::thread::current().name().unwrap().to_owned();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let done = child.args([&name, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
        let printed = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success() && printed.contains("of the host"), "{printed}");
        assert!(!printed.contains("of the library") && !printed.contains("inside a call"), "{printed}");
    }
}
