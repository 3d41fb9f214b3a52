//! Podman's inspect as Docker would have shown the same container, and what it does not show at all.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::value::{entries, list, text, texts};

/// Signals by their number less one: Podman shows the number.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD",
    "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// The number of the first signal for programs of their own, `RTMIN`.
const FIRST_REAL_TIME: usize = 34;

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
    if let Some(number) = config.get("StopSignal").and_then(Value::as_str).and_then(signal_number) {
        let of_image = text(image, "StopSignal");
        let signal = match SIGNALS.get(number.wrapping_sub(1)) {
            _ if signal_number(of_image) == Some(number) => of_image.to_owned(),
            Some(&"TERM") if of_image.is_empty() => String::new(),
            Some(name) => format!("SIG{name}"),
            None => number.to_string(),
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

/// The number of a signal that is written as one, or as a name with or without SIG.
fn signal_number(signal: &str) -> Option<usize> {
    let name = signal.strip_prefix("SIG").unwrap_or(signal);
    let real_time = || match name.strip_prefix("RTMIN")? {
        "" => Some(FIRST_REAL_TIME),
        more => Some(FIRST_REAL_TIME + more.strip_prefix('+')?.parse::<usize>().ok()?),
    };
    let by_name = || SIGNALS.iter().position(|known| *known == name).map(|index| index + 1);
    name.parse().ok().or_else(by_name).or_else(real_time)
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
    let addressed: Vec<&str> = networks.iter().filter(|name| !matches!(**name, "host" | "none")).copied().collect();
    if !networks.is_empty() {
        losses.push("a configured MAC address".into());
    }
    if !addressed.is_empty() {
        losses.push(format!("a static address on {}", addressed.join(", ")));
    }
    if texts(&container["Config"], "Env").any(|entry| entry.starts_with("HOME=")) {
        losses.push("a variable HOME of its own".into());
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
