//! The calls that run on a handle, and the end of the handle.
//!
//! Rules: docs/abi.md, section 7.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{Code, Result};

/// How long a close lets the running calls go on before it cancels them.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Counts the calls of a handle, and refuses new ones once the handle is closed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    /// Wakes the tasks that wait for the last call.
    idle: Notify,
    /// Wakes the threads that wait for the last call.
    #[cfg(feature = "capi")]
    idle_thread: std::sync::Condvar,
    /// Cancels every running call.
    cancel: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    running: usize,
}

/// A call that runs. It is counted until this value is dropped.
#[derive(Debug)]
pub(crate) struct Entered(Arc<Gate>);

impl Gate {
    /// Begins a call, unless the handle is closed.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Entered> {
        let mut state = self.lock();
        if state.closed {
            return Err(Code::Cancelled.error("the handle is closed"));
        }
        state.running += 1;
        Ok(Entered(self.clone()))
    }

    /// Counts work that a running call leaves behind, also while the handle is closed: a close waits for it too.
    pub(crate) fn go_on(self: &Arc<Self>) -> Entered {
        self.lock().running += 1;
        Entered(self.clone())
    }

    /// The token that a close fires for the running calls.
    pub(crate) fn cancel_token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Refuses new calls, gives the running ones [`GRACE`], then cancels them and waits until they have returned.
    pub(crate) async fn close(&self) {
        self.close_after(GRACE).await;
    }

    async fn close_after(&self, grace: Duration) {
        self.refuse();
        if tokio::time::timeout(grace, self.wait_until_idle()).await.is_err() {
            self.cancel.cancel();
            self.wait_until_idle().await;
        }
    }

    /// The same for a thread that is not one of the runtime's.
    #[cfg(feature = "capi")]
    pub(crate) fn close_blocking(&self) {
        self.refuse();
        let end = std::time::Instant::now() + GRACE;
        let mut state = self.lock();
        while state.running > 0 {
            let left = end.saturating_duration_since(std::time::Instant::now());
            state = if left.is_zero() {
                self.cancel.cancel();
                self.idle_thread.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.idle_thread.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    /// Refuses new calls and cancels the running ones at once, without waiting for them: the caller is one of them.
    #[cfg(feature = "capi")]
    pub(crate) fn close_from_inside(&self) {
        self.refuse();
        self.cancel.cancel();
    }

    fn refuse(&self) {
        self.lock().closed = true;
    }

    async fn wait_until_idle(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            // Registered before the count is read: a call that ends in between is not missed.
            idle.as_mut().enable();
            if self.lock().running == 0 {
                return;
            }
            idle.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.idle.notify_waiters();
        #[cfg(feature = "capi")]
        self.0.idle_thread.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_close_waits_then_cancels_and_waits_for_the_end() {
        let gate = Arc::new(Gate::default());
        let call = gate.enter().unwrap();
        let closing = tokio::spawn({
            let gate = gate.clone();
            async move { gate.close_after(Duration::from_millis(50)).await }
        });
        gate.cancel_token().cancelled().await;
        assert_eq!(gate.enter().unwrap_err().code(), Code::Cancelled);
        assert!(!closing.is_finished());
        drop(call);
        closing.await.unwrap();
    }

    #[tokio::test]
    async fn a_call_that_ends_within_the_grace_is_not_cancelled() {
        let gate = Arc::new(Gate::default());
        let call = gate.enter().unwrap();
        tokio::join!(gate.close(), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(call);
        });
        assert!(!gate.cancel_token().is_cancelled());
    }
}
