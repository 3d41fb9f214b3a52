//! What is local, read from the engine: one list for many images, an inspect for each of a few.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use crate::container::ContainerSummary;
use crate::container::list::{Listing, creation_reference};
use crate::engine::{ApiVersion, Engine, escape};
use crate::image::Current;
use crate::image::inspect::{names, text};
use crate::image::local_facts::LocalFacts;
use crate::reference::Reference;
use crate::{Code, Result, Store};

/// Above this number one list is cheaper than an inspect each.
const FEW: usize = 3;

/// The local images and containers, as one call sees them.
#[derive(Debug)]
pub(super) struct Locals {
    podman: bool,
    containerd: bool,
    api: ApiVersion,
    /// What each tag names, an image with many tags once; `None`: few images, which are inspected.
    listed: Option<HashMap<Reference, Arc<LocalFacts>>>,
    containers: Vec<UsedBy>,
}

/// A container, and the reference that it was created from.
#[derive(Debug)]
struct UsedBy {
    reference: Reference,
    container: ContainerSummary,
}

/// A local image, as far as it is known so far.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) facts: Arc<LocalFacts>,
    /// From an inspect; a list tells neither platform nor configuration.
    pub(super) whole: bool,
}

impl Locals {
    /// Reads what all checks of a call need. `wanted`: how many images there are, `None` for all that have a tag.
    pub(super) async fn read(engine: &Engine, wanted: Option<usize>) -> Result<Self> {
        let facts = engine.facts().await?;
        let api = engine.session().await?.api;
        let listed = async {
            if wanted.is_some_and(|wanted| wanted <= FEW) {
                return Ok(None);
            }
            // Not by the engine's own filter: with `reference=` a classic store leaves RepoDigests out.
            let images = engine.get("listing the images", "/images/json").await?;
            Ok(Some(by_tag(&images, facts.podman())))
        };
        let (listed, containers) = futures_util::try_join!(listed, containers(engine))?;
        Ok(Self { podman: facts.podman(), containerd: facts.store == Store::Containerd, api, listed, containers })
    }

    pub(super) fn podman(&self) -> bool {
        self.podman
    }

    /// Every tag, in the order of the alphabet.
    pub(super) fn tags(&self) -> Vec<String> {
        let mut tags: Vec<String> = self.listed.iter().flatten().map(|(reference, _)| reference.familiar()).collect();
        tags.sort();
        tags
    }

    /// The image of a reference; `None`: it is not local.
    pub(super) async fn find(&self, engine: &Engine, image: &str, reference: &Reference) -> Result<Option<Known>> {
        match &self.listed {
            // A list shows digests without their tags.
            Some(listed) if reference.digest().is_none() => match listed.get(reference) {
                Some(facts) => Ok(Some(Known { facts: facts.clone(), whole: false })),
                // Engine 26 lists no image of which this machine's platform is not here.
                None if self.containerd => self.inspect(engine, image, reference).await,
                None => Ok(None),
            },
            _ => self.inspect(engine, image, reference).await,
        }
    }

    /// All that the engine knows of it.
    pub(super) async fn inspect(&self, engine: &Engine, image: &str, reference: &Reference) -> Result<Option<Known>> {
        let name = match reference.digest() {
            Some(digest) => format!("{}@{digest}", reference.name()),
            None => image.to_owned(),
        };
        // API 1.48: which platforms of an index are here.
        let query = if self.containerd && self.api >= ApiVersion(1, 48) { "?manifests=1" } else { "" };
        let Some(inspected) = find(engine, &format!("/images/{name}/json{query}"), image).await? else { return Ok(None) };
        let mut facts = LocalFacts::of(&inspected, self.podman);
        if text(&inspected, "/Architecture").is_none()
            && self.api >= ApiVersion(1, 49)
            && let Some(platform) = &facts.platform
        {
            // Engine 29 shows nothing of an image that is here for another platform, unless that is named.
            let named = json!({"os": platform.os, "architecture": platform.architecture, "variant": platform.variant}).to_string();
            if let Some(own) = find(engine, &format!("/images/{name}/json?platform={}", escape(&named)), image).await? {
                let own = LocalFacts::of(&own, self.podman);
                facts = LocalFacts { created: own.created, version: own.version, layers: own.layers, config: own.config, ..facts };
            }
        }
        Ok(Some(Known { facts: Arc::new(facts), whole: true }))
    }

    /// The containers of a reference that run another image than the one that it names.
    pub(super) async fn outdated(&self, engine: &Engine, reference: &Reference, id: &str) -> Result<Vec<String>> {
        let (current, mut outdated) = (Current::new(engine, id), Vec::new());
        for UsedBy { container, .. } in self.containers.iter().filter(|used| used.reference == *reference) {
            if !current.is_run_by(container).await? {
                outdated.push(container.name.clone());
            }
        }
        Ok(outdated)
    }
}

async fn find(engine: &Engine, path: &str, image: &str) -> Result<Option<Value>> {
    let what = format!("inspecting image {image}");
    match engine.call(&what, Method::GET, path, None, engine.timeout()).await {
        Ok(answer) => answer.json(&what).map(Some),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error.with_image(image)),
    }
}

fn by_tag(images: &Value, podman: bool) -> HashMap<Reference, Arc<LocalFacts>> {
    let mut listed = HashMap::new();
    for image in images.as_array().map(Vec::as_slice).unwrap_or_default() {
        let facts = Arc::new(LocalFacts::of(image, podman));
        let tags = names(image, "RepoTags").into_iter().filter_map(|tag| Reference::parse(&tag).ok());
        listed.extend(tags.map(|tag| (tag, facts.clone())));
    }
    listed
}

async fn containers(engine: &Engine) -> Result<Vec<UsedBy>> {
    let mut found = Vec::new();
    for entry in Listing::read(engine).await?.containers() {
        if let Ok(reference) = Reference::parse(&creation_reference(engine, &entry).await?) {
            found.push(UsedBy { reference, container: entry });
        }
    }
    Ok(found)
}
