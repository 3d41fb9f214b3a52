//! How many containers of an update are down at a time: engines stop and start a container with the processor, and those that are stopped and started
//! together are down for longer without being ready sooner.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Result;

/// A stop or a start that takes longer waits for the container itself, not for the processor.
const SLOW: Duration = Duration::from_secs(2);

/// The turn of one container, from its stop to its start.
#[derive(Debug, Default)]
pub(super) struct Turn<'a> {
    turns: Option<&'a Semaphore>,
    taken: Option<SemaphorePermit<'a>>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(turns: Option<&'a Semaphore>) -> Self {
        Self { turns, taken: None }
    }

    /// Waits for it. The old container runs meanwhile.
    pub(super) async fn take(&mut self) -> Result<()> {
        if let Some(turns) = self.turns {
            // It is never closed.
            self.taken = turns.acquire().await.ok();
        }
        Ok(())
    }

    /// The next one may be stopped.
    pub(super) fn end(&mut self) {
        self.taken = None;
    }

    /// Does this, and lets the next one go on while it is slow.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(SLOW), if self.taken.is_some() => self.end(),
        }
        work.await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_one_waits_for_the_end_or_for_a_slow_stop() {
        let turns = Semaphore::new(1);
        let (mut first, mut second) = (Turn::new(Some(&turns)), Turn::new(Some(&turns)));
        first.take().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), second.take()).await.is_err());
        first.end();
        second.take().await.unwrap();
        let next = async {
            first.take().await.unwrap();
            std::time::Instant::now()
        };
        let slow = second.during(async {
            tokio::time::sleep(SLOW + Duration::from_millis(500)).await;
            std::time::Instant::now()
        });
        let (next, ended) = tokio::join!(next, slow);
        assert!(next < ended);
    }

    #[tokio::test]
    async fn without_others_nothing_waits() {
        let mut turn = Turn::default();
        turn.take().await.unwrap();
        assert_eq!(turn.during(async { 1 }).await, 1);
    }
}
