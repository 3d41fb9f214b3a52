//! The containers of an engine, as far as one may depend on another: all are inspected once, then only those that are new or have changed.
//!
//! What a container references does not change as long as it exists, except for its networks; name and state are in every list. So an update
//! of many containers inspects all of them once, and asks for the list before each recreation (`listed.rs`).
//!
//! Rules: docs/recreate.md, section 8.

mod listed;
mod record;
mod shared_list;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::container::replacement::lease::Clock;
use crate::container::{create_body, state};
use crate::engine::Engine;
use crate::engine::api::container_list::{ListedEntry, ListedNetworking};
use crate::engine::api::containers;
use crate::{Code, Result};
use listed::Listed;
use shared_list::SharedList;

/// An engine with a thousand containers is not asked about all of them at once.
pub(crate) const INSPECTS_AT_ONCE: usize = 16;

/// Of how many other containers a plan is made from their inspects; beyond that from the list, as far as that shows enough.
const INSPECTS_OF_A_PLAN: usize = 60;

/// The label of a container's compose project.
const PROJECT: &str = "com.docker.compose.project";

/// What was read of the containers of one engine. The references of a container are kept as long as it exists.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    known: Mutex<BTreeMap<String, Known>>,
    list: SharedList<Listed>,
    /// The ids of containers that a recreation of this call has created, renamed or removed since the list was read.
    changed: Mutex<BTreeSet<String>>,
}

/// A container that was inspected.
#[derive(Debug, Clone)]
struct Known {
    /// What the list showed before the inspect; `None` where the caller had inspected it, until the next list.
    networking: Option<ListedNetworking>,
    record: Value,
}

/// Which containers are inspected.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Depth<'a> {
    /// All: before anything is changed.
    Whole,
    /// For a plan of these containers, by id, which the caller has inspected: a limited number of the others, those first that the list shows
    /// to be near.
    Plan(&'a BTreeSet<String>),
}

/// All containers at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) list: Arc<Vec<ListedEntry>>,
    /// The engine's clock, as it was read with the list.
    pub(crate) clock: Clock,
    /// What is known of each, in the form of its inspect: id, name, state, references to other containers, mounts.
    pub(crate) containers: Vec<Value>,
    /// How many were only listed.
    pub(crate) only_listed: usize,
}

impl Inventory {
    /// Takes over what the caller has inspected.
    pub(crate) fn learn(&self, inspect: &Value) {
        let known = Known { networking: None, record: record::of_inspect(inspect) };
        lock(&self.known).insert(state::id(inspect).to_owned(), known);
    }

    /// These containers have been created, renamed or removed.
    pub(crate) fn changed(&self, ids: impl IntoIterator<Item = String>) {
        lock(&self.changed).extend(ids);
    }

    /// Asks for the list, and inspects what is not known yet or has changed its networks. A container that is removed meanwhile is left out.
    pub(crate) async fn look(&self, engine: &Engine, depth: Depth<'_>) -> Result<Look> {
        let listed = self.list.get(|before| listed::read(engine, before, &self.changed)).await?;
        let (list, clock) = (Arc::clone(&listed.entries), listed.clock);
        let unknown = self.forget_removed(&list);
        let to_inspect = match depth {
            Depth::Whole => unknown,
            Depth::Plan(members) => choose(&list, unknown, members),
        };
        let inspecting: Vec<_> = to_inspect.into_iter().map(|entry| self.inspect(engine, entry)).collect();
        let inspected: BTreeSet<&str> = stream::iter(inspecting).buffer_unordered(INSPECTS_AT_ONCE).try_collect().await?;
        let links = record::links(&list);
        let (mut containers, mut only_listed) = (Vec::with_capacity(list.len()), 0);
        let known = lock(&self.known);
        for entry in list.iter() {
            match known.get(&entry.id) {
                Some(known) => containers.push(record::with_entry(&known.record, entry, &links)),
                None if inspected.contains(entry.id.as_str()) => {}
                None => {
                    only_listed += 1;
                    containers.push(record::with_entry(&record::of_entry(entry), entry, &links));
                }
            }
        }
        drop(known);
        Ok(Look { list, clock, containers, only_listed })
    }

