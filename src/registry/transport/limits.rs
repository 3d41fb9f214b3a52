//! How often a host may be asked: concurrent checks, timeouts in a call, and the pause after a 429.
//!
//! Rules: docs/check.md, section 5.5.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::header::{DATE, RETRY_AFTER};
use http::uri::Scheme;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::http::Response;
use super::window::{Turn, Window};
use crate::registry::challenge::Challenge;
use crate::registry::error::{RegistryError, RetryAfter, UnreachableReason};

/// Maximum concurrent checks at all registries: a few that hang leave enough for the others.
const TOTAL: usize = 256;
/// After this many timeouts a host is not asked again in the same call.
const MAX_TIMEOUTS: u32 = 2;
/// The first pause of a host whose 429 names no time; each further one is twice as long, up to the fourth.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Between two requests to a host that was slowed down once; twice as much for each further time.
const FIRST_SPACING: Duration = Duration::from_millis(50);
const MAX_LEVEL: u32 = 3;
/// So many successes make a host that was slowed down faster by one level.
const SUCCESSES: u32 = 20;
/// The pause after a 429 without `Retry-After`.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(60);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// What is remembered about one registry, mirror or token server.
#[derive(Debug)]
pub(in crate::registry) struct Host {
    pub(in crate::registry) authority: String,
    /// Checks of a registry: the first goes alone until the host has answered, so that the others know its scheme and challenge.
    pub(in crate::registry) checks: Arc<Window>,
    /// Requests for tokens: the first goes alone until it is connected, so that the others find the connection if it is one of HTTP/2.
    pub(in crate::registry) tokens: Arc<Window>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    scheme: Option<Scheme>,
    challenge: Option<Challenge>,
    retry_after: Option<RetryAfter>,
    pace: Pace,
}

/// How fast a host may be asked: without a limit at level 0, else one request after the other with pauses between.
#[derive(Debug, Default)]
struct Pace {
    level: u32,
    /// When the next request may be sent.
    next: Option<Instant>,
    /// Requests that were sent side by side are refused together, which counts once.
    slowed_at: Option<Instant>,
    successes: u32,
}

impl Pace {
    fn slow_down(&mut self, now: Instant) {
        if self.slowed_at.is_some_and(|at| now.duration_since(at) < FIRST_PAUSE) {
            return;
        }
        self.level = (self.level + 1).min(MAX_LEVEL);
        self.successes = 0;
        self.slowed_at = Some(now);
        let pause = FIRST_PAUSE * 2_u32.pow(self.level - 1);
        self.next = self.next.max(Some(now + pause));
    }

    fn speed_up(&mut self) {
        self.successes += 1;
        if self.successes >= SUCCESSES {
            self.level = self.level.saturating_sub(1);
            self.successes = 0;
        }
    }

    /// When the next request may be sent; the one after it waits longer.
    fn turn(&mut self, now: Instant) -> Instant {
        let turn = self.next.unwrap_or(now).max(now);
        if self.level > 0 {
            self.next = Some(turn + FIRST_SPACING * 2_u32.pow(self.level - 1));
        }
        turn
    }
}

impl Host {
    fn new(authority: &str) -> Self {
        Self { authority: authority.to_owned(), checks: Window::new(), tokens: Window::new(), memory: Mutex::default() }
    }

    pub(in crate::registry) fn scheme(&self) -> Option<Scheme> {
        self.lock().scheme.clone()
    }

    pub(in crate::registry) fn set_scheme(&self, scheme: Option<Scheme>) {
        self.lock().scheme = scheme;
    }

    pub(in crate::registry) fn challenge(&self) -> Option<Challenge> {
        self.lock().challenge.clone()
    }

    pub(in crate::registry) fn set_challenge(&self, challenge: Challenge) {
        self.lock().challenge = Some(challenge);
    }

    pub(in crate::registry) fn set_retry_after(&self, retry_after: RetryAfter) {
        self.lock().retry_after = Some(retry_after);
    }

    /// The host has refused a request that it may take in a moment: fewer at a time, and a pause before the next.
    pub(in crate::registry) fn slow_down(&self) {
        self.checks.slow_down();
        self.lock().pace.slow_down(Instant::now());
    }

    pub(in crate::registry) fn speed_up(&self) {
        self.lock().pace.speed_up();
    }

    /// Waits, where the host was slowed down.
    pub(in crate::registry) async fn wait_for_turn(&self) {
        let turn = self.lock().pace.turn(Instant::now());
        if turn > Instant::now() {
            tokio::time::sleep_until(turn.into()).await;
        }
    }

