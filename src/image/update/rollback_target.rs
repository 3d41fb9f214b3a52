//! Which image a rollback goes to.
//!
//! Rules: docs/history.md, section 3.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::engine::api::images;
use crate::error::shown;
use crate::history::{HistoryEntry, HistoryImage, HistoryKind, HistoryResult};
use crate::image::inspect;
use crate::json::optional_text;
use crate::reference::{Reference, listed_references};
use crate::{Code, Error, Refit, Result};

/// The calls that move a tag.
const MOVES: [HistoryKind; 3] = [HistoryKind::Pull, HistoryKind::Update, HistoryKind::Rollback];

/// The image that a rollback goes to.
pub(super) struct RollbackTarget {
    /// Its inspect.
    pub(super) inspect: Value,
    /// Its digest by the history: some stores forget it.
    pub(super) digest: Option<String>,
}

impl Refit {
    /// The target of a rollback of the tag that names the image `current`. An error where there is none, or where several may be meant.
    pub(super) async fn rollback_target(&self, reference: &Reference, current: &str, to: Option<&str>) -> Result<RollbackTarget> {
        let records = self.shared.history.of_kinds(&MOVES).await?;
        let of_repository: Vec<&HistoryEntry> = records.iter().filter(|entry| is_of(entry, |own| own.name() == reference.name())).collect();
        let known = |id: &str| known_image(&of_repository, id);
        if let Some(to) = to {
            let id = checked_id(to)?;
            let Some(inspect) = inspect::find(&self.shared.engine, &id).await? else {
                return Err(missing(reference, &id, known(&id)));
            };
            let whole = optional_text(&inspect, "/Id").unwrap_or_default();
            if whole != current && !self.is_of_repository(reference, &inspect, known(&whole).is_some()) {
                let message = format!("option \"to\": image {} is not of the repository {}", shown(to), reference.familiar_name());
                return Err(Code::InvalidArgument.error(message));
            }
            return Ok(RollbackTarget { digest: known(&whole).and_then(|known| known.digest.clone()), inspect });
        }
        let of_tag: Vec<&HistoryEntry> =
            records.iter().filter(|entry| is_of(entry, |own| own.normalised() == reference.normalised())).collect();
        if let Some(from) = before(&of_tag, current) {
            return match inspect::find(&self.shared.engine, &from.id).await? {
                Some(inspect) => Ok(RollbackTarget { inspect, digest: from.digest.clone() }),
                None => Err(missing(reference, &from.id, Some(from))),
            };
        }
        let ids = self.untagged(reference, current, &of_repository).await?;
        match ids.as_slice() {
            [] => {
                let message =
                    format!("image {} was never updated here: there is no earlier image to roll back to", reference.familiar_name());
                Err(Code::NotFound.error(message))
            }
            [id] => match inspect::find(&self.shared.engine, id).await? {
                Some(inspect) => Ok(RollbackTarget { inspect, digest: known(id).and_then(|known| known.digest.clone()) }),
                None => Err(missing(reference, id, known(id))),
            },
            several => {
                let message = format!(
                    "the history does not tell which image {} named before, and several have lost their tag: name one with \"to\": {}",
                    reference.familiar_name(),
                    several.join(", ")
                );
                Err(Code::Conflict.error(message))
            }
        }
    }

    fn is_of_repository(&self, reference: &Reference, inspect: &Value, is_known: bool) -> bool {
        let id = optional_text(inspect, "/Id").unwrap_or_default();
        let names = [listed_references(inspect, "/RepoTags"), listed_references(inspect, "/RepoDigests")].concat();
        let is_named = names.iter().any(|name| Reference::parse(name).is_ok_and(|own| own.name() == reference.name()));
        is_named || is_known || self.shared.replaced.of(reference).contains(&id)
    }

    /// The images of the repository that have no tag, or only the one under which an update keeps them.
    async fn untagged(&self, reference: &Reference, current: &str, records: &[&HistoryEntry]) -> Result<Vec<String>> {
        let known: BTreeSet<String> =
            records.iter().flat_map(|entry| entry.from.iter().chain(&entry.to)).map(|one| one.id.clone()).collect();
        let mut ids = Vec::new();
        for entry in images::list(&self.shared.engine).await? {
            let id = optional_text(&entry, "/Id").unwrap_or_default();
            let tags: Vec<Reference> = listed_references(&entry, "/RepoTags").iter().filter_map(|tag| Reference::parse(tag).ok()).collect();
            if id != current && tags.iter().all(super::is_kept) && self.is_of_repository(reference, &entry, known.contains(&id)) {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}

fn is_of(entry: &HistoryEntry, is: impl Fn(&Reference) -> bool) -> bool {
    entry.image.as_ref().is_some_and(|image| Reference::parse(image).is_ok_and(|own| is(&own)))
}

/// What the tag named before the newest call that led to the current image. `records` are the newest first.
fn before<'a>(records: &[&'a HistoryEntry], current: &str) -> Option<&'a HistoryImage> {
    let led_here = |entry: &&&HistoryEntry| {
        entry.result == HistoryResult::Done
            && entry.to.as_ref().is_some_and(|to| to.id == current)
            && entry.from.as_ref().is_some_and(|from| from.id != current)
    };
    records.iter().find(led_here).and_then(|entry| entry.from.as_ref())
}

