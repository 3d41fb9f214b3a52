//! An image of which only the digest is known, read from its registry: what a service is pinned to need not be on this engine.

use serde_json::Value;

use super::verdict::{Manifest, Remote, annotation, choose, is_index};
use crate::Store;
use crate::engine::image_facts::{ImageFacts, VERSION};
use crate::json::{optional_text, texts, time};
use crate::platform::Platform;
use crate::reference::Reference;

/// What is known of an image by its digest alone. Nodes have pulled it from its registry.
pub(super) fn known_by_digest(reference: &Reference, digest: &str, platform: Option<&Platform>) -> ImageFacts {
    ImageFacts {
        id: digest.to_owned(),
        // The store whose images are known by the digests of registries.
        store: Store::Containerd,
        repo_digests: vec![format!("{}@{digest}", reference.familiar_name())],
        available: Vec::new(),
        platform: platform.cloned(),
        created: None,
        version: None,
        layers: Vec::new(),
        config: Value::Null,
        pulled: Some(true),
    }
}

/// The same with what the registry has under the digest; `None` where it does not have it any more, or does not show it.
pub(super) async fn complete(known: &ImageFacts, platform: Option<&Platform>, remote: &impl Remote) -> Option<ImageFacts> {
    let platform = platform.or(known.platform.as_ref());
    let mut facts = known.clone();
    let mut manifest = document(&known.id, remote).await?;
    let mut version = annotation(&manifest);
    if is_index(&manifest) {
        let own = choose(&manifest, platform)?;
        manifest = document(&own, remote).await?;
        version = annotation(&manifest).or(version);
        facts.available.push((own, platform.cloned()));
    }
    let config = remote.config(&optional_text(&manifest, "/config/digest")?).await.ok()?;
    let label = config.pointer("/config/Labels").and_then(|labels| labels.get(VERSION)).and_then(Value::as_str).map(str::to_owned);
    facts.version = label.or(version);
    facts.created = time(&config, "/created");
    facts.layers = texts(&config, "/rootfs/diff_ids");
    facts.platform = Platform::of(&config).or(facts.platform);
    facts.config = config.get("config").cloned().unwrap_or_default();
    Some(facts)
}

async fn document(digest: &str, remote: &impl Remote) -> Option<Value> {
    match remote.manifest(digest).await {
        Ok(Manifest::Document(document)) => Some(document.json),
        Ok(Manifest::Platforms(_)) | Err(_) => None,
    }
}
