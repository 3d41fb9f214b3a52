//! Step 0: everything that is read, and every refusal, before anything is changed.

use std::sync::Arc;

use futures_util::future;
use serde_json::Value;

use super::RecreateOptions;
use crate::container::lease::Clock;
use crate::container::names::{self, TemporaryName};
use crate::container::spec::{self, Allowed, EngineFacts, Subject, Surroundings};
use crate::container::{libpod, requests, state};
use crate::engine::{Engine, escape};
use crate::{Code, Error, Result};

/// An engine with a thousand containers is not asked about all of them at once.
const INSPECTS_AT_ONCE: usize = 16;

/// What stands on the engine, read once.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    list: Vec<Value>,
    /// The engine's clock, as it was read with it.
    clock: Clock,
    facts: EngineFacts,
    around: Arc<Surroundings>,
}

/// A container that may be recreated, and all that is known for it.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Its inspect.
    pub(crate) container: Value,
    /// Of a dependent: its inspect as if it held the new container, once that is made.
    followed: Option<Value>,
    pub(crate) old_image: Value,
    /// `None` while the reference names no local image.
    pub(crate) new_image: Option<Value>,
    pub(crate) facts: EngineFacts,
    pub(crate) around: Arc<Surroundings>,
    /// The engine's clock, as it was read last.
    pub(crate) clock: Clock,
    /// Those that hold it by its id and are recreated with it, in their order.
    pub(crate) dependents: Vec<Prepared>,
}

impl Prepared {
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            container: self.followed.as_ref().unwrap_or(&self.container),
            old_image: &self.old_image,
            new_image: self.new_image.as_ref(),
            facts: &self.facts,
            around: &self.around,
        }
    }

    /// As it stands, without the new container that it is to hold.
    pub(crate) fn subject_before(&self) -> Subject<'_> {
        Subject { container: &self.container, ..self.subject() }
    }

    /// Of a dependent: it is to hold this container, just made, in place of that one.
    pub(crate) fn follow(&mut self, old: &str, new: &Value) {
        self.followed = Some(spec::follow(self.followed.as_ref().unwrap_or(&self.container), old, state::id(new)));
        Arc::make_mut(&mut self.around).containers.push(new.clone());
    }

    /// The first whose new image is not local.
    pub(crate) fn without_image(&self) -> Option<&Self> {
        std::iter::once(self).chain(&self.dependents).find(|prepared| prepared.new_image.is_none())
    }

    pub(crate) fn name(&self) -> &str {
        state::name(&self.container)
    }

    /// The reference that it was created from.
    pub(crate) fn reference(&self) -> &str {
        reference(&self.container)
    }
}

pub(super) fn reference(container: &Value) -> &str {
    container.pointer("/Config/Image").and_then(Value::as_str).unwrap_or_default()
}

/// Finds the container, by name or id. One whose name is in the hand of a recreation is not gone.
pub(crate) async fn find(engine: &Engine, container: &str) -> Result<Value> {
    if let Some(found) = requests::inspect(engine, container).await? {
        match TemporaryName::parse(state::name(&found)) {
            None => Ok(found),
            Some(temporary) => Err(leftover(&temporary, engine.clock().await?)),
        }
    } else {
        let (list, now) = requests::list(engine).await?;
        check_leftovers(&list, container.trim_start_matches('/'), None, now)?;
        Err(Code::NotFound.error(format!("there is no container {container}")).with_container(container))
    }
}

