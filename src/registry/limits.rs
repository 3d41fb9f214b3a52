//! Who may be asked how often: side by side, again, or not for a while.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::header::{DATE, RETRY_AFTER};
use http::uri::Scheme;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::challenge::Challenge;
use super::http::Answer;
use super::trouble::{LeftAlone, Obstacle, Trouble};

/// Checks side by side at one registry, and on a connection that carries many at once.
const AT_A_REGISTRY: usize = 8;
const AT_A_REGISTRY_HTTP2: usize = 16;
/// Checks side by side in all.
const IN_ALL: usize = 64;
/// After so many timeouts a registry is not asked again in the same call.
const TIMEOUTS: u32 = 2;
/// How long a registry is left alone that does not say for how long.
const PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// What is remembered about one registry, mirror or token server.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) authority: String,
    /// One, until something has answered: the rest then know its scheme and challenge.
    permits: Arc<Semaphore>,
    opened: AtomicBool,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    scheme: Option<Scheme>,
    challenge: Option<Challenge>,
    left_alone: Option<LeftAlone>,
}

impl Host {
    fn new(authority: &str) -> Self {
        let permits = Arc::new(Semaphore::new(1));
        Self { authority: authority.to_owned(), permits, opened: AtomicBool::new(false), memory: Mutex::default() }
    }

    /// Lets the rest in, once the first request has had an answer or a quick failure.
    pub(super) fn open(&self, http2: bool) {
        if !self.opened.swap(true, Ordering::Relaxed) {
            self.permits.add_permits(if http2 { AT_A_REGISTRY_HTTP2 } else { AT_A_REGISTRY } - 1);
        }
    }

    pub(super) fn scheme(&self) -> Option<Scheme> {
        self.lock().scheme.clone()
    }

    pub(super) fn set_scheme(&self, scheme: Option<Scheme>) {
        self.lock().scheme = scheme;
    }

    pub(super) fn challenge(&self) -> Option<Challenge> {
        self.lock().challenge.clone()
    }

    pub(super) fn set_challenge(&self, challenge: Challenge) {
        self.lock().challenge = Some(challenge);
    }

    pub(super) fn leave_alone(&self, left_alone: LeftAlone) {
        self.lock().left_alone = Some(left_alone);
    }

    pub(super) fn left_alone(&self) -> Option<LeftAlone> {
        self.lock().left_alone.filter(|left_alone| !left_alone.wait().is_zero())
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All hosts of a handle.
#[derive(Debug)]
pub(super) struct Hosts {
    known: Mutex<HashMap<String, Arc<Host>>>,
    in_all: Arc<Semaphore>,
}

/// The right to check one image at a registry.
#[derive(Debug)]
pub(crate) struct Permit {
    _registry: OwnedSemaphorePermit,
    _in_all: OwnedSemaphorePermit,
}

impl Hosts {
    pub(super) fn new() -> Self {
        Self { known: Mutex::default(), in_all: Arc::new(Semaphore::new(IN_ALL)) }
    }

    pub(super) fn get(&self, authority: &str) -> Arc<Host> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = known.get(authority) {
            return host.clone();
        }
        let host = Arc::new(Host::new(authority));
        known.insert(authority.to_owned(), host.clone());
        host
    }

    /// Waits for a turn: first at the registry, so that a slow one never holds more than its share of all.
    pub(super) async fn admit(&self, registry: &str) -> Option<Permit> {
        let at_registry = self.get(registry).permits.clone().acquire_owned().await.ok()?;
        let in_all = self.in_all.clone().acquire_owned().await.ok()?;
        Some(Permit { _registry: at_registry, _in_all: in_all })
    }
}

/// The timeouts of one call, by host.
#[derive(Debug, Default)]
pub(super) struct Circuit(Mutex<HashMap<String, u32>>);

impl Circuit {
    /// An error when the host has had its chances in this call.
    pub(super) fn check(&self, authority: &str) -> Result<(), Trouble> {
        if self.lock().get(authority).is_some_and(|timeouts| *timeouts >= TIMEOUTS) {
            return Err(Trouble::given_up());
        }
        Ok(())
    }

    pub(super) fn count<T>(&self, authority: &str, result: &Result<T, Trouble>) {
        if result.as_ref().err().and_then(Trouble::obstacle) == Some(Obstacle::Timeout) {
            *self.lock().entry(authority.to_owned()).or_default() += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a 429 wants us to wait, in seconds or until a date of the registry's own clock.
pub(super) fn left_alone(answer: &Answer) -> LeftAlone {
    let now = Timestamp::now();
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
    let said = answer.header(RETRY_AFTER).and_then(|text| {
        if let Ok(seconds) = text.trim().parse::<u64>() {
            Some(Duration::from_secs(seconds))
        } else {
            let their_now = answer.header(DATE).and_then(date).unwrap_or(now);
            Some(Duration::try_from(date(text)?.duration_since(their_now)).unwrap_or_default())
        }
    });
    let wait = said.unwrap_or(PAUSE).min(LONGEST_PAUSE);
    LeftAlone { until: Instant::now() + wait, retry_at: said.and_then(|_| now.checked_add(wait).ok()) }
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
        let answer = Answer { status: StatusCode::TOO_MANY_REQUESTS, headers, body: bytes::Bytes::new(), http2: false };
        let left_alone = left_alone(&answer);
        (left_alone.wait().as_millis().div_ceil(1000) as u64, left_alone.retry_at.is_some())
    }

    #[test]
    fn how_long_a_registry_is_left_alone() {
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
    fn two_timeouts_are_enough() {
        let circuit = Circuit::default();
        let timeout: Result<(), _> = Err(Trouble::unreachable(Obstacle::Timeout, ""));
        circuit.count("a", &Err::<(), _>(Trouble::unreachable(Obstacle::Refused, "")));
        circuit.count("a", &timeout);
        assert_eq!(circuit.check("a"), Ok(()));
        circuit.count("a", &timeout);
        assert!(circuit.check("a").is_err());
        assert_eq!(circuit.check("b"), Ok(()));
    }

    #[tokio::test]
    async fn the_first_goes_alone() {
        let hosts = Hosts::new();
        let first = hosts.admit("a").await;
        let second = tokio::time::timeout(Duration::from_millis(20), hosts.admit("a")).await;
        assert!(first.is_some() && second.is_err());
        hosts.get("a").open(false);
        let mut more = Vec::new();
        for _ in 1..AT_A_REGISTRY {
            more.push(hosts.admit("a").await);
        }
        assert!(tokio::time::timeout(Duration::from_millis(20), hosts.admit("a")).await.is_err());
        assert!(hosts.admit("b").await.is_some());
    }
}
