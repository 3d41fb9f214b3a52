//! `img_pull`: a download by the engine, watched and shared.

mod decoder;
mod failure;
mod meter;
mod shared;
mod stream;

use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::inspect::{self, names, text};
use crate::call::Call;
use crate::reference::Reference;
use crate::registry::{Credential, Trace};
use crate::{Code, Operation, Progress, Refit, Result};
use shared::{Download, Key};

pub use meter::{LayerState, LayerStatus};
pub(crate) use shared::{Last, PullTable};

/// How [`Refit::pull`] pulls.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PullOptions {
    /// `os/architecture[/variant]`. Default: that of the local image, else the engine's.
    pub platform: Option<String>,
    /// Credentials for this pull. Default: those of the handle and of docker's `config.json`.
    pub registry_auth: Option<RegistryAuth>,
}

/// Credentials for a registry.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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
    /// The call joined a pull that was under way.
    pub shared: bool,
}

/// Which image a reference names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct ImageIdentity {
    /// The engine's id.
    pub id: String,
    /// `repository@digest`.
    pub digests: Vec<String>,
}

impl ImageIdentity {
    pub(crate) fn of(inspect: &Value) -> Self {
        Self { id: text(inspect, "/Id").unwrap_or_default(), digests: names(inspect, "RepoDigests") }
    }
}

impl Refit {
    /// Pulls an image. Pulls of one image share one download, which stops when its last caller has left.
    ///
    /// A cancelled pull leaves layers that the engine keeps, so that a later one is shorter.
    pub fn pull(&self, image: impl Into<String>, options: PullOptions) -> Operation<PullResult> {
        let image = image.into();
        self.operation(move |refit, call| async move { refit.pull_in(&call, &image, &options).await.map_err(Into::into) })
    }

    /// A pull as a part of another call.
    pub(crate) async fn pull_in(&self, call: &Call, image: &str, options: &PullOptions) -> Result<PullResult> {
        let begun = Instant::now();
        let reference = Reference::parse(image).map_err(|error| error.with_image(image))?;
        let (key, download) = call.run(self.prepare(image, &reference, options)).await?;
        call.report(Progress::whole("pull", image, "resolving", 0));
        let (mut subscription, joined) = self.shared.pulls.subscribe(key, download);
        let done = loop {
            for report in subscription.news() {
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
        call.report(Progress { current: done.bytes, total: Some(done.bytes), ..Progress::whole("pull", image, "done", 1000) });
        Ok(PullResult {
            image: image.to_owned(),
            changed: done.before.as_ref().map(|before| &before.id) != Some(&done.after.id),
            before: done.before,
            after: done.after,
            digest: done.digest,
            bytes_downloaded: done.bytes,
            elapsed_ms: begun.elapsed().as_millis() as u64,
            shared: joined,
        })
    }

    /// What has to be known before the engine is asked to pull.
    async fn prepare(&self, image: &str, reference: &Reference, options: &PullOptions) -> Result<(Key, Download)> {
        let local = inspect::find(&self.shared.engine, image).await?;
        let platform = match (&options.platform, &local) {
            (Some(platform), _) => Some(checked_platform(platform)?),
            (None, Some(local)) => {
                let facts = self.shared.engine.facts().await?;
                foreign_platform(local, &facts.architecture)
            }
            (None, None) => None,
        };
        let auth = self.pull_credentials(reference, options).await?;
        let key = Key { reference: reference.normalised(), platform: platform.clone(), auth: auth.clone() };
        let before = local.as_ref().map(ImageIdentity::of);
        Ok((key, Download { refit: self.clone(), image: image.to_owned(), reference: reference.clone(), platform, auth, before }))
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

fn checked_platform(platform: &str) -> Result<String> {
    let parts: Vec<&str> = platform.split('/').collect();
    let plain = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if (2..=3).contains(&parts.len()) && parts.iter().all(plain) {
        Ok(platform.to_owned())
    } else {
        Err(Code::InvalidArgument.error(format!("platform {platform:?} is not os/architecture or os/architecture/variant: linux/arm64")))
    }
}

/// An image for another machine than the engine's stays one: the platform is named. For the engine's own it is left to the engine.
fn foreign_platform(local: &Value, engine_architecture: &str) -> Option<String> {
    let (os, architecture) = (text(local, "/Os")?, text(local, "/Architecture")?);
    if architecture == engine_architecture {
        return None;
    }
    Some(match text(local, "/Variant") {
        Some(variant) => format!("{os}/{architecture}/{variant}"),
        None => format!("{os}/{architecture}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_image_of_another_architecture_keeps_it() {
        let arm = json!({"Os": "linux", "Architecture": "arm64", "Variant": "v8"});
        assert_eq!(foreign_platform(&arm, "amd64").as_deref(), Some("linux/arm64/v8"));
        assert_eq!(foreign_platform(&arm, "arm64"), None);
        assert_eq!(foreign_platform(&json!({"Os": "linux", "Architecture": ""}), "amd64"), None);
    }

    #[test]
    fn platforms_are_checked() {
        for (platform, good) in
            [("linux/amd64", true), ("linux/arm/v7", true), ("linux", false), ("a/b/c/d", false), ("linux/", false), ("l x/y", false)]
        {
            assert_eq!(checked_platform(platform).is_ok(), good, "{platform}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let auth = RegistryAuth { username: Some("me".into()), password: Some("hidden".into()), token: Some("secret".into()) };
        let shown = format!("{auth:?}");
        assert!(shown.contains("me") && !shown.contains("hidden") && !shown.contains("secret"), "{shown}");
    }
}
