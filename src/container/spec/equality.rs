//! Whether a new container is the old one made again: checked after create, before anything is stopped.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::mounts::mounted;
use super::networks::{Endpoint, compared, endpoints, may_be_allocated};
use super::value::{clean_path, entries, is_empty, list, same, text};
use super::{EngineFacts, Network, Subject, host_config, identity, image_defaults, mac, managed, podman, sysctls};

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
        write!(f, "{} should be {} and is {}", self.field, self.expected, self.found)
    }
}

/// Fields of `Config` that are compared by a rule of their own, or are the engine's.
const CONFIG_APART: [&str; 5] = ["MacAddress", "Hostname", "Domainname", "OnBuild", "ArgsEscaped"];
/// Fields of `HostConfig` that are compared by a rule of their own.
const HOST_CONFIG_APART: [&str; 6] = ["Mounts", "Binds", "VolumesFrom", "Links", "NetworkMode", "Sysctls"];
/// Where the request leaves these out, the daemon's defaults appear.
const DAEMON_DEFAULTS: [&str; 4] = ["Runtime", "ShmSize", "IpcMode", "CgroupnsMode"];

/// Compares the new container's inspect with the subject's. An error lists what no rule explains.
pub(crate) fn verify(subject: &Subject, new: &Value) -> Result<(), Vec<Difference>> {
    let mut found = Found::default();
    let image = subject.new_image.unwrap_or(subject.old_image);
    let podman = subject.facts.podman;
    let normalised = podman.then(|| (podman::normalise(subject.container, subject.old_image), podman::normalise(new, image)));
    let (old, new) = normalised.as_ref().map_or((subject.container, new), |(old, new)| (old, new));
    config(&mut found, &Subject { container: old, ..*subject }, new, &image["Config"]);
    compare_host_config(&mut found, subject, old, new);
    mounts(&mut found, old, new, &image["Config"]);
    networks(&mut found, subject, old, new);
    if text(new, "Image") != text(image, "Id") && !text(image, "Id").is_empty() {
        found.differs("Image", &image["Id"], &new["Image"]);
    }
    if found.0.is_empty() { Ok(()) } else { Err(found.0) }
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn differs(&mut self, field: &str, expected: &Value, found: &Value) {
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
fn config(found: &mut Found, subject: &Subject, new: &Value, new_image: &Value) {
    let mut expected = user_config(subject.container, &subject.old_image["Config"], subject.facts);
    if let Some(image) = subject.new_image {
        managed::follow_compose(&mut expected, subject.old_image, image);
    }
    let actual = user_config(new, new_image, subject.facts);
    let mut merged = expected.clone();
    image_defaults::merge(&mut merged, new_image);
    let keys: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
    for key in keys {
        let (raw_old, raw_new) = (&subject.container["Config"][key], &new["Config"][key]);
        let apart = CONFIG_APART.contains(&key.as_str());
        let user = alike(key, at(&expected, key), at(&actual, key));
        let explained = match key.as_str() {
            // Made up again where the user gave none; compared after that is taken out.
            "Hostname" | "Domainname" => user,
            // A published port that is not exposed is published by no engine up to 28, without an error.
            "ExposedPorts" => ports(at(&merged, key)) == ports(raw_new),
            // Podman may show a name of the image in the place of a digest; the image itself is compared below [measured on 5.8].
            "Image" if subject.facts.podman && raw_old.as_str().is_some_and(|reference| reference.contains('@')) => true,
            "Labels" if at(&expected, key) != at(&actual, key) => alike(key, at(&merged, key), raw_new),
            _ => apart || user || alike(key, raw_old, raw_new) || alike(key, at(&merged, key), raw_new),
        };
        if !explained {
            found.differs(&format!("Config.{key}"), at(&merged, key), raw_new);
        }
    }
}

fn at<'a>(config: &'a Map<String, Value>, key: &str) -> &'a Value {
    config.get(key).unwrap_or(&Value::Null)
}

fn ports(exposed: &Value) -> BTreeSet<String> {
    exposed.as_object().into_iter().flatten().map(|(port, _)| image_defaults::with_protocol(port)).collect()
}

fn alike(key: &str, a: &Value, b: &Value) -> bool {
    let paths = |value: &Value| value.as_object().map(|all| all.keys().map(|path| clean_path(path)).collect::<BTreeSet<_>>());
    match key {
        "WorkingDir" => clean_path(a.as_str().unwrap_or_default()) == clean_path(b.as_str().unwrap_or_default()),
        "Volumes" => paths(a).unwrap_or_default() == paths(b).unwrap_or_default(),
        _ => same(a, b),
    }
}

