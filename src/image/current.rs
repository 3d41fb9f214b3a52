//! The image that a reference names now, and whether a container runs it.

use tokio::sync::OnceCell;

use super::inspect;
use super::local_facts::LocalFacts;
use crate::Result;
use crate::container::ContainerSummary;
use crate::engine::Engine;

/// An image by its id.
pub(crate) struct Current<'a> {
    engine: &'a Engine,
    id: String,
    /// Those of its index that are here; asked for when it matters.
    manifests: OnceCell<Vec<String>>,
}

impl<'a> Current<'a> {
    pub(crate) fn new(engine: &'a Engine, id: impl Into<String>) -> Self {
        Self { engine, id: id.into(), manifests: OnceCell::new() }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether a container runs this image. In a containerd store an index has another id as soon as any platform has changed: there the
    /// manifest counts that the container runs (API 1.48; Engine 26 does not tell it).
    pub(crate) async fn is_run_by(&self, container: &ContainerSummary) -> Result<bool> {
        match &container.manifest {
            _ if container.image_id == self.id => Ok(true),
            Some(manifest) => Ok(self.manifests.get_or_try_init(|| self.read()).await?.contains(manifest)),
            None => Ok(false),
        }
    }

    async fn read(&self) -> Result<Vec<String>> {
        let inspected = inspect::find_with_manifests(self.engine, &self.id).await?;
        let facts = inspected.map(|inspect| LocalFacts::of(&inspect, false));
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
    async fn an_index_that_changed_for_other_platforms_is_still_run() {
        let engine = Engine::new(Endpoint::Unix("/nonexistent".into()), Duration::from_secs(1)).unwrap();
        let manifests = OnceCell::new_with(Some(vec!["m1".to_owned(), "m2".to_owned()]));
        let current = Current { engine: &engine, id: "new".into(), manifests };
        for (image_id, manifest, runs) in
            [("new", None, true), ("new", Some("m0"), true), ("old", None, false), ("old", Some("m0"), false), ("old", Some("m2"), true)]
        {
            let manifest = manifest.map(str::to_owned);
            let container = ContainerSummary { image_id: image_id.into(), manifest, ..ContainerSummary::default() };
            assert_eq!(current.is_run_by(&container).await.unwrap(), runs, "{container:?}");
        }
    }
}
