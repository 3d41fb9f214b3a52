//! One piece of work at a time, whose result all callers share that wait for it.
//!
//! Ten calls to an engine that does not answer would otherwise wait for one another, each for its own time limit.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::Result;

/// A value that is made when it is first needed, and again after it was forgotten.
#[derive(Debug)]
pub(super) struct SharedResult<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
enum State<T> {
    Empty,
    /// A caller makes it. The channel is closed without a result when that caller was dropped.
    InProgress(watch::Receiver<Option<Result<T>>>),
    Ready(T),
}

enum Turn<T> {
    Use(T),
    Wait(watch::Receiver<Option<Result<T>>>),
    Make(watch::Sender<Option<Result<T>>>),
}

impl<T> Default for SharedResult<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State::Empty) }
    }
}

impl<T: Clone> SharedResult<T> {
    /// The value; one of the callers makes it while the others wait. An error is that of all who waited, and the next caller tries again.
    pub(super) async fn get(&self, make: impl Future<Output = Result<T>>) -> Result<T> {
        let sender = loop {
            match self.turn() {
                Turn::Use(value) => return Ok(value),
                Turn::Make(sender) => break sender,
                Turn::Wait(mut receiver) => {
                    let shared = receiver.wait_for(Option::is_some).await.ok().and_then(|result| result.clone());
                    // Without a result the caller that made it was dropped: another one does it.
                    if let Some(result) = shared {
                        return result;
                    }
                }
            }
        };
        let result = make.await;
        *self.lock() = result.as_ref().map_or(State::Empty, |value| State::Ready(value.clone()));
        sender.send_replace(Some(result.clone()));
        result
    }

    /// Forgets the value if it is this one; never waits.
    pub(super) fn forget_if(&self, is: impl FnOnce(&T) -> bool) {
        let mut state = self.lock();
        if matches!(&*state, State::Ready(value) if is(value)) {
            *state = State::Empty;
        }
    }

    fn turn(&self) -> Turn<T> {
        let mut state = self.lock();
        match &*state {
            State::Ready(value) => return Turn::Use(value.clone()),
            State::InProgress(receiver) if receiver.has_changed().is_ok() => return Turn::Wait(receiver.clone()),
            State::Empty | State::InProgress(_) => {}
        }
        let (sender, receiver) = watch::channel(None);
        *state = State::InProgress(receiver);
        Turn::Make(sender)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::Code;

    #[tokio::test]
    async fn all_who_wait_share_one_result_and_a_success_is_kept() {
        let (shared, made) = (SharedResult::default(), AtomicUsize::new(0));
        let (opening, _) = tokio::sync::broadcast::channel::<()>(1);
        let get = |result: Result<u32>| {
            let mut gate = opening.subscribe();
            let (shared, made) = (&shared, &made);
            async move {
                shared
                    .get(async {
                        made.fetch_add(1, Ordering::Relaxed);
                        let _ = gate.recv().await;
                        result
                    })
                    .await
            }
        };
        let release = async {
            tokio::task::yield_now().await;
            opening.send(()).unwrap();
        };
        let (first, second, third, ()) = tokio::join!(get(Err(Code::Unreachable.error("silent"))), get(Ok(2)), get(Ok(3)), release);
        for failed in [first, second, third] {
            assert_eq!(failed.unwrap_err().code(), Code::Unreachable);
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert_eq!(shared.get(async { Ok(7) }).await.unwrap(), 7, "after a failure it is tried again");
        assert_eq!(shared.get(async { Ok(8) }).await.unwrap(), 7);
        shared.forget_if(|value| *value == 6);
        assert_eq!(shared.get(async { Ok(8) }).await.unwrap(), 7);
        shared.forget_if(|value| *value == 7);
        assert_eq!(shared.get(async { Ok(8) }).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn another_waiter_makes_it_when_the_first_is_dropped() {
        let shared = SharedResult::<u32>::default();
        let never = shared.get(std::future::pending());
        let dropped = async {
            let _ = tokio::time::timeout(Duration::from_millis(50), never).await;
        };
        let (value, ()) = tokio::join!(shared.get(async { Ok(5) }), dropped);
        assert_eq!(value.unwrap(), 5);
        let (first, second) = (SharedResult::<u32>::default(), Duration::from_millis(50));
        let waiting = async {
            tokio::task::yield_now().await;
            first.get(async { Ok(6) }).await
        };
        let (_, value) = tokio::join!(tokio::time::timeout(second, first.get(std::future::pending())), waiting);
        assert_eq!(value.unwrap(), 6);
    }
}