    pub(in crate::registry) fn retry_after(&self) -> Option<RetryAfter> {
        self.lock().retry_after.filter(|retry_after| !retry_after.wait().is_zero())
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All hosts of a handle.
#[derive(Debug)]
pub(in crate::registry) struct Hosts {
    known: Mutex<HashMap<String, Arc<Host>>>,
    total: Arc<Semaphore>,
}

/// The right to check one image at a registry.
#[derive(Debug)]
pub(crate) struct Permit {
    _registry: Turn,
    _total: OwnedSemaphorePermit,
}

impl Hosts {
    pub(in crate::registry) fn new() -> Self {
        Self { known: Mutex::default(), total: Arc::new(Semaphore::new(TOTAL)) }
    }

    pub(in crate::registry) fn get(&self, authority: &str) -> Arc<Host> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = known.get(authority) {
            return host.clone();
        }
        let host = Arc::new(Host::new(authority));
        known.insert(authority.to_owned(), host.clone());
        host
    }

    /// A permit for a turn at a registry. The total is waited for last: a slow registry holds no more than its own share of it.
    pub(in crate::registry) async fn permit(&self, turn: Turn) -> Option<Permit> {
        let total = self.total.clone().acquire_owned().await.ok()?;
        Some(Permit { _registry: turn, _total: total })
    }
}

/// The timeouts of one call, by host.
#[derive(Debug, Default)]
pub(in crate::registry) struct CircuitBreaker(Mutex<HashMap<String, u32>>);

impl CircuitBreaker {
    /// An error when the host had too many timeouts in this call.
    pub(in crate::registry) fn check(&self, authority: &str) -> Result<(), RegistryError> {
        if self.lock().get(authority).is_some_and(|timeouts| *timeouts >= MAX_TIMEOUTS) {
            return Err(RegistryError::skipped());
        }
        Ok(())
    }

    pub(in crate::registry) fn count<T>(&self, authority: &str, result: &Result<T, RegistryError>) {
        if result.as_ref().err().and_then(RegistryError::unreachable_reason) == Some(UnreachableReason::Timeout) {
            *self.lock().entry(authority.to_owned()).or_default() += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a 429 asks to wait, in seconds or until a date by the registry's own clock.
pub(in crate::registry) fn retry_after_of(answer: &Response) -> RetryAfter {
    let now = Timestamp::now();
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
    let said = answer.header(RETRY_AFTER).and_then(|text| {
        if let Ok(seconds) = text.trim().parse::<u64>() {
            Some(Duration::from_secs(seconds))
        } else {
            let registry_now = answer.header(DATE).and_then(date).unwrap_or(now);
            Some(Duration::try_from(date(text)?.duration_since(registry_now)).unwrap_or_default())
        }
    });
    let wait = said.unwrap_or(DEFAULT_RETRY_AFTER).min(MAX_RETRY_AFTER);
    RetryAfter { until: Instant::now() + wait, retry_at: said.and_then(|_| now.checked_add(wait).ok()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::{HeaderMap, StatusCode};

    fn wait(retry_after: Option<&str>, date: Option<&str>) -> (u64, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in [(RETRY_AFTER, retry_after), (DATE, date)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
        }
        let url = http::Uri::from_static("http://a/");
        let answer = Response { status: StatusCode::TOO_MANY_REQUESTS, url, headers, body: bytes::Bytes::new(), http2: false };
        let retry_after = retry_after_of(&answer);
        (retry_after.wait().as_millis().div_ceil(1000) as u64, retry_after.retry_at.is_some())
    }

    #[test]
    fn a_retry_after_is_seconds_or_a_date_of_the_registry() {
        let noon = Some("Tue, 01 Jan 2030 12:00:00 GMT");
        let table = [
            (Some("3"), None, (3, true)),
            (Some("0"), None, (0, true)),
            (Some("99999999999"), None, (86_400, true)),
            (Some("Tue, 01 Jan 2030 12:01:00 GMT"), noon, (60, true)),
            (Some("Tue, 01 Jan 2030 11:00:00 GMT"), noon, (0, true)),
            (Some("soon"), noon, (60, false)),
            (None, noon, (60, false)),
        ];
        for (retry_after, date, expected) in table {
            assert_eq!(wait(retry_after, date), expected, "{retry_after:?}");
        }
    }

    #[test]
    fn a_host_that_was_slowed_down_is_asked_less_and_less_and_recovers() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert_eq!((pace.turn(now), pace.turn(now)), (now, now), "without a limit");
        pace.slow_down(now);
        pace.slow_down(now);
        assert_eq!((pace.turn(now), pace.turn(now)), (now + FIRST_PAUSE, now + FIRST_PAUSE + FIRST_SPACING), "once, and one by one");
        let later = now + Duration::from_secs(10);
        pace.slow_down(later);
        assert_eq!((pace.turn(later), pace.turn(later)), (later + 2 * FIRST_PAUSE, later + 2 * FIRST_PAUSE + 2 * FIRST_SPACING));
        for _ in 0..2 * SUCCESSES {
            pace.speed_up();
        }
        let end = now + Duration::from_secs(60);
        assert_eq!((pace.level, pace.turn(end), pace.turn(end)), (0, end, end));
    }

    #[test]
    fn a_host_is_not_asked_again_after_two_timeouts() {
        let circuit = CircuitBreaker::default();
        let timeout: Result<(), _> = Err(RegistryError::unreachable(UnreachableReason::Timeout, ""));
        circuit.count("a", &Err::<(), _>(RegistryError::unreachable(UnreachableReason::Refused, "")));
        circuit.count("a", &timeout);
        assert_eq!(circuit.check("a"), Ok(()));
        circuit.count("a", &timeout);
        assert!(circuit.check("a").is_err());
        assert_eq!(circuit.check("b"), Ok(()));
    }

    #[test]
    fn docker_hub_is_limited_under_one_name() {
        use crate::registry::transport::network::host_of;
        for name in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(host_of(name), "registry-1.docker.io");
        }
        assert_eq!(host_of("ghcr.io"), "ghcr.io");
    }
}
