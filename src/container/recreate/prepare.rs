//! Step 0: everything that is read, and every refusal, before anything is changed.

use futures_util::future;
use serde_json::Value;

use super::RecreateOptions;
use crate::container::lease::Clock;
use crate::container::names::{self, TemporaryName};
use crate::container::spec::{self, EngineFacts, Subject, Surroundings};
use crate::container::{requests, state};
use crate::engine::{Engine, escape};
use crate::{Code, Error, Result};

/// What the caller knows already and the engine may not tell any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    /// The inspect of the old image, read before a pull: some stores forget an image that has lost its tag.
    pub(crate) old_image: Option<Value>,
    /// Ids that were replaced before, old and new: a dependent holds its provider by id.
    pub(crate) replaced: Vec<(String, String)>,
}

/// A container that may be recreated, and all that is known for it.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Its inspect; the ids of replaced providers are the new ones.
    pub(crate) container: Value,
    pub(crate) old_image: Value,
    /// `None` while the reference names no local image.
    pub(crate) new_image: Option<Value>,
    pub(crate) facts: EngineFacts,
    pub(crate) around: Surroundings,
    /// The engine's clock, as it was read last.
    pub(crate) clock: Clock,
}

impl Prepared {
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            container: &self.container,
            old_image: &self.old_image,
            new_image: self.new_image.as_ref(),
            facts: &self.facts,
            around: &self.around,
        }
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

/// Reads everything and finds every refusal that can be found without a change. A missing new image is none: it may be pulled later.
pub(crate) async fn preflight(engine: &Engine, container: &Value, options: &RecreateOptions, given: &Given) -> Result<Prepared> {
    let name = state::name(container).to_owned();
    prepare(engine, container, options, given).await.map_err(|error| error.with_container(name))
}

async fn prepare(engine: &Engine, container: &Value, options: &RecreateOptions, given: &Given) -> Result<Prepared> {
    options.check()?;
    let (list, now) = requests::list(engine).await?;
    let clock = Clock::at(now);
    check_leftovers(&list, state::name(container), None, now)?;
    let old_image = match &given.old_image {
        Some(image) => image.clone(),
        None => old_image(engine, container).await?,
    };
    let container = given.replaced.iter().fold(container.clone(), |container, (old, new)| spec::follow(&container, old, new));
    let prepared = Prepared {
        new_image: image(engine, reference(&container)).await?,
        old_image,
        facts: facts(engine).await?,
        around: surroundings(engine, &list).await?,
        container,
        clock,
    };
    prepared.subject().refuse(options.allowed())?;
    unbuilt(&prepared)?;
    Ok(prepared)
}

/// What no option allows yet.
fn unbuilt(prepared: &Prepared) -> Result<()> {
    match spec::dependents(&prepared.container, &prepared.around.containers).first() {
        Some(dependent) => Err(Code::Conflict.error(format!(
            "cannot recreate container {}: {dependent}, and recreate_dependents is not in this version: remove those first, and create them \
             again afterwards",
            prepared.name()
        ))),
        None => Ok(()),
    }
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
        Ok(image) => Ok(Some(image)),
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
        own_container: spec::own_container(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup")),
    })
}

/// All containers and networks. A container that goes meanwhile is left out.
async fn surroundings(engine: &Engine, list: &[Value]) -> Result<Surroundings> {
    let ids = list.iter().filter_map(|entry| entry.get("Id")?.as_str());
    let containers = future::try_join_all(ids.map(|id| requests::inspect(engine, id))).await?;
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
