//! The tag of an update: the old image gets a second one, and a rollback restores the first when no container was replaced.

use serde_json::Value;

use super::{PREVIOUS, TagFate};
use crate::engine::Engine;
use crate::engine::api::images;
use crate::image::{PullResult, inspect};
use crate::json::optional_text;
use crate::reference::{Reference, listed_references};
use crate::{Code, Refit, Result, Store};

/// Names an image.
async fn tag(engine: &Engine, id: &str, reference: &Reference) -> Result<()> {
    images::tag(engine, id, &reference.familiar_name(), reference.tag().unwrap_or("latest")).await
}

/// What this update's own pull has made of the tag.
#[derive(Debug)]
pub(super) enum OwnPull {
    /// It was not begun.
    No,
    /// It was begun, and failed or was ended: the engine may have moved the tag to the image of this digest all the same.
    Begun { digest: Option<String> },
    /// The tag named the image `before`, and was moved to `after`.
    Moved { before: Option<String>, after: String },
}

impl OwnPull {
    /// A pull that was joined is another call's: its caller wants the tag where it is.
    pub(super) fn of(pulled: &PullResult) -> Self {
        if !pulled.changed || pulled.shared {
            return Self::No;
        }
        Self::Moved { before: pulled.before.as_ref().map(|before| before.id.clone()), after: pulled.after.id.clone() }
    }

    /// Whether the image that the tag names now is the one that the pull has moved it to.
    fn has_moved_to(&self, now: &Value) -> bool {
        match self {
            Self::No | Self::Begun { digest: None } => false,
            Self::Begun { digest: Some(digest) } => listed_references(now, "/RepoDigests").iter().any(|own| own.ends_with(digest.as_str())),
            Self::Moved { after, .. } => optional_text(now, "/Id").as_ref() == Some(after),
        }
    }

    /// The image that the tag named just before, where it is known.
    fn before(&self) -> Option<&str> {
        match self {
            Self::Moved { before, .. } => before.as_deref(),
            Self::No | Self::Begun { .. } => None,
        }
    }
}

impl Refit {
    /// Engine 26 with containerd's store deletes an image that has lost its tag; 28 keeps it while a container uses it.
    pub(crate) async fn forgets_untagged(&self) -> Result<bool> {
        let facts = self.shared.engine.facts().await?;
        let major = facts.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        Ok(facts.store == Store::Containerd && major.is_some_and(|major| major < 28))
    }

    /// The tag of an image's own under which the old one is kept.
    pub(crate) fn previous_tag(&self, image: &str, before: &Value) -> Result<String> {
        let id = optional_text(before, "/Id").unwrap_or_default();
        let digits: String = id.trim_start_matches("sha256:").chars().take(12).collect();
        Ok(format!("{}:{PREVIOUS}{digits}", Reference::parse(image)?.familiar_name()))
    }

    /// Gives the old image a tag of its own, on a store that would delete it without one.
    pub(crate) async fn keep_previous(&self, before: &Value, keep_as: &str) -> Result<()> {
        tag(&self.shared.engine, &optional_text(before, "/Id").unwrap_or_default(), &Reference::parse(keep_as)?).await
    }

    /// Lets the reference name an image.
    pub(super) async fn name_image(&self, reference: &Reference, id: &str) -> Result<()> {
        tag(&self.shared.engine, id, reference).await
    }

    /// What the tag names now, compared with before.
    pub(super) async fn tag_fate(&self, image: &str, before: Option<&Value>) -> Result<TagFate> {
        let now = inspect::find(&self.shared.engine, image).await?;
        Ok(fate(now.as_ref(), before))
    }

    /// Rolls the tag back to the image that it named before, where it still names what this update has pulled: a tag that somebody else
    /// has moved, meanwhile or before, stays where it is. The new image stays, untagged. What became of the tag is written to `known` as
    /// soon as it was read.
    pub(super) async fn rollback_tag(
        &self,
        image: &str,
        before: Option<&Value>,
        keep_as: Option<&str>,
        pull: &OwnPull,
        known: &mut Option<TagFate>,
    ) -> Result<()> {
        let engine = &self.shared.engine;
        let now = inspect::find(engine, image).await?;
        *known = Some(fate(now.as_ref(), before));
        let Some(before) = before else { return Ok(()) };
        let was = optional_text(before, "/Id").unwrap_or_default();
        if *known == Some(TagFate::Moved) {
            if !now.is_some_and(|now| pull.has_moved_to(&now)) {
                return Ok(());
            }
            let back = pull.before().unwrap_or(&was);
            tag(engine, back, &Reference::parse(image)?).await?;
            *known = Some(TagFate::Restored);
            if back != was {
                return Ok(());
            }
        }
        if let Some(keep_as) = keep_as {
            // The image has its own tag again; this one was only for the time between.
            match images::remove(engine, keep_as).await {
                // A call that ended before the pull has not made it.
                Err(error) if error.code() != Code::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn fate(now: Option<&Value>, before: Option<&Value>) -> TagFate {
    let id = |image: Option<&Value>| image.and_then(|image| optional_text(image, "/Id"));
    if id(now) == id(before) { TagFate::Unchanged } else { TagFate::Moved }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_this_pull_has_moved_the_tag_to_is_rolled_back() {
        let moved = || OwnPull::Moved { before: Some("sha256:a".into()), after: "sha256:b".into() };
        let begun = |digest: &str| OwnPull::Begun { digest: Some(digest.into()) };
        let image = |id: &str| json!({"Id": id, "RepoDigests": ["r.example/app@sha256:d"]});
        let cases = [
            (moved(), image("sha256:b"), true),
            (moved(), image("sha256:c"), false),
            (OwnPull::No, image("sha256:b"), false),
            (begun("sha256:d"), image("sha256:b"), true),
            (begun("sha256:e"), image("sha256:b"), false),
            (OwnPull::Begun { digest: None }, image("sha256:b"), false),
        ];
        for (pull, now, expected) in cases {
            assert_eq!(pull.has_moved_to(&now), expected, "{pull:?} {now}");
        }
    }
}
