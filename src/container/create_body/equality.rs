//! Whether the new container has the old one's configuration: checked after create, before anything is stopped.
//!
//! Rules: docs/recreate.md, section 3.9.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::mounts::mounted;
use super::network_id::shares_name;
use super::networks::{Endpoint, compared, endpoints, may_be_allocated};
use super::value::{clean_path, entries, is_empty, list, same, text};
use super::{CreateInput, EngineFacts, Network, host_config, identity, image_defaults, mac, managed, name, podman, sysctls, volumes_from};
use crate::container::replacement::names::TemporaryName;

/// Something that differs and that no rule explains.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// The inspect's path.
    pub(crate) field: String,
    /// What should be there.
    pub(crate) expected: Value,
    /// What is there.
    pub(crate) found: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field != "Config.Env" {
            return write!(f, "{} should be {} and is {}", self.field, self.expected, self.found);
        }
        // The values may be secrets.
        let variables = differing_variables(&self.expected, &self.found);
        if variables.is_empty() {
            return write!(f, "{} has its variables in another order", self.field);
        }
        write!(f, "{} differs in {}", self.field, variables.into_iter().collect::<Vec<_>>().join(", "))
    }
}

/// The names of the variables that are not in both, or not with the same value.
fn differing_variables(expected: &Value, found: &Value) -> BTreeSet<String> {
    let entries =
        |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<BTreeSet<_>>();
    let (expected, found) = (entries(expected), entries(found));
    expected.symmetric_difference(&found).map(|entry| entry.split('=').next().unwrap_or_default().to_owned()).collect()
}

/// Fields of `Config` that are compared by a rule of their own, or are the engine's.
const CONFIG_COMPARED_SEPARATELY: [&str; 5] = ["MacAddress", "Hostname", "Domainname", "OnBuild", "ArgsEscaped"];
/// Fields of `HostConfig` that are compared by a rule of their own.
const HOST_CONFIG_COMPARED_SEPARATELY: [&str; 6] = ["Mounts", "Binds", "VolumesFrom", "Links", "NetworkMode", "Sysctls"];
/// Where the request leaves these out, the daemon's defaults appear.
const DAEMON_DEFAULTS: [&str; 4] = ["Runtime", "ShmSize", "IpcMode", "CgroupnsMode"];

/// Compares the new container's inspect with the old one's. An error lists what no rule explains.
pub(crate) fn verify(input: &CreateInput, new: &Value) -> Result<(), Vec<Difference>> {
    let mut differences = Differences::default();
    let image = input.new_image.unwrap_or(input.old_image);
    let podman = input.facts.podman;
    let normalised = podman.then(|| (podman::normalise(input.container, input.old_image), podman::normalise(new, image)));
    let (old, new) = normalised.as_ref().map_or((input.container, new), |(old, new)| (old, new));
    config(&mut differences, &CreateInput { container: old, ..*input }, new, &image["Config"]);
    compare_host_config(&mut differences, input, old, new);
    mounts(&mut differences, old, new, &image["Config"]);
    networks(&mut differences, input, old, new);
    if text(new, "Image") != text(image, "Id") && !text(image, "Id").is_empty() {
        differences.add("Image", &image["Id"], &new["Image"]);
    }
    if differences.0.is_empty() { Ok(()) } else { Err(differences.0) }
}

/// The fields in which a container is another one than when it was inspected, because somebody has changed it meanwhile. What it shows only
/// while it runs, or only once it has stopped, is no change.
pub(crate) fn changed_fields(input: &CreateInput, now: &Value) -> Vec<String> {
    let mut differences = Differences::default();
    let normalised =
        input.facts.podman.then(|| (podman::normalise(input.container, input.old_image), podman::normalise(now, input.old_image)));
    let (old, now) = normalised.as_ref().map_or((input.container, now), |(old, now)| (old, now));
    let keys: BTreeSet<&String> = [old, now].into_iter().flat_map(|container| entries(container, "Config")).map(|(key, _)| key).collect();
    // Compared with the networks: 25.0 shows it only while the container runs.
    for key in keys.into_iter().filter(|key| *key != "MacAddress") {
        if !same(&old["Config"][key], &now["Config"][key]) {
            differences.add(&format!("Config.{key}"), &Value::Null, &Value::Null);
        }
    }
    compare_host_config(&mut differences, input, old, now);
    mounts(&mut differences, old, now, &Value::Null);
    networks(&mut differences, input, old, now);
    let is_running = |container: &Value| container["State"]["Running"] == true;
    let state_changed = is_running(old) != is_running(now);
    let fields = differences.0.into_iter().map(|difference| difference.field);
    fields.filter(|field| !(state_changed && field == "Config.MacAddress" || field == "HostConfig.Links" && same_links(old, now))).collect()
}

