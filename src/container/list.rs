//! `container_list`: the containers, as a user knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::replacement::run_guard;
use super::{ContainerState, OperationKind};
use crate::container::current_image::CurrentImage;
use crate::container::inventory::INSPECTS_AT_ONCE;
use crate::container::replacement::names::{self, OperationState, TemporaryName};
use crate::container::state;
use crate::engine::Engine;
use crate::engine::api::{containers, images};
use crate::engine::names::check_container;
use crate::error::{quoted, shown};
use crate::json::{integer, optional_text, text, text_map, unix_time};
use crate::reference::{Reference, listed_references};
use crate::{Code, Error, Refit, Result};

/// Which containers are listed; the default is all.
#[derive(Debug, Clone)]
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
        (self.all || entry.state.is_running())
            && (self.names.is_empty() || self.names.contains(&entry.name))
            && self.labels.iter().all(labelled)
    }
}

/// Containers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "container_list")]
#[non_exhaustive]
pub struct ContainerList {
    /// In the engine's order: newest first.
    pub containers: Vec<ContainerSummary>,
}

/// A container in a list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    pub state: ContainerState,
    /// The engine's text: `Up 2 hours`.
    pub status: String,
    /// Its reference names another local image now.
    pub outdated: bool,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What is being done to it.
    pub operation: Option<ContainerOperation>,
    /// A recreation was interrupted: `container_recover`.
    pub interrupted: bool,
    /// The manifest that it runs, where its image is an index of a containerd store (API 1.48).
    #[serde(skip)]
    pub(crate) manifest: Option<String>,
}

/// Work on a container that is in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ContainerOperation {
    /// `recreate` or `recover`.
    pub kind: OperationKind,
    /// The phase, where this process does the work.
    pub phase: Option<String>,
    /// Thousandths, where this process does the work.
    pub permille: Option<u32>,
    /// When it began, where this process does the work.
    pub started_at: Option<Timestamp>,
}

impl From<run_guard::Current> for ContainerOperation {
    fn from(current: run_guard::Current) -> Self {
        Self {
            kind: current.kind.into(),
            phase: Some(current.phase.into()),
            permille: Some(current.permille),
            started_at: Some(current.started_at),
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
        let (entries, now) = containers::list(engine).await?;
        Ok(Self { engine: engine.endpoint().to_string(), entries, now })
    }

    /// The containers that the options admit, each with the reference from which it was created. `outdated` is not known yet.
    pub(crate) async fn read_admitted(refit: &Refit, options: &ContainersOptions) -> Result<Vec<ContainerSummary>> {
        let (engine, references) = (&refit.shared.engine, &refit.shared.creation_references);
        let listing = Self::read(engine).await?;
        references.keep(&listing);
        let mut containers: Vec<ContainerSummary> = listing.containers().into_iter().filter(|entry| options.admits(entry)).collect();
        references.complete(engine, &mut containers).await?;
        Ok(containers)
    }

    /// Every container once, under its own name. `outdated` is not known yet.
    pub(crate) fn containers(&self) -> Vec<ContainerSummary> {
        let listed = names::containers_in_list(&self.entries, self.now).into_iter();
        listed
            .map(|listed| {
                let mut entry = summary(listed.name, listed.entry, listed.state);
                if let Some(current) = run_guard::current(&self.engine, &entry.name) {
                    entry.operation = Some(current.into());
                    entry.interrupted = false;
                }
                entry
            })
            .collect()
    }

    /// The container of a name, and those with the temporary names of its recreations.
    async fn read_named(engine: &Engine, name: &str) -> Result<Self> {
        let (mut entries, now) = containers::list_named(engine, name).await?;
        entries.retain(|entry| names::is_of(entry, name));
        Ok(Self { engine: engine.endpoint().to_string(), entries, now })
    }

    /// One container by its name, or by its id or the beginning of one, from a list that is read for it: of all containers only when the engine
    /// cannot say which one it is.
    pub(crate) async fn find_on(engine: &Engine, container: &str) -> Result<Option<ContainerSummary>> {
        check_container(container)?;
        let wanted = container.strip_prefix('/').unwrap_or(container);
        if let Some(named) = Self::read_named(engine, wanted).await?.find(wanted)? {
            return Ok(Some(named));
        }
        match containers::inspect(engine, wanted).await {
            Ok(Some(inspect)) => {
                let name = state::name(&inspect);
                let own = TemporaryName::parse(name).map_or_else(|| name.to_owned(), |temporary| temporary.container);
                if let Some(found) = Self::read_named(engine, &own).await?.find(wanted)? {
                    return Ok(Some(found));
                }
            }
            Ok(None) if !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) => return Ok(None),
            // The beginning of more than one id is 404, 400 or 500: that depends on the engine.
            Ok(None) => {}
            Err(error) if error.code() == Code::Engine && error.context().http_status.is_some() => {}
            Err(error) => return Err(error),
        }
        Self::read(engine).await?.find(wanted)
    }

