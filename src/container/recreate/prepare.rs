//! Step 0: everything that is read, and every refusal, before anything is changed.
//!
//! Rules: docs/recreate.md, section 4.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::RecreateOptions;
use super::volumes::VolumesPlan;
use crate::container::create_body::{self, Allowed, CreateInput, EngineFacts, EngineInventory, NamedBy, Warning};
use crate::container::inventory::{Depth, Inventory};
use crate::container::replacement::lease::Clock;
use crate::container::replacement::names::{Mode, TemporaryName};
use crate::container::{libpod, state};
use crate::engine::api::container_list::{self, ListedEntry};
use crate::engine::api::images::{self, Detail};
use crate::engine::api::{containers, networks, system};
use crate::engine::{Engine, Listener};
use crate::error::shown;
use crate::platform::Platform;
use crate::{Code, Error, Result};

/// The containers and networks of the engine, as they were when a preflight began.
#[derive(Debug)]
pub(crate) struct EngineSnapshot {
    pub(super) list: Arc<Vec<ListedEntry>>,
    /// The engine's clock, as it was read with it.
    clock: Clock,
    facts: EngineFacts,
    inventory: EngineInventory,
    /// How many containers were only listed, for a plan.
    pub(crate) only_listed: usize,
    /// By reference or id: many containers have the same images.
    images: Mutex<BTreeMap<String, Option<Arc<Value>>>>,
}

/// A container that may be recreated, and everything that was read for it.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Its inspect.
    pub(crate) container: Value,
    /// Its inspect with another container's id in place of one that it references: of a dependent the new container's, once that is created;
    /// else that of the container that has the place of a provider that is gone.
    followed: Option<Value>,
    /// The container that has the place of a provider that is gone, and who says so.
    pub(crate) attached_to: Option<(String, NamedBy)>,
    pub(crate) old_image: Arc<Value>,
    /// `None` while the reference names no local image.
    pub(crate) new_image: Option<Arc<Value>>,
    pub(crate) facts: EngineFacts,
    /// The networks, and of the containers those that it depends on or that depend on it.
    pub(crate) inventory: EngineInventory,
    /// The engine's clock, as it was read last.
    pub(crate) clock: Clock,
    /// The containers that reference it by its id and are recreated with it, in their order.
    pub(crate) dependents: Vec<Prepared>,
    /// Its volumes that are backed up, once [`super::plan_backups`] has looked.
    pub(crate) volumes: VolumesPlan,
}

impl Prepared {
    pub(crate) fn input(&self) -> CreateInput<'_> {
        CreateInput {
            container: self.followed.as_ref().unwrap_or(&self.container),
            old_image: &self.old_image,
            new_image: self.new_image.as_deref(),
            facts: &self.facts,
            inventory: &self.inventory,
        }
    }

    /// As it is now, with the references to old containers.
    pub(crate) fn input_as_inspected(&self) -> CreateInput<'_> {
        CreateInput { container: &self.container, ..self.input() }
    }

    /// Of a dependent: it is to reference this new container in place of the old one.
    pub(crate) fn follow(&mut self, old: &Value, new: &Value) {
        self.followed = Some(create_body::redirect_references(self.followed.as_ref().unwrap_or(&self.container), old, state::id(new)));
        self.inventory.containers.push(new.clone());
    }

    /// The first whose new image is not local.
    pub(crate) fn without_image(&self) -> Option<&Self> {
        std::iter::once(self).chain(&self.dependents).find(|prepared| prepared.new_image.is_none())
    }

    pub(crate) fn name(&self) -> &str {
        state::name(&self.container)
    }

    /// What it did when it was inspected.
    pub(crate) fn mode(&self) -> Mode {
        Mode::of(&self.container)
    }

    /// The reference that it was created from.
    pub(crate) fn reference(&self) -> &str {
        reference(&self.container)
    }
}

pub(super) fn reference(container: &Value) -> &str {
    container.pointer("/Config/Image").and_then(Value::as_str).unwrap_or_default()
}

/// Finds the container, by name or id. One that has lost its name to a recreation in progress is BUSY or CONFLICT, not gone.
pub(crate) async fn find(engine: &Engine, container: &str) -> Result<Value> {
    if let Some(found) = containers::inspect(engine, container).await? {
        match TemporaryName::parse(state::name(&found)) {
            None => Ok(found),
            Some(temporary) => Err(leftover(&temporary, system::clock(engine).await?)),
        }
    } else {
        let name = container.trim_start_matches('/');
        let (list, now) = container_list::list_temporary(engine).await?;
        check_leftovers(&list, name, None, now)?;
        Err(Code::NotFound.error(format!("there is no container {}", shown(container))).with_container(container))
    }
}

/// Fails when another recreation of the container is in progress, or was interrupted.
pub(super) fn check_leftovers(list: &[ListedEntry], container: &str, own: Option<&str>, now: i64) -> Result<()> {
    let others = list.iter().filter(|entry| own != Some(&entry.id));
    let others = others.filter_map(|entry| TemporaryName::parse(entry.name()?)).filter(|other| other.container == container);
    match others.max_by_key(|other| other.is_live(now)) {
        Some(other) => Err(leftover(&other, now)),
        None => Ok(()),
    }
}