/// A container that is linked to has a temporary name once it was recreated, a moment before those that link to it.
fn same_links(old: &Value, now: &Value) -> bool {
    let own = |link: &Value| {
        let sent = host_config::rewritten_link(link);
        let Some((child, alias)) = sent.as_str().and_then(|link| link.split_once(':')) else { return sent.to_string() };
        format!("{}:{alias}", TemporaryName::parse(child).map_or_else(|| child.to_owned(), |temporary| temporary.container))
    };
    let links = |container: &Value| list(&container["HostConfig"], "Links").iter().map(own).collect::<BTreeSet<String>>();
    links(old) == links(now)
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn add(&mut self, field: &str, expected: &Value, found: &Value) {
        self.0.push(Difference { field: field.into(), expected: expected.clone(), found: found.clone() });
    }
}

/// What the user gave of a `Config`.
fn user_config(container: &Value, image: &Value, facts: &EngineFacts) -> Map<String, Value> {
    let mut config = container["Config"].as_object().cloned().unwrap_or_default();
    image_defaults::subtract(&mut config, image);
    if facts.podman {
        podman::subtract_healthcheck(&mut config, container, image);
    }
    identity::subtract(&mut config, container, facts);
    host_config::expose_published(&mut config, container);
    config
}

/// Equal after subtraction of each one's own image, or raw, or what the engine's merge makes of the old one's.
fn config(differences: &mut Differences, input: &CreateInput, new: &Value, new_image: &Value) {
    let mut expected = user_config(input.container, &input.old_image["Config"], input.facts);
    if let Some(image) = input.new_image {
        managed::update_compose_label(&mut expected, input.old_image, image);
    }
    let actual = user_config(new, new_image, input.facts);
    let mut merged = expected.clone();
    image_defaults::merge(&mut merged, new_image);
    let keys: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
    for key in keys {
        let (raw_old, raw_new) = (&input.container["Config"][key], &new["Config"][key]);
        let apart = CONFIG_COMPARED_SEPARATELY.contains(&key.as_str());
        let user = equal_values(key, at(&expected, key), at(&actual, key));
        let explained = match key.as_str() {
            // Generated again where the user gave none; compared without the engine's own.
            "Hostname" | "Domainname" => user,
            // A published port that is not exposed is published by no engine up to 28, without an error.
            "ExposedPorts" => ports(at(&merged, key)) == ports(raw_new),
            // Podman may show a name of the image in the place of a digest; the image itself is compared below [measured on 5.8].
            "Image" if input.facts.podman && raw_old.as_str().is_some_and(|reference| reference.contains('@')) => true,
            "Labels" if at(&expected, key) != at(&actual, key) => equal_values(key, at(&merged, key), raw_new),
            _ => apart || user || equal_values(key, raw_old, raw_new) || equal_values(key, at(&merged, key), raw_new),
        };
        if !explained {
            differences.add(&format!("Config.{key}"), at(&merged, key), raw_new);
        }
    }
}

fn at<'a>(config: &'a Map<String, Value>, key: &str) -> &'a Value {
    config.get(key).unwrap_or(&Value::Null)
}

fn ports(exposed: &Value) -> BTreeSet<String> {
    exposed.as_object().into_iter().flatten().map(|(port, _)| image_defaults::with_protocol(port)).collect()
}

fn equal_values(key: &str, a: &Value, b: &Value) -> bool {
    let paths = |value: &Value| value.as_object().map(|all| all.keys().map(|path| clean_path(path)).collect::<BTreeSet<_>>());
    match key {
        "WorkingDir" => clean_path(a.as_str().unwrap_or_default()) == clean_path(b.as_str().unwrap_or_default()),
        "Volumes" => paths(a).unwrap_or_default() == paths(b).unwrap_or_default(),
        _ => same(a, b),
    }
}

