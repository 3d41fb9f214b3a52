//! The check of what a service runs: the same verdict over an image that other engines have.

use std::sync::Arc;

use super::by_digest::known_by_digest;
use super::local::{KnownImage, Rest};
use super::{Check, CheckOptions, many, report};
use crate::engine::api::images::{self, Detail};
use crate::engine::image_facts::ImageFacts;
use crate::operation::call::Call;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::{Refit, Result};

/// An image that tasks of a service run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServiceImage {
    /// The one that the service is pinned to, for nodes of a platform.
    Pinned { digest: String, platform: Option<Platform> },
    /// One of this engine, by its id: a task of a service without a digest runs it here.
    Local { id: String },
    /// The tasks of a service without a digest run elsewhere.
    Unknown,
}

/// The check of each image against the tag. One that was interrupted has its error, as every check has.
pub(crate) async fn checks_of_service(
    refit: &Refit,
    call: &Call,
    reference: &Reference,
    images: &[ServiceImage],
    options: &CheckOptions,
) -> Result<Vec<Check>> {
    let asked = reference.familiar();
    let mut checks = Vec::new();
    for image in images {
        let work = check(refit, &asked, reference, image, options);
        let check = tokio::select! {
            biased;
            interrupt = call.interrupted() => Ok(report::cancelled(&asked, &interrupt.error())),
            check = work => check,
        };
        checks.push(check?);
    }
    Ok(checks)
}

async fn check(refit: &Refit, asked: &str, reference: &Reference, image: &ServiceImage, options: &CheckOptions) -> Result<Check> {
    let own = match image {
        ServiceImage::Pinned { platform, .. } => platform.clone(),
        ServiceImage::Local { .. } | ServiceImage::Unknown => None,
    };
    let platform = many::platform(options)?.or(own);
    let checker = match many::prepare(refit, Some(1), options, platform.clone()).await {
        Ok(checker) => checker,
        Err(error) => return Ok(report::engine_failed(asked, &error)),
    };
    let known = match image {
        ServiceImage::Pinned { digest, .. } => {
            // Without a tag there is nothing to compare it with.
            let rest = if reference.tag().is_some() { Rest::Registry } else { Rest::None };
            Some(KnownImage { facts: Arc::new(known_by_digest(reference, digest, platform.as_ref())), rest })
        }
        ServiceImage::Local { id } => match images::inspect(&refit.shared.engine, id, Detail::Manifests).await {
            Ok(found) => found.map(|inspect| KnownImage { facts: Arc::new(ImageFacts::of(&inspect, false)), rest: Rest::None }),
            Err(error) => return Ok(report::engine_failed(asked, &error)),
        },
        ServiceImage::Unknown => None,
    };
    Ok(checker.check_known(asked, reference, known).await)
}
