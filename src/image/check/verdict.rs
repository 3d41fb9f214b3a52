//! Is there a newer image? The verdict over what the engine says of the local image and what the registry answers.
//!
//! Rules: docs/check.md, section 3.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::image_facts::{ImageFacts, VERSION};
use crate::json::{list, optional_text, text, texts, time, unsigned};
use crate::platform::Platform;
use crate::reference::{DOCKER_HUB, Reference};
use crate::registry::{Document, RegistryError};
use crate::{Error, Store};

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CheckState {
    /// The registry has what is local.
    UpToDate,
    /// A pull would bring another image.
    UpdateAvailable,
    /// The tag names an image that is not made for this platform any more: a pull would fail.
    PlatformGone,
    /// There is no local image of this name.
    NotLocal,
    /// Built or loaded here: the registry knows nothing of it.
    LocalOnly,
    /// Neither the tag nor the image is in the registry, and this engine does not tell whether it was built here.
    NotInRegistry,
    /// The tag was taken away; the image came from there.
    TagGone,
    /// By digest: it never changes.
    Pinned,
    /// The local image is current, and a container still runs an older one.
    RecreateNeeded,
    /// The registry wants another credential, or there is no such repository.
    Unauthorized,
    /// The registry forbids it.
    Denied,
    /// The registry limits the rate of requests.
    RateLimited,
    /// No answer came.
    Unreachable,
    /// The registry answered with an error.
    RegistryError,
    /// The registry's answer is invalid.
    BadResponse,
    /// The name is no image reference.
    InvalidReference,
    /// The engine failed.
    EngineError,
    /// The call ended before the check of this image did.
    Cancelled,
}

/// How much an answer proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Certainty {
    /// Compared down to the image of this platform.
    Exact,
    /// Only what the tag names was compared: a change may concern another platform.
    IndexOnly,
}

/// The image in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct RemoteImage {
    /// What the tag names.
    pub digest: String,
    /// When it was built.
    pub created: Option<Timestamp>,
    /// Its label `org.opencontainers.image.version`, or the annotation.
    pub version: Option<String>,
    /// Bytes that a pull would download.
    pub download_bytes: Option<u64>,
    /// Its configuration, where the verdict has read it.
    #[serde(skip)]
    pub(crate) config: Option<Value>,
}

impl RemoteImage {
    /// The image as the engine would inspect it after a pull, as far as a comparison with the local one needs it.
    pub(crate) fn inspect(&self) -> Option<Value> {
        let config = self.config.as_ref()?;
        let part = |key: &str| config.get(key).cloned().unwrap_or_default();
        Some(
            json!({"Os": part("os"), "Architecture": part("architecture"), "Variant": part("variant"), "Created": part("created"), "Config": part("config")}),
        )
    }
}

/// What was asked about.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) reference: &'a Reference,
    /// `None`: it is not local.
    pub(crate) local: Option<&'a ImageFacts>,
    /// The platform of the local image, or the one that was asked for.
    pub(crate) platform: Option<&'a Platform>,
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CheckFailure {
    Registry(RegistryError),
    Engine(Error),
}

impl From<RegistryError> for CheckFailure {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<Error> for CheckFailure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// What a check asks of a registry, directly or through the engine.
pub(crate) trait Remote {
    /// The digest of a tag, or of a digest when the registry has it.
    async fn digest(&self, name: &str) -> Result<Option<String>, CheckFailure>;
    /// What a digest stands for.
    async fn manifest(&self, digest: &str) -> Result<Manifest, CheckFailure>;
    async fn config(&self, digest: &str) -> Result<Value, CheckFailure>;
}

/// An answer to the question for a manifest.
#[derive(Debug)]
pub(crate) enum Manifest {
    Document(Document),
    /// The one who answers knows only for which platforms there are images.
    Platforms(Vec<Platform>),
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) state: CheckState,
    pub(crate) remote: Option<RemoteImage>,
    pub(crate) certainty: Certainty,
    pub(crate) tag_moved: Option<bool>,
    pub(crate) maybe_local: bool,
    /// The registry's image is older than the local one.
    pub(crate) older: bool,
}

impl Verdict {
    fn of(state: CheckState) -> Self {
        Self { state, remote: None, certainty: Certainty::Exact, tag_moved: None, maybe_local: false, older: false }
    }

    fn with(state: CheckState, remote: RemoteImage) -> Self {
        Self { remote: Some(remote), ..Self::of(state) }
    }