fn compare_host_config(differences: &mut Differences, input: &CreateInput, old: &Value, new: &Value) {
    let (old_config, new_config) = (&old["HostConfig"], &new["HostConfig"]);
    let keys: BTreeSet<&String> = [old_config, new_config].into_iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
    for key in keys {
        let (before, after) = (&old_config[key], &new_config[key]);
        // Podman shows the ports of the image that it has published by itself as if each had been asked for.
        let of_image = key == "PortBindings" && input.facts.podman && old_config["PublishAllPorts"] == true;
        let explained = of_image && entries(old_config, key).all(|(port, hosts)| after.get(port) == Some(hosts));
        if !HOST_CONFIG_COMPARED_SEPARATELY.contains(&key.as_str()) && !explained && !same_setting(key, before, after, input.facts) {
            differences.add(&format!("HostConfig.{key}"), before, after);
        }
    }
    let links = |config: &Value| list(config, "Links").iter().map(|link| resolved_link(link, input)).collect();
    let (before, after): (BTreeSet<String>, BTreeSet<String>) = (links(old_config), links(new_config));
    if before != after {
        differences.add("HostConfig.Links", &old_config["Links"], &new_config["Links"]);
    }
    if old_config["NetworkMode"] != new_config["NetworkMode"] && network_mode(old) != network_mode(new) {
        differences.add("HostConfig.NetworkMode", &old_config["NetworkMode"], &new_config["NetworkMode"]);
    }
    // The engine, or the mapping, moves those of the first interface to the endpoint.
    let sysctls = |container: &Value| {
        let mut config = container["HostConfig"].as_object().cloned().unwrap_or_default();
        let moved: BTreeSet<String> = sysctls::moved(container).into_iter().chain(endpoint_sysctls(container)).collect();
        sysctls::remove_moved(&mut config);
        (config.get("Sysctls").cloned().filter(|rest| !is_empty(rest)), moved)
    };
    if sysctls(old) != sysctls(new) {
        differences.add("HostConfig.Sysctls", &old_config["Sysctls"], &new_config["Sysctls"]);
    }
}

/// A link as a create takes it, to the name that its container has now: inspect shows that name, whatever was asked for. A new container that is
/// linked to has a temporary name, and gets another one with each renewal of its lease.
fn resolved_link(link: &Value, input: &CreateInput) -> String {
    let sent = host_config::rewritten_link(link);
    let Some((child, alias)) = sent.as_str().and_then(|link| link.split_once(':')) else { return sent.to_string() };
    let child = volumes_from::named(&input.inventory.containers, child).map_or(child, name);
    let child = TemporaryName::parse(child).map_or_else(|| child.to_owned(), |temporary| temporary.with_lease(0).to_string());
    format!("{child}:{alias}")
}

fn same_setting(key: &str, before: &Value, after: &Value, facts: &EngineFacts) -> bool {
    match key {
        // An empty list unmasks everything, no list is the engine's default.
        "MaskedPaths" | "ReadonlyPaths" => {
            before == after
                || (before.is_null() || host_config::is_older_default(before)) && after.as_array().is_some_and(|all| !all.is_empty())
        }
        "RestartPolicy" => {
            let policy = |value: &Value| match text(value, "Name") {
                "" => "no".to_owned(),
                name => name.to_owned(),
            };
            policy(before) == policy(after) && number(&before["MaximumRetryCount"]) == number(&after["MaximumRetryCount"])
        }
        "MemorySwappiness" => swappiness(before) == swappiness(after),
        // Dropped by the engine, with a warning.
        "KernelMemory" if facts.api_version >= host_config::NO_KERNEL_MEMORY => true,
        "PortBindings" => same(&host_config::without_empty_bindings(before), &host_config::without_empty_bindings(after)),
        // The daemon's log-opts of now join those of the container, where the driver is the daemon's default.
        "LogConfig" => {
            text(before, "Type") == text(after, "Type")
                && entries(before, "Config").all(|(option, value)| after["Config"].get(option) == Some(value))
        }
        // An update stores 0 or -1 for "none", and a create null.
        "PidsLimit" => limit(before) == limit(after),
        // With cgroup v2 there is no such setting, and false becomes null.
        "OomKillDisable" => (*before == true) == (*after == true),
        _ if DAEMON_DEFAULTS.contains(&key) && (is_empty(before) || *before == 0) => true,
        _ => same(before, after),
    }
}

