//! The tag of an update: kept beside, and put back when no container has moved.

use http::Method;
use serde_json::Value;

use super::TagFate;
use crate::engine::{Engine, escape};
use crate::image::inspect::{self, text};
use crate::reference::Reference;
use crate::{Code, Refit, Result};

/// Names an image.
async fn tag(engine: &Engine, id: &str, reference: &Reference) -> Result<()> {
    let name = reference.familiar_name();
    let tag = reference.tag().unwrap_or("latest");
    let path = format!("/images/{}/tag?repo={}&tag={}", escape(id), escape(&name), escape(tag));
    // Podman's answer is not JSON.
    engine.call(&format!("tagging image {id} as {name}:{tag}"), Method::POST, &path, None, engine.timeout()).await?;
    Ok(())
}

impl Refit {
    /// Holds the old image under a tag of its own, on a store that would forget it.
    pub(super) async fn keep_previous(&self, before: &Value, keep_as: &str) -> Result<()> {
        tag(&self.shared.engine, &text(before, "/Id").unwrap_or_default(), &Reference::parse(keep_as)?).await
    }

    /// What the tag names now, compared with before.
    pub(super) async fn tag_fate(&self, image: &str, before: Option<&Value>) -> Result<TagFate> {
        let now = inspect::find(&self.shared.engine, image).await?.and_then(|now| text(&now, "/Id"));
        let was = before.and_then(|before| text(before, "/Id"));
        Ok(if now == was { TagFate::Unchanged } else { TagFate::Moved })
    }

    /// Puts the tag back on the old image, so that everything stands as before. The new one stays, untagged.
    pub(super) async fn put_tag_back(&self, image: &str, before: Option<&Value>, keep_as: Option<&str>) -> Result<TagFate> {
        let Some(before) = before else { return self.tag_fate(image, None).await };
        let fate = if self.tag_fate(image, Some(before)).await? == TagFate::Unchanged {
            TagFate::Unchanged
        } else {
            tag(&self.shared.engine, &text(before, "/Id").unwrap_or_default(), &Reference::parse(image)?).await?;
            TagFate::Restored
        };
        if let Some(keep_as) = keep_as {
            // The image has its own tag again; this one was only for the time between.
            let path = format!("/images/{keep_as}?force=false&noprune=true");
            match self.shared.engine.delete(&format!("removing the tag {keep_as}"), &path).await {
                // A call that ended before the pull has not made it.
                Err(error) if error.code() != Code::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(fate)
    }
}
