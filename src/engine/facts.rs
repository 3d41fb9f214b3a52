//! What the engine says of itself: which kind it is, its image store, its registries.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Engine;
use super::api::system;
use crate::Result;
use crate::json::{entries, integer, list, optional_text, text, texts};

/// How the engine keeps images, which decides what an image's id means and whether an untagged image is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Store {
    /// Docker's own; an image's id is the digest of its configuration.
    Classic,
    /// containerd's; an image's id is the digest of its manifest or index.
    Containerd,
    /// Podman's.
    Podman,
}

/// The engine, read once a session from `/version` and `/info`.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The engine's own, which stays when it is reached in another way; empty where it has none.
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) min_api_version: Option<String>,
    pub(crate) os: String,
    pub(crate) architecture: String,
    pub(crate) store: Store,
    pub(crate) storage_driver: String,
    pub(crate) root_dir: String,
    /// The name of the engine's host.
    pub(crate) name: String,
    pub(crate) swarm: bool,
    /// How many its machine has.
    pub(crate) processors: Option<NonZeroUsize>,
    pub(crate) mirrors: Vec<String>,
    /// Hosts and networks (CIDR) whose registries may be plain or unverified.
    pub(crate) insecure_registries: Vec<String>,
}

pub(super) async fn read(engine: &Engine) -> Result<Facts> {
    let (version, info) = engine.ask_both(system::version(engine), system::info(engine)).await;
    Ok(of(&version?, &info?))
}

impl Facts {
    pub(crate) fn podman(&self) -> bool {
        self.store == Store::Podman
    }
}

fn of(version: &Value, info: &Value) -> Facts {
    let store = store(version, info);
    Facts {
        // Podman makes up another one at every call.
        id: if store == Store::Podman {
            format!("podman {} {}", text(info, "/Name"), text(info, "/DockerRootDir"))
        } else {
            text(info, "/ID").to_owned()
        },
        version: text(version, "/Version").to_owned(),
        min_api_version: optional_text(version, "/MinAPIVersion"),
        os: text(version, "/Os").to_owned(),
        architecture: text(version, "/Arch").to_owned(),
        store,
        storage_driver: text(info, "/Driver").to_owned(),
        root_dir: text(info, "/DockerRootDir").to_owned(),
        name: text(info, "/Name").to_owned(),
        swarm: text(info, "/Swarm/LocalNodeState") == "active",
        processors: integer(info, "/NCPU").and_then(|number| NonZeroUsize::new(usize::try_from(number).ok()?)),
        mirrors: texts(info, "/RegistryConfig/Mirrors"),
        insecure_registries: insecure(info, store),
    }
}

fn store(version: &Value, info: &Value) -> Store {
    let is_podman = |component: &Value| text(component, "/Name").starts_with("Podman");
    if list(version, "/Components").iter().any(is_podman) {
        return Store::Podman;
    }
    // Engine 24 and later: `["driver-type", "io.containerd.snapshotter.v1"]`.
    let is_snapshotter = |pair: &Value| text(pair, "/0") == "driver-type" && text(pair, "/1").starts_with("io.containerd.snapshotter");
    let of_containerd = list(info, "/DriverStatus").iter().any(is_snapshotter);
    if of_containerd { Store::Containerd } else { Store::Classic }
}

fn insecure(info: &Value, store: Store) -> Vec<String> {
    let hosts = entries(info, "/RegistryConfig/IndexConfigs").filter(|(_, config)| config["Secure"] == false).map(|(host, _)| host);
    let hosts = hosts.map(|host| {
        // Podman's are prefixes of references (containers-registries.conf(5)): a host without a port is that host at any port.
        let any_port = store == Store::Podman && !host.contains([':', '/']);
        if any_port { format!("{host}:*") } else { host.clone() }
    });
    texts(info, "/RegistryConfig/InsecureRegistryCIDRs").into_iter().chain(hosts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_store_is_read_from_the_answers() {
        let containerd = json!({"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]});
        let classic = json!({"DriverStatus": [["Backing Filesystem", "extfs"]]});
        let podman = json!({"Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}]});
        assert_eq!(store(&json!({}), &containerd), Store::Containerd);
        assert_eq!(store(&json!({}), &classic), Store::Classic);
        assert_eq!(store(&json!({}), &json!({"DriverStatus": null})), Store::Classic);
        assert_eq!(store(&podman, &classic), Store::Podman);
    }

    #[test]
    fn insecure_registries_are_networks_and_hosts() {
        let info = json!({"RegistryConfig": {
            "InsecureRegistryCIDRs": ["127.0.0.0/8"],
            "IndexConfigs": {"docker.io": {"Secure": true}, "10.0.0.1:5000": {"Secure": false}},
        }});
        assert_eq!(of(&json!({}), &info).insecure_registries, ["127.0.0.0/8", "10.0.0.1:5000"]);
        let podman = json!({"Components": [{"Name": "Podman Engine"}]});
        let info = json!({"RegistryConfig": {"IndexConfigs": {"127.0.0.1": {"Secure": false}, "reg.example:5000": {"Secure": false}}}});
        assert_eq!(of(&podman, &info).insecure_registries, ["127.0.0.1:*", "reg.example:5000"]);
        assert_eq!(of(&json!({}), &info).insecure_registries, ["127.0.0.1", "reg.example:5000"], "Docker's is of the standard port");
    }
}
