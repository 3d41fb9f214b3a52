//! Podman's inspect as Docker would have shown the same container, and what it does not show at all.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::value::{entries, list, text, texts};

/// Signals as Podman shows them, by number.
const SIGNALS: [(&str, &str); 8] = [
    ("1", "SIGHUP"),
    ("2", "SIGINT"),
    ("3", "SIGQUIT"),
    ("9", "SIGKILL"),
    ("10", "SIGUSR1"),
    ("12", "SIGUSR2"),
    ("15", "SIGTERM"),
    ("28", "SIGWINCH"),
];

/// Annotations that Podman derives by itself.
const DERIVED_ANNOTATIONS: [&str; 3] = ["io.podman.", "io.container.manager", "org.systemd.property."];

/// The inspect as Docker would have shown it.
pub(super) fn normalise(container: &Value, image: &Value) -> Value {
    let mut normalised = container.clone();
    if let Some(Value::Object(config)) = normalised.get_mut("Config") {
        normalise_config(config, container, &image["Config"]);
    }
    if let Some(Value::Object(host_config)) = normalised.get_mut("HostConfig") {
        normalise_host_config(host_config, container);
    }
    // Docker lists the network `none` too, and a container that has left it does not.
    if text(&container["HostConfig"], "NetworkMode") == "none" && super::value::is_empty(&container["NetworkSettings"]["Networks"]) {
        normalised["NetworkSettings"]["Networks"] = json!({"none": {}});
    }
    normalised
}

fn normalise_config(config: &mut Map<String, Value>, container: &Value, image: &Value) {
    if let Some(Value::Array(environment)) = config.get_mut("Env") {
        let of_image: HashSet<&str> = texts(image, "Env").collect();
        environment.retain(|entry| {
            let entry = entry.as_str().unwrap_or_default();
            of_image.contains(entry) || !is_podmans_own(entry, container)
        });
        // It shows them in another order each time [measured on 5.8].
        environment.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
    }
    if let Some((_, name)) = SIGNALS.iter().find(|(number, _)| config.get("StopSignal").is_some_and(|shown| shown == number)) {
        let of_image = text(image, "StopSignal");
        let signal = match of_image {
            "" if *name == "SIGTERM" => "",
            // The image may have left out SIG.
            _ if name.trim_start_matches("SIG") == of_image => of_image,
            _ => name,
        };
        config.insert("StopSignal".into(), signal.into());
    }
    if text(image, "WorkingDir").is_empty() && config.get("WorkingDir").is_some_and(|shown| shown == "/") {
        config.insert("WorkingDir".into(), "".into());
    }
    if config.get("Entrypoint") == Some(&json!([""])) {
        config.insert("Entrypoint".into(), Value::Null);
    }
    if config.get("Cmd") == Some(&json!([])) {
        config.insert("Cmd".into(), Value::Null);
    }
}

/// What Podman puts into the environment by itself.
fn is_podmans_own(entry: &str, container: &Value) -> bool {
    let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
    match name {
        "container" => value == "podman",
        "HOSTNAME" => value == super::value::short_id(container) || value == text(&container["Config"], "Hostname"),
        "TERM" => value == "xterm",
        "HOME" => true,
        "PATH" => value == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        _ => false,
    }
}

fn normalise_host_config(host_config: &mut Map<String, Value>, container: &Value) {
    let is = |host_config: &Map<String, Value>, key: &str, value: &str| host_config.get(key).is_some_and(|shown| shown == value);
    // It says `bridge` whatever the networks are.
    let mut networks = entries(&container["NetworkSettings"], "Networks").map(|(name, _)| name);
    if is(host_config, "NetworkMode", "bridge")
        && let Some(network) = networks.next()
    {
        host_config.insert("NetworkMode".into(), network.clone().into());
    }
    for key in ["UTSMode", "PidMode", "CgroupnsMode", "CgroupMode"] {
        if is(host_config, key, "private") {
            host_config.insert(key.into(), "".into());
        }
    }
    if is(host_config, "Runtime", "oci") {
        host_config.insert("Runtime".into(), "".into());
    }
    // Both at once are a 500.
    let quota = host_config.get("CpuQuota").and_then(Value::as_i64).unwrap_or_default();
    if quota != 0 && host_config.contains_key("NanoCpus") {
        host_config.insert("NanoCpus".into(), 0.into());
    }
    if host_config.get("MemorySwappiness").is_some_and(|shown| shown == 0) {
        host_config.insert("MemorySwappiness".into(), Value::Null);
    }
    if let Some(Value::Array(ulimits)) = host_config.get_mut("Ulimits") {
        for name in ulimits.iter_mut().filter_map(|ulimit| ulimit.get_mut("Name")) {
            if let Some(short) = name.as_str().and_then(|name| name.strip_prefix("RLIMIT_")) {
                *name = short.to_lowercase().into();
            }
        }
    }
    if let Some(Value::Object(annotations)) = host_config.get_mut("Annotations") {
        annotations.retain(|name, _| !name.ends_with("stopSignal") && !DERIVED_ANNOTATIONS.iter().any(|own| name.starts_with(own)));
    }
    if let Some(Value::Object(bindings)) = host_config.get_mut("PortBindings") {
        bindings.retain(|_, hosts| !hosts.is_null());
    }
    if let Some(Value::Array(devices)) = host_config.get_mut("Devices") {
        for device in devices.iter_mut().filter_map(Value::as_object_mut) {
            if device.get("CgroupPermissions").is_none_or(super::value::is_empty) {
                device.insert("CgroupPermissions".into(), "rwm".into());
            }
        }
    }
}

/// What may be lost because neither of Podman's inspects shows it; the comparison after create cannot see it either.
pub(super) fn losses(container: &Value) -> Vec<String> {
    let mut losses = vec!["a domain name".to_owned(), "that it was created from an image id, and not from the name".to_owned()];
    if !super::value::is_empty(&container["Config"]["Healthcheck"]) {
        losses.push("that its healthcheck is the image's, and not its own".into());
    }
    let networks: Vec<&str> = entries(&container["NetworkSettings"], "Networks").map(|(name, _)| name.as_str()).collect();
    let own: Vec<&str> = networks.iter().filter(|name| !matches!(**name, "podman" | "bridge" | "host" | "none")).copied().collect();
    if !networks.is_empty() {
        losses.push("a configured MAC address".into());
    }
    if !own.is_empty() {
        losses.push(format!("a static address on {}", own.join(", ")));
    }
    if entries(&container["HostConfig"], "PortBindings").any(|(_, hosts)| hosts.is_array()) {
        losses.push("that a host port was random, and not the one it has now".into());
    }
    if !list(&container["HostConfig"], "Links").is_empty() {
        losses.push("its links".into());
    }
    losses
}

#[cfg(test)]
#[path = "podman_tests.rs"]
mod tests;
