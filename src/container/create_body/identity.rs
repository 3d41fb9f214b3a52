//! Hostname and domain: which of them the user gave, and which the engine generated.
//!
//! Rules: docs/recreate.md, section 3.3.

use serde_json::{Map, Value};

use super::value::{short_id, text};
use super::{EngineFacts, Network};

/// Empties what the engine has generated: in a request it would be wrong or, in the namespace of another container, a 400.
pub(super) fn subtract(config: &mut Map<String, Value>, container: &Value, facts: &EngineFacts) {
    let network = Network::of(container);
    // Podman gives each its own, also on another's network [measured on 5.8].
    let is_providers = network == Network::Container && !facts.podman;
    let hostname = text(&container["Config"], "Hostname");
    let made_up = hostname == short_id(container)
        || text(&container["HostConfig"], "UTSMode") == "host"
        || is_providers
        || network == Network::Host && hostname == facts.name;
    if made_up {
        empty(config, "Hostname");
    }
    // Copied from the provider at start.
    if is_providers {
        empty(config, "Domainname");
    }
}

fn empty(config: &mut Map<String, Value>, key: &str) {
    if let Some(Value::String(value)) = config.get_mut(key) {
        value.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hostname_is_kept_only_where_the_user_gave_it() {
        let facts = EngineFacts { name: "machine".into(), ..EngineFacts::default() };
        for (case, hostname, uts, network, expected) in [
            ("R19 its own short id", "0123456789ab", "", "n1", ""),
            ("R20 a name", "web", "", "n1", "web"),
            ("R20 twelve digits that are not its own", "ffff56789abc", "", "bridge", "ffff56789abc"),
            ("R21 the machine's name on the machine's network", "machine", "", "host", ""),
            ("R21 a name on the machine's network", "hh", "", "host", "hh"),
            ("the machine's name elsewhere", "machine", "", "bridge", "machine"),
            ("R22 the machine's UTS namespace", "machine", "host", "bridge", ""),
            ("R24 a provider's name", "ph", "", "container:abc", ""),
        ] {
            let container = json!({
                "Id": "0123456789abcdef", "Config": {"Hostname": hostname, "Domainname": "ex.org"},
                "HostConfig": {"UTSMode": uts, "NetworkMode": network},
            });
            let mut config = container["Config"].as_object().cloned().unwrap_or_default();
            subtract(&mut config, &container, &facts);
            assert_eq!(config["Hostname"], expected, "{case}");
            assert_eq!(config["Domainname"], if network.starts_with("container:") { "" } else { "ex.org" }, "{case}");
        }
    }

    #[test]
    fn on_podman_a_name_beside_a_providers_network_is_its_own() {
        let facts = EngineFacts { podman: true, ..EngineFacts::default() };
        let sent = |hostname: &str| {
            let container =
                json!({"Id": "0123456789abcdef", "Config": {"Hostname": hostname}, "HostConfig": {"NetworkMode": "container:abc"}});
            let mut config = container["Config"].as_object().cloned().unwrap_or_default();
            subtract(&mut config, &container, &facts);
            config["Hostname"].clone()
        };
        assert_eq!([sent("web"), sent("0123456789ab")], ["web", ""]);
    }
}