    /// One container by its name, or by its id or the beginning of one, as the engine takes them.
    fn find(&self, container: &str) -> Result<Option<ContainerSummary>> {
        let wanted = container.strip_prefix('/').unwrap_or(container);
        let all = self.containers();
        if let Some(named) = all.iter().find(|entry| entry.name == wanted || entry.id == wanted) {
            return Ok(Some(named.clone()));
        }
        let mut beginning = all.into_iter().filter(|entry| entry.id.starts_with(wanted));
        match (beginning.next(), beginning.next()) {
            (Some(_), Some(_)) => {
                Err(Code::InvalidArgument.error(format!("{} is the beginning of more than one container's id", quoted(container))))
            }
            (found, _) => Ok(found),
        }
    }
}

/// No container of that name.
pub(crate) fn no_container(container: &str) -> Error {
    Code::NotFound
        .error(format!("there is no container {}: container_list shows those that are there", shown(container)))
        .with_container(container)
}

fn summary(name: String, entry: &Value, state: OperationState) -> ContainerSummary {
    let operation = ContainerOperation { kind: OperationKind::Recreate, phase: None, permille: None, started_at: None };
    ContainerSummary {
        id: text(entry, "/Id").to_owned(),
        name,
        image: text(entry, "/Image").to_owned(),
        image_id: text(entry, "/ImageID").to_owned(),
        state: text(entry, "/State").into(),
        status: text(entry, "/Status").to_owned(),
        outdated: false,
        created: integer(entry, "/Created").and_then(unix_time),
        labels: text_map(entry, "/Labels"),
        operation: (state == OperationState::InProgress).then_some(operation),
        interrupted: state == OperationState::Interrupted,
        manifest: optional_text(entry, "/ImageManifestDescriptor/digest"),
    }
}

impl Refit {
    /// The containers, running or not.
    #[tracing::instrument(level = "error", name = "container_list", skip_all, err(level = "warn"))]
    pub async fn containers(&self, options: &ContainersOptions) -> Result<ContainerList> {
        let engine = &self.shared.engine;
        let images = images::list(engine).await?;
        let current = current_images(engine, &images);
        let mut containers = Listing::read_admitted(self, options).await?;
        for entry in &mut containers {
            let names_now = Reference::parse(&entry.image).ok().and_then(|reference| current.get(&reference));
            entry.outdated = match names_now {
                Some(current) => !current.is_run_by(entry).await?,
                None => false,
            };
        }
        Ok(ContainerList { containers })
    }

    /// Whether there is a container of that name or id.
    #[tracing::instrument(level = "error", name = "container_exists", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn container_exists(&self, container: &str) -> Result<bool> {
        Ok(Listing::find_on(&self.shared.engine, container).await?.is_some())
    }
}

/// What each tag names now.
fn current_images<'a>(engine: &'a Engine, images: &[Value]) -> BTreeMap<Reference, CurrentImage<'a>> {
    let mut current = BTreeMap::new();
    for image in images {
        let Some(id) = optional_text(image, "/Id") else { continue };
        for name in listed_references(image, "/RepoTags") {
            if let Ok(reference) = Reference::parse(&name) {
                current.insert(reference, CurrentImage::new(engine, id.as_str()));
            }
        }
    }
    current
}

/// The references from which containers were created, by the container's id: they never change. The list shows them, unless the tag has moved
/// on: then it shows an id.
#[derive(Debug, Default)]
pub(crate) struct CreationReferences(Mutex<BTreeMap<String, String>>);

impl CreationReferences {
    /// Puts into each container the reference from which it was created; each container is asked about once.
    pub(crate) async fn complete(&self, engine: &Engine, containers: &mut [ContainerSummary]) -> Result<()> {
        let unknown = |entry: &&mut ContainerSummary| shows_id(&entry.image, &entry.image_id);
        let completing: Vec<_> = containers.iter_mut().filter(unknown).map(|entry| self.complete_one(engine, entry)).collect();
        stream::iter(completing).buffer_unordered(INSPECTS_AT_ONCE).try_collect().await
    }

    async fn complete_one(&self, engine: &Engine, entry: &mut ContainerSummary) -> Result<()> {
        let known = self.lock().get(&entry.id).cloned();
        if let Some(known) = known {
            entry.image = known;
            return Ok(());
        }
        let inspected = containers::inspect(engine, &entry.id).await?;
        if let Some(reference) = inspected.and_then(|inspected| optional_text(&inspected, "/Config/Image")) {
            entry.image.clone_from(&reference);
            self.lock().insert(entry.id.clone(), reference);
        }
        Ok(())
    }

    /// Forgets containers that are gone, once they are many.
    fn keep(&self, listing: &Listing) {
        let mut known = self.lock();
        if known.len() > 2 * listing.entries.len() {
            let listed: BTreeSet<&str> = listing.entries.iter().map(|entry| text(entry, "/Id")).collect();
            known.retain(|id, _| listed.contains(id.as_str()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    fn an_id_is_distinguished_from_a_reference() {
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
