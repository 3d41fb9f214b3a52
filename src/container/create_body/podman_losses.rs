//! What Podman does not report of a container, or does not accept at create: it may be lost, and the comparison after create cannot see it.
//!
//! Rules: docs/recreate.md, section 3.10.

use std::collections::HashSet;

use serde_json::Value;

use super::Network;
use super::value::{entries, is_empty, list, text_elements};
use crate::container::libpod;

/// What only Podman's own create takes: where its inspect shows it, what the compatible create makes of it [measured on 5.8], and its name.
const NOT_TAKEN: [(&str, &str, &str); 6] = [
    ("/Config/Umask", "0000", "its umask"),
    ("/HostConfig/HostsFile", "none", "the machine's names in its /etc/hosts"),
    ("/Config/Secrets", "", "its secrets"),
    ("/Config/Timeout", "", "the time after which it is ended"),
    ("/Config/HealthcheckOnFailureAction", "none", "what is done when it is unhealthy"),
    ("/Config/StartupHealthCheck", "", "its healthcheck of the start"),
];

/// What this container may lose, which was made from this image.
pub(super) fn losses(container: &Value, image: &Value) -> Vec<String> {
    let (config, host_config) = (&container["Config"], &container["HostConfig"]);
    let mut losses = vec![
        "that it was created from an image id or a digest, and not from the name".to_owned(),
        "kernel parameters of its own (sysctls)".to_owned(),
        "rules for devices".to_owned(),
        "that single paths are masked or unmasked".to_owned(),
    ];
    // With the machine's network, or a provider's, it has no endpoint of its own.
    let networks = entries(&container["NetworkSettings"], "Networks").map(|(name, _)| name.as_str());
    let addressed: Vec<&str> = networks.filter(|name| Network::of(container) == Network::Named && *name != "host").collect();
    if !addressed.is_empty() {
        let networks = addressed.join(", ");
        losses.push("a configured MAC address".into());
        losses.push(format!("a static address on {networks}"));
        losses.push(format!("a name and options of its interface on {networks}"));
    }
    let set: HashSet<&str> = text_elements(config, "Env").map(variable).collect();
    if set.contains("HOME") {
        losses.push("a variable HOME of its own".into());
    }
    // An entry without a value, which says so to Docker, is nothing to Podman.
    for removed in text_elements(&image["Config"], "Env").map(variable).filter(|name| !set.contains(name)) {
        losses.push(format!("that the image's variable {removed} was removed"));
    }
    if entries(host_config, "PortBindings").any(|(_, hosts)| hosts.is_array()) {
        losses.push("that a host port was random, and not the one it has now".into());
    }
    if list(host_config, "Devices").iter().any(|device| is_empty(&device["CgroupPermissions"])) {
        losses.push("that a device may only be read, written or made".into());
    }
    let sources: Vec<&str> = text_elements(host_config, "VolumesFrom").map(super::volumes_from::source).collect();
    if !sources.is_empty() {
        losses.push(format!("folders of the machine that it has from {}, once that is gone or has other volumes", sources.join(", ")));
    }
    let own = &container[libpod::KEY];
    for (pointer, taken, name) in NOT_TAKEN {
        match own.pointer(pointer).unwrap_or(&Value::Null) {
            Value::Null => {}
            Value::String(shown) if shown == taken => {}
            Value::String(shown) if !shown.is_empty() => losses.push(format!("{name} ({shown})")),
            shown if is_empty(shown) && taken.is_empty() || *shown == 0 => {}
            _ => losses.push(name.to_owned()),
        }
    }
    losses
}

fn variable(entry: &str) -> &str {
    entry.split('=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALWAYS: [&str; 4] = [
        "that it was created from an image id or a digest, and not from the name",
        "kernel parameters of its own (sysctls)",
        "rules for devices",
        "that single paths are masked or unmasked",
    ];

    #[allow(clippy::needless_pass_by_value)]
    fn beside_always(container: Value) -> Vec<String> {
        let mut losses = losses(&container, &json!({"Config": {"Env": ["A=1"]}}));
        assert!(losses.len() >= ALWAYS.len(), "{losses:?}");
        let beside = losses.split_off(ALWAYS.len());
        assert_eq!(losses, ALWAYS);
        beside
    }

    #[test]
    fn the_losses_name_what_this_container_could_lose() {
        let env = json!({"Env": ["A=2"]});
        assert!(beside_always(json!({"Config": env, "NetworkSettings": {"Networks": {"host": {}}}})).is_empty());
        let of_provider =
            json!({"Config": env, "HostConfig": {"NetworkMode": "container:ab"}, "NetworkSettings": {"Networks": {"n1": {}}}});
        assert!(beside_always(of_provider).is_empty());
        for (container, expected) in [
            (json!({"NetworkSettings": {"Networks": {"n1": {}, "n2": {}}}}), "n1, n2"),
            (json!({"NetworkSettings": {"Networks": {"n1": {}}}}), "MAC address"),
            (json!({"Config": {"Env": ["HOME=/data"]}}), "a variable HOME of its own"),
            (json!({"Config": {"Env": ["HOME=/data"]}}), "that the image's variable A was removed"),
            (json!({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}}), "host port was random"),
            (json!({"HostConfig": {"Devices": [{"CgroupPermissions": ""}]}}), "a device may only be"),
            (json!({"HostConfig": {"VolumesFrom": ["src:ro"]}}), "folders of the machine that it has from src,"),
        ] {
            let found = beside_always(container);
            assert!(found.iter().any(|loss| loss.contains(expected)), "{expected}: {found:?}");
        }
    }

    #[test]
    fn settings_that_only_podmans_own_create_takes_are_listed_as_losses() {
        let own = |config: Value, hosts: &str| {
            let own = json!({"Config": config, "HostConfig": {"HostsFile": hosts}});
            beside_always(json!({"Config": {"Env": ["A=1"]}, libpod::KEY: own}))
        };
        let taken = json!({"Umask": "0000", "Secrets": null, "Timeout": 0, "HealthcheckOnFailureAction": "none"});
        assert!(own(taken, "none").is_empty());
        let more = json!({"Umask": "0022", "Secrets": [{"Name": "s"}], "Timeout": 9, "HealthcheckOnFailureAction": "kill", "StartupHealthCheck": {"Test": []}});
        let expected = [
            "its umask (0022)",
            "the machine's names in its /etc/hosts",
            "its secrets",
            "the time after which it is ended",
            "what is done when it is unhealthy (kill)",
            "its healthcheck of the start",
        ];
        assert_eq!(own(more, ""), expected);
    }
}
