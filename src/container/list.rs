//! `container_list`: the containers, as a user knows them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::in_hand;
use super::inspect;
use super::names::{self, Hand};
use super::requests;
use crate::engine::Engine;
use crate::image::Current;
use crate::image::inspect::{names as image_names, text};
use crate::image::list::unix_time;
use crate::reference::Reference;
use crate::{Code, Error, Refit, Result};

/// Which containers are listed; the default is all.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ContainersOptions {
    /// Those that do not run, too. Default: true.
    pub all: bool,
    /// Only those with one of these names. Default: any.
    pub names: Vec<String>,
    /// Only those with all of these labels; an empty value matches any. Default: any.
    pub labels: BTreeMap<String, String>,
}

impl Default for ContainersOptions {
    fn default() -> Self {
        Self { all: true, names: Vec::new(), labels: BTreeMap::new() }
    }
}

impl ContainersOptions {
    pub(crate) fn admits(&self, entry: &ContainerSummary) -> bool {
        let labelled = |(key, value): (&String, &String)| entry.labels.get(key).is_some_and(|own| value.is_empty() || own == value);
        (self.all || matches!(entry.state.as_str(), "running" | "paused" | "restarting"))
            && (self.names.is_empty() || self.names.contains(&entry.name))
            && self.labels.iter().all(labelled)
    }
}

/// Containers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "container_list")]
#[non_exhaustive]
pub struct ContainerList {
    /// In the engine's order: newest first.
    pub containers: Vec<ContainerSummary>,
}

/// A container in a list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct ContainerSummary {
    /// The engine's id.
    pub id: String,
    /// Its name, without the engine's slash; during a recreation still its own.
    pub name: String,
    /// The reference that it was created from.
    pub image: String,
    /// The image that it was created from.
    pub image_id: String,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub state: String,
    /// The engine's words: `Up 2 hours`.
    pub status: String,
    /// Its reference names another local image now.
    pub outdated: bool,
    /// When it was created (RFC 3339).
    pub created: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What is being done to it.
    pub operation: Option<ContainerOperation>,
    /// A recreation began and nobody works on it: `container_recover`.
    pub interrupted: bool,
    /// The manifest that it runs, where its image is an index of a containerd store (API 1.48).
    #[serde(skip)]
    pub(crate) manifest: Option<String>,
}

/// Work on a container that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct ContainerOperation {
    /// `recreate` or `recover`.
    pub kind: &'static str,
    /// The phase, where this process does the work.
    pub phase: Option<&'static str>,
    /// Thousandths, where this process does the work.
    pub permille: Option<u32>,
    /// When it began (RFC 3339), where this process does the work.
    pub started_at: Option<String>,
}

impl From<in_hand::Current> for ContainerOperation {
    fn from(current: in_hand::Current) -> Self {
        Self {
            kind: current.kind,
            phase: Some(current.phase),
            permille: Some(current.permille),
            started_at: Some(current.started_at.to_string()),
        }
    }
}

/// The engine's list, read once, with what the temporary names of a recreation say.
pub(crate) struct Listing {
    engine: String,
    entries: Vec<Value>,
    now: i64,
}

impl Listing {
    pub(crate) async fn read(engine: &Engine) -> Result<Self> {
        let (entries, now) = requests::list(engine).await?;
        Ok(Self { engine: engine.endpoint().to_string(), entries, now })
    }

    /// Every container once, under its own name. `outdated` is not known yet.
    pub(crate) fn containers(&self) -> Vec<ContainerSummary> {
        let folded = names::fold(&self.entries, self.now).into_iter();
        folded
            .map(|folded| {
                let mut entry = summary(folded.name, folded.entry, folded.hand);
                if let Some(current) = in_hand::current(&self.engine, &entry.name) {
                    entry.operation = Some(current.into());
                    entry.interrupted = false;
                }
                entry
            })
            .collect()
    }

    /// One container by its name, or by its id or the beginning of one, as the engine takes them.
    pub(crate) fn find(&self, container: &str) -> Result<Option<ContainerSummary>> {
        let wanted = container.strip_prefix('/').unwrap_or(container);
        let all = self.containers();
        if let Some(named) = all.iter().find(|entry| entry.name == wanted || entry.id == wanted) {
            return Ok(Some(named.clone()));
        }
        let mut beginning = all.into_iter().filter(|entry| entry.id.starts_with(wanted));
        match (beginning.next(), beginning.next()) {
            (Some(_), Some(_)) => Err(Code::InvalidArgument.error(format!("{container} is the beginning of more than one container's id"))),
            (found, _) => Ok(found),
        }
    }
}

/// No container of that name.
pub(crate) fn no_container(container: &str) -> Error {
    Code::NotFound.error(format!("there is no container {container}: container_list shows those that are there")).with_container(container)
}

