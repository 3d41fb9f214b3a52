//! Putting the old container back, from whatever stands on the engine.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::body_kept::KeptBody;
use super::stop;
use crate::container::lease::Lease;
use crate::container::names::{Mode, Role, TemporaryName, short};
use crate::container::{requests, spec, state};
use crate::engine::Engine;
use crate::{Code, Error, Result};

/// The grace of a new container that is given up.
const GRACE: Duration = Duration::from_secs(2);

/// How often a refused step of an undo is tried again.
const ATTEMPTS: u32 = 3;

/// A container and its successor, by their full ids, in the hand of one run.
#[derive(Debug)]
pub(crate) struct Swap<'a> {
    pub(crate) engine: &'a Engine,
    /// The name that both are after.
    pub(crate) name: String,
    pub(crate) mode: Mode,
    /// The old container; the spare once an `--rm` one is gone.
    pub(crate) old: String,
    pub(crate) new: Option<String>,
    /// A container made from the old image, which takes the place of an `--rm` one once that is gone.
    pub(crate) spare: Option<String>,
    pub(crate) lease: Lease<'a>,
    /// How long an undo waits for an engine that went away.
    pub(crate) engine_wait: Duration,
    pub(crate) kept: Option<KeptBody>,
    /// Where that is kept for another process.
    pub(crate) state_dir: Option<&'a Path>,
    /// The old container, made again where somebody has removed it.
    pub(crate) remake: Option<Remake>,
}

/// An attempt to make a container again.
#[derive(Debug)]
pub(crate) struct Remake {
    name: TemporaryName,
    /// All its networks are joined.
    whole: bool,
}

/// How long, and how often, an undo goes on against failures.
pub(super) struct Patience {
    end: Instant,
    refusals: u32,
}

impl Patience {
    pub(super) fn new(engine_wait: Duration) -> Self {
        Self { end: Instant::now() + engine_wait, refusals: 0 }
    }

    /// Whether to try again after this error; waits a little before it says yes.
    pub(super) async fn allows(&mut self, error: &Error) -> bool {
        let again = if error.code() == Code::Unreachable {
            Instant::now() < self.end
        } else {
            self.refusals += 1;
            self.refusals < ATTEMPTS
        };
        if again {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        again
    }
}

impl Remake {
    /// One that a killed run had only begun.
    pub(crate) fn half(name: TemporaryName) -> Self {
        Self { name, whole: false }
    }
}

impl Swap<'_> {
    /// A name for the new container, under a lease that begins now.
    pub(crate) fn new_name(&mut self) -> TemporaryName {
        let (container, other, mode) = (self.name.clone(), short(&self.old).to_owned(), self.mode);
        TemporaryName { container, role: Role::New, other, mode, lease: self.lease.fresh() }
    }

    /// A name for the old container, likewise.
    pub(crate) fn old_name(&mut self, new: &str) -> TemporaryName {
        let (container, other, mode) = (self.name.clone(), short(new).to_owned(), self.mode);
        TemporaryName { container, role: Role::Old, other, mode, lease: self.lease.fresh() }
    }

    /// Puts the old container back as it was: its name, its restart policy, running again if it ran; removes the new one.
    ///
    /// Every step looks first, so that it may begin anywhere and be begun again. It cannot be cancelled.
    pub(crate) async fn undo(&mut self) -> Result<()> {
        let mut patience = Patience::new(self.engine_wait);
        loop {
            match self.undo_once().await {
                Err(error) if !self.lease.is_lost() && patience.allows(&error).await => {}
                result => return result,
            }
        }
    }

    /// The same but for the removal, as long as others are to be undone: a recovery knows of them by the new container.
    pub(crate) async fn restore(&mut self) -> Result<()> {
        let mut patience = Patience::new(self.engine_wait);
        loop {
            match self.restore_once().await {
                Err(error) if !self.lease.is_lost() && patience.allows(&error).await => {}
                result => return result.map(|_| ()),
            }
        }
    }

    /// The new container is removed last, because it tells the restart policy of the old one.
    async fn undo_once(&mut self) -> Result<()> {
        let new = self.restore_once().await?;
        for left in new.iter().map(state::id).chain(self.spare.as_deref()) {
            self.lease.ensure().await?;
            requests::remove_new(self.engine, left).await?;
        }
        Ok(())
    }

