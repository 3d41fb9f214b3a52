//! The lease: while a run is alive, one of its two containers bears a temporary name that says until when.
//!
//! It is renewed by renaming that container from its old name, which only one can win. Whoever loses it touches nothing more.

use std::future::Future;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::names::{LEASE, LONGEST_LEASE, TemporaryName};
use super::{requests, state};
use crate::engine::Engine;
use crate::{Code, Error, Result};

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// The longest lease that is set: a second or two may pass until others read it.
const LONGEST: i64 = LONGEST_LEASE - 5;

/// By how much the grace of a stop may exceed the container's own before a recovery may take the stop for ended when it is not.
pub(crate) const LONGEST_GRACE_BEYOND: Duration = Duration::from_secs((LONGEST - LEASE) as u64);

/// Before a change it has at least so many seconds left.
const MARGIN: i64 = 15;

/// The engine's clock, as it goes on after it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// What is to be added to the machine's seconds since its start, the time in which it was suspended included.
    ahead: i64,
}

impl Clock {
    /// Seconds since 1970, just read from the engine.
    pub(crate) fn at(read: i64) -> Self {
        Self { ahead: read - clock_gettime(ClockId::Boottime).tv_sec }
    }

    /// The engine's time now.
    pub(crate) fn now(self) -> i64 {
        self.ahead + clock_gettime(ClockId::Boottime).tv_sec
    }
}

/// The right of one run to change a container and its successor.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    engine: &'a Engine,
    /// The container's name in its ordinary life.
    container: String,
    clock: Clock,
    held: Option<Held>,
    /// Every lease that this run has tried to set: a renewal whose answer was lost may have been done.
    written: Vec<u32>,
    /// No lease that is set before then ends before then.
    until: i64,
    lost: bool,
}

#[derive(Debug)]
struct Held {
    id: String,
    name: TemporaryName,
    renewed: Instant,
}

impl<'a> Lease<'a> {
    /// Nothing is held yet.
    pub(crate) fn new(engine: &'a Engine, container: &str, clock: Clock) -> Self {
        Self { engine, container: container.to_owned(), clock, held: None, written: Vec::new(), until: 0, lost: false }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// The name that carries the lease now.
    pub(crate) fn name(&self) -> Option<&TemporaryName> {
        self.held.as_ref().map(|held| &held.name)
    }

    /// Whether another run has taken the containers over.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// A lease that begins now. No two are the same, since a rename to the own name is refused.
    pub(crate) fn fresh(&mut self) -> u32 {
        let now = self.clock.now();
        let mut lease = u32::try_from(self.until.clamp(now + LEASE, now + LONGEST)).unwrap_or(u32::MAX);
        while self.written.contains(&lease) {
            lease += 1;
        }
        self.written.push(lease);
        lease
    }

    /// The name that now carries the lease.
    pub(crate) fn hold(&mut self, id: &str, name: TemporaryName) {
        self.held = Some(Held { id: id.to_owned(), name, renewed: Instant::now() });
    }

    /// A container that is removed or has its own name again carries no lease.
    pub(crate) fn release(&mut self, id: &str) {
        self.held.take_if(|held| held.id == id);
    }

    /// Sets a lease that lasts so much longer, and does something: whoever recovers from a name knows of no more than the container's own
    /// grace after it.
    pub(crate) async fn during_longer<T>(&mut self, longer: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        if longer.is_zero() {
            return self.during(work).await;
        }
        self.until = self.clock.now().saturating_add(LEASE).saturating_add(i64::try_from(longer.as_secs()).unwrap_or(i64::MAX / 2) + 1);
        let result = match self.renew().await {
            Ok(()) => self.during(work).await,
            Err(error) => Err(error),
        };
        self.until = 0;
        result
    }

    /// Takes a temporary name over, from a run that is dead or by force; the name that it has then.
    pub(crate) async fn take(&mut self, name: &TemporaryName) -> Result<TemporaryName> {
        self.written.push(name.lease);
        let next = name.with_lease(self.fresh());
        match requests::rename(self.engine, &name.to_string(), &next.to_string()).await {
            Ok(_) => Ok(next),
            Err(error) if matches!(error.code(), Code::NotFound | Code::Conflict) => {
                let message = format!("another run has just taken over container {}", self.container);
                Err(error.into_cause_of(Code::Busy, message).with_container(self.container.clone()))
            }
            Err(error) => Err(error),
        }
    }

    /// Finds the lease again on the containers as they are named now; fails when somebody else has set another.
    pub(crate) fn follow<'n>(&mut self, containers: impl IntoIterator<Item = (&'n str, &'n str)>) -> Result<()> {
        let mut held = None;
        for (id, name) in containers {
            let Some(name) = TemporaryName::parse(name).filter(|name| name.container == self.container) else { continue };
            if !self.written.contains(&name.lease) {
                return Err(self.lose());
            }
            if held.is_none() {
                let renewed = self.held.as_ref().map_or_else(Instant::now, |held| held.renewed);
                held = Some(Held { id: id.to_owned(), name, renewed });
            }
        }
        self.held = held;
        Ok(())
    }