    /// Whether there is something newer; an error, like everything that is not known, is `None`.
    pub(crate) fn has_update(&self) -> Option<bool> {
        match self.state {
            CheckState::UpToDate => Some(false),
            CheckState::Pinned if self.tag_moved != Some(true) => Some(false),
            CheckState::UpdateAvailable | CheckState::RecreateNeeded => Some(true),
            CheckState::NotLocal if self.remote.is_some() => Some(true),
            _ => None,
        }
    }
}

fn known_by(digest: &str) -> RemoteImage {
    RemoteImage { digest: digest.to_owned(), created: None, version: None, download_bytes: None, config: None }
}

/// Compares one image with its registry, with as few requests as prove the result.
pub(crate) async fn verdict_on(subject: &Subject<'_>, remote: &impl Remote) -> Result<Verdict, CheckFailure> {
    let reference = subject.reference;
    let Some(local) = subject.local else {
        let name = reference.digest().or(reference.tag()).unwrap_or_default();
        let found = remote.digest(name).await?;
        return Ok(Verdict { remote: found.as_deref().map(known_by), ..Verdict::of(CheckState::NotLocal) });
    };
    if let Some(pinned) = reference.digest() {
        return pinned_verdict(reference, pinned, remote).await;
    }
    let digest = match remote.digest(reference.tag().unwrap_or_default()).await {
        Ok(Some(digest)) => digest,
        Ok(None) => return gone(subject.reference, local, remote).await,
        // Docker Hub answers so for every name that it does not know, and such a name may have been given here alone.
        Err(CheckFailure::Registry(RegistryError::Unauthorized | RegistryError::Denied)) if is_own(reference, local) => {
            return Ok(Verdict { maybe_local: true, ..Verdict::of(CheckState::LocalOnly) });
        }
        Err(failure) => return Err(failure),
    };
    if local.has(&digest) {
        return Ok(up_to_date(local, &digest));
    }
    compare(subject, local, &digest, remote).await
}

async fn pinned_verdict(reference: &Reference, pinned: &str, remote: &impl Remote) -> Result<Verdict, CheckFailure> {
    let Some(tag) = reference.tag() else { return Ok(Verdict::of(CheckState::Pinned)) };
    let found = remote.digest(tag).await?;
    let tag_moved = Some(found.as_deref() != Some(pinned));
    Ok(Verdict { remote: found.as_deref().map(known_by), tag_moved, ..Verdict::of(CheckState::Pinned) })
}

/// Whether the image was never pulled, and has a name that leads to Docker Hub only because it has no registry.
pub(super) fn is_own(reference: &Reference, local: &ImageFacts) -> bool {
    reference.registry() == DOCKER_HUB && local.was_never_pulled()
}

/// The registry has no such tag: has it ever had the image?
async fn gone(reference: &Reference, local: &ImageFacts, remote: &impl Remote) -> Result<Verdict, CheckFailure> {
    if local.repo_digests.is_empty() || is_own(reference, local) {
        return Ok(Verdict { maybe_local: is_own(reference, local), ..Verdict::of(CheckState::LocalOnly) });
    }
    for digest in local.digests(reference) {
        if remote.digest(&digest).await?.is_some() {
            return Ok(Verdict::of(CheckState::TagGone));
        }
    }
    Ok(absent(local.store, local.pulled))
}

/// The registry has neither the tag nor a digest of the image. A classic store has digests of what was pulled or pushed alone; the others make one
/// up for what was built.
pub(super) fn absent(store: Store, pulled: Option<bool>) -> Verdict {
    match (store, pulled) {
        (Store::Classic, _) | (_, Some(true)) => Verdict::of(CheckState::TagGone),
        (_, Some(false)) => Verdict::of(CheckState::LocalOnly),
        (_, None) => Verdict { maybe_local: true, ..Verdict::of(CheckState::NotInRegistry) },
    }
}

fn up_to_date(local: &ImageFacts, digest: &str) -> Verdict {
    let remote = RemoteImage { created: local.created, version: local.version.clone(), download_bytes: Some(0), ..known_by(digest) };
    Verdict::with(CheckState::UpToDate, remote)
}