    /// The new container, as it was found.
    ///
    /// The old one has its name again before it is started, since log drivers and the engine's DNS take the name at the start. Where no new
    /// one is left to tell a recovery that the work is not done, it keeps its temporary name until it runs.
    async fn restore_once(&mut self) -> Result<Option<Value>> {
        let new = self.find_new().await?;
        let old = self.find_old().await?;
        if old.is_none() && self.kept.is_none() {
            let message = format!("the old container {} is gone, and nothing is known of how it was made", self.old);
            return Err(Code::NotFound.error(message));
        }
        let named = new.iter().chain(&old).map(|container| (state::id(container), state::name(container)));
        self.lease.follow(named)?;
        self.lease.ensure().await?;
        if let Some(new) = &new {
            self.withdraw(new).await?;
        }
        let old = match old {
            Some(old) => old,
            None => self.make_again(new.as_ref()).await?,
        };
        if let Some(new) = &new {
            self.tell_of_old(new).await?;
            self.give_name(&old).await?;
        }
        self.restore_policy(&old, new.as_ref()).await?;
        self.run_again(&old, new.as_ref()).await?;
        if new.is_none() {
            self.give_name(&old).await?;
        }
        Ok(new)
    }

    async fn give_name(&mut self, old: &Value) -> Result<()> {
        if state::name(old) != self.name {
            self.lease.ensure().await?;
            requests::rename(self.engine, state::id(old), &self.name).await?;
            self.lease.release(state::id(old));
        }
        Ok(())
    }

    /// The name of the new container, from which a recovery goes on, names the one that is to have the name: a spare, or one made again, is
    /// another than when the new one was made.
    async fn tell_of_old(&mut self, new: &Value) -> Result<()> {
        self.lease.ensure().await?;
        let Some(name) = self.lease.name().filter(|name| name.role == Role::New && name.other != short(&self.old)) else {
            return Ok(());
        };
        let (name, next) = (name.to_string(), self.new_name());
        requests::rename(self.engine, &name, &next.to_string()).await?;
        self.lease.hold(state::id(new), next);
        Ok(())
    }

    /// One that the engine is removing has its name until it is gone.
    async fn find_new(&mut self) -> Result<Option<Value>> {
        match self.new.clone() {
            Some(new) => self.unless_going(&new).await,
            None => Ok(None),
        }
    }

    /// The old container, or the one that was made in its place. One that was not made whole is made anew.
    async fn find_old(&mut self) -> Result<Option<Value>> {
        if let Some(Remake { name, whole: false }) = &self.remake {
            if let Some(half) = requests::inspect(self.engine, &name.to_string()).await? {
                requests::remove_new(self.engine, state::id(&half)).await?;
            }
            return Ok(None);
        }
        let old = self.old.clone();
        match (self.unless_going(&old).await?, self.spare.take()) {
            (None, Some(spare)) => {
                self.old = spare;
                requests::inspect(self.engine, &self.old).await
            }
            (old, spare) => {
                self.spare = spare;
                Ok(old)
            }
        }
    }

    async fn unless_going(&mut self, id: &str) -> Result<Option<Value>> {
        let found = requests::inspect(self.engine, id).await?;
        if !found.as_ref().is_some_and(state::is_going) {
            return Ok(found);
        }
        self.lease.during(requests::await_removal(self.engine, id)).await?;
        Ok(None)
    }

    /// Stops the new container and takes the name from it.
    async fn withdraw(&mut self, new: &Value) -> Result<()> {
        let id = state::id(new);
        self.halt(new).await?;
        if state::name(new) == self.name {
            self.lease.ensure().await?;
            let name = self.new_name();
            requests::rename(self.engine, id, &name.to_string()).await?;
            self.lease.hold(id, name);
            // A start whose answer was lost may have gone on: the engine did the rename after it.
            if let Some(new) = requests::inspect(self.engine, id).await? {
                self.halt(&new).await?;
            }
        }
        Ok(())
    }

    async fn halt(&mut self, new: &Value) -> Result<()> {
        if !state::is_running(new) {
            return Ok(());
        }
        let stop = requests::stop(self.engine, state::id(new), Some(GRACE), self.engine.timeout() + GRACE);
        self.lease.during(stop).await
    }

    /// Makes the old container again where somebody has removed it, under a name from which a recovery goes on.
    async fn make_again(&mut self, new: Option<&Value>) -> Result<Value> {
        let Some(mut kept) = self.kept.clone() else { return Err(Code::NotFound.error("nothing is kept")) };
        let name = match new {
            Some(new) => self.old_name(state::id(new)),
            None => self.new_name(),
        };
        self.remake = Some(Remake::half(name.clone()));
        let (id, _) = requests::create(self.engine, &name, kept.spec.platform.as_deref(), &kept.spec.body).await?;
        self.old.clone_from(&id);
        if new.is_none() {
            self.lease.hold(&id, name.clone());
        }
        requests::join_networks(self.engine, &id, &kept.spec.disconnects, &kept.spec.connects).await?;
        kept.made_again = Some(id.clone());
        if let Some(state_dir) = self.state_dir {
            // Without it a recovery makes it once more.
            let _ = kept.write(state_dir).await;
        }
        self.remake = Some(Remake { name, whole: true });
        let made = requests::inspect(self.engine, &id).await?;
        made.ok_or_else(|| Code::NotFound.error(format!("container {id}, which was just made, is gone")))
    }