    /// Before a change: renews what has little left, so that a run that was asleep cannot go on.
    pub(crate) async fn ensure(&mut self) -> Result<()> {
        let left = |held: &Held| i64::from(held.name.lease) - self.clock.now();
        match &self.held {
            Some(held) if left(held) < MARGIN => self.renew().await,
            _ => Ok(()),
        }
    }

    /// Does something that may take long, and renews meanwhile.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(work);
        let mut failed: Option<Instant> = None;
        loop {
            let due = match (&self.held, failed) {
                (None, _) => return work.await,
                (Some(_), Some(failed)) => failed + Duration::from_secs(1),
                (Some(held), None) => held.renewed + RENEWAL,
            };
            tokio::select! {
                biased;
                result = &mut work => return result,
                () = tokio::time::sleep_until(due.into()) => {}
            }
            // The work goes on meanwhile: the renewal may wait for a connection that it is about to make.
            let mut result = None;
            let renewed = {
                let renewal = self.renew();
                tokio::pin!(renewal);
                loop {
                    tokio::select! {
                        done = &mut work, if result.is_none() => result = Some(done),
                        renewed = &mut renewal => break renewed,
                    }
                }
            };
            match renewed {
                Ok(()) => failed = None,
                Err(error) if self.lost => return Err(error),
                // The engine is away: the next change renews first, and fails if it cannot.
                Err(_) => failed = Some(Instant::now()),
            }
            if let Some(result) = result {
                return result;
            }
        }
    }

    async fn renew(&mut self) -> Result<()> {
        let Some((id, old)) = self.held.as_ref().map(|held| (held.id.clone(), held.name.clone())) else { return Ok(()) };
        let next = old.with_lease(self.fresh());
        match requests::rename(self.engine, &old.to_string(), &next.to_string()).await {
            Ok(now) => {
                self.hold(&id, next);
                // The engine's clock may have been set meanwhile.
                self.clock = now.map_or(self.clock, Clock::at);
                Ok(())
            }
            Err(error) if error.code() == Code::NotFound => self.find_again(&id, &old).await,
            Err(error) => Err(error),
        }
    }

    /// The name is gone: another run has it, or our own lost answer, or somebody has removed the container.
    async fn find_again(&mut self, id: &str, old: &TemporaryName) -> Result<()> {
        match requests::inspect(self.engine, id).await? {
            Some(container) => {
                self.follow([(id, state::name(&container))])?;
                if self.held.is_none() { Err(self.lose()) } else { Ok(()) }
            }
            None if old.is_live(self.clock.now()) => {
                self.held = None;
                Ok(())
            }
            None => Err(self.lose()),
        }
    }

    fn lose(&mut self) -> Error {
        self.lost = true;
        let message = format!("another run has taken over container {} meanwhile: nothing more was touched", self.container);
        Code::Conflict.error(message).with_container(self.container.clone())
    }
}