    /// Keeps those that are listed; the others, and those whose networks have changed.
    fn forget_removed<'l>(&self, list: &'l [ListedEntry]) -> Vec<&'l ListedEntry> {
        let mut known = lock(&self.known);
        let listed: BTreeSet<&str> = list.iter().map(|entry| entry.id.as_str()).collect();
        known.retain(|id, _| listed.contains(id.as_str()));
        let mut is_known = |entry: &ListedEntry| {
            let Some(known) = known.get_mut(&entry.id) else { return false };
            let networking = entry.networking();
            *known.networking.get_or_insert_with(|| networking.clone()) == networking
        };
        list.iter().filter(|entry| !is_known(entry)).collect()
    }

    /// The id, whether it is still there or not.
    async fn inspect<'l>(&self, engine: &Engine, entry: &'l ListedEntry) -> Result<&'l str> {
        let inspect = containers::inspect(engine, &entry.id).await;
        if let Err(error) = &inspect
            && error.code() == Code::Unreachable
        {
            // An engine that answers otherwise hangs at this one container; it is not asked about it again.
            engine.session().await?;
        }
        let record = match inspect {
            Ok(inspect) => inspect.as_ref().map(record::of_inspect),
            // A broken container must not keep all others from being recreated.
            Err(error) => Some(create_body::as_not_inspected(record::of_entry(entry), error.message())),
        };
        let mut known = lock(&self.known);
        match record {
            Some(record) => {
                known.insert(entry.id.clone(), Known { networking: Some(entry.networking()), record });
            }
            None => {
                known.remove(&entry.id);
            }
        }
        Ok(&entry.id)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of the containers beside the members, those that are inspected for a plan: first those of a member's compose project, and those that have a
/// mount of a member, whose volumes they may take.
fn choose<'l>(list: &[ListedEntry], unknown: Vec<&'l ListedEntry>, members: &BTreeSet<String>) -> Vec<&'l ListedEntry> {
    if unknown.len() <= INSPECTS_OF_A_PLAN {
        return unknown;
    }
    let project = |entry: &ListedEntry| entry.labels.as_ref().and_then(|labels| labels.get(PROJECT).cloned());
    let mounts = |entry: &ListedEntry| -> Vec<String> {
        let shown = entry.mounts.iter().flatten();
        shown.map(|mount| format!("{} {} {}", mount["Name"], mount["Source"], mount["Destination"])).collect()
    };
    let of_members = || list.iter().filter(|entry| members.contains(&entry.id));
    let projects: BTreeSet<String> = of_members().filter_map(project).collect();
    let mounted: BTreeSet<String> = of_members().flat_map(mounts).collect();
    let is_near = |entry: &&ListedEntry| {
        project(entry).is_some_and(|project| projects.contains(&project)) || mounts(entry).iter().any(|mount| mounted.contains(mount))
    };
    let (near, far): (Vec<_>, Vec<_>) = unknown.into_iter().partition(is_near);
    near.into_iter().chain(far).take(INSPECTS_OF_A_PLAN).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plan_inspects_the_nearest_containers_first() {
        let of = |id: String, project: &str, volume: &str| -> ListedEntry {
            let mount = json!([{"Name": volume, "Source": format!("/v/{volume}"), "Destination": "/d"}]);
            serde_json::from_value(json!({"Id": id, "Labels": {PROJECT: project}, "Mounts": mount})).unwrap()
        };
        let mut list: Vec<ListedEntry> = (0..300).map(|n| of(format!("far{n}"), "other", "w")).collect();
        list.extend([of("member".into(), "p", "v"), of("project".into(), "p", "x"), of("volume".into(), "other", "v")]);
        let members = BTreeSet::from(["member".to_owned()]);
        let others = |list: &'static [ListedEntry]| list.iter().filter(|entry| entry.id != "member").collect();
        let list: &'static [ListedEntry] = list.leak();
        let chosen: Vec<&str> = choose(list, others(list), &members).into_iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!((chosen.len(), &chosen[..3]), (INSPECTS_OF_A_PLAN, &["project", "volume", "far0"][..]));
        assert_eq!(choose(list, others(&list[290..]), &members).len(), 12, "few are all inspected");
    }
}
