//! How many containers of an update are down at a time: engines stop and start a container with the processor, and those that are stopped and started
//! together are down for longer without being ready sooner.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Code, Result};

/// A hook, a stop, a backup or a start that takes longer waits for something other than the processor.
const SLOW: Duration = Duration::from_secs(2);

/// Of an engine that does not tell how many it has.
const PROCESSORS: usize = 2;
/// Who asks for many places wants the whole to be quick.
const PLACES_PER_TURN: usize = 4;

/// The turns of the containers of one update.
#[derive(Debug)]
pub(crate) struct Turns(Semaphore);

impl Turns {
    /// One more than the engine has processors, since a stop waits for the container for a while, and more of many places.
    pub(crate) fn new(places: usize, processors: Option<NonZeroUsize>) -> Self {
        let processors = processors.map_or(PROCESSORS, NonZeroUsize::get);
        Self(Semaphore::new(processors.saturating_add(1).max(places.div_ceil(PLACES_PER_TURN)).min(places)))
    }

    /// Nobody gets a turn any more: a container has failed.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

/// The turn of one container, from the hooks before its stop to its start.
#[derive(Debug, Default)]
pub(super) struct Turn<'a> {
    turns: Option<&'a Turns>,
    taken: Option<SemaphorePermit<'a>>,
    never: bool,
}

impl<'a> Turn<'a> {
    pub(super) fn new(turns: Option<&'a Turns>) -> Self {
        Self { turns, taken: None, never: false }
    }

    /// Waits for it; CANCELLED where it never comes. The old container runs meanwhile, and no hook has been run in it.
    pub(super) async fn take(&mut self) -> Result<()> {
        let Some(turns) = self.turns else { return Ok(()) };
        if let Ok(taken) = turns.0.acquire().await {
            self.taken = Some(taken);
            return Ok(());
        }
        self.never = true;
        Err(Code::Cancelled.error("another container of the update has failed before the turn of this one came"))
    }

    /// Whether another container failed before it came.
    pub(super) fn never_came(&self) -> bool {
        self.never
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

    fn processors(number: usize) -> Option<NonZeroUsize> {
        NonZeroUsize::new(number)
    }

    #[test]
    fn one_more_than_the_engine_has_processors_and_more_of_many_places() {
        for (places, number, expected) in
            [(1, 64, 1), (4, 1, 2), (4, 2, 3), (4, 0, 3), (4, 3, 4), (4, 16, 4), (16, 2, 4), (16, 8, 9), (16, 64, 16)]
        {
            assert_eq!(Turns::new(places, processors(number)).0.available_permits(), expected, "{places} {number}");
        }
    }

    #[tokio::test]
    async fn the_next_one_waits_for_the_end_or_for_a_slow_stop() {
        let turns = Turns::new(1, None);
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
    async fn after_a_failure_who_has_a_turn_keeps_it_and_who_waits_gets_none() {
        let turns = Turns::new(1, None);
        let (mut first, mut second) = (Turn::new(Some(&turns)), Turn::new(Some(&turns)));
        first.take().await.unwrap();
        let fails = async { turns.close() };
        let (waited, ()) = tokio::join!(second.take(), fails);
        assert_eq!(waited.unwrap_err().code(), Code::Cancelled);
        assert!(second.never_came() && !first.never_came());
        assert_eq!(first.during(async { 1 }).await, 1);
    }

    #[tokio::test]
    async fn without_others_nothing_waits() {
        let mut turn = Turn::default();
        turn.take().await.unwrap();
        assert_eq!(turn.during(async { 1 }).await, 1);
    }
}
