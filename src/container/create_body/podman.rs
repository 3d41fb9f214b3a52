//! Podman's inspect as Docker would have shown the same container.
//!
//! Rules: docs/recreate.md, section 3.10.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::value::{entries, is_empty, text, text_elements};
use crate::container::libpod;

/// Signals by their number less one: Podman shows the number.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD",
    "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// The number of the first signal for programs of their own, `RTMIN`.
const FIRST_REAL_TIME: usize = 34;

/// The size of a log that may grow for ever.
const UNLIMITED: &str = "-1B";

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
    // Of a provider's network it shows the provider's endpoint.
    if text(&container["HostConfig"], "NetworkMode").starts_with("container:") && !is_empty(&container["NetworkSettings"]["Networks"]) {
        normalised["NetworkSettings"]["Networks"] = json!({});
    }
    // A container that has left all its networks, and was not started since, shows its mode as one [measured on 5.8].
    if let Some(Value::Object(networks)) = normalised.pointer_mut("/NetworkSettings/Networks") {
        networks.retain(|name, endpoint| name != "bridge" || text(endpoint, "NetworkID") != "bridge");
    }
    // Docker lists the network `none` too, and a container that has left it does not.
    if text(&container["HostConfig"], "NetworkMode") == "none" && is_empty(&container["NetworkSettings"]["Networks"]) {
        normalised["NetworkSettings"]["Networks"] = json!({"none": {}});
    }
    normalised
}

fn normalise_config(config: &mut Map<String, Value>, container: &Value, image: &Value) {
    if let Some(Value::Array(environment)) = config.get_mut("Env") {
        let of_image: HashSet<&str> = text_elements(image, "Env").collect();
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
    let own = &container[libpod::KEY];
    if is(host_config, "Runtime", "oci") {
        host_config.insert("Runtime".into(), text(own, "OCIRuntime").into());
    }
    // It shows a size, and takes none, where the memory is not the container's own.
    let ipc = host_config.get("IpcMode").and_then(Value::as_str).unwrap_or_default();
    if matches!(ipc, "host" | "none") || ipc.starts_with("container:") {
        host_config.insert("ShmSize".into(), 0.into());
    }
    show_log_options(host_config, own);
    // Both at once are a 500.
    let quota = host_config.get("CpuQuota").and_then(Value::as_i64).unwrap_or_default();
    if quota != 0 && host_config.contains_key("NanoCpus") {
        host_config.insert("NanoCpus".into(), 0.into());
    }
    if host_config.get("MemorySwappiness").is_some_and(|shown| shown == 0) {
        host_config.insert("MemorySwappiness".into(), Value::Null);
    }
    // In another order each time, as the variables.
    if let Some(Value::Array(binds)) = host_config.get_mut("Binds") {
        binds.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
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
            if device.get("CgroupPermissions").is_none_or(is_empty) {
                device.insert("CgroupPermissions".into(), "rwm".into());
            }
        }
    }
}

/// The compatible inspect leaves the options of the log driver out.
fn show_log_options(host_config: &mut Map<String, Value>, own: &Value) {
    let shown = &own["HostConfig"]["LogConfig"];
    let (path, id) = (text(shown, "Path"), text(own, "Id"));
    // The place that Podman chooses has the container's id in it.
    let path = if !id.is_empty() && path.contains(id) { "" } else { path };
    let size = Some(text(shown, "Size")).filter(|size| *size != UNLIMITED).unwrap_or_default();
    let options = [("max-size", size), ("path", path), ("tag", text(shown, "Tag"))];
    let options: Map<String, Value> =
        options.into_iter().filter(|(_, value)| !value.is_empty()).map(|(option, value)| (option.into(), value.into())).collect();
    if let Some(Value::Object(log)) = host_config.get_mut("LogConfig")
        && !options.is_empty()
    {
        log.insert("Config".into(), Value::Object(options));
    }
}

/// A healthcheck is the image's as a whole or the user's: Podman shows its own defaults in what was left out, and takes none without a `Test`.
pub(super) fn subtract_healthcheck(config: &mut Map<String, Value>, container: &Value, image: &Value) {
    let (shown, of_image) = (&container["Config"]["Healthcheck"], &image["Healthcheck"]);
    let is_images = !is_empty(of_image) && with_defaults(shown) == with_defaults(of_image);
    let healthcheck = if is_images || is_empty(shown) { Value::Null } else { shown.clone() };
    if !healthcheck.is_null() || config.contains_key("Healthcheck") {
        config.insert("Healthcheck".into(), healthcheck);
    }
}

fn with_defaults(healthcheck: &Value) -> (Value, [u64; 5]) {
    const SECOND: u64 = 1_000_000_000;
    let defaults = [("Interval", 30 * SECOND), ("Timeout", 30 * SECOND), ("Retries", 3), ("StartPeriod", 0), ("StartInterval", 0)];
    let number = |(field, default): (&str, u64)| healthcheck[field].as_u64().filter(|number| *number != 0).unwrap_or(default);
    (healthcheck["Test"].clone(), defaults.map(number))
}

#[cfg(test)]
#[path = "podman_tests.rs"]
mod tests;
