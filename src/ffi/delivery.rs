//! Results that a callback takes piece by piece on the caller's thread, while a task reads the next ones.
//!
//! Rules: docs/abi.md, section 6.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::operation::call::{Call, Interrupt};
use crate::{Operation, Result};

/// How many bytes wait for a callback that is slow; then the task stops reading, and so does the engine.
const MOST: usize = 1024 * 1024;

/// What waits for the callback.
#[derive(Debug)]
struct Queue<B> {
    state: Mutex<State<B>>,
    /// Wakes the caller's thread.
    filled: Condvar,
    /// Wakes the task.
    room: Notify,
}

#[derive(Debug)]
struct State<B> {
    pieces: VecDeque<(B, usize)>,
    bytes: usize,
    begun: bool,
    ended: bool,
}

/// The end of the queue that the task has. The queue ends when it is dropped, however that comes.
#[derive(Debug)]
pub(super) struct Feed<B>(Arc<Queue<B>>);

/// The end of the queue that the caller's thread has.
#[derive(Debug)]
pub(super) struct Pieces<B>(Arc<Queue<B>>);

/// What the callback did with a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It took all of it.
    All,
    /// It asked to stop.
    Stopped,
    /// The call was ended before it had taken all of it.
    Interrupted(Interrupt),
}

/// How a delivery ended.
#[derive(Debug)]
pub(super) struct Delivered {
    /// Whether there was something to read, so that there is something to report.
    pub(super) begun: bool,
    pub(super) result: Result<()>,
}

pub(super) fn channel<B>() -> (Feed<B>, Pieces<B>) {
    let state = State { pieces: VecDeque::new(), bytes: 0, begun: false, ended: false };
    let queue = Arc::new(Queue { state: Mutex::new(state), filled: Condvar::new(), room: Notify::new() });
    (Feed(queue.clone()), Pieces(queue))
}

impl<B> Queue<B> {
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Feed<B> {
    /// Says that there is something to read.
    pub(super) fn begin(&self) {
        self.0.lock().begun = true;
    }

    /// Adds a piece, once there is room for it.
    pub(super) async fn push(&self, piece: B, bytes: usize) {
        loop {
            let room = self.0.room.notified();
            {
                let mut state = self.0.lock();
                if state.bytes < MOST {
                    state.bytes += bytes;
                    state.pieces.push_back((piece, bytes));
                    drop(state);
                    self.0.filled.notify_one();
                    return;
                }
            }
            room.await;
        }
    }
}

impl<B> Drop for Feed<B> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.filled.notify_one();
    }
}

impl<B> Pieces<B> {
    /// The next piece; `None` after the last one.
    fn take(&self) -> Option<B> {
        let mut state = self.0.lock();
        loop {
            if let Some((piece, bytes)) = state.pieces.pop_front() {
                state.bytes -= bytes;
                drop(state);
                self.0.room.notify_one();
                return Some(piece);
            }
            if state.ended {
                return None;
            }
            state = self.0.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Runs an operation that feeds the queue, and hands its pieces over on this thread. When `hand_over` panics, the work is stopped first and
    /// the panic goes on once it has ended.
    pub(super) fn deliver(&self, operation: Operation<()>, mut hand_over: impl FnMut(B, &Call) -> Taken) -> Delivered {
        let (running, _) = operation.start();
        let (mut interrupt, mut panicked) = (None, None);
        while let Some(piece) = self.take() {
            if interrupt.is_some() {
                continue;
            }
            interrupt = match running.call.interrupt() {
                Some(interrupt) => Some(interrupt),
                None => match catch_unwind(AssertUnwindSafe(|| hand_over(piece, &running.call))) {
                    Ok(Taken::All) => None,
                    Ok(Taken::Stopped) => Some(Interrupt::Stopped),
                    Ok(Taken::Interrupted(interrupt)) => Some(interrupt),
                    Err(panic) => {
                        panicked = Some(panic);
                        Some(Interrupt::Stopped)
                    }
                },
            };
            if interrupt == Some(Interrupt::Stopped) {
                running.call.stop();
            }
        }
        while !running.queue.wait().ended {}
        let result = running.result();
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
        let result = match interrupt {
            // The work may have ended before the last piece was taken.
            Some(interrupt) => Err(interrupt.error()),
            None => result.map_err(|failure| failure.error),
        };
        Delivered { begun: self.0.lock().begun, result }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::Code;

    fn feeding(runtime: &tokio::runtime::Runtime, feed: Feed<usize>, most: usize, count: Arc<AtomicUsize>) -> Operation<()> {
        Operation::new(runtime.handle().clone(), Arc::default(), tracing::Span::none(), move |call| async move {
            feed.begin();
            for piece in 0..most {
                call.run(async {
                    feed.push(piece, MOST / 4).await;
                    Ok::<_, crate::Error>(())
                })
                .await?;
                count.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        })
    }

    #[test]
    fn the_task_waits_for_a_slow_callback_and_every_piece_comes_in_order() {
        let (runtime, count) = (tokio::runtime::Runtime::new().unwrap(), Arc::new(AtomicUsize::new(0)));
        let (feed, pieces) = channel();
        let (mut next, mut furthest) = (0, 0);
        let delivered = pieces.deliver(feeding(&runtime, feed, 100, count.clone()), |piece, _| {
            assert_eq!(piece, next);
            next += 1;
            std::thread::sleep(std::time::Duration::from_millis(1));
            furthest = furthest.max(count.load(Ordering::SeqCst) - next);
            Taken::All
        });
        assert!(delivered.begun && delivered.result.is_ok() && next == 100);
        assert!(furthest <= 6, "{furthest} pieces of a quarter of the room were waiting");
    }

    #[test]
    fn a_callback_that_stops_is_not_called_again_and_the_work_ends() {
        let (runtime, count) = (tokio::runtime::Runtime::new().unwrap(), Arc::new(AtomicUsize::new(0)));
        for (last, most) in [(3, usize::MAX), (0, 1)] {
            let (feed, pieces) = channel();
            let mut calls = 0;
            let delivered = pieces.deliver(feeding(&runtime, feed, most, count.clone()), |piece, _| {
                calls += 1;
                if piece == last { Taken::Stopped } else { Taken::All }
            });
            assert_eq!((delivered.result.unwrap_err().code(), calls), (Code::Stopped, last + 1));
        }
    }

    #[test]
    fn a_panic_goes_on_once_the_work_has_ended() {
        let (runtime, count) = (tokio::runtime::Runtime::new().unwrap(), Arc::new(AtomicUsize::new(0)));
        let (feed, pieces) = channel();
        let operation = feeding(&runtime, feed, usize::MAX, count);
        let panicked = catch_unwind(AssertUnwindSafe(|| pieces.deliver(operation, |_, _| panic!("from the callback"))));
        assert!(panicked.is_err() && pieces.0.lock().ended);
    }
}
