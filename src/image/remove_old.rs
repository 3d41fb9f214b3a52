//! `img_remove_old`: what an update has left behind, removed by hand and never by force.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ImageIdentity;
use super::update::is_kept;
use crate::container::Warning;
use crate::engine::api::{containers, images};
use crate::error::shown;
use crate::history::{Draft, HistoryEntry, HistoryKind, HistoryResult};
use crate::json::{optional_text, unsigned};
use crate::operation::call::Call;
use crate::reference::{Reference, listed_references};
use crate::{Code, Operation, Refit, Result};

/// What [`Refit::remove_old_images`] removes.
#[derive(Debug, Clone)]
pub struct RemoveOldOptions {
    /// The image that the reference names now stays. Default: yes.
    pub keep_latest: bool,
    /// Only report what would be removed. Default: no.
    pub dry_run: bool,
}

impl Default for RemoveOldOptions {
    fn default() -> Self {
        Self { keep_latest: true, dry_run: false }
    }
}

/// What was removed and what was kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "img_remove_old")]
#[non_exhaustive]
pub struct RemovedOld {
    /// As asked.
    pub image: String,
    /// Those that are gone.
    pub removed: Vec<RemovedImage>,
    /// Those that are of this repository and stay.
    pub kept: Vec<KeptImage>,
    /// The sum of the removed ones' sizes; layers that other images have too are still there.
    pub bytes_freed: u64,
    /// What the caller should know and what stopped nothing: `history_not_written`.
    pub warnings: Vec<Warning>,
}

/// An image that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct RemovedImage {
    /// The engine's id.
    pub id: String,
    /// Tags that went with it.
    pub tags: Vec<String>,
    /// Its size.
    pub bytes: u64,
}

/// An image that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct KeptImage {
    /// The engine's id.
    pub id: String,
    /// `a container uses it: web`, `it has other tags: app:2`, or the engine's words.
    pub why: String,
}

impl Refit {
    /// Removes the images of this reference's repository that have lost their tag, and that no container, running or not, and no other
    /// tag uses. What `img_update` kept under a tag of its own goes too.
    pub fn remove_old_images(&self, image: impl Into<String>, options: RemoveOldOptions) -> Operation<RemovedOld> {
        let image = image.into();
        let span = tracing::error_span!("img_remove_old", image = %shown(&image));
        self.operation(span, move |refit, call| async move { Ok(refit.remove_old_in(&call, &image, &options).await?) })
    }

    /// The same as a part of another call.
    pub(super) async fn remove_old_in(&self, call: &Call, image: &str, options: &RemoveOldOptions) -> Result<RemovedOld> {
        let reference = Reference::parse(image).map_err(|error| error.with_image(image))?;
        let engine = &self.shared.engine;
        let list = call.run(images::list(engine)).await?;
        let (containers, _) = call.run(containers::list(engine)).await?;
        let mut remembered = self.shared.replaced.of(&reference);
        remembered.extend(self.replaced_by_history(&reference).await);
        let mut done = RemovedOld { image: image.to_owned(), removed: Vec::new(), kept: Vec::new(), bytes_freed: 0, warnings: Vec::new() };
        for entry in &list {
            call.check()?;
            match classify(entry, &reference, &remembered, &containers, options.keep_latest) {
                Decision::Foreign => {}
                Decision::Keep(kept) => done.kept.push(kept),
                Decision::Remove { old, tags } => {
                    if !options.dry_run {
                        let mut draft = Draft::of_image(HistoryKind::RemoveOld, call, image);
                        draft.from = Some(ImageIdentity::of(entry).in_history(&reference));
                        match self.remove_unforced(&old.id, &tags).await {
                            Ok(()) => done.warnings.extend(self.record(draft, HistoryResult::Done).await),
                            Err(error) if error.code() == Code::Conflict => {
                                done.kept.push(KeptImage { id: old.id, why: error.message().to_owned() });
                                continue;
                            }
                            Err(error) => {
                                let error = error.with_image(image);
                                self.record_failure(draft, &error).await;
                                return Err(error);
                            }
                        }
                    }
                    done.bytes_freed += old.bytes;
                    done.removed.push(old);
                }
            }
        }
        Ok(done)
    }

    /// What the history knows of the repository's earlier images: some stores forget whose an untagged image was.
    async fn replaced_by_history(&self, reference: &Reference) -> BTreeSet<String> {
        let moves = [HistoryKind::Pull, HistoryKind::Update, HistoryKind::Rollback];
        let entries = self.shared.history.of_kinds(&moves).await.unwrap_or_default();
        let is_of = |entry: &HistoryEntry| {
            entry.image.as_ref().is_some_and(|image| Reference::parse(image).is_ok_and(|own| own.name() == reference.name()))
        };
        let images = entries.into_iter().filter(is_of).flat_map(|entry| entry.from.into_iter().chain(entry.to));
        images.map(|image| image.id).collect()
    }

