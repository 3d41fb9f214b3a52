//! MAC addresses: a configured one is kept, a generated one must not be pinned, or two containers get the same.

use serde_json::{Map, Value};

use super::EngineFacts;
use super::networks::{Endpoint, Network, endpoints};
use super::value::text;

/// Since this version the address belongs to an endpoint; before, to `Config`.
const BY_ENDPOINT: (u32, u32) = (1, 44);
/// Sends `Config.MacAddress` only where the engine takes it from there.
pub(super) fn at_the_top(config: &mut Map<String, Value>, container: &Value, facts: &EngineFacts) {
    let taken = facts.api_version < BY_ENDPOINT && Network::of(container) == Network::Named;
    let configured = config.get("MacAddress").and_then(Value::as_str).unwrap_or_default();
    if !taken || is_derived(configured, container) {
        config.shift_remove("MacAddress");
    }
}

/// The address to send with an endpoint, since 1.44.
pub(super) fn of_endpoint(endpoint: &Endpoint, container: &Value) -> Option<String> {
    let address = if endpoint.is_mode { configured(container) } else { text(&endpoint.settings, "MacAddress") };
    (!address.is_empty() && !is_derived(address, container)).then(|| address.to_owned())
}

/// The configured address of the network that `NetworkMode` names. 1.52 shows it no longer; the newest version that is spoken, 1.51, does.
pub(super) fn configured(container: &Value) -> &str {
    text(&container["Config"], "MacAddress")
}

/// `02:42:` and the IPv4 address: how engines up to 27 generate one. 25.0.0 to 25.0.2 show it as configured.
pub(super) fn is_derived(address: &str, container: &Value) -> bool {
    endpoints(container).iter().any(|endpoint| {
        [text(&endpoint.settings, "IPAddress"), text(&endpoint.settings["IPAMConfig"], "IPv4Address")]
            .iter()
            .any(|ip| ip.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| derived(ip).eq_ignore_ascii_case(address)))
    })
}

fn derived(ip: std::net::Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}