fn known_image<'a>(records: &[&'a HistoryEntry], id: &str) -> Option<&'a HistoryImage> {
    let images = |entry: &&'a HistoryEntry| entry.to.iter().chain(&entry.from).collect::<Vec<_>>();
    let is = |image: &&HistoryImage| image.id == id || image.id.trim_start_matches("sha256:").starts_with(id.trim_start_matches("sha256:"));
    records.iter().flat_map(images).find(is)
}

/// `sha256:` and 64 hexadecimal digits, or at least the first 12 of them.
fn checked_id(to: &str) -> Result<String> {
    let digits = to.strip_prefix("sha256:").unwrap_or(to);
    if (12..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(to.to_owned());
    }
    let message = format!("option \"to\": {} is no image id (12 to 64 hexadecimal digits, with or without sha256:)", shown(to));
    Err(Code::InvalidArgument.error(message))
}

fn missing(reference: &Reference, id: &str, known: Option<&HistoryImage>) -> Error {
    let name = reference.familiar_name();
    let next = match known.and_then(|known| known.digest.as_ref()) {
        Some(digest) => format!("pull {name}@{digest} with img_pull, and roll back again with \"to\""),
        None => "its digest is not known: pull the version that is wanted".to_owned(),
    };
    Code::ImageMissing.error(format!("image {id}, which {name} named before, is not local any more: {next}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn entry(kind: HistoryKind, from: &str, to: &str, result: HistoryResult) -> HistoryEntry {
        let image = |id: &str| (!id.is_empty()).then(|| HistoryImage { id: id.into(), digest: None, version: None });
        HistoryEntry {
            id: "1".into(),
            at: Timestamp::UNIX_EPOCH,
            kind,
            actor: None,
            image: Some("app:1".into()),
            container: None,
            volume: None,
            service: None,
            from: image(from),
            to: image(to),
            result,
            error: None,
            elapsed_ms: 0,
            containers: Vec::new(),
            backups: Vec::new(),
        }
    }

    #[test]
    fn a_rollback_goes_to_what_the_tag_named_before() {
        use HistoryKind::{Pull, Rollback, Update};
        use HistoryResult::{Done, RolledBack, Unchanged};
        let target =
            |records: &[HistoryEntry], current: &str| before(&records.iter().collect::<Vec<_>>(), current).map(|image| image.id.clone());
        let one = [entry(Update, "1", "2", Done)];
        assert_eq!(target(&one, "2").as_deref(), Some("1"));
        assert_eq!(target(&one, "3"), None);
        let forward = [entry(Rollback, "2", "1", Done), entry(Update, "1", "2", Done)];
        assert_eq!(target(&forward, "1").as_deref(), Some("2"), "a second rollback goes forward again");
        let failed = [entry(Update, "2", "3", RolledBack), entry(Pull, "1", "2", Done)];
        assert_eq!(target(&failed, "2").as_deref(), Some("1"), "an update that was rolled back does not count");
        let recreated = [entry(Update, "2", "2", Done), entry(Pull, "2", "2", Unchanged), entry(Pull, "1", "2", Done)];
        assert_eq!(target(&recreated, "2").as_deref(), Some("1"), "the pull moved the tag, the update the containers");
        assert_eq!(target(&[entry(Pull, "", "1", Done)], "1"), None, "a first pull has no image before");
    }

    #[test]
    fn an_image_id_is_checked_before_anything_is_asked() {
        for id in ["0123456789ab", "sha256:0123456789ab", &"a".repeat(64)] {
            assert!(checked_id(id).is_ok(), "{id}");
        }
        for id in ["", "sha256:", "app:1", "0123456789a", "0123456789xy", &"a".repeat(65), "../x"] {
            assert_eq!(checked_id(id).unwrap_err().code(), Code::InvalidArgument, "{id}");
        }
    }
}