fn summary(name: String, entry: &Value, hand: Hand) -> ContainerSummary {
    let labels = entry.get("Labels").and_then(Value::as_object);
    let labels = labels.map(|labels| labels.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect());
    let operation = ContainerOperation { kind: "recreate", phase: None, permille: None, started_at: None };
    ContainerSummary {
        id: text(entry, "/Id").unwrap_or_default(),
        name,
        image: text(entry, "/Image").unwrap_or_default(),
        image_id: text(entry, "/ImageID").unwrap_or_default(),
        state: text(entry, "/State").unwrap_or_default(),
        status: text(entry, "/Status").unwrap_or_default(),
        outdated: false,
        created: entry.get("Created").and_then(Value::as_i64).and_then(unix_time),
        labels: labels.unwrap_or_default(),
        operation: (hand == Hand::Running).then_some(operation),
        interrupted: hand == Hand::Interrupted,
        manifest: text(entry, "/ImageManifestDescriptor/digest"),
    }
}

impl Refit {
    /// The containers, running or not.
    pub async fn containers(&self, options: &ContainersOptions) -> Result<ContainerList> {
        let engine = &self.shared.engine;
        let images = engine.get("listing the images", "/images/json").await?;
        let current = current_images(engine, &images);
        let mut containers = Vec::new();
        for mut entry in Listing::read(engine).await?.containers() {
            if options.admits(&entry) {
                entry.image = creation_reference(engine, &entry).await?;
                let names_now = Reference::parse(&entry.image).ok().and_then(|reference| current.get(&reference));
                entry.outdated = match names_now {
                    Some(current) => !current.is_run_by(&entry).await?,
                    None => false,
                };
                containers.push(entry);
            }
        }
        Ok(ContainerList { containers })
    }

    /// Whether there is a container of that name or id.
    pub async fn container_exists(&self, container: &str) -> Result<bool> {
        Ok(Listing::read(&self.shared.engine).await?.find(container)?.is_some())
    }
}

/// What each tag names now.
fn current_images<'a>(engine: &'a Engine, images: &Value) -> BTreeMap<Reference, Current<'a>> {
    let mut current = BTreeMap::new();
    for image in images.as_array().map(Vec::as_slice).unwrap_or_default() {
        let Some(id) = text(image, "/Id") else { continue };
        for name in image_names(image, "RepoTags") {
            if let Ok(reference) = Reference::parse(&name) {
                current.insert(reference, Current::new(engine, id.as_str()));
            }
        }
    }
    current
}

/// The reference from which a container was created. The list shows it, unless the tag has moved on: then it shows an id.
pub(crate) async fn creation_reference(engine: &Engine, entry: &ContainerSummary) -> Result<String> {
    if !shows_id(&entry.image, &entry.image_id) {
        return Ok(entry.image.clone());
    }
    let inspected = inspect::find(engine, &entry.id).await?;
    Ok(inspected.and_then(|inspected| text(&inspected, "/Config/Image")).unwrap_or_else(|| entry.image.clone()))
}

/// Whether the list shows an id in the place of a reference: whole, or its first 12 digits, as Podman and old engines write it.
fn shows_id(shown: &str, image_id: &str) -> bool {
    let digits = image_id.trim_start_matches("sha256:");
    let shown = shown.trim_start_matches("sha256:");
    Reference::is_image_id(shown) || (shown.len() >= 12 && digits.starts_with(shown))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_told_from_references() {
        let id = format!("sha256:{}", "ab12".repeat(16));
        for (shown, expected) in [(id.as_str(), true), (&id[7..], true), (&id[7..19], true), ("app:1", false), ("ab12", false)] {
            assert_eq!(shows_id(shown, &id), expected, "{shown}");
        }
    }

    #[test]
    fn a_container_is_found_by_name_id_or_its_beginning() {
        let entries = vec![
            json!({"Id": "aaa111", "Names": ["/web"]}),
            json!({"Id": "aaa222", "Names": ["/db"]}),
            json!({"Id": "bbb333", "Names": ["/aaa1"]}),
        ];
        let listing = Listing { engine: String::new(), entries, now: 0 };
        let id = |wanted: &str| listing.find(wanted).map(|found| found.map(|entry| entry.id));
        assert_eq!(id("web").unwrap().as_deref(), Some("aaa111"));
        assert_eq!(id("/web").unwrap().as_deref(), Some("aaa111"));
        assert_eq!(id("aaa1").unwrap().as_deref(), Some("bbb333"), "a name comes before the beginning of an id");
        assert_eq!(id("aaa2").unwrap().as_deref(), Some("aaa222"));
        assert_eq!(id("nobody").unwrap(), None);
        assert_eq!(id("aaa").unwrap_err().code(), Code::InvalidArgument);
    }
}
