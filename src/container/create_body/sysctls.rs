//! Settings of the interface `eth0`. Engine 28 moves them from `HostConfig.Sysctls` to the endpoint for an API below
//! 1.48 and answers 500 to them since; a container of an older engine is moved the same way.
//!
//! Rules: docs/recreate.md, section 3.4.

use serde_json::{Map, Value};

use super::value::{entries, owned_entries, text};

/// Since this version they are said of the endpoint.
pub(super) const BY_ENDPOINT: (u32, u32) = (1, 48);
pub(super) const OPTION: &str = "com.docker.network.endpoint.sysctls";

/// `net.ipv4.conf.eth0.log_martians` of the first interface as `net.ipv4.conf.IFNAME.log_martians`.
fn of_first_interface(name: &str) -> Option<String> {
    let mut parts = name.splitn(5, '.');
    let (net, family, kind) = (parts.next()?, parts.next()?, parts.next()?);
    let (interface, setting) = (parts.next()?, parts.next()?);
    (net.eq_ignore_ascii_case("net") && interface.eq_ignore_ascii_case("eth0")).then(|| format!("{net}.{family}.{kind}.IFNAME.{setting}"))
}

/// The settings of the first interface, as the endpoint's option has them.
pub(super) fn moved(container: &Value) -> Vec<String> {
    entries(&container["HostConfig"], "Sysctls")
        .filter_map(|(name, value)| Some(format!("{}={}", of_first_interface(name)?, value.as_str()?)))
        .collect()
}

/// Leaves out of `HostConfig.Sysctls` what goes to the endpoint.
pub(super) fn remove_moved(host_config: &mut Map<String, Value>) {
    if let Some(Value::Object(sysctls)) = host_config.get_mut("Sysctls") {
        sysctls.retain(|name, _| of_first_interface(name).is_none());
    }
}

/// Adds them to the endpoint's driver options.
pub(super) fn move_to_endpoint(settings: &mut Map<String, Value>, container: &Value) {
    let moved = moved(container);
    if moved.is_empty() {
        return;
    }
    let mut options = owned_entries(settings, "DriverOpts");
    let before = text(&Value::Object(options.clone()), OPTION).to_owned();
    // The last one counts, and what is said of the endpoint goes first in rank.
    let all: Vec<String> = moved.into_iter().chain(before.split(',').filter(|setting| !setting.is_empty()).map(str::to_owned)).collect();
    options.insert(OPTION.into(), all.join(",").into());
    settings.insert("DriverOpts".into(), Value::Object(options));
}
