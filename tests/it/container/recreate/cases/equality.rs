//! Whether the new container has the old one's configuration (docs/recreate.md, section 3.9); written independently of the library's own
//! comparison.

use std::collections::BTreeSet;

use serde_json::{Value, json};

const APART: [&str; 5] = ["Mounts", "Binds", "VolumesFrom", "Links", "NetworkMode"];

/// Name, reference, `HostConfig`, mounts, networks and the kind of state are the same. `Config` has a file of its own.
pub fn assert_equal(before: &Value, after: &Value, image: &Value, api: (u32, u32)) {
    assert_eq!(after["Name"], before["Name"]);
    assert_eq!(after["Config"]["Image"], before["Config"]["Image"]);
    assert_ne!(after["Id"], before["Id"]);
    assert_eq!(after["RestartCount"], 0);
    assert_eq!(after["State"]["Running"], before["State"]["Running"]);
    let (old, new) = (before["HostConfig"].as_object().unwrap(), &after["HostConfig"]);
    for (key, value) in old.iter().filter(|(key, _)| !APART.contains(&key.as_str())) {
        // Podman shows the ports that it has published by itself as if each had been asked for.
        if key == "PortBindings" && new["Runtime"] == "oci" && new["PublishAllPorts"] == true {
            let kept = value.as_object().unwrap().iter().all(|(port, hosts)| new[key].get(port) == Some(hosts));
            assert!(kept, "HostConfig.PortBindings: {} without {value}", new[key]);
            continue;
        }
        assert_eq!(normal(key, &new[key]), normal(key, value), "HostConfig.{key}");
    }
    assert_eq!(mode(after), mode(before));
    mounts(before, after, image);
    networks(before, after, api);
}

pub fn is_empty(value: &Value) -> bool {
    value.is_null() || *value == json!("") || *value == json!([]) || *value == json!({})
}

/// Podman's own annotations, which follow from other settings.
fn is_derived(annotation: &str) -> bool {
    ["io.podman.", "io.container.manager", "org.systemd.property.", "org.opencontainers.image.stopSignal"]
        .iter()
        .any(|own| annotation.starts_with(own))
}

fn normal(key: &str, value: &Value) -> Value {
    match key {
        "Annotations" => {
            let own = value.as_object().into_iter().flatten().filter(|(name, _)| !is_derived(name));
            Value::Object(own.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        // Nothing and an empty list are not the same here.
        "MaskedPaths" | "ReadonlyPaths" => value.clone(),
        "RestartPolicy" if value["Name"] == "" => json!({"Name": "no", "MaximumRetryCount": value["MaximumRetryCount"]}),
        "MemorySwappiness" if *value == -1 => Value::Null,
        "PidsLimit" if value.as_i64().is_some_and(|limit| limit <= 0) => Value::Null,
        "Runtime" if is_empty(value) => "runc".into(),
        _ if is_empty(value) => Value::Null,
        _ => value.clone(),
    }
}

/// The network mode, by the network's name: 26 makes a whole id of the beginning of one.
fn mode(container: &Value) -> String {
    let mode = container["HostConfig"]["NetworkMode"].as_str().unwrap();
    let mut networks = container["NetworkSettings"]["Networks"].as_object().unwrap().iter();
    let named =
        networks.find(|(name, endpoint)| endpoint["NetworkID"].as_str().is_some_and(|id| id.starts_with(mode) && !id.starts_with(*name)));
    match (named, mode) {
        (Some((name, _)), _) => name.clone(),
        (None, "default") => "bridge".into(),
        (None, mode) => mode.into(),
    }
}

fn mounts(before: &Value, after: &Value, image: &Value) {
    let reported = |container: &Value| -> BTreeSet<String> {
        let mounts = container["Mounts"].as_array().unwrap().iter();
        mounts
            .map(|mount| {
                // 28 leaves out the name of one that was made for a bind that is a path alone.
                let what = if mount["Name"].is_null() || !(mount["Type"] == "volume" || mount["Type"] == "image") {
                    &mount["Source"]
                } else {
                    &mount["Name"]
                };
                let what = what.as_str().unwrap_or_default().trim_end_matches("/_data").rsplit("/volumes/").next().unwrap_or_default();
                let place = mount["Destination"].as_str().unwrap().trim_end_matches('/');
                format!("{} {what} {place} {} {}", mount["Type"], mount["RW"], mount["Propagation"])
            })
            .collect()
    };
    let (old, new) = (reported(before), reported(after));
    assert!(old.is_subset(&new), "{old:?} are not all in {new:?}");
    let declared: Vec<&String> = image["Config"]["Volumes"].as_object().into_iter().flat_map(|volumes| volumes.keys()).collect();
    for path in declared.iter().filter(|path| after["HostConfig"]["Tmpfs"].get(path.as_str()).is_none()) {
        assert!(new.iter().any(|mount| mount.contains(&format!(" {path} "))), "nothing is mounted at {path}, which the image declares");
    }
    for mount in new.difference(&old) {
        assert!(declared.iter().any(|path| mount.contains(&format!(" {path} "))), "{mount} is of nobody");
    }
}

fn networks(before: &Value, after: &Value, api: (u32, u32)) {
    let reported = |container: &Value| -> Vec<Value> {
        let id = &container["Id"].as_str().unwrap()[..12];
        let hostname = &container["Config"]["Hostname"];
        let networks = container["NetworkSettings"]["Networks"].as_object().unwrap().iter();
        let by_id = |name: &str, endpoint: &Value| endpoint["NetworkID"].as_str().is_some_and(|id| id.starts_with(name));
        let mut reported: Vec<Value> = networks
            .filter(|(name, endpoint)| !by_id(name, endpoint))
            .map(|(name, endpoint)| {
                let aliases = endpoint["Aliases"].as_array().cloned().unwrap_or_default();
                let own = |alias: &Value| alias == id || api < (1, 45) && alias == hostname;
                let aliases: BTreeSet<String> = aliases.iter().filter(|alias| !own(alias)).map(ToString::to_string).collect();
                let plain = |key: &str| if is_empty(&endpoint[key]) { Value::Null } else { endpoint[key].clone() };
                json!([name, aliases, plain("IPAMConfig"), plain("Links"), plain("DriverOpts"), endpoint["GwPriority"]])
            })
            .collect();
        reported.sort_by_key(|network| network[0].to_string());
        reported
    };
    assert_eq!(reported(after), reported(before));
}
