//! Mounts from all their sources, and every anonymous volume by its name.
//!
//! Inspect shows three sources (`HostConfig.Binds`, `HostConfig.Mounts`, `Config.Volumes`) beside `VolumesFrom`, and
//! their sum in `.Mounts`. A source that names no volume would give the new container a new, empty one.
//!
//! Rules: docs/recreate.md, section 3.5.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::value::{clean_path, entries, list, text, text_elements};
use super::{EngineFacts, volumes_from};

/// Rewrites the three fields of `HostConfig` so that they give the same mounts again. `containers` are the inspects of
/// all containers, for those that volumes are taken from.
pub(super) fn rewrite(host_config: &mut Map<String, Value>, container: &Value, containers: &[Value], facts: &EngineFacts) {
    name_anonymous_mounts(host_config, container);
    drop_anonymous_binds(host_config, container);
    let kept = volumes_from::rewrite(host_config, container, containers, facts.podman);
    let covered = covered(host_config, &kept);
    let missing: Vec<Value> = list(container, "Mounts")
        .iter()
        .filter(|mount| !covered.contains(&clean_path(text(mount, "Destination"))))
        .filter_map(|mount| explicit(mount, container))
        .collect();
    if missing.is_empty() {
        return;
    }
    match host_config.get_mut("Mounts") {
        Some(Value::Array(mounts)) => mounts.extend(missing),
        _ => {
            host_config.insert("Mounts".into(), Value::Array(missing));
        }
    }
}

/// `type=volume` without a source made an anonymous volume; it gets that volume's name.
fn name_anonymous_mounts(host_config: &mut Map<String, Value>, container: &Value) {
    let Some(Value::Array(mounts)) = host_config.get_mut("Mounts") else { return };
    for mount in mounts.iter_mut().filter(|mount| text(mount, "Type") == "volume" && text(mount, "Source").is_empty()) {
        let name = volume_at(container, text(mount, "Target")).to_owned();
        let (Some(fields), false) = (mount.as_object_mut(), name.is_empty()) else { continue };
        fields.insert("Source".into(), name.into());
        let mut options = super::value::owned_entries(fields, "VolumeOptions");
        options.insert("NoCopy".into(), true.into());
        fields.insert("VolumeOptions".into(), Value::Object(options));
    }
}

/// A bind that is a path alone made an anonymous volume [measured on 20.10, 26, 28]; it comes back as a mount by name.
fn drop_anonymous_binds(host_config: &mut Map<String, Value>, container: &Value) {
    let Some(Value::Array(binds)) = host_config.get_mut("Binds") else { return };
    binds.retain(|bind| {
        let bind = bind.as_str().unwrap_or_default();
        bind.contains(':') || volume_at(container, bind).is_empty()
    });
}

/// The name of the volume that is mounted at a path.
fn volume_at<'a>(container: &'a Value, path: &str) -> &'a str {
    let path = clean_path(path);
    list(container, "Mounts")
        .iter()
        .find(|mount| text(mount, "Type") == "volume" && clean_path(text(mount, "Destination")) == path)
        .map_or("", volume_name)
}

/// The name of a mounted volume. 28 leaves it out for a bind that is a path alone [measured on 28.5.2]; the local driver's
/// folder `volumes/NAME/_data` still has it.
pub(super) fn volume_name(mount: &Value) -> &str {
    let name = text(mount, "Name");
    if !name.is_empty() || text(mount, "Driver") != "local" {
        return name;
    }
    let folder = text(mount, "Source").strip_suffix("/_data").and_then(|path| path.rsplit_once("/volumes/"));
    folder.map_or("", |(_, name)| name)
}

/// What is mounted: the name of a volume or of an image, else the place on the machine. The layer of an image lies under the container's id.
pub(super) fn mounted(mount: &Value) -> &str {
    let name = match text(mount, "Type") {
        "volume" => volume_name(mount),
        "image" => text(mount, "Name"),
        _ => "",
    };
    if name.is_empty() { text(mount, "Source") } else { name }
}

/// Since 1.42 the options of another type are a 400; before, they were taken and left aside.
pub(super) fn drop_options_of_other_types(host_config: &mut Map<String, Value>) {
    let Some(Value::Array(mounts)) = host_config.get_mut("Mounts") else { return };
    for mount in mounts.iter_mut().filter_map(Value::as_object_mut) {
        let own = mount.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
        for (kind, options) in [("bind", "BindOptions"), ("volume", "VolumeOptions"), ("tmpfs", "TmpfsOptions")] {
            if own != kind {
                mount.shift_remove(options);
            }
        }
    }
}

/// The cleaned destinations that the request fills already; the same one twice is a 400.
fn covered(host_config: &Map<String, Value>, volumes_from: &HashSet<String>) -> HashSet<String> {
    let mut covered = own(&Value::Object(host_config.clone()));
    covered.extend(volumes_from.iter().cloned());
    covered
}

/// The cleaned destinations of a `HostConfig`'s own mounts.
pub(super) fn own(host_config: &Value) -> HashSet<String> {
    let binds = text_elements(host_config, "Binds").map(bind_destination);
    let mounts = list(host_config, "Mounts").iter().map(|mount| text(mount, "Target"));
    let tmpfs = entries(host_config, "Tmpfs").map(|(path, _)| path.as_str());
    binds.chain(mounts).chain(tmpfs).map(clean_path).collect()
}

/// `source:destination[:options]`, or the destination alone.
fn bind_destination(bind: &str) -> &str {
    let mut parts = bind.split(':');
    let first = parts.next().unwrap_or_default();
    parts.next().unwrap_or(first)
}

/// A mount as a request by name. A bind that no source explains came from a container that volumes are taken from.
fn explicit(mount: &Value, container: &Value) -> Option<Value> {
    let target = text(mount, "Destination");
    let mut request = match text(mount, "Type") {
        // The mere create of a container copies the image's content into an empty volume, unless NoCopy.
        "volume" if !volume_name(mount).is_empty() => {
            json!({"Type": "volume", "Source": volume_name(mount), "Target": target, "VolumeOptions": {"NoCopy": true}})
        }
        "bind" if !list(&container["HostConfig"], "VolumesFrom").is_empty() => {
            json!({"Type": "bind", "Source": text(mount, "Source"), "Target": target})
        }
        _ => return None,
    };
    if mount["RW"] == false {
        request["ReadOnly"] = true.into();
    }
    if request["Type"] == "bind" && !text(mount, "Propagation").is_empty() {
        request["BindOptions"] = json!({"Propagation": text(mount, "Propagation")});
    }
    Some(request)
}

#[cfg(test)]
#[path = "mounts_tests.rs"]
mod tests;
