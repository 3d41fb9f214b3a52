//! One image: what is local, whom to ask, the verdict.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::by_engine::ByEngine;
use super::by_registry::ByRegistry;
use super::local::{Known, Locals};
use super::report;
use super::{Check, Via};
use crate::engine::Endpoint;
use crate::image::platform::Platform;
use crate::image::verdict::{Failed, Remote, State, Subject, Verdict, judge};
use crate::reference::Reference;
use crate::registry::{Obstacle, Session, Trace, Trouble, is_loopback, is_private};
use crate::{CheckVia, Refit};

/// What the checks of one call share.
pub(super) struct Checks<'a> {
    pub(super) refit: &'a Refit,
    pub(super) session: Session,
    pub(super) locals: Locals,
    pub(super) via: CheckVia,
    pub(super) platform: Option<Platform>,
    /// Registries that only the engine reaches.
    by_engine: Mutex<HashSet<String>>,
}

/// How far a check has come when it ends.
pub(super) struct Found {
    pub(super) known: Option<Known>,
    pub(super) via: Option<Via>,
    pub(super) verdict: Result<Verdict, Failed>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(refit: &'a Refit, session: Session, locals: Locals, via: CheckVia, platform: Option<Platform>) -> Self {
        Self { refit, session, locals, via, platform, by_engine: Mutex::default() }
    }

    /// Checks one image, once it is its turn at its registry.
    pub(super) async fn check(&self, image: &str) -> Check {
        let reference = match Reference::parse(image) {
            Ok(reference) => reference,
            Err(error) => return report::invalid(image, error),
        };
        let permit = self.session.admit(reference.registry()).await;
        let (begun, trace) = (Instant::now(), Trace::default());
        let limit = self.session.check_limit();
        let mut found = tokio::time::timeout(limit, self.find_out(image, &reference, &trace)).await.unwrap_or_else(|_| {
            let trouble = Trouble::unreachable(Obstacle::Timeout, format!("the check did not end within {} s", limit.as_secs()));
            Found { known: None, via: Some(Via::Registry), verdict: Err(trouble.into()) }
        });
        drop(permit);
        let mut outdated = Vec::new();
        if let (Ok(Verdict { state: State::UpToDate, .. }), Some(known)) = (&found.verdict, &found.known) {
            match self.locals.outdated(&self.refit.shared.engine, &reference, &known.facts.id).await {
                Ok(containers) => outdated = containers,
                Err(error) => found.verdict = Err(error.into()),
            }
        }
        let platform = self.platform.clone().or_else(|| found.known.as_ref()?.facts.platform.clone());
        let mut check = report::check(image, &reference, found, &trace, outdated);
        check.platform = platform.map(|platform| platform.to_string());
        check.elapsed_ms = begun.elapsed().as_millis() as u64;
        check
    }

    async fn find_out(&self, image: &str, reference: &Reference, trace: &Trace) -> Found {
        let engine = &self.refit.shared.engine;
        let known = match self.locals.find(engine, image, reference).await {
            Ok(known) => known,
            Err(error) => return Found { known: None, via: None, verdict: Err(error.into()) },
        };
        if self.engine_first(reference) {
            return self.through_engine(image, reference, known, trace).await;
        }
        let remote = ByRegistry::new(&self.session, reference, trace);
        let found = self.through(Via::Registry, image, reference, known, &remote).await;
        if !self.only_engine_may_reach(&found, trace) {
            return found;
        }
        let by_engine = self.through_engine(image, reference, found.known, trace).await;
        if matches!(by_engine.verdict, Err(Failed::Registry(Trouble::Unreachable(_)) | Failed::Engine(_))) {
            // The engine does not reach it either: our own words say more.
            return Found { known: by_engine.known, via: found.via, verdict: found.verdict };
        }
        self.by_engine.lock().unwrap_or_else(PoisonError::into_inner).insert(reference.registry().to_owned());
        by_engine
    }

    async fn through_engine(&self, image: &str, reference: &Reference, known: Option<Known>, trace: &Trace) -> Found {
        let remote = ByEngine::new(&self.refit.shared.engine, &self.session, reference, trace, self.locals.podman());
        self.through(Via::Engine, image, reference, known, &remote).await
    }

    async fn through(&self, via: Via, image: &str, reference: &Reference, known: Option<Known>, remote: &impl Remote) -> Found {
        let mut known = known;
        let verdict = self.verdict(image, reference, &mut known, remote).await;
        // Pinned without a tag: nothing had to be asked.
        let asked = !verdict.as_ref().is_ok_and(|verdict| verdict.state == State::Pinned && verdict.tag_moved.is_none());
        Found { known, via: asked.then_some(via), verdict }
    }

    async fn verdict(
        &self,
        image: &str,
        reference: &Reference,
        known: &mut Option<Known>,
        remote: &impl Remote,
    ) -> Result<Verdict, Failed> {
        if let Some(Known { facts, whole: false }) = known {
            // Most of the time the digest is one of those in the list, and no more need be known.
            let named = remote.digest(reference.tag().unwrap_or_default()).await?;
            if !named.is_some_and(|digest| facts.has(&digest)) {
                *known = self.locals.inspect(&self.refit.shared.engine, image, reference).await?;
            }
        }
        let local = known.as_ref().map(|known| &*known.facts);
        let platform = self.platform.as_ref().or_else(|| local?.platform.as_ref());
        judge(&Subject { reference, local, platform }, remote).await
    }

    /// Whether it makes no sense to ask the registry ourselves.
    fn engine_first(&self, reference: &Reference) -> bool {
        let registry = reference.registry();
        match self.via {
            CheckVia::Engine => true,
            CheckVia::Registry => false,
            CheckVia::Auto if self.locals.podman() => false,
            // `localhost` is then the engine's.
            CheckVia::Auto => {
                self.engine_is_remote() && is_private(registry)
                    || self.by_engine.lock().unwrap_or_else(PoisonError::into_inner).contains(registry)
            }
        }
    }

    fn engine_is_remote(&self) -> bool {
        match self.refit.shared.engine.endpoint() {
            Endpoint::Unix(_) => false,
            Endpoint::Tcp { host, .. } => !is_loopback(host),
        }
    }

    /// Names, addresses and certificates may be the engine's alone; a registry that answered is not asked again through it.
    fn only_engine_may_reach(&self, found: &Found, trace: &Trace) -> bool {
        let Err(Failed::Registry(trouble)) = &found.verdict else { return false };
        let unreached = match trouble.obstacle() {
            Some(Obstacle::Dns | Obstacle::Refused | Obstacle::Tls | Obstacle::Proxy) => true,
            Some(Obstacle::Timeout) => trace.requests() == 0 && !trouble.is_given_up(),
            _ => false,
        };
        unreached && self.via == CheckVia::Auto && !self.locals.podman()
    }
}
