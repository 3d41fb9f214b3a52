//! How many requests to a host run at a time: one until it has answered, then as many as it answers without getting slower.
//!
//! Rules: docs/check.md, section 5.5.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// At first and at most on one connection of HTTP/2.
const HTTP2: (usize, usize) = (32, 64);
/// Connections of HTTP/1.1, each with one request at a time.
const HTTP1: (usize, usize) = (16, 16);
/// The engine makes its own connections to the registry, a new one for each request before Engine 29.
const THROUGH_ENGINE: (usize, usize) = (8, 8);
/// A host that gets slower is asked so many at a time at the least.
const FEWEST: usize = 4;
/// Answers that take longer by so much than twice the fastest come from a host that has too much to do.
const SLOWER: Duration = Duration::from_millis(100);

/// What is known about the way to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Http1,
    Http2,
    /// The engine asks it for us.
    Engine,
}

impl Way {
    pub(in crate::registry) fn of(http2: bool) -> Self {
        if http2 { Self::Http2 } else { Self::Http1 }
    }

    /// How many at a time, at first and at most.
    fn size(self) -> (usize, usize) {
        match self {
            Self::Http1 => HTTP1,
            Self::Http2 => HTTP2,
            Self::Engine => THROUGH_ENGINE,
        }
    }
}

/// The turns at one host.
#[derive(Debug)]
pub(in crate::registry) struct Window {
    /// Closed once the host is known: until then one goes alone.
    first: Arc<Semaphore>,
    permits: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Debug, Default)]
struct Size {
    /// So many permits exist.
    now: usize,
    /// So many are to exist; those above it are taken away when they are given back.
    wanted: usize,
    most: usize,
    first_runs: bool,
    round: Round,
    /// The mean of the fastest round of answers.
    fastest: Option<Duration>,
}

/// As many answers as run at a time.
#[derive(Debug, Default)]
struct Round {
    answers: u32,
    took: Duration,
}

/// The right to one turn; it ends with the value.
#[derive(Debug)]
pub(in crate::registry) struct Turn {
    window: Arc<Window>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    First(#[expect(dead_code, reason = "the next one goes when it is dropped")] OwnedSemaphorePermit),
    Later(Option<OwnedSemaphorePermit>),
}

impl Window {
    pub(in crate::registry) fn new() -> Arc<Self> {
        Arc::new(Self { first: Arc::new(Semaphore::new(1)), permits: Arc::new(Semaphore::new(0)), size: Mutex::default() })
    }

    /// Waits until the host is known; a turn: it is not, and the caller goes first, alone.
    pub(in crate::registry) async fn first(self: &Arc<Self>) -> Option<Turn> {
        let permit = self.first.clone().acquire_owned().await.ok()?;
        self.size().first_runs = true;
        Some(Turn { window: self.clone(), kind: Kind::First(permit) })
    }

    /// Waits for a turn at a host that is known.
    pub(in crate::registry) async fn later(self: &Arc<Self>) -> Turn {
        // The semaphore is never closed.
        let permit = self.permits.clone().acquire_owned().await.ok();
        Turn { window: self.clone(), kind: Kind::Later(permit) }
    }

    /// Waits for a turn, the first or a later one.
    pub(in crate::registry) async fn turn(self: &Arc<Self>) -> Turn {
        match self.first().await {
            Some(first) => first,
            None => self.later().await,
        }
    }

    /// The host is known: the others need not wait for the first one any more.
    pub(in crate::registry) fn open(&self, way: Way) {
        let (first, most) = way.size();
        let mut size = self.size();
        if most > size.most {
            // The first one has a turn of its own until it ends.
            let running = if size.most == 0 { usize::from(size.first_runs) } else { 0 };
            size.most = most;
            size.wanted = size.wanted.max(first);
            let more = size.wanted.saturating_sub(size.now);
            size.now += more;
            self.permits.add_permits(more.saturating_sub(running));
        }
        drop(size);
        self.first.close();
    }

