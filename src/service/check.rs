//! `service_check_update`: is there a newer image than the one that a service runs?
//!
//! Rules: docs/services.md, section 2.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{Service, digest_in, tag_of};
use super::{find, platforms};
use crate::container::ContainersOptions;
use crate::container::list::Listing;
use crate::engine::api::{nodes, tasks};
use crate::engine::names::check_service;
use crate::error::shown;
use crate::image::{Check, CheckOptions, CheckState, ServiceImage, checks_of_service};
use crate::operation::call::Call;
use crate::reference::Reference;
use crate::registry::Note;
use crate::{Code, Failure, Operation, Outcome, Refit, Result};

/// The name of the call in errors inside documents.
const OP: &str = "service_check_update";

/// The label by which the engine marks the containers of a service.
const SERVICE_ID: &str = "com.docker.swarm.service.id";

/// What a check of a service found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "service_check_update")]
#[non_exhaustive]
pub struct ServiceCheck {
    /// The service's name.
    pub service: String,
    /// As of an image. `image` is `NAME:TAG`, without the digest to which the service is pinned; `local` is what the service runs, by that digest,
    /// and is mostly not on this engine.
    #[serde(flatten)]
    pub check: Check,
}

impl Refit {
    /// Whether the registry has a newer image than a service runs: the digest that its spec is pinned to is compared with what its tag names, for
    /// the platforms of its nodes. Nothing is changed. An error comes with the check that met it.
    pub fn check_service(&self, service: impl Into<String>, options: CheckOptions) -> Operation<ServiceCheck> {
        let service = service.into();
        let span = tracing::error_span!("service_check_update", service = %shown(&service));
        self.operation(span, move |refit, call| async move { refit.check_service_in(&call, &service, &options).await })
    }

    async fn check_service_in(&self, call: &Call, name: &str, options: &CheckOptions) -> Outcome<ServiceCheck> {
        check_service(name)?;
        let service = call.run(find::service(self, name)).await?;
        let check = self.check_of_service(call, &service, options).await?;
        let document = ServiceCheck { service: service.name().to_owned(), check };
        match document.check.error.clone() {
            None => Ok(document),
            Some(error) => Err(Failure::with_report(error, document)),
        }
    }

    /// The check of a service that was read, which has its own error.
    pub(super) async fn check_of_service(&self, call: &Call, service: &Service, options: &CheckOptions) -> Result<Check> {
        let Some(image) = service.image() else {
            let message = format!("service {} runs no containers: it has no image that could have an update", service.name());
            return Err(Code::Unsupported.error(message));
        };
        let reference = Reference::parse(image).map_err(|error| error.with_image(image))?;
        let tagged = match tag_of(image) {
            Some(tagged) => Reference::parse(&tagged)?,
            None => reference,
        };
        let images = call.run(self.images_of(service, image)).await?;
        let checks = checks_of_service(self, call, &tagged, &images, options).await?;
        let mut check = merged(checks).ok_or_else(|| Code::Panic.error("a service without an image was checked"))?;
        if digest_in(image).is_none() {
            not_pinned(&mut check, images == [ServiceImage::Unknown]);
        }
        if let Some(error) = &mut check.error {
            error.context_mut().op = OP.into();
        }
        Ok(check)
    }

    /// What its tasks run: of a pinned service its digest, for each platform of its nodes, else the images of its containers on this engine.
    async fn images_of(&self, service: &Service, image: &str) -> Result<Vec<ServiceImage>> {
        let engine = &self.shared.engine;
        if let Some(digest) = digest_in(image) {
            let (nodes, tasks) = futures_util::try_join!(nodes::list(engine), tasks::of_service(engine, service.id()))?;
            let platforms = platforms::of_nodes(&nodes, &tasks);
            if platforms.is_empty() {
                return Ok(vec![ServiceImage::Pinned { digest, platform: None }]);
            }
            let pinned = |platform| ServiceImage::Pinned { digest: digest.clone(), platform: Some(platform) };
            return Ok(platforms.into_iter().map(pinned).collect());
        }
        let labels = BTreeMap::from([(SERVICE_ID.to_owned(), service.id().to_owned())]);
        let own = Listing::read_admitted(self, &ContainersOptions { all: false, labels, ..ContainersOptions::default() }).await?;
        let ids: BTreeSet<String> = own.into_iter().map(|container| container.image_id).collect();
        if ids.is_empty() { Ok(vec![ServiceImage::Unknown]) } else { Ok(ids.into_iter().map(|id| ServiceImage::Local { id }).collect()) }
    }
}

/// The one check of several, of which each is about a platform or about an image: the first one of the kind that matters most. All requests count.
fn merged(checks: Vec<Check>) -> Option<Check> {
    let matters = |check: &Check| match check.state {
        _ if check.error.is_some() => 0,
        CheckState::PlatformGone => 1,
        CheckState::UpdateAvailable => 2,
        CheckState::UpToDate => 4,
        _ => 3,
    };
    let (requests, elapsed) = (checks.iter().map(|check| check.requests).sum(), checks.iter().map(|check| check.elapsed_ms).sum());
    let states: Vec<String> =
        checks.iter().filter_map(|check| Some(format!("{}: {}", check.platform.as_ref()?, crate::json::word(&check.state)))).collect();
    let several = checks.len() > 1;
    let mut check = checks.into_iter().min_by_key(matters)?;
    (check.requests, check.elapsed_ms) = (requests, elapsed);
    if several && !states.is_empty() {
        check.notes.push(Note { code: "platforms".into(), message: format!("the service's tasks differ: {}", states.join(", ")) });
    }
    Some(check)
}

/// A service without a digest: each node runs what the tag named when it pulled.
fn not_pinned(check: &mut Check, is_unknown: bool) {
    let seen = if is_unknown {
        // Known is only what the tag names: neither "yes" nor "no" would be the truth.
        check.has_update = None;
        "none of its tasks runs on this engine, so that it is not known what they run"
    } else {
        "only its tasks on this engine were compared"
    };
    let message =
        format!("the service's spec has no digest, and each node runs what the tag named when it pulled: {seen}; service_update pins it");
    check.notes.push(Note { code: "not_pinned".into(), message });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(state: CheckState, platform: &str) -> Check {
        let mut check = Check::new("app:1", state);
        (check.platform, check.requests) = (Some(platform.to_owned()), 2);
        check
    }

    #[test]
    fn of_several_platforms_the_verdict_that_matters_most_counts() {
        use CheckState::{PlatformGone, UpToDate, UpdateAvailable};
        for (states, expected) in [
            ([UpToDate, UpdateAvailable], (UpdateAvailable, "linux/arm64")),
            ([UpdateAvailable, UpToDate], (UpdateAvailable, "linux/amd64")),
            ([UpToDate, UpToDate], (UpToDate, "linux/amd64")),
            ([UpdateAvailable, PlatformGone], (PlatformGone, "linux/arm64")),
        ] {
            let merged = merged(vec![check(states[0], "linux/amd64"), check(states[1], "linux/arm64")]).unwrap();
            assert_eq!((merged.state, merged.platform.as_deref(), merged.requests), (expected.0, Some(expected.1), 4), "{states:?}");
            assert_eq!(merged.notes[0].code, "platforms");
        }
        let mut failed = check(CheckState::Unreachable, "linux/arm64");
        failed.error = Some(Code::Unreachable.error("no answer"));
        assert_eq!(merged(vec![check(UpdateAvailable, "linux/amd64"), failed]).unwrap().state, CheckState::Unreachable);
        assert!(merged(vec![check(UpToDate, "linux/amd64")]).unwrap().notes.is_empty());
    }
}
