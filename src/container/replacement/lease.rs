//! The lease: while a run is in progress, one of its two containers has a temporary name that says until when.
//!
//! It is renewed by renaming that container from its old name, which only one process can do. A run that has lost it touches nothing more.
//!
//! Rules: docs/recreate.md, section 5.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::names::{LEASE, LONGEST_LEASE, Role, TemporaryName};
use crate::container::state;
use crate::engine::Engine;
use crate::engine::api::containers;
use crate::{Code, Error, Result};

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// How many seconds a lease has left at least before a change.
const MARGIN: i64 = 15;

/// When a run has requested its stop at the latest, by a name that it has set: before a change it renews a lease that has less than
/// [`MARGIN`] left. Seconds since 1970.
pub(crate) fn latest_change(name: &TemporaryName, now: i64) -> u32 {
    let lease = i64::from(name.lease);
    let change = if lease - now > LONGEST_LEASE { now } else { now.min(lease - MARGIN) };
    u32::try_from(change.max(0)).unwrap_or(u32::MAX)
}

/// The engine's clock, counted on from when it was read.
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

/// The right of one run to change the old and the new container.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    engine: &'a Engine,
    /// The container's own name.
    container: String,
    clock: Clock,
    held: Option<Held>,
    /// Every lease that this run has tried to set: a renewal whose answer was lost may have been done.
    written: Vec<u32>,
    lost: bool,
}

#[derive(Debug)]
struct Held {
    id: String,
    name: TemporaryName,
    renewed: Instant,
}

impl<'a> Lease<'a> {
    /// No name carries the lease yet.
    pub(crate) fn new(engine: &'a Engine, container: &str, clock: Clock) -> Self {
        Self { engine, container: container.to_owned(), clock, held: None, written: Vec::new(), lost: false }
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
        let mut lease = u32::try_from(self.clock.now() + LEASE).unwrap_or(u32::MAX);
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

    /// Takes the lease over from a run that has died, or by force; the new temporary name. It says by when that run has requested its stop, which
    /// later renewals of the lease do not change.
    pub(crate) async fn take(&mut self, id: &str, name: &TemporaryName) -> Result<TemporaryName> {
        self.written.push(name.lease);
        let mut next = name.with_lease(self.fresh());
        if name.role == Role::New && name.mode.runs() && name.marks.stop_before.is_none() {
            next.marks.stop_before = Some(latest_change(name, self.clock.now()));
        }
        // 400: it has that very name already.
        let taken_over =
            |error: &Error| matches!(error.code(), Code::NotFound | Code::Conflict) || error.context().http_status == Some(400);
        match self.rename(id, &name.to_string(), &next.to_string()).await {
            Ok(_) => Ok(next),
            Err(error) if taken_over(&error) => {
                let message = format!("another run has just taken over container {}", self.container);
                Err(error.into_cause_of(Code::Busy, message).with_container(self.container.clone()))
            }
            Err(error) => Err(error),
        }
    }

    /// Renames a container from a name that this run has set, which only one of two runs can do; the engine's clock.
    ///
    /// dockerd finds the container by its name before it locks it, so that two renames from one name can both be answered with success (seen in
    /// 20.10, and in the source of 28): the name that the container has then says whose was the last.
    pub(crate) async fn rename(&mut self, id: &str, from: &str, to: &str) -> Result<Option<i64>> {
        let now = containers::rename(self.engine, from, to).await?;
        match containers::inspect(self.engine, id).await? {
            Some(container) if state::name(&container) != to => Err(self.lose()),
            _ => Ok(now),
        }
    }

    /// Before a change that nothing else protects: another run may have taken the lease over since it was renewed last.
    pub(crate) async fn confirm(&mut self) -> Result<()> {
        let Some(id) = self.held.as_ref().map(|held| held.id.clone()) else { return Ok(()) };
        match containers::inspect(self.engine, &id).await? {
            Some(container) => self.follow([(id.as_str(), state::name(&container))]),
            None => Ok(()),
        }
    }

    /// Finds the lease on the containers' present names; fails when another run has set one.
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

    /// Before a change: renews a lease that ends soon, so that a run that was suspended cannot go on.
    pub(crate) async fn ensure(&mut self) -> Result<()> {
        let left = |held: &Held| i64::from(held.name.lease) - self.clock.now();
        match &self.held {
            Some(held) if left(held) < MARGIN => self.renew().await,
            _ => Ok(()),
        }
    }

    /// Does work that may take long, and renews the lease meanwhile.
    pub(crate) fn during<T>(&mut self, work: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
        self.renew_during(Box::pin(work))
    }

    async fn renew_during<T>(&mut self, mut work: Pin<Box<impl Future<Output = Result<T>>>>) -> Result<T> {
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
            // The work continues meanwhile: the renewal may wait for a connection that it is about to make.
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
                // The engine does not answer: the next change renews first, and fails if it cannot.
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
        match self.rename(&id, &old.to_string(), &next.to_string()).await {
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

    /// The name is gone: another run has changed it, or this one has and the answer was lost, or the container was removed.
    async fn find_again(&mut self, id: &str, old: &TemporaryName) -> Result<()> {
        match containers::inspect(self.engine, id).await? {
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
        let message = format!("another run has taken over container {}: nothing more was changed", self.container);
        Code::Conflict.error(message).with_container(self.container.clone())
    }
}
