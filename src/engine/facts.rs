//! What the engine says of itself: which kind it is, its image store, its registries.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Engine;
use crate::Result;

/// How the engine keeps images, which decides what an image's id means and whether an untagged image is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
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
    pub(crate) mirrors: Vec<String>,
    /// Hosts and networks (CIDR) whose registries may be plain or unverified.
    pub(crate) insecure_registries: Vec<String>,
}

pub(super) async fn read(engine: &Engine) -> Result<Facts> {
    let version = engine.get("asking the engine for its version", "/version").await?;
    let info = engine.get("asking the engine for its settings", "/info").await?;
    Ok(of(&version, &info))
}

impl Facts {
    pub(crate) fn podman(&self) -> bool {
        self.store == Store::Podman
    }
}

fn of(version: &Value, info: &Value) -> Facts {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let store = store(version, info);
    Facts {
        // Podman makes up another one at every call.
        id: if store == Store::Podman {
            format!("podman {} {}", text(info, "Name"), text(info, "DockerRootDir"))
        } else {
            text(info, "ID")
        },
        version: text(version, "Version"),
        min_api_version: version.get("MinAPIVersion").and_then(Value::as_str).map(str::to_owned),
        os: text(version, "Os"),
        architecture: text(version, "Arch"),
        store,
        storage_driver: text(info, "Driver"),
        root_dir: text(info, "DockerRootDir"),
        name: text(info, "Name"),
        swarm: info.pointer("/Swarm/LocalNodeState").and_then(Value::as_str) == Some("active"),
        mirrors: strings(info.pointer("/RegistryConfig/Mirrors")),
        insecure_registries: insecure(info),
    }
}

fn store(version: &Value, info: &Value) -> Store {
    let is_podman = |component: &Value| component.get("Name").and_then(Value::as_str).is_some_and(|name| name.starts_with("Podman"));
    if version.get("Components").and_then(Value::as_array).is_some_and(|components| components.iter().any(is_podman)) {
        return Store::Podman;
    }
    // Engine 24 and later: `["driver-type", "io.containerd.snapshotter.v1"]`.
    let snapshotter = |pair: &Value| {
        pair.get(0).and_then(Value::as_str) == Some("driver-type")
            && pair.get(1).and_then(Value::as_str).is_some_and(|kind| kind.starts_with("io.containerd.snapshotter"))
    };
    let of_containerd = info.get("DriverStatus").and_then(Value::as_array).is_some_and(|pairs| pairs.iter().any(snapshotter));
    if of_containerd { Store::Containerd } else { Store::Classic }
}

fn insecure(info: &Value) -> Vec<String> {
    let mut found = strings(info.pointer("/RegistryConfig/InsecureRegistryCIDRs"));
    if let Some(Value::Object(hosts)) = info.pointer("/RegistryConfig/IndexConfigs") {
        let insecure = |config: &Value| config.get("Secure").and_then(Value::as_bool) == Some(false);
        found.extend(hosts.iter().filter(|(_, config)| insecure(config)).map(|(host, _)| host.clone()));
    }
    found
}

fn strings(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_store_is_told_from_the_answers() {
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
    }
}
