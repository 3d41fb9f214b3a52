//! Data that a callback supplies on the caller's thread, while a task takes it.
//!
//! Rules: docs/abi.md, section 6.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::operation::call::Interrupt;
use crate::volume::Source;
use crate::{Code, Failure, Operation, Outcome, Result};

/// How much a callback is asked for at once.
const PIECE: usize = 64 * 1024;
/// How many pieces wait for the task.
const MOST: usize = 4;

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// Wakes the caller's thread.
    room: Condvar,
    /// Wakes the task.
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Bytes>,
    /// The callback has no more.
    ended: bool,
    /// The task takes no more.
    closed: bool,
}

/// The end of the queue that the task has.
#[derive(Debug)]
pub(super) struct Supply(Arc<Queue>);

/// The end of the queue that the caller's thread has.
#[derive(Debug)]
pub(super) struct Supplier(Arc<Queue>);

pub(super) fn channel() -> (Supplier, Supply) {
    let queue = Arc::new(Queue::default());
    (Supplier(queue.clone()), Supply(queue))
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Supply {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let filled = self.0.filled.notified();
            {
                let mut state = self.0.lock();
                if let Some(piece) = state.pieces.pop_front() {
                    drop(state);
                    self.0.room.notify_one();
                    return Ok(Some(piece));
                }
                if state.ended {
                    return Ok(None);
                }
            }
            filled.await;
        }
    }
}

impl Drop for Supply {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.room.notify_one();
    }
}

impl Supplier {
    /// Runs an operation that takes from the queue, and calls `read` on this thread for what it takes: how many bytes were put into the buffer, 0 at
    /// the end, a negative number to stop. When `read` panics, the work is stopped first and the panic goes on once it has ended.
    pub(super) fn run<T: Send + 'static>(&self, operation: Operation<T>, mut read: impl FnMut(&mut [u8]) -> i64) -> Outcome<T> {
        let (running, _) = operation.start();
        let (mut refused, mut panicked) = (None, None);
        let mut buffer = vec![0; PIECE];
        while self.wait_for_room() {
            let taken = catch_unwind(AssertUnwindSafe(|| read(&mut buffer)));
            let piece = match taken {
                Ok(0) => None,
                Ok(length) => match usize::try_from(length).ok().and_then(|length| buffer.get(..length)) {
                    Some(piece) => Some(Bytes::copy_from_slice(piece)),
                    None => {
                        refused = Some(if length < 0 {
                            Interrupt::Stopped.error()
                        } else {
                            Code::InvalidArgument.error(format!("read returned {length}, more than the capacity of its buffer"))
                        });
                        running.call.stop();
                        break;
                    }
                },
                Err(panic) => {
                    panicked = Some(panic);
                    running.call.stop();
                    break;
                }
            };
            let ended = piece.is_none();
            let mut state = self.0.lock();
            state.pieces.extend(piece);
            state.ended = ended;
            drop(state);
            self.0.filled.notify_one();
            if ended {
                break;
            }
        }
        while !running.queue.wait().ended {}
        let outcome = running.result();
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
        match (outcome, refused) {
            (Err(failure), Some(error)) => Err(Box::new(Failure { error, report: failure.report })),
            (outcome, _) => outcome,
        }
    }

    /// False when the task takes no more.
    fn wait_for_room(&self) -> bool {
        let mut state = self.0.lock();
        while !state.closed && state.pieces.len() >= MOST {
            state = self.0.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.closed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn taking(runtime: &tokio::runtime::Runtime, mut supply: Supply, most: usize) -> Operation<Vec<u8>> {
        Operation::new(runtime.handle().clone(), Arc::default(), tracing::Span::none(), move |call| async move {
            let mut all = Vec::new();
            while all.len() < most {
                let Some(piece) = call.run(supply.next()).await? else { break };
                all.extend_from_slice(&piece);
            }
            Ok(all)
        })
    }

    #[test]
    fn everything_arrives_in_order_and_the_end_too() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (supplier, supply) = channel();
        let mut next = 0_u8;
        let all = supplier.run(taking(&runtime, supply, usize::MAX), |buffer| {
            if next == 50 {
                return 0;
            }
            buffer[..3].fill(next);
            next += 1;
            3
        });
        let expected: Vec<u8> = (0..50).flat_map(|number| [number; 3]).collect();
        assert_eq!(all.unwrap(), expected);
    }

    #[test]
    fn a_callback_that_stops_or_gives_too_much_ends_the_call_and_is_not_called_again() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for (answer, code) in [(-1, Code::Stopped), (i64::MIN, Code::Stopped), (i64::MAX, Code::InvalidArgument)] {
            let (supplier, supply) = channel();
            let mut calls = 0;
            let ended = supplier.run(taking(&runtime, supply, usize::MAX), |_| {
                calls += 1;
                answer
            });
            assert_eq!((ended.unwrap_err().error.code(), calls), (code, 1));
        }
    }

    #[test]
    fn a_callback_is_not_called_any_more_once_the_work_has_ended() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (supplier, supply) = channel();
        let all = supplier.run(taking(&runtime, supply, 10), |buffer| i64::try_from(buffer.len()).unwrap());
        assert!(all.unwrap().len() >= 10);
    }

    #[test]
    fn a_panic_goes_on_once_the_work_has_ended() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (supplier, supply) = channel();
        let operation = taking(&runtime, supply, usize::MAX);
        let panicked = catch_unwind(AssertUnwindSafe(|| supplier.run(operation, |_| panic!("from the callback"))));
        assert!(panicked.is_err() && supplier.0.lock().closed);
    }
}
