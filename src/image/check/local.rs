//! What is local, read from the engine: one list for many images, an inspect for each of a few.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::container::current_image::CurrentImage;
use crate::container::list::Listing;
use crate::container::{ContainerSummary, ContainersOptions};
use crate::engine::api::images::{self, Detail};
use crate::engine::image_facts::ImageFacts;
use crate::engine::{ApiVersion, Engine};
use crate::image::update::PREVIOUS;
use crate::json::optional_text;
use crate::reference::{DOCKER_HUB, Reference, listed_references};
use crate::{Refit, Result, Store};

/// Above this number one list is cheaper than an inspect each.
const FEW: usize = 3;
/// Maximum concurrent inspects: one takes up to 20 ms of the engine's time with containerd's store.
const MAX_INSPECTS: usize = 16;

/// The local images and containers, as one call sees them.
#[derive(Debug)]
pub(super) struct LocalImages {
    podman: bool,
    containerd: bool,
    api: ApiVersion,
    /// What each tag names, an image with many tags once; `None`: few images, which are inspected.
    listed: Option<HashMap<Reference, Arc<ImageFacts>>>,
    containers: Vec<ContainerOfReference>,
    inspects: Semaphore,
}

/// A container, and the reference that it was created from.
#[derive(Debug)]
struct ContainerOfReference {
    reference: Reference,
    container: ContainerSummary,
}

/// An image that is compared with its tag, as far as it is known so far.
#[derive(Debug)]
pub(super) struct KnownImage {
    pub(super) facts: Arc<ImageFacts>,
    pub(super) rest: Rest,
}

/// Where the rest of an image is known, of which a part was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// All of it was read.
    None,
    /// In the engine: a list tells neither platform nor configuration, an inspect does.
    Engine,
    /// In the registry: only its digest is known, as that of a service is.
    Registry,
}

impl LocalImages {
    /// Reads what all checks of a call need. `wanted`: how many images there are, `None` for all that have a tag.
    pub(super) async fn read(refit: &Refit, wanted: Option<usize>) -> Result<Self> {
        let engine = &refit.shared.engine;
        let facts = engine.facts().await?;
        let api = engine.session().await?.api;
        let listed = async {
            if wanted.is_some_and(|wanted| wanted <= FEW) {
                return Ok(None);
            }
            Ok(Some(by_tag(&images::list(engine).await?, facts.podman())))
        };
        let (listed, containers) = futures_util::try_join!(listed, containers(refit))?;
        Ok(Self {
            podman: facts.podman(),
            containerd: facts.store == Store::Containerd,
            api,
            listed,
            containers,
            inspects: Semaphore::new(MAX_INSPECTS),
        })
    }

    pub(super) fn podman(&self) -> bool {
        self.podman
    }

    /// Every tag, in the order of the alphabet, without those under which an update has kept an old image: no registry has them.
    pub(super) fn tags(&self) -> Vec<String> {
        let kept = |reference: &Reference| reference.tag().is_some_and(|tag| tag.starts_with(PREVIOUS));
        let references = self.listed.iter().flatten().map(|(reference, _)| reference).filter(|reference| !kept(reference));
        let mut tags: Vec<String> = references.map(Reference::familiar).collect();
        tags.sort();
        tags
    }

    /// What the list tells about the image of a reference.
    pub(super) fn listed(&self, reference: &Reference) -> Option<&ImageFacts> {
        self.listed.as_ref()?.get(reference).map(AsRef::as_ref)
    }

    /// The image of a reference; `None`: it is not local.
    pub(super) async fn find(&self, engine: &Engine, image: &str, reference: &Reference) -> Result<Option<KnownImage>> {
        match &self.listed {
            // A list shows digests without their tags.
            Some(listed) if reference.digest().is_none() => match listed.get(reference) {
                Some(facts) => Ok(Some(KnownImage { facts: facts.clone(), rest: Rest::Engine })),
                // Engine 26 lists no image of which this machine's platform is not here.
                None if self.containerd => self.inspect(engine, image, reference).await,
                None => Ok(None),
            },
            _ => self.inspect(engine, image, reference).await,
        }
    }

    /// All that the engine knows of it.
    pub(super) async fn inspect(&self, engine: &Engine, image: &str, reference: &Reference) -> Result<Option<KnownImage>> {
        let name = match reference.digest() {
            Some(digest) => format!("{}@{digest}", reference.name()),
            None => image.to_owned(),
        };
        // The semaphore is never closed.
        let _turn = self.inspects.acquire().await.ok();
        // Which platforms of an index are here.
        let detail = if self.containerd { Detail::Manifests } else { Detail::None };
        let Some(inspected) = images::inspect(engine, &name, detail).await? else { return Ok(None) };
        let mut facts = ImageFacts::of(&inspected, self.podman);
        if optional_text(&inspected, "/Architecture").is_none()
            && self.api >= ApiVersion(1, 49)
            && let Some(platform) = &facts.platform
        {
            // Engine 29 shows nothing of an image that is here for another platform, unless that is named.
            let named = json!({"os": platform.os, "architecture": platform.architecture, "variant": platform.variant()});
            if let Some(own) = images::inspect(engine, &name, Detail::Platform(&named)).await? {
                let own = ImageFacts::of(&own, self.podman);
                facts = ImageFacts { created: own.created, version: own.version, layers: own.layers, config: own.config, ..facts };
            }
        }
        if reference.registry() == DOCKER_HUB {
            facts.pulled = self.was_pulled(engine, &name).await?;
        }
        Ok(Some(KnownImage { facts: Arc::new(facts), rest: Rest::None }))
    }

    /// Whether an image was ever pulled, which a classic store shows by its digests.
    pub(super) async fn was_pulled(&self, engine: &Engine, image: &str) -> Result<Option<bool>> {
        if self.containerd { images::was_pulled(engine, image).await } else { Ok(None) }
    }

    /// The containers of a reference that run another image than the one that it names.
    pub(super) async fn outdated(&self, engine: &Engine, reference: &Reference, id: &str) -> Result<Vec<String>> {
        let (current, mut outdated) = (CurrentImage::new(engine, id), Vec::new());
        for ContainerOfReference { container, .. } in self.containers.iter().filter(|used| used.reference == *reference) {
            if !current.is_run_by(container).await? {
                outdated.push(container.name.clone());
            }
        }
        Ok(outdated)
    }
}

fn by_tag(images: &[Value], podman: bool) -> HashMap<Reference, Arc<ImageFacts>> {
    let mut listed = HashMap::new();
    for image in images {
        let facts = Arc::new(ImageFacts::of(image, podman));
        let tags = listed_references(image, "/RepoTags").into_iter().filter_map(|tag| Reference::parse(&tag).ok());
        listed.extend(tags.map(|tag| (tag, facts.clone())));
    }
    listed
}

async fn containers(refit: &Refit) -> Result<Vec<ContainerOfReference>> {
    let all = Listing::read_admitted(refit, &ContainersOptions::default()).await?.into_iter();
    let of_reference =
        |container: ContainerSummary| Some(ContainerOfReference { reference: Reference::parse(&container.image).ok()?, container });
    Ok(all.filter_map(of_reference).collect())
}