fn compare_host_config(found: &mut Found, subject: &Subject, old: &Value, new: &Value) {
    let (old_config, new_config) = (&old["HostConfig"], &new["HostConfig"]);
    let keys: BTreeSet<&String> = [old_config, new_config].into_iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
    for key in keys {
        let (before, after) = (&old_config[key], &new_config[key]);
        // Podman shows the ports of the image that it has published by itself as if each had been asked for.
        let of_image = key == "PortBindings" && subject.facts.podman && old_config["PublishAllPorts"] == true;
        let explained = of_image && entries(old_config, key).all(|(port, hosts)| after.get(port) == Some(hosts));
        if !HOST_CONFIG_APART.contains(&key.as_str()) && !explained && !same_setting(key, before, after, subject.facts) {
            found.differs(&format!("HostConfig.{key}"), before, after);
        }
    }
    let links = |config: &Value| list(config, "Links").iter().map(|link| host_config::rewritten_link(link).to_string()).collect();
    let (before, after): (BTreeSet<String>, BTreeSet<String>) = (links(old_config), links(new_config));
    if before != after {
        found.differs("HostConfig.Links", &old_config["Links"], &new_config["Links"]);
    }
    if old_config["NetworkMode"] != new_config["NetworkMode"] && network_mode(old) != network_mode(new) {
        found.differs("HostConfig.NetworkMode", &old_config["NetworkMode"], &new_config["NetworkMode"]);
    }
    // The engine, or the mapping, moves those of the first interface to the endpoint.
    let sysctls = |container: &Value| {
        let mut config = container["HostConfig"].as_object().cloned().unwrap_or_default();
        let moved: BTreeSet<String> = sysctls::moved(container).into_iter().chain(endpoint_sysctls(container)).collect();
        sysctls::remove_moved(&mut config);
        (config.get("Sysctls").cloned().filter(|rest| !is_empty(rest)), moved)
    };
    if sysctls(old) != sysctls(new) {
        found.differs("HostConfig.Sysctls", &old_config["Sysctls"], &new_config["Sysctls"]);
    }
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

/// The mode with the network's name: engines from 26 turn a short id into the whole one at start.
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
fn mounts(found: &mut Found, old: &Value, new: &Value, new_image: &Value) {
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
        found.differs(&format!("Mounts[{}]", text(mount, "Destination")), mount, there);
    }
    let declared: BTreeSet<String> = entries(new_image, "Volumes").map(|(path, _)| clean_path(path)).collect();
    for mount in after {
        let destination = clean_path(text(mount, "Destination"));
        let extra = !before.iter().any(|other| key(other).2 == destination);
        if extra && !(text(mount, "Type") == "volume" && declared.contains(&destination)) {
            found.differs(&format!("Mounts[{destination}]"), &Value::Null, mount);
        }
    }
}

fn networks(found: &mut Found, subject: &Subject, old: &Value, new: &Value) {
    let (before, after) = (endpoints(old), endpoints(new));
    let named = |all: &[Endpoint], name: &str| all.iter().find(|endpoint| endpoint.network == name).cloned();
    for endpoint in &before {
        let field = format!("NetworkSettings.Networks.{}", endpoint.network);
        let Some(other) = named(&after, &endpoint.network) else {
            found.differs(&field, &endpoint.settings, &Value::Null);
            continue;
        };
        let [mut expected, mut actual] =
            [(&endpoint.settings, old), (&other.settings, new)].map(|(settings, container)| compared(settings, container, subject.facts));
        // What a swarm allocated looks configured while the old one runs.
        if may_be_allocated(endpoint, old, subject.around) {
            actual["IPAMConfig"] = expected["IPAMConfig"].clone();
        }
        for settings in [&mut expected, &mut actual] {
            without_sysctls(settings);
        }
        if expected != actual {
            found.differs(&field, &expected, &actual);
        }
    }
    for endpoint in after.iter().filter(|endpoint| named(&before, &endpoint.network).is_none()) {
        found.differs(&format!("NetworkSettings.Networks.{}", endpoint.network), &Value::Null, &endpoint.settings);
    }
    let address = |container: &Value| {
        let address = mac::configured(container).to_owned();
        if mac::is_derived(&address, container) { String::new() } else { address }
    };
    if address(old) != address(new) && Network::of(old) == Network::Named {
        found.differs("Config.MacAddress", &address(old).into(), &address(new).into());
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
