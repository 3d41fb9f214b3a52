//! `img_containers`: whom an update of an image concerns.

use schemars::JsonSchema;
use serde::Serialize;

use super::current::Current;
use super::inspect::{self, text};
use crate::container::list::{Listing, creation_reference};
use crate::container::{ContainerSummary, ContainersOptions};
use crate::reference::Reference;
use crate::{Refit, Result};

/// Why a container belongs to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Match {
    /// It was created from this reference, and an update recreates it.
    Reference,
    /// It was created from another reference of the image that this one names now; it is shown, and never recreated.
    SameImage,
}

/// The containers of an image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "img_containers")]
#[non_exhaustive]
pub struct ImageContainers {
    /// In the engine's order: newest first.
    pub containers: Vec<ImageContainer>,
}

/// A container of an image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct ImageContainer {
    /// The container, as `container_list` shows it.
    #[serde(flatten)]
    pub container: ContainerSummary,
    /// Why it is here.
    #[serde(rename = "match")]
    pub matched: Match,
}

impl Refit {
    /// Every container, running or not, that was created from this reference, or whose image is the one that it names now.
    pub async fn image_containers(&self, image: &str, options: &ContainersOptions) -> Result<ImageContainers> {
        let engine = &self.shared.engine;
        let current = inspect::find(engine, image).await?.and_then(|inspect| text(&inspect, "/Id"));
        let current = current.map(|id| Current::new(engine, id));
        let asked = Asked::new(image, current.as_ref().map(|current| current.id().to_owned()));
        let mut containers = Vec::new();
        for entry in Listing::read(engine).await?.containers() {
            if options.admits(&entry) {
                let reference = creation_reference(engine, &entry).await?;
                let Some(mut found) = asked.judge(entry, reference) else { continue };
                if let (Match::Reference, Some(current)) = (found.matched, &current) {
                    found.container.outdated = !current.is_run_by(&found.container).await?;
                }
                containers.push(found);
            }
        }
        Ok(ImageContainers { containers })
    }
}

/// The image that was asked for.
struct Asked {
    reference: Option<Reference>,
    /// The id that it names now; `None` when it is not local.
    current: Option<String>,
}

impl Asked {
    fn new(image: &str, current: Option<String>) -> Self {
        let reference = if Reference::is_image_id(image) { None } else { Reference::parse(image).ok() };
        Self { reference, current }
    }

    fn judge(&self, mut container: ContainerSummary, reference: String) -> Option<ImageContainer> {
        let own = Reference::parse(&reference).ok();
        let same_image = self.current.as_ref() == Some(&container.image_id);
        let matched = if self.reference.is_some() && own == self.reference {
            Match::Reference
        } else if same_image {
            Match::SameImage
        } else {
            return None;
        };
        container.image = reference;
        Some(ImageContainer { container, matched })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_belongs_by_reference_or_by_image() {
        let asked = Asked::new("app", Some("sha256:new".into()));
        let judged = |reference: &str, image_id: &str| {
            let container = ContainerSummary { image_id: image_id.into(), ..ContainerSummary::default() };
            asked.judge(container, reference.into()).map(|found| found.matched)
        };
        assert_eq!(judged("docker.io/library/app:latest", "sha256:old"), Some(Match::Reference));
        assert_eq!(judged("app:latest", "sha256:new"), Some(Match::Reference));
        assert_eq!(judged("other:1", "sha256:new"), Some(Match::SameImage));
        assert_eq!(judged("other:1", "sha256:old"), None);
    }
}
