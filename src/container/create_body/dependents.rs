//! Containers that reference another one by its id, and so break when it is replaced.
//!
//! Rules: docs/recreate.md, section 8.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::host_config::{linked, providers, rewritten_link};
use super::name;
use super::value::{entries, is_id_of, list, text};
use super::volumes_from::{named, source};

/// How a container references another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReferenceKind {
    /// `NetworkMode: container:`.
    Network,
    /// `PidMode: container:`.
    Pid,
    /// `IpcMode: container:`.
    Ipc,
    /// A link (`--link`) of the default bridge, which breaks for good once the container that it is to is gone; or one of an endpoint by the
    /// container's id.
    Link,
    /// `VolumesFrom`.
    Volumes,
}

/// A container that references another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependent {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// The id of the container that it references: the one asked about, or one of its dependents.
    pub(crate) of: String,
    /// In which ways.
    pub(crate) references: Vec<ReferenceKind>,
}

impl fmt::Display for Dependent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_kind = |kind: &ReferenceKind| match kind {
            ReferenceKind::Network => Some("network"),
            ReferenceKind::Pid => Some("processes"),
            ReferenceKind::Ipc => Some("memory"),
            ReferenceKind::Volumes => Some("volumes"),
            ReferenceKind::Link => None,
        };
        let used: Vec<&str> = self.references.iter().filter_map(of_kind).collect();
        let namespaces = (!used.is_empty()).then(|| format!("uses its {}", used.join(" and ")));
        let links = self.references.contains(&ReferenceKind::Link).then(|| "links to it (--link)".to_owned());
        let ways: Vec<String> = namespaces.into_iter().chain(links).collect();
        write!(f, "{} {}", self.name, ways.join(" and "))
    }
}

/// The containers that reference this one, directly or through others, in an order in which they can be recreated after it.
pub(crate) fn dependents(container: &Value, containers: &[Value]) -> Vec<Dependent> {
    let mut seen = HashSet::from([text(container, "Id").to_owned()]);
    let mut found: Vec<Dependent> = Vec::new();
    let mut to_visit = vec![container];
    while let Some(referenced) = to_visit.pop() {
        for other in containers {
            let references = references(other, referenced, containers);
            if !references.is_empty() && seen.insert(text(other, "Id").to_owned()) {
                let (id, of) = (text(other, "Id").to_owned(), text(referenced, "Id").to_owned());
                found.push(Dependent { id, name: name(other).into(), of, references });
                to_visit.push(other);
            }
        }
    }
    in_order(found, containers)
}

/// Each after those that it references. A circle, which no engine allows, keeps the order of discovery.
fn in_order(mut found: Vec<Dependent>, containers: &[Value]) -> Vec<Dependent> {
    let inspect = |dependent: &Dependent| containers.iter().find(|other| text(other, "Id") == dependent.id);
    let mut ordered = Vec::new();
    while !found.is_empty() {
        let free = found.iter().position(|one| {
            let Some(one) = inspect(one) else { return true };
            !found.iter().filter_map(inspect).any(|other| !std::ptr::eq(one, other) && !references(one, other, containers).is_empty())
        });
        ordered.push(found.remove(free.unwrap_or(0)));
    }
    ordered
}

fn references(container: &Value, referenced: &Value, containers: &[Value]) -> Vec<ReferenceKind> {
    // A name that looks like the beginning of an id is a name.
    let is_referenced = |id: &str| match named(containers, id) {
        Some(other) => text(other, "Id") == text(referenced, "Id"),
        None => is_id_of(text(referenced, "Id"), id) || id == name(referenced),
    };
    let modes = providers(container).filter(|(_, id)| is_referenced(id)).map(|(field, _)| match field {
        "NetworkMode" => ReferenceKind::Network,
        "PidMode" => ReferenceKind::Pid,
        _ => ReferenceKind::Ipc,
    });
    let is_linked = linked(container).any(is_referenced) || linked_by_id(container).any(|id| is_id_of(text(referenced, "Id"), id));
    let link = is_linked.then_some(ReferenceKind::Link);
    let mut sources = list(&container["HostConfig"], "VolumesFrom").iter().filter_map(Value::as_str).map(source);
    let volumes = sources.any(is_referenced).then_some(ReferenceKind::Volumes);
    modes.chain(link).chain(volumes).collect()
}