    async fn restore_policy(&mut self, old: &Value, new: Option<&Value>) -> Result<()> {
        const PATH: &str = "/HostConfig/RestartPolicy";
        let before = self.kept.as_ref().map(|kept| &kept.old).or(new);
        let Some(policy) = before.and_then(|before| before.pointer(PATH)) else { return Ok(()) };
        let same = |key: &str, none: Value| {
            let value = |policy: &Value| policy.get(key).filter(|value| *value != "" && !value.is_null()).cloned().unwrap_or(none.clone());
            old.pointer(PATH).map(value) == Some(value(policy))
        };
        if state::is_auto_remove(old) || (same("Name", json!("no")) && same("MaximumRetryCount", json!(0))) {
            return Ok(());
        }
        let mut policy = policy.clone();
        if policy.get("Name") == Some(&json!("")) {
            // An empty name leaves the policy as it is.
            policy["Name"] = json!("no");
        }
        self.lease.ensure().await?;
        requests::update_restart_policy(self.engine, state::id(old), &policy).await
    }

    async fn run_again(&mut self, old: &Value, new: Option<&Value>) -> Result<()> {
        if !self.mode.runs() {
            return Ok(());
        }
        let mut paused = state::is_paused(old);
        // Only a provider that was replaced with it, and put back, is this run's own doing.
        let follows = new.is_some_and(|new| spec::providers(new).ne(spec::providers(old)));
        let runs = state::is_running(old) && !(follows && self.leave_stale_namespaces(old).await?);
        if !runs {
            self.lease.ensure().await?;
            let start = requests::start_when_port_is_free(self.engine, state::id(old), || true);
            self.lease.during(start).await?;
            paused = false;
        }
        if self.mode == Mode::Paused && !paused {
            requests::pause(self.engine, state::id(old)).await?;
        }
        Ok(())
    }

    /// One that has run since before its provider was started again shares a namespace that nobody else is in any more: it is stopped, so
    /// that it can join again. Whether it was.
    async fn leave_stale_namespaces(&mut self, old: &Value) -> Result<bool> {
        for (_, provider) in spec::providers(old) {
            let Some(provider) = requests::inspect(self.engine, provider).await? else { continue };
            if state::started_at(&provider) > state::started_at(old) {
                self.lease.ensure().await?;
                return self.stop(old).await.map(|()| true);
            }
        }
        Ok(false)
    }

    /// Removes the new container, and a spare, when the old one has not been stopped.
    pub(crate) async fn discard(&mut self) -> Result<()> {
        let mut patience = Patience::new(self.engine_wait);
        loop {
            match self.discard_once().await {
                Err(error) if !self.lease.is_lost() && patience.allows(&error).await => {}
                result => return result,
            }
        }
    }

    async fn discard_once(&mut self) -> Result<()> {
        let beside: Vec<String> = self.spare.iter().chain(&self.new).cloned().collect();
        for id in beside {
            let Some(container) = requests::inspect(self.engine, &id).await? else { continue };
            self.lease.follow([(id.as_str(), state::name(&container))])?;
            self.lease.ensure().await?;
            requests::remove_new(self.engine, &id).await?;
        }
        Ok(())
    }

    /// Waits until the engine has removed an `--rm` container that has ended; the spare stands for it from then on.
    pub(super) async fn go_on_with_spare(&mut self) -> Result<()> {
        let (engine, old) = (self.engine, self.old.clone());
        self.lease.during(requests::await_removal(engine, &old)).await?;
        if let Some(spare) = self.spare.take() {
            self.old = spare;
        }
        Ok(())
    }

    /// Removes the old container, which the new one has replaced. It is stopped first where a reboot or somebody has started it.
    pub(crate) async fn remove_old(&mut self, old: &Value) -> Result<()> {
        self.lease.ensure().await?;
        if state::is_running(old) {
            self.stop(old).await?;
            self.lease.ensure().await?;
        }
        requests::remove_old(self.engine, state::id(old)).await
    }

    async fn stop(&mut self, old: &Value) -> Result<()> {
        let (engine, engine_wait) = (self.engine, self.engine_wait);
        let stopped = self.lease.during(async { Ok(stop::stop(engine, old, None, engine_wait).await) }).await?;
        stopped.map_err(stop::Unstopped::error)
    }
}
