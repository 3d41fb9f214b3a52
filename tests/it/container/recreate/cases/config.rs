//! Whether `Config` is the old one's with the new image's defaults in the place of the old image's; written apart from the library's mapping.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::equality::is_empty;

/// A value of the user is there as it was; one of the old image has given way to the new one's.
pub fn assert_equal(before: &Value, after: &Value, old_image: &Value, new_image: &Value) {
    let (old, new) = (&before["Config"], &after["Config"]);
    let (of_old, of_new) = (&old_image["Config"], &new_image["Config"]);
    let environment = |config: &Value| variables(&config["Env"]);
    assert_eq!(environment(new), moved(&environment(old), &environment(of_old), &environment(of_new)), "Config.Env");
    let labels = |config: &Value| labels(&config["Labels"]);
    assert_eq!(labels(new), moved(&labels(old), &labels(of_old), &labels(of_new)), "Config.Labels");
    let podman = environment(old).contains_key("container");
    // Podman shows no volumes here; those that the image declares are among the mounts.
    for key in ["ExposedPorts", "Volumes"].into_iter().filter(|key| !podman || *key != "Volumes") {
        let keys =
            |config: &Value| -> BTreeSet<String> { config[key].as_object().into_iter().flatten().map(|(key, _)| path(key)).collect() };
        let users = &keys(old) - &keys(of_old);
        let (found, least) = (keys(new), &users | &keys(of_new));
        assert!(least.is_subset(&found) && found.is_subset(&(&least | &keys(old))), "Config.{key}: {found:?}, not {least:?}");
    }
    for key in ["User", "StopSignal", "WorkingDir"] {
        let text = |config: &Value| {
            let text = path(config[key].as_str().unwrap_or_default());
            if podman { as_podman(key, &text) } else { text }
        };
        let expected = if text(old) == text(of_old) { text(of_new) } else { text(old) };
        assert_eq!(text(new), expected, "Config.{key}");
    }
    let same = |key: &str| old[key] == of_old[key] || is_empty(&old[key]) && is_empty(&of_old[key]);
    let command = match (same("Entrypoint"), same("Cmd")) {
        (true, true) => [&of_new["Entrypoint"], &of_new["Cmd"]],
        (true, false) => [&of_new["Entrypoint"], &old["Cmd"]],
        // No words at all keep the image's entrypoint out and let its command in.
        (false, true) if old["Entrypoint"] == json!([]) => [&old["Entrypoint"], &of_new["Cmd"]],
        (false, _) => [&old["Entrypoint"], &old["Cmd"]],
    };
    let plain = |value: &Value| if is_empty(value) { Value::Null } else { value.clone() };
    assert_eq!([&new["Entrypoint"], &new["Cmd"]].map(plain), command.map(plain), "Config.Entrypoint, Config.Cmd");
    let hostname = |container: &Value| {
        let (id, hostname) = (container["Id"].as_str().unwrap(), container["Config"]["Hostname"].as_str().unwrap_or_default());
        if hostname.len() == 12 && id.starts_with(hostname) { "its own id".to_owned() } else { hostname.to_owned() }
    };
    assert_eq!(hostname(after), hostname(before), "Config.Hostname");
    for key in
        ["Domainname", "Tty", "OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr", "NetworkDisabled", "StopTimeout"]
    {
        assert_eq!(plain(&new[key]), plain(&old[key]), "Config.{key}");
    }
}

/// The form that Podman has for the signals of these images, and for nothing at all.
pub fn as_podman(key: &str, value: &str) -> String {
    let form = match (key, value) {
        ("StopSignal", "SIGUSR1") => "10",
        ("StopSignal", "SIGUSR2") => "12",
        ("StopSignal", "SIGTERM" | "") => "15",
        ("WorkingDir", "") => "/",
        (_, same) => same,
    };
    form.to_owned()
}

type Entries = BTreeMap<String, Option<String>>;

/// The user's entries, over those of the new image.
fn moved(old: &Entries, of_old: &Entries, of_new: &Entries) -> Entries {
    let mut moved = of_new.clone();
    moved.extend(old.iter().filter(|(name, value)| of_old.get(*name) != Some(value)).map(|(name, value)| (name.clone(), value.clone())));
    moved
}

/// Without what Podman sets in each container.
fn variables(list: &Value) -> Entries {
    let split = |entry: &str| match entry.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (entry.to_owned(), None),
    };
    let all: Entries = list.as_array().into_iter().flatten().map(|entry| split(entry.as_str().unwrap())).collect();
    let is_podmans = all.contains_key("container");
    all.into_iter().filter(|(name, _)| !is_podmans || !["HOME", "HOSTNAME", "TERM"].contains(&name.as_str())).collect()
}

/// Without compose's word about the image, which follows the image.
fn labels(labels: &Value) -> Entries {
    let labels = labels.as_object().into_iter().flatten().filter(|(name, _)| *name != "com.docker.compose.image");
    labels.map(|(name, value)| (name.clone(), Some(value.to_string()))).collect()
}

fn path(path: &str) -> String {
    if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path.to_owned() }
}
