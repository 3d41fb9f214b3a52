//! `img_remove_old`: what an update has left behind, removed by hand and never by force.

use std::collections::BTreeSet;

use http::Method;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::inspect::{names, text};
use super::update::PREVIOUS;
use crate::reference::Reference;
use crate::{Code, Refit, Result};

/// What [`Refit::remove_old_images`] removes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RemoveOldOptions {
    /// The image that the reference names now stays. Default: yes.
    pub keep_latest: bool,
    /// Only tell what would be removed. Default: no.
    pub dry_run: bool,
}

impl Default for RemoveOldOptions {
    fn default() -> Self {
        Self { keep_latest: true, dry_run: false }
    }
}

/// What was removed and what was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
}

/// An image that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
    pub async fn remove_old_images(&self, image: &str, options: &RemoveOldOptions) -> Result<RemovedOld> {
        let reference = Reference::parse(image).map_err(|error| error.with_image(image))?;
        let engine = &self.shared.engine;
        let list = engine.get("listing the images", "/images/json").await?;
        let containers = engine.get("listing the containers", "/containers/json?all=1").await?;
        let remembered = self.shared.replaced.of(&reference);
        let mut done = RemovedOld { image: image.to_owned(), removed: Vec::new(), kept: Vec::new(), bytes_freed: 0 };
        for entry in list.as_array().map(Vec::as_slice).unwrap_or_default() {
            match judge(entry, &reference, &remembered, &containers, options.keep_latest) {
                Verdict::Foreign => {}
                Verdict::Keep(kept) => done.kept.push(kept),
                Verdict::Remove { old, tags } => {
                    if !options.dry_run
                        && let Err(error) = self.remove_unforced(&old.id, &tags).await
                    {
                        if error.code() == Code::Conflict {
                            done.kept.push(KeptImage { id: old.id, why: error.message().to_owned() });
                            continue;
                        }
                        return Err(error.with_image(image));
                    }
                    done.bytes_freed += old.bytes;
                    done.removed.push(old);
                }
            }
        }
        Ok(done)
    }

    /// Takes the tags, and with the last one the image; one without a tag goes by its id.
    async fn remove_unforced(&self, id: &str, tags: &[String]) -> Result<()> {
        let targets = if tags.is_empty() { std::slice::from_ref(&id).iter().map(|id| (*id).to_owned()).collect() } else { tags.to_vec() };
        for target in targets {
            // Without `noprune` the engine would remove untagged parents too, for which nobody asked.
            let path = format!("/images/{target}?force=false&noprune=true");
            let engine = &self.shared.engine;
            match engine.call(&format!("removing image {target}"), Method::DELETE, &path, None, engine.timeout()).await {
                Err(error) if error.code() != Code::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

enum Verdict {
    /// Of another repository.
    Foreign,
    Keep(KeptImage),
    Remove {
        old: RemovedImage,
        tags: Vec<String>,
    },
}

fn judge(entry: &Value, reference: &Reference, remembered: &BTreeSet<String>, containers: &Value, keep_latest: bool) -> Verdict {
    let id = text(entry, "/Id").unwrap_or_default();
    let parsed =
        |key: &str| names(entry, key).into_iter().filter_map(|name| Some((Reference::parse(&name).ok()?, name))).collect::<Vec<_>>();
    let tags = parsed("RepoTags");
    let ours = |own: &Reference| own.name() == reference.name();
    let is_current = tags.iter().any(|(own, _)| own == reference);
    let is_kept = |own: &Reference| ours(own) && own.tag().is_some_and(|tag| tag.starts_with(PREVIOUS));
    let kept_tags: Vec<String> = tags.iter().filter(|(own, _)| is_kept(own)).map(|(_, name)| name.clone()).collect();
    let untagged_of_ours = tags.is_empty() && (remembered.contains(&id) || parsed("RepoDigests").iter().any(|(own, _)| ours(own)));
    if !is_current && kept_tags.is_empty() && !untagged_of_ours {
        return Verdict::Foreign;
    }
    if is_current && keep_latest {
        return Verdict::Foreign;
    }
    let keep = |why: String| Verdict::Keep(KeptImage { id: id.clone(), why });
    let users: Vec<String> = users(containers, &id);
    if !users.is_empty() {
        return keep(format!("a container uses it: {}", users.join(", ")));
    }
    let others: Vec<String> = tags.iter().filter(|(own, _)| own != reference && !is_kept(own)).map(|(_, name)| name.clone()).collect();
    if is_current && !others.is_empty() {
        return keep(format!("it has other tags: {}", others.join(", ")));
    }
    let own_tags: Vec<String> = tags.into_iter().filter(|(own, _)| own == reference || is_kept(own)).map(|(_, name)| name).collect();
    let bytes = if others.is_empty() { entry.get("Size").and_then(Value::as_u64).unwrap_or(0) } else { 0 };
    Verdict::Remove { old: RemovedImage { id, tags: own_tags.clone(), bytes }, tags: own_tags }
}

fn users(containers: &Value, id: &str) -> Vec<String> {
    let all = containers.as_array().map(Vec::as_slice).unwrap_or_default();
    let of_image = all.iter().filter(|container| text(container, "/ImageID").as_deref() == Some(id));
    of_image.map(|container| crate::container::names::own_name(container).unwrap_or("?").to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn told(entry: Value, keep_latest: bool) -> String {
        let reference = Reference::parse("r.example/app:1").unwrap();
        let containers = json!([{"Names": ["/web"], "ImageID": "used"}]);
        let remembered = BTreeSet::from(["remembered".to_owned()]);
        match judge(&entry, &reference, &remembered, &containers, keep_latest) {
            Verdict::Foreign => "foreign".into(),
            Verdict::Keep(kept) => format!("keep: {}", kept.why),
            Verdict::Remove { tags, .. } => format!("remove {}", tags.join(" ")).trim_end().into(),
        }
    }

    #[test]
    fn what_is_old_goes_and_everything_else_stays() {
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
            assert_eq!(told(entry.clone(), keep_latest), expected, "{entry} {keep_latest}");
        }
    }
}
