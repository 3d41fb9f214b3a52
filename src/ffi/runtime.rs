//! The one runtime of all handles of a process: a hundred handles have the threads of one.
//!
//! Rules: docs/abi.md, section 3.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use super::logger;
use crate::{Code, Result};

/// The name of the library's own threads.
pub(super) const THREADS: &str = "refit";

/// That of the open handles. It ends with the last of them, so that a host which has closed all has no thread of ours.
static RUNNING: Mutex<Weak<SharedRuntime>> = Mutex::new(Weak::new());

/// The threads on which the work of every handle is done.
pub(super) struct SharedRuntime {
    handle: Handle,
    /// Taken when the last handle is dropped, which happens on a caller's thread: a runtime must not be dropped on one of its own threads.
    runtime: Option<Runtime>,
    /// After `fork()` the runtime's threads are gone: a child must not wait for them.
    process: u32,
}

impl SharedRuntime {
    /// The runtime of the handles that are open; where there is none, a new one with so many threads.
    pub(super) fn of_process(worker_threads: usize) -> Result<Arc<Self>> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = running.upgrade() {
            return Ok(runtime);
        }
        let started = Arc::new(Self::start(worker_threads)?);
        *running = Arc::downgrade(&started);
        Ok(started)
    }

    fn start(worker_threads: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(worker_threads)
            .thread_name(THREADS)
            .on_thread_start(|| {
                block_sigpipe();
                logger::begin_thread();
            })
            .on_thread_stop(logger::end_thread)
            .enable_all()
            .build()
            .map_err(|error| Code::Io.error("the library's threads cannot be started").caused_by(&error))?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime), process: std::process::id() })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for SharedRuntime {
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

/// A write to a connection that the other side has closed must not kill a host that does not ignore SIGPIPE.
fn block_sigpipe() {
    // SAFETY: a zeroed set is filled by sigemptyset before it is read; the mask is this thread's own.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// In a process of its own: the handles of other tests have the same runtime.
    #[test]
    fn the_runtime_is_that_of_the_first_handle_and_ends_with_the_last() {
        const CHILD: &str = "REFIT_TEST_RUNTIME";
        if std::env::var_os(CHILD).is_some() {
            let first = SharedRuntime::of_process(1).unwrap();
            let second = SharedRuntime::of_process(64).unwrap();
            assert!(Arc::ptr_eq(&first, &second));
            assert_eq!(second.handle().metrics().num_workers(), 1);
            drop(first);
            assert!(Arc::ptr_eq(&second, &SharedRuntime::of_process(2).unwrap()));
            drop(second);
            assert_eq!(SharedRuntime::of_process(3).unwrap().handle().metrics().num_workers(), 3);
            return;
        }
        let name = std::thread::current().name().unwrap().to_owned();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let done = child.args([&name, "--exact"]).env(CHILD, "1").output().unwrap();
        assert!(done.status.success() && String::from_utf8_lossy(&done.stdout).contains("1 passed"), "{done:?}");
    }
}
