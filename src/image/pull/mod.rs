//! `img_pull`: a download by the engine, watched and shared.

mod decoder;
mod failure;
mod progress;
mod shared;
mod stream;
mod wanted_platform;

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::inspect;
use crate::container::Warning;
use crate::engine::api::images;
use crate::engine::image_facts::ImageFacts;
use crate::engine::image_facts::VERSION;
use crate::engine::names::check_image;
use crate::error::shown;
use crate::history::{Draft, HistoryImage, HistoryKind, HistoryResult};
use crate::json::optional_text;
use crate::operation::call::Call;
use crate::platform::Platform;
use crate::reference::{Reference, listed_references};
use crate::registry::{Credential, Note, Trace};
use crate::{Operation, Progress, Refit, Result};
use shared::{Download, PullKey};
use wanted_platform::must_be_named;

pub use progress::{LayerState, LayerStatus};
pub(crate) use shared::{LastPull, PullTable};

/// A record in the history does not wait longer for an engine that may be the reason of the failure.
const FOR_A_RECORD: Duration = Duration::from_secs(2);

/// How [`Refit::pull`] pulls.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// `os/architecture[/variant]`. Default: that of the local image, else the engine's.
    pub platform: Option<String>,
    /// Credentials for this pull. Default: those of the handle and of docker's `config.json`.
    pub registry_auth: Option<RegistryAuth>,
}

/// Credentials for a registry.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct RegistryAuth {
    /// User name.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// An identity token in the place of both.
    pub token: Option<String>,
}

/// Without the secrets.
impl std::fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryAuth").field("username", &self.username).finish_non_exhaustive()
    }
}

/// What a pull did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "img_pull")]
#[non_exhaustive]
pub struct PullResult {
    /// As asked.
    pub image: String,
    /// The reference names another image now, or names one for the first time.
    pub changed: bool,
    /// What it named before; `None` when it was not local.
    pub before: Option<ImageIdentity>,
    /// What it names now.
    pub after: ImageIdentity,
    /// The digest that the registry named.
    pub digest: Option<String>,
    /// Compressed bytes of the layers that were downloaded.
    pub bytes_downloaded: u64,
    /// From the call to its return.
    pub elapsed_ms: u64,
    /// The call joined a pull that was in progress.
    pub shared: bool,
    /// What is worth knowing beside: `credential_rejected`.
    pub notes: Vec<Note>,
    /// What the caller should know and what stopped nothing: `history_not_written`.
    pub warnings: Vec<Warning>,
}

/// Which image a reference names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ImageIdentity {
    /// The engine's id.
    pub id: String,
    /// `repository@digest`.
    pub digests: Vec<String>,
    /// Of its label, for the history.
    #[serde(skip)]
    version: Option<String>,
}

impl ImageIdentity {
    pub(crate) fn of(inspect: &Value) -> Self {
        Self {
            id: optional_text(inspect, "/Id").unwrap_or_default(),
            digests: listed_references(inspect, "/RepoDigests"),
            version: inspect.pointer("/Config/Labels").and_then(|labels| labels.get(VERSION)?.as_str()).map(str::to_owned),
        }
    }

    /// The image in a record, with its digest in the repository of the reference.
    pub(crate) fn in_history(&self, reference: &Reference) -> HistoryImage {
        let of_repository = |digest: &String| Reference::parse(digest).ok().filter(|own| own.name() == reference.name());
        let digest = self.digests.iter().find_map(of_repository).and_then(|own| own.digest().map(str::to_owned));
        HistoryImage { id: self.id.clone(), digest, version: self.version.clone() }
    }
}

impl Refit {
    /// Pulls an image. Pulls of one image share one download, which stops when its last caller has left.
    ///
    /// A cancelled pull leaves layers that the engine keeps, so that a later one is shorter.
    pub fn pull(&self, image: impl Into<String>, options: PullOptions) -> Operation<PullResult> {
        let image = image.into();
        let span = tracing::error_span!("img_pull", image = %shown(&image));
        self.operation(span, move |refit, call| async move { refit.pull_and_record(&call, &image, &options).await.map_err(Into::into) })
    }

    async fn pull_and_record(&self, call: &Call, image: &str, options: &PullOptions) -> Result<PullResult> {
        let mut draft = Draft::of_image(HistoryKind::Pull, call, image);
        // An engine that does not answer is the pull's error.
        let kept_as = self.keep_during_pull(call, image).await.unwrap_or_default();
        let pulled = self.pull_in(call, image, options).await;
        if let Some(kept_as) = kept_as {
            // Gone already where another pull of the image has ended meanwhile.
            let _ = images::remove(&self.shared.engine, &kept_as).await;
        }
        match pulled {
            Ok(mut pulled) => {
                let reference = Reference::parse(image)?;
                draft.from = pulled.before.as_ref().map(|before| before.in_history(&reference));
                draft.to = Some(pulled.after.in_history(&reference));
                let result = if pulled.changed { HistoryResult::Done } else { HistoryResult::Unchanged };
                pulled.warnings.extend(self.record(draft, result).await);
                Ok(pulled)
            }
            Err(error) => {
                draft.from = self.named_now(image).await;
                self.record_failure(draft, &error).await;
                Err(error)
            }
        }
    }

