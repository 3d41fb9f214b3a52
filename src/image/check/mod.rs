//! `img_check_update`, `img_check_updates`: is there a newer image?

mod by_digest;
mod by_engine;
mod by_registry;
mod checker;
mod local;
mod many;
mod of_service;
mod report;
pub(super) mod verdict;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::shown;
use crate::operation::call::Call;
use crate::registry::{CredentialUse, Note};
use crate::{CheckVia, Error, ErrorDocument, Operation, Outcome, Refit};
pub(crate) use of_service::{ServiceImage, checks_of_service};
use verdict::{Certainty, CheckState, RemoteImage};

/// How images are checked.
#[derive(Debug, Clone, Default)]
pub struct CheckOptions {
    /// Whom to ask. Default: as the handle was opened.
    pub via: Option<CheckVia>,
    /// `os/arch[/variant]`. Default: the local image's.
    pub platform: Option<String>,
}

/// What a check found. `has_update` is `None` whenever something was not found out: never "no".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "img_check_update")]
#[non_exhaustive]
pub struct Check {
    /// As asked.
    pub image: String,
    /// The verdict, or what prevented it.
    pub state: CheckState,
    /// The kind of reason (`dns`, `refused`, `tls`, `timeout`, `reset`, `proxy`), or why an answer is bad.
    pub reason: Option<String>,
    /// Whether there is something newer; `null` on everything that is not known.
    pub has_update: Option<bool>,
    /// Which platform's image was compared: `linux/amd64`. `null` also where the digest in the engine's list was proof enough, as it mostly
    /// is among many: the list does not tell it.
    pub platform: Option<String>,
    /// The local image.
    pub local: Option<LocalImage>,
    /// The registry's image.
    pub remote: Option<RemoteImage>,
    /// Who answered; `null` when nobody was asked.
    pub via: Option<Via>,
    /// How much the answer proves; `null` when there is none.
    pub certainty: Option<Certainty>,
    /// HTTP requests sent to registries and token servers.
    pub requests: u32,
    /// How long this image took, its turn given.
    pub elapsed_ms: u64,
    /// When.
    pub checked_at: Timestamp,
    /// When the registry may be asked again, where it said so.
    pub retry_at: Option<Timestamp>,
    /// How many pulls the registry allows in its window, where it tells.
    pub limit: Option<u64>,
    /// How many of them are left.
    pub remaining: Option<u64>,
    /// What became of the credential; `null` when the registry was not asked by us.
    pub credential: Option<CredentialUse>,
    /// Registries answer for a missing repository as for a forbidden one.
    pub maybe_missing: Option<bool>,
    /// The image may have been built here.
    pub maybe_local: Option<bool>,
    /// The tag beside the digest names another image now, or none.
    pub tag_moved: Option<bool>,
    /// A newer tag of the same repository, when that was asked for.
    pub newer_tag: Option<String>,
    /// Containers of this reference that run another image than it names now.
    pub outdated_containers: Vec<String>,
    /// What is worth knowing beside.
    pub notes: Vec<Note>,
    /// Why there is no verdict.
    #[schemars(with = "Option<ErrorDocument>")]
    pub error: Option<Error>,
}

/// The local image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct LocalImage {
    /// The engine's id.
    pub id: String,
    /// `repository@digest`.
    pub digests: Vec<String>,
    /// When it was built.
    pub created: Option<Timestamp>,
    /// Its label `org.opencontainers.image.version`.
    pub version: Option<String>,
}

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Via {
    /// The registry, asked by this process.
    Registry,
    /// The engine, which asked the registry.
    Engine,
}

/// The checks of many images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "img_check_updates")]
#[non_exhaustive]
pub struct CheckList {
    /// In the order asked.
    pub images: Vec<Check>,
    /// HTTP requests sent to registries and token servers.
    pub requests: u64,
    /// From the call to its return.
    pub elapsed_ms: u64,
}

impl Check {
    /// A check of which nothing is known yet.
    pub(crate) fn new(image: &str, state: CheckState) -> Self {
        Self {
            image: image.to_owned(),
            state,
            reason: None,
            has_update: None,
            platform: None,
            local: None,
            remote: None,
            via: None,
            certainty: None,
            requests: 0,
            elapsed_ms: 0,
            checked_at: Timestamp::now(),
            retry_at: None,
            limit: None,
            remaining: None,
            credential: None,
            maybe_missing: None,
            maybe_local: None,
            tag_moved: None,
            newer_tag: None,
            outdated_containers: Vec::new(),
            notes: Vec::new(),
            error: None,
        }
    }
}

impl Refit {
    /// Whether the registry has a newer image; nothing is pulled. An error comes with the check that met it.
    pub fn check_update(&self, image: impl Into<String>, options: CheckOptions) -> Operation<Check> {
        let image = image.into();
        let not_started = image.clone();
        let span = tracing::error_span!("img_check_update", image = %shown(&image));
        let work = self.operation(span, move |refit, call| async move {
            let outcome = refit.check_update_in(&call, &image, &options).await;
            let check = match &outcome {
                Ok(check) => Some(check),
                Err(failure) => failure.report.as_ref(),
            };
            refit.shared.last_checks.record(check.map_or(&[], std::slice::from_ref)).await;
            outcome
        });
        work.not_started(move |error| report::cancelled(&not_started, error))
    }

    /// A check as a part of another call.
    pub(crate) async fn check_update_in(&self, call: &Call, image: &str, options: &CheckOptions) -> Outcome<Check> {
        many::one(self, call, image, options).await
    }

    /// The same for many images, by default all that have a tag. An image that cannot be checked has its error in its own check and
    /// spoils no other; a call that is ended early comes with the checks that were ready.
    pub fn check_updates(&self, images: Option<Vec<String>>, options: CheckOptions) -> Operation<CheckList> {
        let not_started = images.clone().unwrap_or_default();
        let span = tracing::error_span!("img_check_updates");
        let work = self.operation(span, move |refit, call| async move { refit.check_updates_in(&call, images, &options).await });
        work.not_started(move |error| many::cancelled(&not_started, error))
    }

    /// The same as a part of another call.
    pub(crate) async fn check_updates_in(&self, call: &Call, images: Option<Vec<String>>, options: &CheckOptions) -> Outcome<CheckList> {
        let outcome = many::many(self, call, images, options).await;
        let list = match &outcome {
            Ok(list) => Some(list),
            Err(failure) => failure.report.as_ref(),
        };
        self.shared.last_checks.record(list.map_or(&[], |list| &list.images)).await;
        outcome
    }
}
