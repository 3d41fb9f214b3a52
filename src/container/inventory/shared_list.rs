//! The list of all containers, once for all who ask for it at the same time.
//!
//! Docker 20.10 needs about as long for a list of a thousand containers as for a whole recreation (it looks up the image of each), and an update
//! asks before each of them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::Result;

/// Whoever asks gets an answer to a request that was sent afterwards.
#[derive(Debug)]
pub(super) struct SharedList<T> {
    /// How many have asked.
    asked: AtomicU64,
    last: Mutex<Option<Answer<T>>>,
}

#[derive(Debug)]
struct Answer<T> {
    /// How many had asked when the request was sent.
    asked_before: u64,
    result: Result<Arc<T>>,
}

impl<T> Default for SharedList<T> {
    fn default() -> Self {
        Self { asked: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<T> SharedList<T> {
    /// The answer. Who asks is handed the answer before, if that was no failure. Who is dropped while it asks leaves it to the next one who waits.
    pub(super) async fn get<F: Future<Output = Result<T>>>(&self, ask: impl FnOnce(Option<Arc<T>>) -> F) -> Result<Arc<T>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some(answer) = &*last
            && turn < answer.asked_before
        {
            return answer.result.clone();
        }
        // Those who begin together share the request.
        tokio::task::yield_now().await;
        let asked_before = self.asked.load(Ordering::SeqCst);
        let before = last.as_ref().and_then(|answer| answer.result.as_ref().ok().map(Arc::clone));
        let result = ask(before).await.map(Arc::new);
        // A failure is that of all who have waited for it: they do not wait for one another's time limits.
        let asked_before = if result.is_ok() { asked_before } else { self.asked.load(Ordering::SeqCst) };
        *last = Some(Answer { asked_before, result: result.clone() });
        result
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;
    use crate::Code;

    #[tokio::test]
    async fn those_who_ask_together_share_an_answer_and_none_gets_an_older_one() {
        let (list, sent) = (SharedList::<u32>::default(), Cell::new(0));
        let ask = || {
            list.get(|_| async {
                sent.set(sent.get() + 1);
                let number = sent.get();
                tokio::task::yield_now().await;
                Ok(number)
            })
        };
        let numbers = |answers: Vec<Result<Arc<u32>>>| answers.into_iter().map(|answer| *answer.unwrap()).collect::<Vec<_>>();
        assert_eq!(numbers(join_all((0..4).map(|_| ask())).await), [1, 1, 1, 1]);
        assert_eq!((*ask().await.unwrap(), *ask().await.unwrap()), (2, 3), "one after another");

        let (begun, go_on) = (Notify::new(), Notify::new());
        let first = list.get(|_| async {
            begun.notify_one();
            go_on.notified().await;
            Ok(100)
        });
        let later = async {
            begun.notified().await;
            let (answers, ()) = tokio::join!(join_all((0..3).map(|_| ask())), async { go_on.notify_one() });
            numbers(answers)
        };
        let (first, later) = tokio::join!(first, later);
        assert_eq!((*first.unwrap(), later), (100, vec![4, 4, 4]), "the request had been sent before they asked");
    }

    #[tokio::test]
    async fn a_failure_is_that_of_all_who_wait_and_a_dropped_request_is_sent_again() {
        let (list, sent, failed) = (SharedList::<u32>::default(), Cell::new(0), Notify::new());
        let failing = || {
            list.get(|_| async {
                sent.set(sent.get() + 1);
                failed.notified().await;
                Err(Code::Unreachable.error("silent"))
            })
        };
        let first = failing();
        let later = async {
            while sent.get() == 0 {
                tokio::task::yield_now().await;
            }
            let (answers, ()) = tokio::join!(join_all((0..3).map(|_| failing())), async { failed.notify_one() });
            answers
        };
        let (first, later) = tokio::join!(first, later);
        assert!(first.is_err() && later.iter().all(Result::is_err) && sent.get() == 1, "{} were sent", sent.get());

        let mut dropped = Box::pin(list.get(|_| std::future::pending()));
        let waiting = list.get(|_| async { Ok(7) });
        // It has yielded, then it has sent its request.
        assert!((&mut dropped).now_or_never().is_none() && (&mut dropped).now_or_never().is_none());
        drop(dropped);
        assert_eq!(*waiting.await.unwrap(), 7);
    }
}