    /// On a store that forgets untagged images the local one has another tag while a newer one is pulled: one for another platform may come,
    /// and the tag is then to name the one of before again.
    async fn keep_during_pull(&self, call: &Call, image: &str) -> Result<Option<String>> {
        if check_image(image).is_err() || !call.run(self.forgets_untagged()).await? {
            return Ok(None);
        }
        let Some(before) = call.run(inspect::find(&self.shared.engine, image)).await? else { return Ok(None) };
        let kept_as = format!("{}-pull", self.previous_tag(image, &before)?);
        Ok(self.keep_previous(&before, &kept_as).await.is_ok().then_some(kept_as))
    }

    /// The image that a reference names, for a record; `None` where the engine does not tell.
    async fn named_now(&self, image: &str) -> Option<HistoryImage> {
        let reference = Reference::parse(image).ok()?;
        let found = tokio::time::timeout(FOR_A_RECORD, inspect::find(&self.shared.engine, image)).await;
        Some(ImageIdentity::of(&found.ok()?.ok()??).in_history(&reference))
    }

    /// An image for a record, by its id; the id alone where the engine does not tell more.
    pub(crate) async fn image_in_history(&self, reference: &str, id: Option<&str>) -> Option<HistoryImage> {
        let id = id?;
        let known = tokio::time::timeout(FOR_A_RECORD, inspect::find(&self.shared.engine, id)).await;
        let known = known.ok().and_then(Result::ok).flatten();
        let whole = known.zip(Reference::parse(reference).ok()).map(|(inspect, own)| ImageIdentity::of(&inspect).in_history(&own));
        Some(whole.unwrap_or_else(|| HistoryImage { id: id.to_owned(), digest: None, version: None }))
    }

    /// A pull as a part of another call.
    pub(crate) async fn pull_in(&self, call: &Call, image: &str, options: &PullOptions) -> Result<PullResult> {
        let started = Instant::now();
        let reference = Reference::parse(image).map_err(|error| error.with_image(image))?;
        let (key, download) = call.run(self.prepare(image, &reference, options)).await?;
        call.report(Progress::whole("pull", image, "resolving", 0));
        let (mut subscription, joined) = self.shared.pulls.subscribe(key, download);
        let done = loop {
            for report in subscription.new_reports() {
                call.report(Progress { subject: image.to_owned(), ..report });
            }
            if let Some(result) = subscription.result() {
                break result?;
            }
            tokio::select! {
                biased;
                interrupt = call.interrupted() => return Err(interrupt.error().with_image(image)),
                news = subscription.changed() => news?,
            }
        };
        // What a check had found before is not so any more.
        self.shared.last_checks.forget(&reference).await;
        call.report(Progress { current: done.bytes, total: Some(done.bytes), ..Progress::whole("pull", image, "done", 1000) });
        Ok(PullResult {
            image: image.to_owned(),
            changed: done.before.as_ref().map(|before| &before.id) != Some(&done.after.id),
            before: done.before,
            after: done.after,
            digest: done.digest,
            bytes_downloaded: done.bytes,
            elapsed_ms: started.elapsed().as_millis() as u64,
            shared: joined,
            notes: done.notes,
            warnings: Vec::new(),
        })
    }

    /// What has to be known before the engine is asked to pull.
    async fn prepare(&self, image: &str, reference: &Reference, options: &PullOptions) -> Result<(PullKey, Download)> {
        check_image(image)?;
        let asked = options.platform.as_deref().map(Platform::parse).transpose()?;
        let local = self.inspect_with_platforms(image).await?;
        let facts = self.shared.engine.facts().await?;
        let own = local.as_ref().and_then(|local| ImageFacts::of(local, facts.podman()).platform);
        let platform = match (&asked, &own) {
            (Some(asked), _) => Some(asked.as_written()),
            // An image for another machine than the engine's, or for another variant, stays one.
            (None, Some(own)) if must_be_named(own, &facts.architecture) => Some(own.as_written()),
            (None, _) => None,
        };
        let wanted = asked.or(own);
        let auth = self.pull_credentials(reference, options).await?;
        let key = PullKey { reference: reference.normalised(), platform: platform.clone(), auth: auth.clone() };
        let before = local.as_ref().map(ImageIdentity::of);
        let known = if before.is_none() && wanted.is_some() { self.local_ids().await? } else { Vec::new() };
        let (refit, image, reference) = (self.clone(), image.to_owned(), reference.clone());
        Ok((key, Download { refit, image, reference, platform, wanted, auth, before, known }))
    }

    /// The value of `X-Registry-Auth`: the caller's own credentials, else those of the handle and of docker's `config.json`.
    async fn pull_credentials(&self, reference: &Reference, options: &PullOptions) -> Result<Option<String>> {
        if let Some(auth) = &options.registry_auth {
            let own = Credential::of(auth.username.as_deref(), auth.password.as_deref(), auth.token.as_deref());
            return Ok(own.map(|credential| credential.registry_auth(reference.registry())));
        }
        Ok(self.registry_session().await?.registry_auth(reference, &Trace::default()).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let auth = RegistryAuth { username: Some("me".into()), password: Some("hidden".into()), token: Some("secret".into()) };
        let shown = format!("{auth:?}");
        assert!(shown.contains("me") && !shown.contains("hidden") && !shown.contains("secret"), "{shown}");
    }
}