fn leftover(other: &TemporaryName, now: i64) -> Error {
    let container = &other.container;
    let error = if other.is_live(now) {
        Code::Busy.error(format!("container {container} is being recreated by another process"))
    } else {
        Code::Conflict
            .error(format!("an interrupted recreation has left {other}: call container_recover for {container}, or set recover_first"))
    };
    error.with_container(container.clone())
}

/// Everything that a preflight needs to know of the engine: the list is asked for anew, and what it shows to have changed is inspected.
pub(crate) async fn read_engine(engine: &Engine, inventory: &Inventory, depth: Depth<'_>) -> Result<EngineSnapshot> {
    let look = inventory.look(engine, depth).await?;
    Ok(EngineSnapshot {
        list: look.list,
        clock: look.clock,
        facts: facts(engine).await?,
        inventory: EngineInventory { containers: look.containers, networks: networks::list(engine).await? },
        only_listed: look.only_listed,
        images: Mutex::default(),
    })
}

/// Finds every refusal that can be found without a change. A missing new image is none: it may be pulled later. The old image is handed
/// in by who has read it before a pull: some stores forget an image that has lost its tag.
pub(crate) async fn preflight(
    engine: &Engine,
    engine_snapshot: &EngineSnapshot,
    container: &Value,
    options: &RecreateOptions,
    old_image: Option<&Arc<Value>>,
) -> Result<Prepared> {
    let name = state::name(container);
    let mut prepared = prepare(engine, engine_snapshot, container, options.allowed(), options.provider.as_deref(), old_image)
        .await
        .map_err(|error| error.with_container(name))?;
    for dependent in create_body::dependents(container, &engine_snapshot.inventory.containers) {
        if state::is_auto_remove(container) {
            let message =
                format!("cannot recreate container {name}: {dependent}, which could not be rolled back, because it was started with --rm");
            return Err(Code::Conflict.error(message).with_container(name));
        }
        // It is recreated from all that its own inspect shows.
        let Some(container) = containers::inspect(engine, &dependent.id).await? else { continue };
        let allowed = Allowed { auto_remove: false, ..options.allowed() };
        let with = |error: Error| {
            let (code, message) = (error.code(), format!("cannot recreate container {name}: {dependent}, and: {}", error.message()));
            error.into_cause_of(code, message).with_container(name)
        };
        prepared.dependents.push(prepare(engine, engine_snapshot, &container, allowed, None, None).await.map_err(with)?);
    }
    Ok(prepared)
}

async fn prepare(
    engine: &Engine,
    engine_snapshot: &EngineSnapshot,
    container: &Value,
    allowed: Allowed,
    provider: Option<&str>,
    old: Option<&Arc<Value>>,
) -> Result<Prepared> {
    check_leftovers(&engine_snapshot.list, state::name(container), None, engine_snapshot.clock.now())?;
    let mut container = container.clone();
    libpod::complete(engine, &mut container).await?;
    create_body::refuse_managed(&container, &engine_snapshot.facts)?;
    let replaced = engine_snapshot.replaced_provider(&container, provider)?;
    let followed = replaced.as_ref().map(|one| create_body::redirect_references(&container, &json!({"Id": one.gone}), &one.new));
    let related = engine_snapshot.related(engine, followed.as_ref().unwrap_or(&container)).await?;
    let prepared = Prepared {
        new_image: engine_snapshot.image(engine, reference(&container)).await?,
        old_image: match old {
            Some(image) => Arc::clone(image),
            None => engine_snapshot.old_image(engine, &container).await?,
        },
        facts: engine_snapshot.facts.clone(),
        inventory: EngineInventory { containers: related, networks: engine_snapshot.inventory.networks.clone() },
        attached_to: replaced.map(|one| (one.name, one.by)),
        followed,
        container,
        clock: engine_snapshot.clock,
        dependents: Vec::new(),
        volumes: VolumesPlan::default(),
    };
    prepared.input().refuse(allowed)?;
    Ok(prepared)
}

impl EngineSnapshot {
    /// One for each container that the engine cannot inspect.
    pub(crate) fn bystander_warnings(&self) -> Vec<Warning> {
        create_body::bystander_warnings(&self.inventory.containers, "")
    }

    /// The container that has the place of a provider that is gone. The caller's word goes before the labels.
    fn replaced_provider(&self, container: &Value, chosen: Option<&str>) -> Result<Option<ReplacedProvider>> {
        if create_body::providers(container).next().is_none() {
            return Ok(None);
        }
        // Labels are in the list alone.
        let of = |entry: &ListedEntry| {
            json!({"Id": entry.id, "Name": format!("/{}", entry.name().unwrap_or_default()), "Config": {"Labels": entry.labels},
                "HostConfig": {"NetworkMode": entry.network_mode()}})
        };
        let listed: Vec<Value> = self.list.iter().map(of).collect();
        let Some(gone) = create_body::gone_provider(container, &listed) else { return Ok(None) };
        let (new, by) = match chosen {
            Some(chosen) => (Some(chosen_provider(container, &listed, chosen)?), NamedBy::Caller),
            None => (create_body::provider_by_labels(container, &listed), NamedBy::Labels),
        };
        let replaced =
            |new| ReplacedProvider { gone: gone.to_owned(), new: state::id(new).to_owned(), name: state::name(new).to_owned(), by };
        Ok(new.map(replaced))
    }