    /// An answer has come. Once as many have come as run at a time, more or fewer are allowed.
    pub(in crate::registry) fn answered(&self, took: Duration) {
        let mut size = self.size();
        size.round.answers += 1;
        size.round.took += took;
        if size.most == 0 || (size.round.answers as usize) < size.wanted {
            return;
        }
        let mean = size.round.took / size.round.answers;
        size.round = Round::default();
        let fastest = size.fastest.map_or(mean, |fastest| fastest.min(mean));
        size.fastest = Some(fastest);
        if mean > fastest * 2 + SLOWER {
            size.halve();
        } else {
            size.wanted = (size.wanted * 2).min(size.most);
            let more = size.wanted.saturating_sub(size.now);
            size.now += more;
            self.permits.add_permits(more);
        }
    }

    /// The host has said that it is asked too much.
    pub(in crate::registry) fn slow_down(&self) {
        self.size().halve();
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Size {
    fn halve(&mut self) {
        self.wanted = (self.wanted / 2).max(FEWEST).min(self.wanted);
        self.round = Round::default();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut size = self.window.size();
        let is_surplus = size.now > size.wanted;
        match &mut self.kind {
            Kind::First(_) => {
                size.first_runs = false;
                if size.most > 0 && !is_surplus {
                    self.window.permits.add_permits(1);
                }
            }
            Kind::Later(permit) => {
                if let Some(permit) = permit.take_if(|_| is_surplus) {
                    permit.forget();
                }
            }
        }
        if is_surplus {
            size.now -= 1;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// How many turns can be had now.
    fn free(window: &Arc<Window>) -> usize {
        window.permits.available_permits()
    }

    #[tokio::test]
    async fn the_first_goes_alone_until_the_host_is_known() {
        let window = Window::new();
        let first = window.first().await.unwrap();
        let second = window.clone();
        let second = tokio::spawn(async move { second.first().await.is_none() });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        window.open(Way::Http1);
        assert!(second.await.unwrap(), "no first any more");
        assert_eq!(free(&window), 15, "and the first itself");
        drop(first);
        assert_eq!(free(&window), 16);
        let turns: Vec<Turn> = futures_util::future::join_all((0..16).map(|_| window.turn())).await;
        assert_eq!(free(&window), 0);
        drop(turns);
        assert_eq!(free(&window), 16);
    }

    #[tokio::test]
    async fn a_first_that_learned_nothing_is_followed_by_another_first() {
        let window = Window::new();
        drop(window.first().await.unwrap());
        assert!(window.first().await.is_some());
        assert_eq!(free(&window), 0);
    }

    #[tokio::test]
    async fn a_way_that_takes_more_is_learned_later() {
        let window = Window::new();
        window.open(Way::Engine);
        assert_eq!(free(&window), 8);
        window.open(Way::Http2);
        assert_eq!(free(&window), 32);
        window.open(Way::Http1);
        assert_eq!(free(&window), 32);
    }

    #[tokio::test]
    async fn a_host_that_gets_slower_is_asked_less_and_one_that_does_not_is_asked_more() {
        let window = Window::new();
        window.open(Way::Http2);
        let wanted = || window.size().wanted;
        let answers = |count: usize, millis: u64| (0..count).for_each(|_| window.answered(Duration::from_millis(millis)));
        answers(31, 50);
        assert_eq!(free(&window), 32);
        answers(1, 50);
        assert_eq!(free(&window), 64, "a round was as fast as the fastest");
        answers(64, 190);
        assert_eq!(wanted(), 64, "not twice as slow and a tenth of a second");
        let turns: Vec<Turn> = futures_util::future::join_all((0..64).map(|_| window.turn())).await;
        answers(64, 500);
        assert_eq!((wanted(), free(&window)), (32, 0));
        drop(turns);
        assert_eq!(free(&window), 32, "what was given back is less");
        for _ in 0..10 {
            answers(64, 5000);
        }
        assert_eq!(wanted(), FEWEST);
        answers(64, 50);
        assert_eq!(wanted(), 64, "and more again");
        window.slow_down();
        assert_eq!(wanted(), 32);
    }
}
