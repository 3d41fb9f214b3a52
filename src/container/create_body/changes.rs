//! What differs between two inspects, a field at a time, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::mounts::mounted;
use super::networks::endpoints;
use super::value::{list, same, text};
use super::{EngineFacts, networks, podman};

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "change")]
pub struct Change {
    /// The inspect's path: `Config.Env`.
    pub field: String,
    /// Before; null where there was nothing.
    pub before: Value,
    /// After; null where there is nothing.
    pub after: Value,
    /// Why, in a sentence.
    pub because: String,
}

/// One default that differs between two images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "image_change")]
pub struct ImageChange {
    /// The inspect's path: `Config.Env`.
    pub field: String,
    /// In the old image.
    pub before: Value,
    /// In the new one.
    pub after: Value,
}

/// What an image inspect says that is a default of containers, or decides where they run.
const OF_IMAGE: [&str; 4] = ["Os", "Architecture", "Variant", "Config"];
/// What an image's `Config` holds of the container that it was built in, and other outputs.
const BUILD_LEFTOVERS: [&str; 3] = ["Hostname", "Domainname", "Image"];

/// What differs between two images that a container could notice.
pub(crate) fn image_changes(old: &Value, new: &Value) -> Vec<ImageChange> {
    OF_IMAGE
        .iter()
        .flat_map(|key| differing(key, &old[key], &new[key]))
        // The registry's document leaves out what an engine writes as a default.
        .filter(|(_, before, after)| !(is_nothing(before) && is_nothing(after)))
        .filter(|(field, ..)| !BUILD_LEFTOVERS.iter().any(|key| field.strip_prefix("Config.") == Some(key)))
        .map(|(field, before, after)| ImageChange { field, before, after })
        .collect()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// What differs between the old container's inspect and the new one's; ids and other outputs are left out.
pub(crate) fn changes(old: &Value, new: &Value, old_image: &Value, new_image: &Value, facts: &EngineFacts) -> Vec<Change> {
    let normalised = facts.podman.then(|| (podman::normalise(old, old_image), podman::normalise(new, new_image)));
    let (old, new) = normalised.as_ref().map_or((old, new), |(old, new)| (old, new));
    let mut changes = Vec::new();
    let configs = differing("Config", &old["Config"], &new["Config"]);
    for (field, before, after) in configs {
        let key = field.strip_prefix("Config.").unwrap_or_default();
        let because = because_of_config(key, old, old_image, new_image);
        changes.push(Change { field, before, after, because });
    }
    for (field, before, after) in differing("HostConfig", &old["HostConfig"], &new["HostConfig"]) {
        let because = because_of_host_config(field.strip_prefix("HostConfig.").unwrap_or_default(), &before).into();
        changes.push(Change { field, before, after, because });
    }
    changes.extend(mounts(old, new));
    changes.extend(endpoint_changes(old, new, facts));
    changes.extend(ports(old, new));
    changes
}

/// The keys whose values differ, under the path of the object that holds them.
fn differing(path: &str, before: &Value, after: &Value) -> Vec<(String, Value, Value)> {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        return if same(before, after) { Vec::new() } else { vec![(path.into(), before.clone(), after.clone())] };
    };
    let added = new.keys().filter(|key| !old.contains_key(*key));
    old.keys()
        .chain(added)
        .map(|key| (key, &before[key], &after[key]))
        .filter(|(_, before, after)| !same(before, after))
        .map(|(key, before, after)| (format!("{path}.{key}"), before.clone(), after.clone()))
        .collect()
}

fn because_of_config(key: &str, old: &Value, old_image: &Value, new_image: &Value) -> String {
    let images_differ = !same(&old_image["Config"][key], &new_image["Config"][key]);
    let because = match key {
        "Hostname" => "no hostname was given: it is the container's own short id, or that of the machine or of its provider",
        "Domainname" => "it is that of the container's provider",
        "MacAddress" => "the engine had generated it, or takes it with the network",
        "ExposedPorts" if images_differ => "the new image exposes other ports, and published ones are exposed",
        "ExposedPorts" => "published ports are exposed, whatever the image says",
        "Labels" if !images_differ && !old["Config"]["Labels"]["com.docker.compose.image"].is_null() => {
            "compose's label of the image follows the image"
        }
        _ if images_differ => "the new image's default, where the container does not set it",
        _ => "the engine shows it in another form",
    };
    because.into()
}

