//! `img_containers`: which containers an update of an image concerns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inspect;
use crate::container::current_image::CurrentImage;
use crate::container::list::Listing;
use crate::container::{ContainerSummary, ContainersOptions};
use crate::error::shown;
use crate::json::optional_text;
use crate::reference::Reference;
use crate::{Refit, Result};

/// Why a container belongs to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContainerMatch {
    /// It was created from this reference, and an update recreates it.
    Reference,
    /// It was created from another reference of the image that this one names now; it is shown, and never recreated.
    SameImage,
}

/// The containers of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "img_containers")]
#[non_exhaustive]
pub struct ImageContainers {
    /// In the engine's order: newest first.
    pub containers: Vec<ImageContainer>,
}

/// A container of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ImageContainer {
    /// The container, as `container_list` shows it.
    #[serde(flatten)]
    pub container: ContainerSummary,
    /// Why it is here.
    #[serde(rename = "match")]
    pub matched: ContainerMatch,
}

impl Refit {
    /// Every container, running or not, that was created from this reference, or whose image is the one that it names now.
    #[tracing::instrument(level = "error", name = "img_containers", skip_all, fields(image = %shown(image)), err(level = "warn"))]
    pub async fn image_containers(&self, image: &str, options: &ContainersOptions) -> Result<ImageContainers> {
        let engine = &self.shared.engine;
        let current = inspect::find(engine, image).await?.and_then(|inspect| optional_text(&inspect, "/Id"));
        let current = current.map(|id| CurrentImage::new(engine, id));
        let requested = RequestedImage::new(image, current.as_ref().map(|current| current.id().to_owned()));
        let mut containers = Vec::new();
        for entry in Listing::read_admitted(self, options).await? {
            let Some(mut found) = requested.match_container(entry) else { continue };
            if let (ContainerMatch::Reference, Some(current)) = (found.matched, &current) {
                found.container.outdated = !current.is_run_by(&found.container).await?;
            }
            containers.push(found);
        }
        Ok(ImageContainers { containers })
    }
}

/// The image that was requested for.
struct RequestedImage {
    reference: Option<Reference>,
    /// The id that it names now; `None` when it is not local.
    current: Option<String>,
}

impl RequestedImage {
    fn new(image: &str, current: Option<String>) -> Self {
        let reference = if Reference::is_image_id(image) { None } else { Reference::parse(image).ok() };
        Self { reference, current }
    }

    fn match_container(&self, container: ContainerSummary) -> Option<ImageContainer> {
        let own = Reference::parse(&container.image).ok();
        let same_image = self.current.as_ref() == Some(&container.image_id);
        let matched = if self.reference.is_some() && own == self.reference {
            ContainerMatch::Reference
        } else if same_image {
            ContainerMatch::SameImage
        } else {
            return None;
        };
        Some(ImageContainer { container, matched })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_belongs_by_reference_or_by_image() {
        let requested = RequestedImage::new("app", Some("sha256:new".into()));
        let matched = |reference: &str, image_id: &str| {
            let container = ContainerSummary { image: reference.into(), image_id: image_id.into(), ..ContainerSummary::default() };
            requested.match_container(container).map(|found| found.matched)
        };
        assert_eq!(matched("docker.io/library/app:latest", "sha256:old"), Some(ContainerMatch::Reference));
        assert_eq!(matched("app:latest", "sha256:new"), Some(ContainerMatch::Reference));
        assert_eq!(matched("other:1", "sha256:new"), Some(ContainerMatch::SameImage));
        assert_eq!(matched("other:1", "sha256:old"), None);
    }
}