    /// What the decisions about a container are made from: those that it depends on or that depend on it, those that may, since the engine cannot
    /// inspect them, and those through which this process reaches the engine.
    async fn related(&self, engine: &Engine, container: &Value) -> Result<Vec<Value>> {
        let all = &self.inventory.containers;
        let mut related = create_body::related(container, all);
        let is_on_the_way = |id: &str| {
            let listening = matches!(&self.facts.listener, Listener::Socket { container: Some(listening), .. } if listening == id);
            listening || self.facts.own_containers.iter().any(|own| own == id)
        };
        for other in all.iter().filter(|other| create_body::not_inspected(other).is_some() || is_on_the_way(state::id(other))) {
            if !related.iter().any(|known| state::id(known) == state::id(other)) {
                related.push(other.clone());
            }
        }
        for (_, provider) in create_body::providers(container) {
            // The list may be late, and whether it runs decides.
            if let Some(provider) = create_body::named_mut(&mut related, provider)
                && create_body::not_inspected(provider).is_none()
                && let Some(inspect) = containers::inspect(engine, state::id(provider)).await?
            {
                *provider = inspect;
            }
        }
        Ok(related)
    }

    async fn old_image(&self, engine: &Engine, container: &Value) -> Result<Arc<Value>> {
        let id = container.get("Image").and_then(Value::as_str).unwrap_or_default();
        self.image(engine, id).await?.ok_or_else(|| {
            let (name, reference) = (state::name(container), reference(container));
            Code::Unsupported
                .error(format!(
                    "cannot recreate container {name}: the engine has forgotten its image {id}, so the image's defaults cannot be distinguished \
                     from the user's values; pull with img_update of {reference}, which reads the image before the pull"
                ))
                .with_image(reference)
        })
    }

    /// The inspect of an image; `None` when it is not local.
    async fn image(&self, engine: &Engine, image: &str) -> Result<Option<Arc<Value>>> {
        let mut images = self.images.lock().await;
        if let Some(known) = images.get(image) {
            return Ok(known.clone());
        }
        let mut inspect = images::inspect(engine, image, Detail::Manifests).await?;
        if let Some(inspect) = &mut inspect {
            libpod::complete_image(engine, inspect).await?;
        }
        let inspect = inspect.map(Arc::new);
        images.insert(image.to_owned(), inspect.clone());
        Ok(inspect)
    }
}

/// A provider that is gone, and the container in its place.
struct ReplacedProvider {
    gone: String,
    /// Its id.
    new: String,
    name: String,
    by: NamedBy,
}

/// The container that the caller names as the provider.
fn chosen_provider<'a>(container: &Value, listed: &'a [Value], chosen: &str) -> Result<&'a Value> {
    let name = state::name(container);
    let refuse = |code: Code, why: &str| {
        code.error(format!("cannot recreate container {name}: option \"provider\": {} {why}", shown(chosen))).with_container(name)
    };
    let found = create_body::named(listed, chosen).ok_or_else(|| refuse(Code::NotFound, "is no container"))?;
    let is_itself = state::id(found) == state::id(container);
    if is_itself { Err(refuse(Code::InvalidArgument, "is the container itself")) } else { Ok(found) }
}

async fn facts(engine: &Engine) -> Result<EngineFacts> {
    let (facts, session) = (engine.facts().await?, engine.session().await?);
    let (api, inspect) = (session.api, session.inspect_version());
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    Ok(EngineFacts {
        podman: facts.podman(),
        version: facts.version,
        api_version: (api.0, api.1),
        inspect_version: (inspect.0, inspect.1),
        name: facts.name,
        platform: Platform::known(&facts.os, &facts.architecture, ""),
        own_containers: create_body::own_containers(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup")),
        listener: engine.listener().await?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_of_another_run_are_busy_or_a_conflict() {
        let entry = |id: &str, name: &str, lease: u32| -> ListedEntry {
            serde_json::from_value(json!({"Id": id, "Names": [format!("/{name}.refit-new-0123456789ab-r-{lease:08x}")]})).unwrap()
        };
        let cases = [
            (vec![], None),
            (vec![entry("w", "web", 1010)], None),
            (vec![entry("x", "other", 1010)], None),
            (vec![entry("w", "web", 1010), entry("x", "web", 1010)], Some(Code::Busy)),
            (vec![entry("x", "web", 990)], Some(Code::Conflict)),
            (vec![entry("x", "web", 990), entry("y", "web", 1010)], Some(Code::Busy)),
        ];
        for (list, expected) in cases {
            let found = check_leftovers(&list, "web", Some("w"), 1000).err().map(|error| error.code());
            assert_eq!(found, expected, "{list:?}");
        }
    }
}