/// Fails when another run of the container is at work, or has left something.
pub(super) fn check_leftovers(list: &[Value], container: &str, own: Option<&str>, now: i64) -> Result<()> {
    let others = list.iter().filter(|entry| own != entry.get("Id").and_then(Value::as_str));
    let others = others.filter_map(|entry| TemporaryName::parse(names::own_name(entry)?)).filter(|other| other.container == container);
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

/// Everything that a preflight needs to know of the engine.
pub(crate) async fn look(engine: &Engine) -> Result<Look> {
    let (list, now) = requests::list(engine).await?;
    let clock = Clock::at(now);
    let around = Arc::new(surroundings(engine, &list).await?);
    Ok(Look { list, clock, facts: facts(engine).await?, around })
}

/// Finds every refusal that can be found without a change. A missing new image is none: it may be pulled later. The old image is handed
/// in by who has read it before a pull: some stores forget an image that has lost its tag.
pub(crate) async fn preflight(
    engine: &Engine,
    look: &Look,
    container: &Value,
    options: &RecreateOptions,
    old_image: Option<&Value>,
) -> Result<Prepared> {
    let name = state::name(container);
    let mut prepared = prepare(engine, look, container, options.allowed(), old_image).await.map_err(|error| error.with_container(name))?;
    for dependent in spec::dependents(container, &look.around.containers) {
        if state::is_auto_remove(container) {
            let message =
                format!("cannot recreate container {name}: {dependent}, which could not be put back, since it was started with --rm");
            return Err(Code::Conflict.error(message).with_container(name));
        }
        let Some(container) = look.around.containers.iter().find(|other| state::id(other) == dependent.id) else { continue };
        let allowed = Allowed { auto_remove: false, ..options.allowed() };
        let with = |error: Error| {
            let (code, message) = (error.code(), format!("cannot recreate container {name}: {dependent}, and: {}", error.message()));
            error.into_cause_of(code, message).with_container(name)
        };
        prepared.dependents.push(prepare(engine, look, container, allowed, None).await.map_err(with)?);
    }
    Ok(prepared)
}

async fn prepare(engine: &Engine, look: &Look, container: &Value, allowed: Allowed, old: Option<&Value>) -> Result<Prepared> {
    check_leftovers(&look.list, state::name(container), None, look.clock.now())?;
    let mut container = container.clone();
    libpod::complete(engine, &mut container).await?;
    spec::refuse_managed(&container, &look.facts)?;
    let prepared = Prepared {
        new_image: image(engine, reference(&container)).await?,
        old_image: match old {
            Some(image) => image.clone(),
            None => old_image(engine, &container).await?,
        },
        facts: look.facts.clone(),
        around: Arc::clone(&look.around),
        container,
        followed: None,
        clock: look.clock,
        dependents: Vec::new(),
    };
    prepared.subject().refuse(allowed)?;
    Ok(prepared)
}

async fn old_image(engine: &Engine, container: &Value) -> Result<Value> {
    let id = container.get("Image").and_then(Value::as_str).unwrap_or_default();
    image(engine, id).await?.ok_or_else(|| {
        let (name, reference) = (state::name(container), reference(container));
        Code::Unsupported
            .error(format!(
                "cannot recreate container {name}: the engine has forgotten its image {id}, so what is the image's and what the user's cannot \
                 be told apart; pull by img_update of {reference}, which reads the image before the pull"
            ))
            .with_image(reference)
    })
}

/// The inspect of an image; `None` when it is not local.
pub(crate) async fn image(engine: &Engine, image: &str) -> Result<Option<Value>> {
    let manifests = if engine.session().await?.api >= crate::engine::ApiVersion(1, 48) { "?manifests=true" } else { "" };
    match engine.get(&format!("inspecting image {image}"), &format!("/images/{}/json{manifests}", escape(image))).await {
        Ok(mut image) => {
            libpod::complete_image(engine, &mut image).await?;
            Ok(Some(image))
        }
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn facts(engine: &Engine) -> Result<EngineFacts> {
    let (facts, api) = (engine.facts().await?, engine.session().await?.api);
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    Ok(EngineFacts {
        podman: facts.podman(),
        api_version: (api.0, api.1),
        name: facts.name,
        platform: (facts.os, facts.architecture),
        own_containers: spec::own_containers(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup")),
    })
}

/// All containers and networks. A container that goes meanwhile is left out.
async fn surroundings(engine: &Engine, list: &[Value]) -> Result<Surroundings> {
    let ids: Vec<&str> = list.iter().filter_map(|entry| entry.get("Id")?.as_str()).collect();
    let mut containers = Vec::new();
    for some in ids.chunks(INSPECTS_AT_ONCE) {
        containers.extend(future::try_join_all(some.iter().map(|id| requests::inspect(engine, id))).await?);
    }
    let networks = engine.get("listing the networks", "/networks").await?;
    let networks = networks.as_array().cloned().unwrap_or_default();
    Ok(Surroundings { containers: containers.into_iter().flatten().collect(), networks })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_runs_names_are_busy_or_leftovers() {
        let entry =
            |id: &str, name: &str, lease: u32| json!({"Id": id, "Names": [format!("/{name}.refit-new-0123456789ab-r-{lease:08x}")]});
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
