//! One image: what is local, whom to ask, the verdict.
//!
//! Rules: docs/check.md, section 6.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::by_digest;
use super::by_engine::ByEngine;
use super::by_registry::ByRegistry;
use super::local::{KnownImage, LocalImages, Rest};
use super::report::{self, Findings};
use super::{Check, Via};
use crate::engine::Endpoint;
use crate::image::check::verdict::{Certainty, CheckFailure, CheckState, Remote, Subject, Verdict, absent, is_own, verdict_on};
use crate::platform::Platform;
use crate::reference::{DOCKER_HUB, Reference};
use crate::registry::{RegistryError, Session, Trace, UnreachableReason, Way, is_loopback, is_private};
use crate::{CheckVia, Refit, Store};

/// What the checks of one call share.
pub(super) struct Checker<'a> {
    pub(super) refit: &'a Refit,
    pub(super) session: Session,
    pub(super) locals: LocalImages,
    pub(super) via: CheckVia,
    pub(super) platform: Option<Platform>,
    /// Registries that only the engine reaches.
    by_engine: Mutex<HashSet<String>>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(refit: &'a Refit, session: Session, locals: LocalImages, via: CheckVia, platform: Option<Platform>) -> Self {
        Self { refit, session, locals, via, platform, by_engine: Mutex::default() }
    }

    /// Tells the session which repositories will be asked about. Names that may be known here alone are asked about one by one.
    pub(super) fn announce(&self, images: &[String]) {
        let mut repositories: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for reference in images.iter().filter_map(|image| Reference::parse(image).ok()) {
            if self.is_asked_by_us(&reference) && !self.locals.listed(&reference).is_some_and(|facts| is_own(&reference, facts)) {
                repositories.entry(reference.registry().to_owned()).or_default().insert(reference.repository().to_owned());
            }
        }
        for (registry, repositories) in repositories {
            self.session.announce(&registry, repositories);
        }
    }

    /// Checks one image, once it is its turn at its registry.
    pub(super) async fn check(&self, image: &str) -> Check {
        let reference = match Reference::parse(image) {
            Ok(reference) => reference,
            Err(error) => return report::invalid(image, error),
        };
        let trace = Trace::default();
        // The engine is asked before the turn at the registry begins, in which nobody is to wait for it.
        let (begun, mut found) = match self.find(image, &reference).await {
            Ok(known) => self.check_in_turn(image, &reference, known, &trace).await,
            Err(error) => (Instant::now(), Findings { known: None, via: None, verdict: Err(error.into()) }),
        };
        let mut outdated = Vec::new();
        if let (Ok(Verdict { state: CheckState::UpToDate, .. }), Some(known)) = (&found.verdict, &found.known) {
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

    /// Checks an image that need not be one of this engine's, as the tasks of a service run it; `None`: nothing is known of it.
    pub(super) async fn check_known(&self, image: &str, reference: &Reference, known: Option<KnownImage>) -> Check {
        let trace = Trace::default();
        let platform = self.platform.clone().or_else(|| known.as_ref()?.facts.platform.clone());
        let (begun, found) = self.check_in_turn(image, reference, known, &trace).await;
        let mut check = report::check(image, reference, found, &trace, Vec::new());
        check.platform = platform.map(|platform| platform.to_string());
        check.elapsed_ms = begun.elapsed().as_millis() as u64;
        check
    }

    /// Whether this process asks the registry. Without a tag nothing is asked.
    fn is_asked_by_us(&self, reference: &Reference) -> bool {
        reference.tag().is_some() && !self.engine_first(reference)
    }

    /// When its turn began, and what was found in it.
    async fn check_in_turn(&self, image: &str, reference: &Reference, known: Option<KnownImage>, trace: &Trace) -> (Instant, Findings) {
        let _permit = self.session.permit(reference, self.is_asked_by_us(reference), trace).await;
        let (begun, limit) = (Instant::now(), self.session.check_limit());
        let found = tokio::time::timeout(limit, self.look_up(image, reference, known, trace)).await.unwrap_or_else(|_| {
            let error =
                RegistryError::unreachable(UnreachableReason::Timeout, format!("the check did not end within {} s", limit.as_secs()));
            Findings { known: None, via: Some(Via::Registry), verdict: Err(error.into()) }
        });
        (begun, found)
    }

    async fn look_up(&self, image: &str, reference: &Reference, known: Option<KnownImage>, trace: &Trace) -> Findings {
        if self.engine_first(reference) {
            return self.through_engine(image, reference, known, trace).await;
        }
        let own = known.as_ref().is_some_and(|known| is_own(reference, &known.facts));
        let remote = ByRegistry::new(&self.session, reference, trace, own);
        let found = self.through(Via::Registry, image, reference, known, &remote).await;
        if !self.only_engine_may_reach(&found, trace) {
            return found;
        }
        let by_engine = self.through_engine(image, reference, found.known, trace).await;
        if matches!(by_engine.verdict, Err(CheckFailure::Registry(RegistryError::Unreachable(_)) | CheckFailure::Engine(_))) {
            // The engine does not reach it either: our own words say more.
            return Findings { known: by_engine.known, via: found.via, verdict: found.verdict };
        }
        self.by_engine.lock().unwrap_or_else(PoisonError::into_inner).insert(reference.registry().to_owned());
        by_engine
    }

    /// What is local. Of a name without a registry it is read whether the image was ever pulled, before the name is sent anywhere.
    async fn find(&self, image: &str, reference: &Reference) -> crate::Result<Option<KnownImage>> {
        let engine = &self.refit.shared.engine;
        let known = self.locals.find(engine, image, reference).await?;
        match &known {
            Some(KnownImage { facts, rest: Rest::Engine }) if reference.registry() == DOCKER_HUB && facts.store == Store::Containerd => {
                self.locals.inspect(engine, image, reference).await
            }
            _ => Ok(known),
        }
    }

    async fn through_engine(&self, image: &str, reference: &Reference, known: Option<KnownImage>, trace: &Trace) -> Findings {
        let remote = ByEngine::new(&self.refit.shared.engine, &self.session, reference, trace, self.locals.podman());
        let found = self.through(Via::Engine, image, reference, known, &remote).await;
        self.session.open(reference.registry(), Way::Engine);
        found
    }

    async fn through(&self, via: Via, image: &str, reference: &Reference, known: Option<KnownImage>, remote: &impl Remote) -> Findings {
        let mut known = known;
        let verdict = self.verdict(image, reference, &mut known, remote).await;
        // Pinned without a tag: nothing had to be asked.
        let asked = !verdict.as_ref().is_ok_and(|verdict| verdict.state == CheckState::Pinned && verdict.tag_moved.is_none());
        Findings { known, via: asked.then_some(via), verdict }
    }

    async fn verdict(
        &self,
        image: &str,
        reference: &Reference,
        known: &mut Option<KnownImage>,
        remote: &impl Remote,
    ) -> Result<Verdict, CheckFailure> {
        let mut is_known_by_digest_alone = false;
        if let Some(KnownImage { facts, rest: rest @ (Rest::Engine | Rest::Registry) }) = known {
            // Most of the time the digest is one of those in the list, and no more need be known.
            let named = remote.digest(reference.tag().unwrap_or_default()).await?;
            if !named.as_ref().is_some_and(|digest| facts.has(digest)) {
                if *rest == Rest::Engine {
                    *known = self.locals.inspect(&self.refit.shared.engine, image, reference).await?;
                } else if named.is_some() {
                    match by_digest::complete(facts, self.platform.as_ref(), remote).await {
                        Some(facts) => *known = Some(KnownImage { facts: facts.into(), rest: Rest::None }),
                        None => is_known_by_digest_alone = true,
                    }
                }
            }
        }
        let local = known.as_ref().map(|known| &*known.facts);
        let platform = self.platform.as_ref().or_else(|| local?.platform.as_ref());
        let mut verdict = verdict_on(&Subject { reference, local, platform }, remote).await?;
        if is_known_by_digest_alone && verdict.state == CheckState::UpdateAvailable {
            // The image of this platform may be the same in both.
            verdict.certainty = Certainty::IndexOnly;
        }
        match local {
            // Only now, as the engine may ask others for the answer.
            Some(local) if verdict.state == CheckState::NotInRegistry && local.pulled.is_none() => {
                let pulled = self.locals.was_pulled(&self.refit.shared.engine, image).await?;
                Ok(absent(local.store, pulled))
            }
            _ => Ok(verdict),
        }
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
            Endpoint::Ssh(target) => !is_loopback(&target.host),
        }
    }

    /// Names, addresses and certificates may be the engine's alone; a registry that answered is not asked again through it.
    fn only_engine_may_reach(&self, found: &Findings, trace: &Trace) -> bool {
        let Err(CheckFailure::Registry(error)) = &found.verdict else { return false };
        let unreached = match error.unreachable_reason() {
            Some(UnreachableReason::Dns | UnreachableReason::Refused | UnreachableReason::Tls | UnreachableReason::Proxy) => true,
            Some(UnreachableReason::Timeout) => trace.requests() == 0 && !error.is_skipped(),
            _ => false,
        };
        unreached && self.via == CheckVia::Auto && !self.locals.podman()
    }
}