/// The tag names another digest, which may still stand for the same image.
async fn compare(subject: &Subject<'_>, local: &ImageFacts, digest: &str, remote: &impl Remote) -> Result<Verdict, CheckFailure> {
    let document = match remote.manifest(digest).await? {
        Manifest::Document(document) => document,
        Manifest::Platforms(platforms) => {
            let runs = |wanted: &Platform| platforms.is_empty() || platforms.iter().any(|own| own.distance(wanted).is_some());
            let state = if subject.platform.is_none_or(runs) { CheckState::UpdateAvailable } else { CheckState::PlatformGone };
            return Ok(Verdict { certainty: Certainty::IndexOnly, ..Verdict::with(state, known_by(digest)) });
        }
    };
    if local.has(&document.sha256) {
        return Ok(up_to_date(local, digest));
    }
    let mut manifest = document.json;
    let mut version = annotation(&manifest);
    if is_index(&manifest) {
        let Some(own) = choose(&manifest, subject.platform) else {
            return Ok(Verdict::with(CheckState::PlatformGone, RemoteImage { version, ..known_by(digest) }));
        };
        if local.has(&own) {
            return Ok(up_to_date(local, digest));
        }
        let Manifest::Document(document) = remote.manifest(&own).await? else { return Err(no_image().into()) };
        manifest = document.json;
        version = annotation(&manifest).or(version);
    }
    let config_digest = optional_text(&manifest, "/config/digest").ok_or_else(no_image)?;
    if config_digest == local.id {
        return Ok(up_to_date(local, digest));
    }
    let config = remote.config(&config_digest).await?;
    if local.store == Store::Containerd && local.is_made_of(&config) {
        return Ok(up_to_date(local, digest));
    }
    let created = time(&config, "/created");
    let older = created.zip(local.created).is_some_and(|(remote, local)| remote < local && is_of_a_build(remote) && is_of_a_build(local));
    let label = config.pointer("/config/Labels").and_then(|labels| labels.get(VERSION)).and_then(Value::as_str).map(str::to_owned);
    let found =
        RemoteImage { created, version: label.or(version), download_bytes: download_bytes(local, &manifest, &config), ..known_by(digest) };
    let runs = |wanted: &Platform| Platform::of(&config).is_none_or(|own| own.distance(wanted).is_some());
    if !subject.platform.is_none_or(runs) {
        return Ok(Verdict::with(CheckState::PlatformGone, RemoteImage { download_bytes: None, ..found }));
    }
    Ok(Verdict { older, ..Verdict::with(CheckState::UpdateAvailable, RemoteImage { config: Some(config), ..found }) })
}

/// Reproducible builds give every image the same time, in 1970 or 1980: it says nothing about which is the older.
fn is_of_a_build(created: Timestamp) -> bool {
    const END_OF_1980: i64 = 347_155_200;
    created.as_second() >= END_OF_1980
}

fn no_image() -> RegistryError {
    RegistryError::InvalidResponse("the tag names something that is no image".into())
}

pub(super) fn annotation(manifest: &Value) -> Option<String> {
    manifest.get("annotations").and_then(|all| all.get(VERSION)).and_then(Value::as_str).map(str::to_owned)
}

/// A list that is empty, null or absent is the same; a manifest of an image may have one beside its configuration.
pub(super) fn is_index(document: &Value) -> bool {
    let by_type = || {
        let media_type = text(document, "/mediaType");
        media_type.contains("image.index") || media_type.contains("manifest.list") || document.get("manifests").is_some_and(Value::is_array)
    };
    !list(document, "manifests").is_empty() || (optional_text(document, "/config/digest").is_none() && by_type())
}

/// The digest of the index's entry for a platform; an entry that names none is taken when no other fits.
pub(super) fn choose(index: &Value, wanted: Option<&Platform>) -> Option<String> {
    let entries = list(index, "manifests");
    let is_image = |entry: &&Value| {
        let annotated = entry.get("annotations").is_some_and(|all| all.get("vnd.docker.reference.type").is_some());
        !annotated && optional_text(entry, "/platform/architecture").is_none_or(|architecture| architecture != "unknown")
    };
    let images = || entries.iter().filter(is_image);
    let rank = |entry: &&Value| match (entry.get("platform").and_then(Platform::of), wanted) {
        (Some(own), Some(wanted)) => own.distance(wanted),
        (Some(_), None) => Some(0),
        (None, _) => Some(u32::MAX),
    };
    let best = images().filter(|entry| rank(entry).is_some()).min_by_key(rank)?;
    optional_text(best, "/digest")
}

/// The layers after the last one that both have: below it they are the same, and the engine keeps them.
fn download_bytes(local: &ImageFacts, manifest: &Value, config: &Value) -> Option<u64> {
    let layers = manifest.get("layers")?.as_array()?;
    let unpacked = texts(config, "/rootfs/diff_ids");
    let common = local.layers.iter().zip(&unpacked).take_while(|(own, theirs)| own == theirs).count();
    let kept = if unpacked.len() == layers.len() { common } else { 0 };
    let sizes = layers.iter().skip(kept).filter_map(|layer| unsigned(layer, "size"));
    // The numbers are the registry's; in C they are signed.
    Some(sizes.fold(0_u64, u64::saturating_add).min(i64::MAX as u64))
}

#[cfg(test)]
mod tests;
