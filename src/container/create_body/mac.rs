//! MAC addresses: a configured one is kept, a generated one must not be pinned, or two containers get the same.
//!
//! Rules: docs/recreate.md, section 3.7.

use serde_json::{Map, Value};

use super::EngineFacts;
use super::networks::{Endpoint, Network, endpoints};
use super::value::text;

/// Since this version the address belongs to an endpoint; before, to `Config`.
const BY_ENDPOINT: (u32, u32) = (1, 44);
/// Since this version (Docker 28) an address is generated from random numbers; before, from the IPv4 address.
const RANDOM: (u32, u32) = (1, 48);
/// Since this version no inspect shows `Config.MacAddress`.
const NOT_SHOWN: (u32, u32) = (1, 52);

/// Sends `Config.MacAddress` only where the engine takes it from there.
pub(super) fn at_the_top(config: &mut Map<String, Value>, container: &Value, facts: &EngineFacts) {
    if facts.api_version >= BY_ENDPOINT || Network::of(container) != Network::Named {
        config.shift_remove("MacAddress");
    }
}

/// The address to send with an endpoint, since 1.44.
pub(super) fn of_endpoint(endpoint: &Endpoint, container: &Value, facts: &EngineFacts) -> Option<String> {
    let configured = configured(container);
    if endpoint.is_mode && !configured.is_empty() {
        return (!is_generated_one_shown(configured, container, facts)).then(|| configured.to_owned());
    }
    // Engines look for the network under its name: where `NetworkMode` is its id, `Config` shows no address [measured on 28].
    if endpoint.is_mode && is_named(container, endpoint) && facts.inspect_version < NOT_SHOWN {
        return None;
    }
    let shown = text(&endpoint.settings, "MacAddress");
    let is_generated = is_derived(shown, container) || facts.api_version >= RANDOM && is_random(shown);
    (!shown.is_empty() && !is_generated).then(|| shown.to_owned())
}

/// The configured address of the network that `NetworkMode` names, where the version of the inspect shows it.
pub(super) fn configured(container: &Value) -> &str {
    text(&container["Config"], "MacAddress")
}

/// 25.0.0 to 25.0.2 show the generated address of the network that `NetworkMode` names as a configured one.
pub(super) fn is_generated_one_shown(address: &str, container: &Value, facts: &EngineFacts) -> bool {
    matches!(facts.version.as_str(), "25.0.0" | "25.0.1" | "25.0.2") && is_derived(address, container)
}

fn is_named(container: &Value, endpoint: &Endpoint) -> bool {
    let mode = text(&container["HostConfig"], "NetworkMode");
    matches!(mode, "" | "default") || mode == endpoint.network
}

/// `02:42:` and the IPv4 address: how engines up to 27 generate one.
fn is_derived(address: &str, container: &Value) -> bool {
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

/// Whether it may be one of the random addresses that engines generate from 28 on: these are local ones for one station. The engine shows a
/// configured one in the same way, so what no engine makes up is taken for configured: a vendor's address, one that an engine up to 27 has
/// made of another IPv4 address, and one with two zero bytes, as one of 6,000 random ones has.
fn is_random(address: &str) -> bool {
    let parts: Vec<u8> = address.split(':').filter_map(|part| u8::from_str_radix(part, 16).ok()).collect();
    let is_local_for_one = parts.first().is_some_and(|first| first & 3 == 2);
    let is_of_an_address = parts.starts_with(&[0x02, 0x42]);
    let zeros = address.split(':').filter(|part| *part == "00").count();
    parts.len() == 6 && is_local_for_one && !is_of_an_address && zeros < 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_engine_makes_up_is_configured() {
        for (address, random) in [
            ("9e:1f:20:33:4a:51", true),
            ("02:1f:00:33:4a:51", true),
            ("02:00:00:00:00:30", false),
            ("00:50:56:12:34:56", false),
            ("02:42:0a:47:00:02", false),
            ("03:1f:20:33:4a:51", false),
            ("", false),
        ] {
            assert_eq!(is_random(address), random, "{address}");
        }
    }
}
