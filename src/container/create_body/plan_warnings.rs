//! The warnings before an update of an image is confirmed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::value::{clean_path, entries, is_empty, list, same, text, text_elements};
use super::{Warning, name};

/// Labels by which proxies, dashboards and updaters find and treat containers.
const READ_BY_TOOLS: [&str; 8] =
    ["traefik.", "caddy", "com.centurylinklabs.watchtower", "homepage.", "diun.", "wud.", "prometheus", "com.github.nginx-proxy"];

/// The warnings for an image and those of its containers that would be recreated.
pub(crate) fn plan_warnings(old: &Value, new: &Value, containers: &[Value]) -> Vec<Warning> {
    let mut warnings = of_images(old, new);
    for container in containers {
        let of = |(code, message): (&str, String)| Warning { code: code.into(), container: Some(name(container).into()), message };
        warnings.extend(ports(old, new, container).into_iter().map(of));
        warnings.extend(hidden(old, new, container));
        warnings.extend(volumes(old, new, container).into_iter().map(of));
        warnings.extend(overridden(old, new, container).into_iter().map(of));
        warnings.extend(pinned(old, new, container).into_iter().map(of));
    }
    warnings
}

fn of_images(old: &Value, new: &Value) -> Vec<Warning> {
    let warning = |code: &str, message: String| Warning { code: code.into(), container: None, message };
    let mut warnings = Vec::new();
    let platform = |image: &Value| format!("{}/{}", text(image, "Os"), text(image, "Architecture"));
    if platform(old) != platform(new) {
        warnings.push(warning("architecture", format!("the image was for {} and is for {} now", platform(old), platform(new))));
    }
    match (has_healthcheck(old), has_healthcheck(new)) {
        (false, true) => warnings.push(warning("healthcheck_new", "the new image brings a healthcheck".into())),
        (true, false) => warnings.push(warning("healthcheck_gone", "the new image has no healthcheck any more".into())),
        _ => {}
    }
    for path in declared(new).difference(&declared(old)) {
        warnings.push(warning("volume_new", format!("the new image declares a volume at {path}: its containers get a new, anonymous one")));
    }
    for label in changed_labels(old, new) {
        warnings.push(warning("label", format!("the label {label}, which other tools read, is another one in the new image")));
    }
    warnings
}

fn declared(image: &Value) -> BTreeSet<String> {
    entries(&image["Config"], "Volumes").map(|(path, _)| clean_path(path)).collect()
}

