//! `HostConfig`: verbatim, unknown fields included, except for what follows.
//!
//! Rules: docs/recreate.md, section 3.4.

use serde_json::{Map, Value};

use super::value::{entries, is_empty, list, owned_entries, text};
use super::{EngineFacts, EngineInventory, Network, Warning, mounts, networks, sysctls};

/// Since this version a limit of kernel memory is dropped in silence.
pub(super) const NO_KERNEL_MEMORY: (u32, u32) = (1, 42);

const NO_FOREIGN_MOUNT_OPTIONS: (u32, u32) = (1, 42);

/// What older engines masked by default, /proc/asound aside; sent back, a list would keep open what a newer engine masks.
const MASKED: [&[&str]; 2] = [
    // 20.10 to 24, and before.
    &[
        "/proc/acpi",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
    ],
    // 25 to 27.
    &[
        "/proc/acpi",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ],
];

/// `HostConfig` of the request.
pub(super) fn rewrite(
    container: &Value,
    facts: &EngineFacts,
    inventory: &EngineInventory,
    warnings: &mut Vec<Warning>,
) -> Map<String, Value> {
    let mut host_config = container["HostConfig"].as_object().cloned().unwrap_or_default();
    host_config.insert("NetworkMode".into(), networks::mode(container, inventory));
    mounts::rewrite(&mut host_config, container, &inventory.containers, facts);
    if let Some(Value::Array(links)) = host_config.get_mut("Links") {
        for link in links {
            *link = rewritten_link(link);
        }
    }
    if is_older_default(&container["HostConfig"]["MaskedPaths"]) {
        host_config.insert("MaskedPaths".into(), Value::Null);
    }
    if facts.api_version >= NO_KERNEL_MEMORY
        && let Some(limit) = host_config.shift_remove("KernelMemory")
        && limit.as_i64().is_some_and(|limit| limit != 0)
    {
        let message = format!("the limit of {limit} bytes of kernel memory is lost: this engine has no such limit");
        warnings.push(Warning::of(container, "kernel_memory_dropped", message));
    }
    if host_config.contains_key("PortBindings") {
        host_config.insert("PortBindings".into(), without_empty_bindings(&container["HostConfig"]["PortBindings"]));
    }
    if facts.api_version >= NO_FOREIGN_MOUNT_OPTIONS {
        mounts::drop_options_of_other_types(&mut host_config);
    }
    if facts.api_version >= sysctls::BY_ENDPOINT {
        sysctls::remove_moved(&mut host_config);
    }
    host_config
}

/// `/child:/parent/alias`, as inspect shows a link, is `child:alias`: the parent may be a temporary name after a crash.
pub(super) fn rewritten_link(link: &Value) -> Value {
    let Some((child, alias)) = link.as_str().and_then(|link| link.split_once(':')) else { return link.clone() };
    let alias = if alias.starts_with('/') { alias.rsplit('/').next().unwrap_or(alias) } else { alias };
    format!("{}:{alias}", child.trim_start_matches('/')).into()
}

/// A port bound to an empty list is published nowhere up to 28, and at a random port of the machine since 29.
pub(super) fn without_empty_bindings(bindings: &Value) -> Value {
    let Value::Object(ports) = bindings else { return bindings.clone() };
    Value::Object(ports.iter().filter(|(_, hosts)| !is_empty(hosts)).map(|(port, hosts)| (port.clone(), hosts.clone())).collect())
}

/// Whether a list is one that an older engine masked by default.
pub(super) fn is_older_default(paths: &Value) -> bool {
    let Some(paths) = paths.as_array() else { return false };
    let without_sound = || paths.iter().filter_map(Value::as_str).filter(|path| *path != "/proc/asound");
    MASKED.iter().any(|list| without_sound().count() == list.len() && without_sound().all(|path| list.contains(&path)))
}

/// The published ports join the exposed ones, or engines up to 28 publish nothing once the image exposes them no longer.
pub(super) fn expose_published(config: &mut Map<String, Value>, container: &Value) {
    if Network::of(container) == Network::Container {
        config.insert("ExposedPorts".into(), Value::Object(Map::new()));
        return;
    }
    let mut exposed = owned_entries(config, "ExposedPorts");
    for (port, _) in entries(&container["HostConfig"], "PortBindings") {
        exposed.entry(port.clone()).or_insert_with(|| Value::Object(Map::new()));
    }
    if !exposed.is_empty() || config.contains_key("ExposedPorts") {
        config.insert("ExposedPorts".into(), Value::Object(exposed));
    }
}

/// The containers whose namespaces this one uses, by the field that says so.
pub(crate) fn providers(container: &Value) -> impl Iterator<Item = (&'static str, &str)> {
    ["NetworkMode", "PidMode", "IpcMode"]
        .into_iter()
        .filter_map(|field| text(&container["HostConfig"], field).strip_prefix("container:").map(|id| (field, id)))
}

/// The containers that this one links to.
pub(super) fn linked(container: &Value) -> impl Iterator<Item = &str> {
    list(&container["HostConfig"], "Links")
        .iter()
        .filter_map(Value::as_str)
        .map(|link| link.split(':').next().unwrap_or_default().trim_start_matches('/'))
}

#[cfg(test)]
#[path = "host_config_tests.rs"]
mod tests;