fn limit(value: &Value) -> Option<i64> {
    value.as_i64().filter(|limit| *limit > 0)
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// -1 and null are both "not set".
fn swappiness(value: &Value) -> Option<i64> {
    value.as_i64().filter(|value| *value != -1)
}

/// The mode with the network's name: engines from 26 replace a short id by the full one at start.
fn network_mode(container: &Value) -> String {
    let mode = text(&container["HostConfig"], "NetworkMode");
    let named = endpoints(container).into_iter().find(|endpoint| endpoint.is_mode && Network::of(container) == Network::Named);
    match (named, mode) {
        (Some(endpoint), _) => endpoint.network,
        (None, "" | "default") => "bridge".into(),
        (None, mode) => mode.into(),
    }
}

fn endpoint_sysctls(container: &Value) -> Vec<String> {
    endpoints(container)
        .iter()
        .flat_map(|endpoint| text(&endpoint.settings["DriverOpts"], sysctls::OPTION).split(',').map(str::to_owned).collect::<Vec<_>>())
        .filter(|setting| !setting.is_empty())
        .collect()
}

/// Every mount of the old one; beside it only what the new image declares. Mode is left out: attached by name, "" becomes "z".
fn mounts(differences: &mut Differences, old: &Value, new: &Value, new_image: &Value) {
    let key = |mount: &Value| {
        let name = mounted(mount);
        let propagation = text(mount, "Propagation");
        (
            text(mount, "Type").to_owned(),
            name.to_owned(),
            clean_path(text(mount, "Destination")),
            mount["RW"].clone(),
            propagation.to_owned(),
        )
    };
    let (before, after) = (list(old, "Mounts"), list(new, "Mounts"));
    for mount in before.iter().filter(|mount| !after.iter().any(|other| key(other) == key(mount))) {
        let there = after.iter().find(|other| key(other).2 == key(mount).2).unwrap_or(&Value::Null);
        differences.add(&format!("Mounts.{}", text(mount, "Destination")), mount, there);
    }
    let declared: BTreeSet<String> = entries(new_image, "Volumes").map(|(path, _)| clean_path(path)).collect();
    for mount in after {
        let destination = clean_path(text(mount, "Destination"));
        let extra = !before.iter().any(|other| key(other).2 == destination);
        if extra && !(text(mount, "Type") == "volume" && declared.contains(&destination)) {
            differences.add(&format!("Mounts.{destination}"), &Value::Null, mount);
        }
    }
}

fn networks(differences: &mut Differences, input: &CreateInput, old: &Value, new: &Value) {
    let (before, after) = (endpoints(old), endpoints(new));
    let named = |all: &[Endpoint], name: &str| all.iter().find(|endpoint| endpoint.network == name).cloned();
    for endpoint in &before {
        let field = format!("NetworkSettings.Networks.{}", endpoint.network);
        let Some(other) = named(&after, &endpoint.network) else {
            differences.add(&field, &endpoint.settings, &Value::Null);
            continue;
        };
        let [mut expected, mut actual] =
            [(&endpoint.settings, old), (&other.settings, new)].map(|(settings, container)| compared(settings, container, input.facts));
        // What a swarm allocated looks configured while the old one runs.
        if may_be_allocated(endpoint, old, input.inventory) {
            actual["IPAMConfig"] = expected["IPAMConfig"].clone();
        }
        for settings in [&mut expected, &mut actual] {
            without_sysctls(settings);
        }
        // Elsewhere the name says which network it is, and one that was created again has another id.
        if shares_name(endpoint, input.inventory) {
            for (compared, shown) in [(&mut expected, &endpoint.settings), (&mut actual, &other.settings)] {
                compared["NetworkID"] = shown["NetworkID"].clone();
            }
        }
        if expected != actual {
            differences.add(&field, &expected, &actual);
        }
    }
    for endpoint in after.iter().filter(|endpoint| named(&before, &endpoint.network).is_none()) {
        differences.add(&format!("NetworkSettings.Networks.{}", endpoint.network), &Value::Null, &endpoint.settings);
    }
    let address = |container: &Value| {
        let address = mac::configured(container).to_owned();
        if mac::is_generated_one_shown(&address, container, input.facts) { String::new() } else { address }
    };
    if address(old) != address(new) && Network::of(old) == Network::Named {
        differences.add("Config.MacAddress", &address(old).into(), &address(new).into());
    }
}

/// They are compared with `HostConfig.Sysctls`.
fn without_sysctls(settings: &mut Value) {
    if let Some(Value::Object(options)) = settings.get_mut("DriverOpts") {
        options.shift_remove(sysctls::OPTION);
        if options.is_empty() {
            settings["DriverOpts"] = Value::Null;
        }
    }
}

#[cfg(test)]
#[path = "equality_tests.rs"]
mod tests;