/// A volume that is new and lies below a mount of the container: it is empty but for the image's files, and hides what lies there.
pub(super) fn hidden(old: &Value, new: &Value, container: &Value) -> Vec<Warning> {
    let mounts: Vec<(String, &str)> = list(container, "Mounts")
        .iter()
        .map(|mount| {
            (clean_path(text(mount, "Destination")), if mount["Type"] == "volume" { text(mount, "Name") } else { text(mount, "Source") })
        })
        .collect();
    let below = |path: &str| {
        let above = |mount: &&(String, &str)| path.strip_prefix(mount.0.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'));
        mounts.iter().filter(above).max_by_key(|mount| mount.0.len())
    };
    let is_mounted = |path: &String| mounts.iter().any(|(destination, _)| destination == path);
    let message = |path: &String| {
        let (destination, source) = below(path)?;
        Some(format!(
            "the new image declares a volume at {path}, below its mount at {destination}: a new, anonymous volume hides what lies at {path} in {source}"
        ))
    };
    let paths = declared(new).difference(&declared(old)).filter(|path| !is_mounted(path)).filter_map(message).collect::<Vec<_>>();
    paths.into_iter().map(|message| Warning::of(container, "volume_new", message)).collect()
}

fn has_healthcheck(image: &Value) -> bool {
    let test = &image["Config"]["Healthcheck"]["Test"];
    !is_empty(test) && test[0] != "NONE"
}

fn changed_labels(old: &Value, new: &Value) -> BTreeSet<String> {
    let labels = |image: &Value| image["Config"]["Labels"].clone();
    let (before, after) = (labels(old), labels(new));
    let all = [&before, &after].into_iter().filter_map(Value::as_object).flat_map(|labels| labels.keys().cloned());
    all.filter(|label| READ_BY_TOOLS.iter().any(|tool| label.starts_with(tool)) && before.get(label) != after.get(label)).collect()
}

fn ports(old: &Value, new: &Value, container: &Value) -> Vec<(&'static str, String)> {
    let exposed = |image: &Value, port: &str| image["Config"]["ExposedPorts"].get(port).is_some();
    entries(&container["HostConfig"], "PortBindings")
        .filter(|(port, _)| exposed(old, port) && !exposed(new, port))
        .map(|(port, _)| {
            ("port_not_exposed", format!("it publishes port {port}, which the new image exposes no longer; it stays published"))
        })
        .collect()
}

fn volumes(old: &Value, new: &Value, container: &Value) -> Vec<(&'static str, String)> {
    let declares = |image: &Value, path: &str| entries(&image["Config"], "Volumes").any(|(declared, _)| clean_path(declared) == path);
    list(container, "Mounts")
        .iter()
        .map(|mount| (text(mount, "Type"), clean_path(text(mount, "Destination"))))
        .filter(|(kind, path)| *kind == "volume" && declares(old, path) && !declares(new, path))
        .map(|(_, path)| {
            ("volume_gone", format!("the new image declares no volume at {path} any more; the container's stays mounted there"))
        })
        .collect()
}

/// What the new image changes while the container overrides part of it: entrypoint and command go together, and so do
/// user and working directory with both.
fn overridden(old: &Value, new: &Value, container: &Value) -> Vec<(&'static str, String)> {
    const FIELDS: [(&str, &str, &str); 4] = [
        ("User", "user", "user"),
        ("Entrypoint", "entrypoint", "entrypoint"),
        ("Cmd", "command", "command"),
        ("WorkingDir", "working_dir", "working directory"),
    ];
    let cleaned = |value: &Value| value.as_str().map_or_else(|| value.clone(), |path| clean_path(path).into());
    let equal = |a: &Value, b: &Value| same(a, b) || same(&cleaned(a), &cleaned(b));
    let overrides = |key: &str| !equal(&container["Config"][key], &old["Config"][key]);
    let own: Vec<&str> = FIELDS.iter().filter(|(key, ..)| overrides(key)).map(|(.., word)| *word).collect();
    if own.is_empty() {
        return Vec::new();
    }
    FIELDS
        .iter()
        .filter(|(key, ..)| !equal(&old["Config"][key], &new["Config"][key]))
        .map(|(key, code, word)| {
            let (before, after) = (&old["Config"][key], &new["Config"][key]);
            (*code, format!("the image's {word} was {before} and is {after} now, while the container has its own {}", own.join(", ")))
        })
        .collect()
}

/// Variables that the user gave, so that the new image's value does not reach the container.
fn pinned(old: &Value, new: &Value, container: &Value) -> Vec<(&'static str, String)> {
    let value = |config: &Value, variable: &str| {
        text_elements(config, "Env")
            .filter_map(|entry| entry.split_once('='))
            .find(|(name, _)| *name == variable)
            .map(|(_, value)| value.to_owned())
    };
    let of_image: BTreeSet<&str> = text_elements(&new["Config"], "Env").filter_map(|entry| Some(entry.split_once('=')?.0)).collect();
    of_image
        .into_iter()
        .filter(|variable| {
            let (before, after) = (value(&old["Config"], variable), value(&new["Config"], variable));
            let own = value(&container["Config"], variable);
            own.is_some() && own != before && own != after && before != after
        })
        // The value may be a secret.
        .map(|variable| ("environment_pinned", format!("the image's default of {variable} changes, and the container keeps its own")))
        .collect()
}

/// Less free disk than the download, where the engine's `/info` tells: zfs in bytes, devicemapper in words.
pub(crate) fn disk_warning(info: &Value, download_bytes: u64) -> Option<Warning> {
    let status = list(info, "DriverStatus").iter().filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)));
    let mut free = status.filter(|(key, _)| matches!(*key, "Space Available" | "Data Space Available")).filter_map(|(_, size)| bytes(size));
    let free = free.next().filter(|free| *free < download_bytes)?;
    let message = format!("the download is {download_bytes} bytes, and the engine has {free} left");
    Some(Warning { code: "disk".into(), container: None, message })
}

/// `1234` or `1.234 GB`.
fn bytes(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|c: char| c.is_alphabetic() || c == ' ');
    let power = ["B", "kB", "MB", "GB", "TB"].iter().position(|unit| size[digits.len()..].trim() == *unit).unwrap_or(0);
    let number: f64 = digits.parse().ok()?;
    Some((number * 1000_f64.powi(i32::try_from(power).ok()?)) as u64)
}

#[cfg(test)]
#[path = "plan_warnings_tests.rs"]
mod tests;