fn because_of_host_config(key: &str, before: &Value) -> &'static str {
    let is_provided = before.as_str().is_some_and(|mode| mode.starts_with("container:"));
    match key {
        "NetworkMode" | "PidMode" | "IpcMode" if is_provided => "the provider was recreated",
        "Mounts" | "Binds" => "anonymous volumes are attached again by their names",
        "VolumesFrom" => {
            "a container that volumes were taken from was recreated too, or is gone or has other volumes now: the old ones stay attached"
        }
        "Links" => "links are said without the container's own name",
        "NetworkMode" => "the network is named by its name or its whole id",
        "MaskedPaths" => "an older engine's default gives way to this one's",
        "Sysctls" => "settings of the first interface belong to its network",
        "LogConfig" => "the daemon's default options of the log driver are others now",
        "PidsLimit" | "OomKillDisable" => "no limit is said in another form",
        "PortBindings" => "a port without a port of the machine is published nowhere",
        "KernelMemory" => "this engine has no limit of kernel memory",
        _ => "the engine shows it in another form",
    }
}

fn mounts(old: &Value, new: &Value) -> Vec<Change> {
    let shown = |mount: Option<&Value>| {
        let mount = mount?;
        let keys = ["Type", "Destination", "RW", "Propagation"];
        let mut shown: Map<_, _> = keys.iter().filter_map(|key| Some(((*key).to_owned(), mount.get(key)?.clone()))).collect();
        let key = if matches!(text(mount, "Type"), "volume" | "image") { "Name" } else { "Source" };
        shown.insert(key.into(), mounted(mount).into());
        Some(Value::Object(shown))
    };
    let at = |all: &Value, destination: &str| shown(list(all, "Mounts").iter().find(|mount| text(mount, "Destination") == destination));
    let all = list(old, "Mounts").iter().chain(list(new, "Mounts"));
    let mut destinations: Vec<&str> = all.map(|mount| text(mount, "Destination")).collect();
    destinations.sort_unstable();
    destinations.dedup();
    destinations
        .into_iter()
        .map(|destination| (destination, at(old, destination), at(new, destination)))
        .filter(|(_, before, after)| before != after)
        .map(|(destination, before, after)| Change {
            field: format!("Mounts.{destination}"),
            because: match (&before, &after) {
                (None, _) => "the new image declares a volume there".into(),
                _ => "the mount is not the same".into(),
            },
            before: before.unwrap_or_default(),
            after: after.unwrap_or_default(),
        })
        .collect()
}

fn endpoint_changes(old: &Value, new: &Value, facts: &EngineFacts) -> Vec<Change> {
    // An address of the engine's choice may be another one each time; it is reported, unlike ids.
    let shown = |container: &Value, network: &str| {
        let endpoint = endpoints(container).into_iter().find(|endpoint| endpoint.network == network)?;
        let mut shown = networks::compared(&endpoint.settings, container, facts);
        for key in ["IPAddress", "GlobalIPv6Address", "MacAddress"] {
            shown[key] = endpoint.settings[key].clone();
        }
        Some(shown)
    };
    let mut names: Vec<String> = endpoints(old).into_iter().chain(endpoints(new)).map(|endpoint| endpoint.network).collect();
    names.sort_unstable();
    names.dedup();
    names
        .iter()
        .flat_map(|network| {
            let path = format!("NetworkSettings.Networks.{network}");
            let (before, after) = (shown(old, network).unwrap_or(json!({})), shown(new, network).unwrap_or(json!({})));
            differing(&path, &before, &after)
        })
        .map(|(field, before, after)| {
            let because = because_of_endpoint(field.rsplit('.').next().unwrap_or_default()).into();
            Change { field, before, after, because }
        })
        .collect()
}

fn because_of_endpoint(key: &str) -> &'static str {
    match key {
        "DriverOpts" => "settings of the first interface belong to its network",
        "IPAMConfig" => "the address was allocated by the swarm, and is asked for once the old container has stopped",
        "IPAddress" | "GlobalIPv6Address" | "MacAddress" => "the engine chose it, and it was not configured",
        _ => "the engine shows it in another form",
    }
}

/// The host's ports that are the engine's choice; those of a container that does not run are none.
fn ports(old: &Value, new: &Value) -> Vec<Change> {
    let running = |container: &Value| container["State"]["Running"] == true;
    if !running(old) || !running(new) {
        return Vec::new();
    }
    differing("NetworkSettings.Ports", &old["NetworkSettings"]["Ports"], &new["NetworkSettings"]["Ports"])
        .into_iter()
        .map(|(field, before, after)| Change {
            field,
            before,
            after,
            because: "the port of the host is the engine's choice, or the new image exposes others".into(),
        })
        .collect()
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
