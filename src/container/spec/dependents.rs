//! Containers that hold another one by its id, and so break when it is replaced.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::host_config::{linked, providers};
use super::name;
use super::value::{is_id_of, list, text};
use super::volumes_from::{named, source};

/// How a container holds another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// `NetworkMode: container:`.
    Network,
    /// `PidMode: container:`.
    Pid,
    /// `IpcMode: container:`.
    Ipc,
    /// A legacy link of the default bridge.
    Link,
    /// `VolumesFrom`.
    Volumes,
}

/// A container that holds another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependent {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// The id of the container that it holds: the one asked about, or one of its dependents.
    pub(crate) of: String,
    /// In which ways.
    pub(crate) holds: Vec<Hold>,
}

impl Dependent {
    /// Whether a legacy link is among the ways: such a container breaks for good once what it links to is gone.
    pub(crate) fn is_linked(&self) -> bool {
        self.holds.contains(&Hold::Link)
    }
}

impl fmt::Display for Dependent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holds: Vec<&str> = self
            .holds
            .iter()
            .map(|hold| match hold {
                Hold::Network => "network",
                Hold::Pid => "processes",
                Hold::Ipc => "memory",
                Hold::Link => "link",
                Hold::Volumes => "volumes",
            })
            .collect();
        write!(f, "{} uses its {}", self.name, holds.join(" and "))
    }
}

/// The containers that hold this one, and those that hold them, in an order in which they can be recreated after it.
pub(crate) fn dependents(container: &Value, containers: &[Value]) -> Vec<Dependent> {
    let mut seen = HashSet::from([text(container, "Id").to_owned()]);
    let mut found: Vec<Dependent> = Vec::new();
    let mut holders = vec![container];
    while let Some(held) = holders.pop() {
        for other in containers {
            let holds = holds(other, held, containers);
            if !holds.is_empty() && seen.insert(text(other, "Id").to_owned()) {
                let (id, of) = (text(other, "Id").to_owned(), text(held, "Id").to_owned());
                found.push(Dependent { id, name: name(other).into(), of, holds });
                holders.push(other);
            }
        }
    }
    in_order(found, containers)
}

/// Nobody before one of those that he holds himself. A circle, which no engine makes, keeps the order of discovery.
fn in_order(mut found: Vec<Dependent>, containers: &[Value]) -> Vec<Dependent> {
    let inspect = |dependent: &Dependent| containers.iter().find(|other| text(other, "Id") == dependent.id);
    let mut ordered = Vec::new();
    while !found.is_empty() {
        let free = found.iter().position(|one| {
            let Some(one) = inspect(one) else { return true };
            !found.iter().filter_map(inspect).any(|other| !std::ptr::eq(one, other) && !holds(one, other, containers).is_empty())
        });
        ordered.push(found.remove(free.unwrap_or(0)));
    }
    ordered
}

fn holds(container: &Value, held: &Value, containers: &[Value]) -> Vec<Hold> {
    // A name that looks like the beginning of an id is a name.
    let is_held = |id: &str| match named(containers, id) {
        Some(other) => text(other, "Id") == text(held, "Id"),
        None => is_id_of(text(held, "Id"), id) || id == name(held),
    };
    let modes = providers(container).filter(|(_, id)| is_held(id)).map(|(field, _)| match field {
        "NetworkMode" => Hold::Network,
        "PidMode" => Hold::Pid,
        _ => Hold::Ipc,
    });
    let link = linked(container).any(is_held).then_some(Hold::Link);
    let mut sources = list(&container["HostConfig"], "VolumesFrom").iter().filter_map(Value::as_str).map(source);
    let volumes = sources.any(is_held).then_some(Hold::Volumes);
    modes.chain(link).chain(volumes).collect()
}

/// The ids, or names, of the containers that this one holds.
pub(crate) fn held(container: &Value) -> impl Iterator<Item = &str> {
    let sources = list(&container["HostConfig"], "VolumesFrom").iter().filter_map(Value::as_str).map(source);
    providers(container).map(|(_, id)| id).chain(sources)
}

/// A dependent's inspect as if it had been made for the replacement: the id of the old container mapped to the new one's.
pub(crate) fn follow(dependent: &Value, old_id: &str, new_id: &str) -> Value {
    let mut followed = dependent.clone();
    let Some(Value::Object(host_config)) = followed.get_mut("HostConfig") else { return followed };
    // Fewer digits may be a name; a source that is not found has its mounts made explicit.
    let is_old = |id: &str| id.len() >= 12 && is_id_of(old_id, id);
    for field in ["NetworkMode", "PidMode", "IpcMode"] {
        if let Some(Value::String(mode)) = host_config.get_mut(field)
            && mode.strip_prefix("container:").is_some_and(is_old)
        {
            *mode = format!("container:{new_id}");
        }
    }
    if let Some(Value::Array(entries)) = host_config.get_mut("VolumesFrom") {
        for entry in entries {
            if let Some(text) = entry.as_str()
                && is_old(source(text))
            {
                *entry = text.replacen(source(text), new_id, 1).into();
            }
        }
    }
    followed
}

#[cfg(test)]
#[path = "dependents_tests.rs"]
mod tests;
