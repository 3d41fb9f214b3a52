//! The image that a reference names now, and whether a container runs it.

use tokio::sync::OnceCell;

use super::ContainerSummary;
use crate::Result;
use crate::engine::Engine;
use crate::engine::api::images::{self, Detail};
use crate::engine::image_facts::ImageFacts;

/// An image by its id.
pub(crate) struct CurrentImage<'a> {
    engine: &'a Engine,
    id: String,
    /// The digests of its index's manifests that are local; read when they are needed.
    manifests: OnceCell<Vec<String>>,
}

impl<'a> CurrentImage<'a> {
    pub(crate) fn new(engine: &'a Engine, id: impl Into<String>) -> Self {
        Self { engine, id: id.into(), manifests: OnceCell::new() }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether a container runs this image. In a containerd store an index gets another id as soon as the image of any platform changes: there
    /// the manifest that the container runs is compared (API 1.48; Engine 26 does not report it).
    pub(crate) async fn is_run_by(&self, container: &ContainerSummary) -> Result<bool> {
        match &container.manifest {
            _ if container.image_id == self.id => Ok(true),
            Some(manifest) => Ok(self.manifests.get_or_try_init(|| self.read_manifests()).await?.contains(manifest)),
            None => Ok(false),
        }
    }

    async fn read_manifests(&self) -> Result<Vec<String>> {
        let inspected = images::inspect(self.engine, &self.id, Detail::Manifests).await?;
        let facts = inspected.map(|inspect| ImageFacts::of(&inspect, false));
        Ok(facts.into_iter().flat_map(|facts| facts.available).map(|(digest, _)| digest).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::Endpoint;
    use std::time::Duration;

    #[tokio::test]
    async fn a_container_of_a_local_manifest_runs_the_index_that_has_it() {
        let engine = Engine::new(Endpoint::Unix("/nonexistent".into()), Duration::from_secs(1), Duration::from_secs(1)).unwrap();
        let manifests = OnceCell::new_with(Some(vec!["m1".to_owned(), "m2".to_owned()]));
        let current = CurrentImage { engine: &engine, id: "new".into(), manifests };
        for (image_id, manifest, runs) in
            [("new", None, true), ("new", Some("m0"), true), ("old", None, false), ("old", Some("m0"), false), ("old", Some("m2"), true)]
        {
            let manifest = manifest.map(str::to_owned);
            let container = ContainerSummary { image_id: image_id.into(), manifest, ..ContainerSummary::default() };
            assert_eq!(current.is_run_by(&container).await.unwrap(), runs, "{container:?}");
        }
    }
}