/// Of all containers, those that depend on this one, directly or through others, those that it references, and those that the former reference:
/// what the decisions about it and its dependents are made from.
pub(crate) fn related(container: &Value, containers: &[Value]) -> Vec<Value> {
    let mut related: HashSet<&str> = HashSet::from([text(container, "Id")]);
    let found = dependents(container, containers);
    related.extend(found.iter().map(|dependent| dependent.id.as_str()));
    let members = containers.iter().filter(|other| found.iter().any(|dependent| dependent.id == text(other, "Id"))).chain([container]);
    let referenced = members.flat_map(|member| referenced_containers(member).chain(linked(member)).chain(linked_by_id(member)));
    related.extend(referenced.filter_map(|id| named(containers, id)).map(|other| text(other, "Id")));
    containers.iter().filter(|other| related.contains(text(other, "Id"))).cloned().collect()
}

/// The ids, or names, of the containers that this one references.
pub(crate) fn referenced_containers(container: &Value) -> impl Iterator<Item = &str> {
    let sources = list(&container["HostConfig"], "VolumesFrom").iter().filter_map(Value::as_str).map(source);
    providers(container).map(|(_, id)| id).chain(sources)
}

/// Whether a new container, or an old one, of an interrupted run links to another one.
pub(crate) fn links_to(container: &Value, other: &Value) -> bool {
    let is_other = |link: &str| link == name(other) || is_whole_id(link) && is_id_of(text(other, "Id"), link);
    linked(container).any(is_other) || linked_by_id(container).any(|id| is_id_of(text(other, "Id"), id))
}

/// The containers that endpoints of the user's networks link to by id; a link by name follows the name by itself.
fn linked_by_id(container: &Value) -> impl Iterator<Item = &str> {
    let endpoints = entries(&container["NetworkSettings"], "Networks");
    let links = endpoints.flat_map(|(_, endpoint)| list(endpoint, "Links").iter().filter_map(Value::as_str));
    links.map(|link| link.split(':').next().unwrap_or_default()).filter(|link| is_whole_id(link))
}

/// An id, or its first 12 digits at least: fewer may be a name.
fn is_whole_id(text: &str) -> bool {
    (12..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A dependent's inspect as if it had been made for the replacement: the old container's id, and its name in links, mapped to the new one's id.
pub(crate) fn redirect_references(dependent: &Value, old: &Value, new_id: &str) -> Value {
    let (old_id, old_name) = (text(old, "Id"), name(old));
    let mut redirected = dependent.clone();
    if let Some(Value::Object(networks)) = redirected.pointer_mut("/NetworkSettings/Networks") {
        for link in networks.values_mut().filter_map(|endpoint| endpoint.get_mut("Links")?.as_array_mut()).flatten() {
            if let Some((id, alias)) = link.as_str().and_then(|link| link.split_once(':'))
                && is_whole_id(id)
                && is_id_of(old_id, id)
            {
                // The engine's names for a container are its id and the first 12 digits of it.
                *link = format!("{}:{alias}", new_id.get(..id.len()).unwrap_or(new_id)).into();
            }
        }
    }
    let Some(Value::Object(host_config)) = redirected.get_mut("HostConfig") else { return redirected };
    // Fewer digits may be a name; a source that is not found has its mounts made explicit.
    let is_old = |id: &str| id.len() >= 12 && is_id_of(old_id, id);
    for field in ["NetworkMode", "PidMode", "IpcMode"] {
        if let Some(Value::String(mode)) = host_config.get_mut(field)
            && mode.strip_prefix("container:").is_some_and(is_old)
        {
            *mode = format!("container:{new_id}");
        }
    }
    if let Some(Value::Array(links)) = host_config.get_mut("Links") {
        for link in links {
            let sent = rewritten_link(link);
            if let Some((child, alias)) = sent.as_str().and_then(|link| link.split_once(':'))
                && (child == old_name || is_old(child))
            {
                // By its name the link would be to the old container, which has it still.
                *link = format!("{new_id}:{alias}").into();
            }
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
    redirected
}

#[cfg(test)]
#[path = "dependents_tests.rs"]
mod tests;