    /// Takes the tags, and with the last one the image; one without a tag goes by its id.
    async fn remove_unforced(&self, id: &str, tags: &[String]) -> Result<()> {
        let targets = if tags.is_empty() { std::slice::from_ref(&id).iter().map(|id| (*id).to_owned()).collect() } else { tags.to_vec() };
        for target in targets {
            match images::remove(&self.shared.engine, &target).await {
                Err(error) if error.code() != Code::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

enum Decision {
    /// Of another repository.
    Foreign,
    Keep(KeptImage),
    Remove {
        old: RemovedImage,
        tags: Vec<String>,
    },
}

fn classify(entry: &Value, reference: &Reference, remembered: &BTreeSet<String>, containers: &[Value], keep_latest: bool) -> Decision {
    let id = optional_text(entry, "/Id").unwrap_or_default();
    let parsed = |key: &str| {
        listed_references(entry, key).into_iter().filter_map(|name| Some((Reference::parse(&name).ok()?, name))).collect::<Vec<_>>()
    };
    let tags = parsed("/RepoTags");
    let ours = |own: &Reference| own.name() == reference.name();
    let is_current = tags.iter().any(|(own, _)| own == reference);
    let is_kept = |own: &Reference| ours(own) && is_kept(own);
    let kept_tags: Vec<String> = tags.iter().filter(|(own, _)| is_kept(own)).map(|(_, name)| name.clone()).collect();
    let untagged_of_ours = tags.is_empty() && (remembered.contains(&id) || parsed("/RepoDigests").iter().any(|(own, _)| ours(own)));
    if !is_current && kept_tags.is_empty() && !untagged_of_ours {
        return Decision::Foreign;
    }
    if is_current && keep_latest {
        return Decision::Foreign;
    }
    let keep = |why: String| Decision::Keep(KeptImage { id: id.clone(), why });
    let users: Vec<String> = users(containers, &id);
    if !users.is_empty() {
        return keep(format!("a container uses it: {}", users.join(", ")));
    }
    let others: Vec<String> = tags.iter().filter(|(own, _)| own != reference && !is_kept(own)).map(|(_, name)| name.clone()).collect();
    if is_current && !others.is_empty() {
        return keep(format!("it has other tags: {}", others.join(", ")));
    }
    let own_tags: Vec<String> = tags.into_iter().filter(|(own, _)| own == reference || is_kept(own)).map(|(_, name)| name).collect();
    let bytes = if others.is_empty() { unsigned(entry, "/Size").unwrap_or(0) } else { 0 };
    Decision::Remove { old: RemovedImage { id, tags: own_tags.clone(), bytes }, tags: own_tags }
}

fn users(containers: &[Value], id: &str) -> Vec<String> {
    let of_image = containers.iter().filter(|container| optional_text(container, "/ImageID").as_deref() == Some(id));
    of_image.map(|container| crate::container::replacement::names::own_name(container).unwrap_or("?").to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn decided(entry: Value, keep_latest: bool) -> String {
        let reference = Reference::parse("r.example/app:1").unwrap();
        let containers = [json!({"Names": ["/web"], "ImageID": "used"})];
        let remembered = BTreeSet::from(["remembered".to_owned()]);
        match classify(&entry, &reference, &remembered, &containers, keep_latest) {
            Decision::Foreign => "foreign".into(),
            Decision::Keep(kept) => format!("keep: {}", kept.why),
            Decision::Remove { tags, .. } => format!("remove {}", tags.join(" ")).trim_end().into(),
        }
    }

    #[test]
    fn only_untagged_unused_images_of_the_repository_are_removed() {
        let image = |id: &str, tags: &[&str], digests: &[&str]| json!({"Id": id, "RepoTags": tags, "RepoDigests": digests, "Size": 1});
        let old = "r.example/app@sha256:1111111111111111111111111111111111111111111111111111111111111111";
        let kept = "r.example/app:refit-previous-0123456789ab";
        let cases = [
            (image("a", &[], &[old]), true, "remove"),
            (image("a", &["<none>:<none>"], &[old]), true, "remove"),
            (image("used", &[], &[old]), true, "keep: a container uses it: web"),
            (image("a", &[kept], &[old]), true, "remove r.example/app:refit-previous-0123456789ab"),
            (image("used", &[kept], &[]), true, "keep: a container uses it: web"),
            (image("remembered", &[], &[]), true, "remove"),
            (image("a", &[], &[]), true, "foreign"),
            (image("a", &["r.example/app:2"], &[old]), true, "foreign"),
            (
                image("a", &[], &["r.example/other@sha256:1111111111111111111111111111111111111111111111111111111111111111"]),
                true,
                "foreign",
            ),
            (image("a", &["r.example/app:1"], &[old]), true, "foreign"),
            (image("a", &["r.example/app:1"], &[old]), false, "remove r.example/app:1"),
            (image("used", &["r.example/app:1"], &[old]), false, "keep: a container uses it: web"),
            (image("a", &["r.example/app:1", "app:2"], &[old]), false, "keep: it has other tags: app:2"),
        ];
        for (entry, keep_latest, expected) in cases {
            assert_eq!(decided(entry.clone(), keep_latest), expected, "{entry} {keep_latest}");
        }
    }
}
