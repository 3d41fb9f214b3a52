//! The platform of a pull: what the engine is asked for, and whether that came. The engine itself only warns.

use serde_json::Value;

use super::shared::Download;
use crate::engine::api::{containers, images};
use crate::engine::image_facts::ImageFacts;
use crate::json::optional_text;
use crate::platform::Platform;
use crate::{Code, Refit, Result, Store};

impl Refit {
    /// The inspect of an image, with the platforms that are here of it where the engine tells; `None`: it is not local.
    pub(super) async fn inspect_with_platforms(&self, image: &str) -> Result<Option<Value>> {
        let engine = &self.shared.engine;
        let detail = if engine.facts().await?.store == Store::Containerd { images::Detail::Manifests } else { images::Detail::None };
        images::inspect(engine, image, detail).await
    }
}

impl Refit {
    /// The ids of all local images.
    pub(super) async fn local_ids(&self) -> Result<Vec<String>> {
        let images = images::list(&self.shared.engine).await?;
        Ok(images.iter().filter_map(|image| optional_text(image, "/Id")).collect())
    }
}

/// Whether the pull has to name the platform of the local image: for its own the engine chooses the same.
pub(super) fn must_be_named(local: &Platform, engine_architecture: &str) -> bool {
    local.architecture != engine_architecture || local.has_own_variant()
}

/// Whether one of the platforms that are here is the wanted one. What the engine does not tell is not held against the image.
fn came(after: &ImageFacts, wanted: &Platform, podman: bool) -> bool {
    let here: Vec<&Platform> = after.platform.iter().chain(after.available.iter().filter_map(|(_, platform)| platform.as_ref())).collect();
    // Podman never tells a variant, and many configurations have none.
    let fits = |own: &&Platform| {
        let same = (&own.os, &own.architecture) == (&wanted.os, &wanted.architecture);
        same && (podman || !own.names_variant() || own.distance(wanted).is_some())
    };
    here.is_empty() || here.iter().any(fits)
}

impl Download {
    pub(super) async fn local(&self) -> Result<Option<Value>> {
        self.refit.inspect_with_platforms(&self.image).await
    }

    /// An error if another platform's image came. The tag then names the image of before again, where nothing else uses the new one.
    pub(super) async fn check_platform(&self, after: &Value, podman: bool) -> Result<()> {
        let facts = ImageFacts::of(after, podman);
        let Some(wanted) = self.wanted.as_ref().filter(|wanted| !came(&facts, wanted, podman)) else { return Ok(()) };
        let names = facts.platform.map_or_else(|| "another platform".to_owned(), |platform| platform.to_string());
        let fate = self.put_back(&facts.id).await;
        let message = format!("pulling image {}: {wanted} was wanted, and the tag names an image for {names} now; {fate}", self.image);
        Err(Code::NotFound.error(message).with_image(&*self.image))
    }

    /// What became of the tag, in words.
    async fn put_back(&self, after: &str) -> String {
        let stays = "the local tag names it too";
        let Some(tag) = self.reference.tag().filter(|_| self.reference.digest().is_none()) else { return "it is local now".into() };
        let before = self.before.as_ref().map(|before| before.id.as_str());
        if before == Some(after) {
            return "it was the local image before".into();
        }
        match self.is_used(after).await {
            Ok(false) => {}
            Ok(true) => return format!("{stays}, since a container uses it"),
            Err(error) => return format!("{stays}: {}", error.message()),
        }
        let engine = &self.refit.shared.engine;
        let (done, result) = match before {
            Some(before) => {
                ("the local tag names the image of before again", images::tag(engine, before, &self.reference.familiar_name(), tag).await)
            }
            None if self.known.iter().any(|known| known == after) => return format!("{stays}, and the image was here before"),
            None => ("it was removed again", images::remove(engine, &self.reference.familiar()).await),
        };
        result.map_or_else(|error| format!("{stays}: {}", error.message()), |()| done.into())
    }

    async fn is_used(&self, id: &str) -> Result<bool> {
        let (containers, _) = containers::list(&self.refit.shared.engine).await?;
        Ok(containers.iter().any(|container| optional_text(container, "/ImageID").as_deref() == Some(id)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn platform(text: &str) -> Platform {
        Platform::parse(text).unwrap()
    }

    #[test]
    fn a_platform_is_named_where_the_engine_would_choose_another() {
        for (local, named) in
            [("linux/amd64", false), ("linux/amd64/v1", false), ("linux/amd64/v3", true), ("linux/arm64/v8", true), ("linux/arm/v6", true)]
        {
            assert_eq!(must_be_named(&platform(local), "amd64"), named, "{local}");
        }
        assert!(!must_be_named(&platform("linux/arm64/v8"), "arm64"));
        assert!(must_be_named(&platform("linux/arm/v6"), "arm"));
    }

    #[test]
    fn what_came_is_compared_with_what_was_wanted() {
        for (inspect, wanted, podman, expected) in [
            (json!({"Os": "linux", "Architecture": "amd64"}), "linux/amd64", false, true),
            (json!({"Os": "linux", "Architecture": "arm64"}), "linux/amd64", false, false),
            (json!({"Os": "linux", "Architecture": "amd64"}), "linux/arm64", true, false),
            (json!({"Os": "linux", "Architecture": "arm64"}), "linux/arm64/v8", false, true),
            (json!({"Os": "linux", "Architecture": "amd64"}), "linux/amd64/v3", false, true),
            (json!({"Os": "linux", "Architecture": "arm", "Variant": "v7"}), "linux/arm/v6", false, false),
            (json!({"Os": "linux", "Architecture": "arm", "Variant": "v6"}), "linux/arm/v7", false, true),
            (json!({"Os": "linux", "Architecture": "arm"}), "linux/arm/v6", false, true),
            (json!({"Os": "linux", "Architecture": "arm"}), "linux/arm/v6", true, true),
            (json!({"Os": "linux", "Architecture": ""}), "linux/arm64", false, true),
            (
                json!({"Os": "linux", "Architecture": "amd64", "Manifests": [{"Available": true, "Kind": "image", "ID": "x",
                    "ImageData": {"Platform": {"os": "linux", "architecture": "arm64"}}}]}),
                "linux/arm64",
                false,
                true,
            ),
        ] {
            assert_eq!(came(&ImageFacts::of(&inspect, podman), &platform(wanted), podman), expected, "{inspect} {wanted}");
        }
    }
}
