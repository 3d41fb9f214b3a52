//! How long, and how often, a rollback or a removal is tried again after failures.

use std::time::{Duration, Instant};

use crate::{Code, Error};

/// How often a step that the engine refuses is tried at the least.
const ATTEMPTS: u32 = 3;

/// The pauses between two attempts, which grow. The longest is shorter than the time that a lease has left at least.
const PAUSES: [Duration; 5] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(5)];

/// Counts the failures of one piece of work.
pub(crate) struct RetryLimit {
    end: Instant,
    /// Whether what the engine refuses is tried until the end.
    refusals_too: bool,
    failures: u32,
    refusals: u32,
}

impl RetryLimit {
    /// An engine that does not answer is tried again for so long, one that refuses a few times.
    pub(crate) fn new(engine_wait: Duration) -> Self {
        Self { end: Instant::now() + engine_wait, refusals_too: false, failures: 0, refusals: 0 }
    }

    /// Of a rollback: it goes on for so long, whatever the engine answers. A volume plugin, a network or a port may be away for a minute.
    pub(crate) fn of_rollback(engine_wait: Duration) -> Self {
        Self { refusals_too: true, ..Self::new(engine_wait) }
    }

    /// Whether to try again after this error; waits a little before it says yes.
    pub(crate) async fn allows(&mut self, error: &Error) -> bool {
        let Some(pause) = self.pause_after(error, Instant::now()) else { return false };
        tokio::time::sleep(pause).await;
        true
    }

    fn pause_after(&mut self, error: &Error, now: Instant) -> Option<Duration> {
        let is_refusal = error.code() != Code::Unreachable;
        self.refusals += u32::from(is_refusal);
        let again = if is_refusal { self.refusals < ATTEMPTS || self.refusals_too && now < self.end } else { now < self.end };
        let pause = if self.refusals_too { PAUSES[(self.failures as usize).min(PAUSES.len() - 1)] } else { PAUSES[0] };
        self.failures += 1;
        again.then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is tried again, and how long that takes, where every attempt fails at once in the same way.
    fn pauses(mut limit: RetryLimit, code: Code) -> (usize, Duration) {
        let (begun, error) = (Instant::now(), code.error("made up"));
        let (mut count, mut slept) = (0, Duration::ZERO);
        while let Some(pause) = limit.pause_after(&error, begun + slept) {
            (count, slept) = (count + 1, slept + pause);
        }
        (count, slept)
    }

    #[test]
    fn a_rollback_goes_on_and_a_removal_gives_up_after_three_refusals() {
        let wait = Duration::from_secs(120);
        let (tries, slept) = pauses(RetryLimit::of_rollback(wait), Code::Engine);
        assert!(tries > 20 && tries < 40 && slept >= wait && slept < wait + Duration::from_secs(10), "{tries} {slept:?}");
        assert_eq!(pauses(RetryLimit::new(wait), Code::Engine).0, 2);
        assert_eq!(pauses(RetryLimit::of_rollback(Duration::ZERO), Code::Engine).0, 2);
        assert!(pauses(RetryLimit::new(wait), Code::Unreachable).1 >= wait);
        assert_eq!(pauses(RetryLimit::of_rollback(Duration::ZERO), Code::Unreachable).0, 0);
    }
}
