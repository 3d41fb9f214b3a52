//! What a container's configuration owes to its image, taken out and put in.
//!
//! The engine merges the image into the request at create, and inspect shows the sum. Sending the sum would pin the
//! old image's defaults; so the old image is subtracted, and the new one's defaults apply. A value of the user that
//! equals the old image's default cannot be distinguished and follows the new image.
//!
//! Rules: docs/recreate.md, section 3.1.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::command;
use super::value::{clean_path, entries, is_empty, list, owned_entries, text};

/// `healthcheck` is merged a field at a time.
const HEALTHCHECK: [&str; 6] = ["Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"];

/// Takes the image's defaults out of a container's `Config`.
pub(super) fn subtract(config: &mut Map<String, Value>, image: &Value) {
    // Of images and of Windows only.
    config.shift_remove("OnBuild");
    config.shift_remove("ArgsEscaped");
    for key in ["User", "StopSignal"] {
        drop_text(config, key, |user| user == text(image, key));
    }
    // The classic builder of 20.10 keeps `/w1/` in the image, while the container shows `/w1`.
    drop_text(config, "WorkingDir", |user| clean_path(user) == clean_path(text(image, "WorkingDir")));
    if let Some(Value::Array(environment)) = config.get_mut("Env") {
        let defaults: HashSet<&Value> = list(image, "Env").iter().collect();
        environment.retain(|entry| !defaults.contains(entry));
    }
    drop_entries(config, "Labels", |label, value| image["Labels"].get(label) == Some(value));
    let ports: HashSet<String> = entries(image, "ExposedPorts").map(|(port, _)| with_protocol(port)).collect();
    drop_entries(config, "ExposedPorts", |port, _| ports.contains(&with_protocol(port)));
    let volumes: HashSet<String> = entries(image, "Volumes").map(|(path, _)| clean_path(path)).collect();
    drop_entries(config, "Volumes", |path, _| volumes.contains(&clean_path(path)));
    subtract_healthcheck(config, &image["Healthcheck"]);
    command::subtract(config, image);
}

fn drop_text(config: &mut Map<String, Value>, key: &str, is_default: impl Fn(&str) -> bool) {
    if let Some(Value::String(user)) = config.get_mut(key)
        && is_default(user)
    {
        user.clear();
    }
}

fn drop_entries(config: &mut Map<String, Value>, key: &str, is_default: impl Fn(&str, &Value) -> bool) {
    if let Some(Value::Object(entries)) = config.get_mut(key) {
        entries.retain(|name, value| !is_default(name, value));
    }
}

/// Images of other builders leave out the protocol, which then is TCP.
pub(super) fn with_protocol(port: &str) -> String {
    if port.contains('/') { port.into() } else { format!("{port}/tcp") }
}

/// A field of the healthcheck that the request leaves to the image.
fn is_inherited(field: &Value) -> bool {
    is_empty(field) || field == 0
}

fn subtract_healthcheck(config: &mut Map<String, Value>, image: &Value) {
    let Some(healthcheck @ Value::Object(_)) = config.get_mut("Healthcheck") else { return };
    if is_empty(image) {
        return;
    }
    if let Value::Object(fields) = healthcheck {
        for key in HEALTHCHECK {
            if fields.get(key).is_some_and(|field| is_inherited(field) || Some(field) == image.get(key)) {
                fields.shift_remove(key);
            }
        }
    }
    // `{}` would be shown as `{}` where the new image has no healthcheck.
    if is_empty(healthcheck) {
        *healthcheck = Value::Null;
    }
}

/// The healthcheck of the new container, before it is created.
pub(crate) fn healthcheck_of_new(container: &Value, old_image: &Value, new_image: &Value) -> Value {
    let mut config = container["Config"].as_object().cloned().unwrap_or_default();
    subtract_healthcheck(&mut config, &old_image["Config"]["Healthcheck"]);
    merge(&mut config, &new_image["Config"]);
    config.shift_remove("Healthcheck").unwrap_or_default()
}

/// What the engine will show for a request with this `Config` and an image: its own merge, for the comparison after create.
pub(super) fn merge(config: &mut Map<String, Value>, image: &Value) {
    for key in ["User", "StopSignal", "WorkingDir"] {
        if config.get(key).is_none_or(is_empty) {
            config.insert(key.into(), image[key].clone());
        }
    }
    merge_environment(config, image);
    for key in ["Labels", "ExposedPorts", "Volumes"] {
        let mut merged = owned_entries(config, key);
        for (name, value) in entries(image, key) {
            let name = if key == "ExposedPorts" { with_protocol(name) } else { name.clone() };
            merged.entry(name).or_insert_with(|| value.clone());
        }
        config.insert(key.into(), Value::Object(merged));
    }
    if let Some(defaults) = image["Healthcheck"].as_object() {
        let mut merged = owned_entries(config, "Healthcheck");
        for (key, value) in defaults {
            if merged.get(key).is_none_or(is_inherited) {
                merged.insert(key.clone(), value.clone());
            }
        }
        config.insert("Healthcheck".into(), Value::Object(merged));
    }
    command::merge(config, image);
}

/// By the variable's name: an entry without `=` blocks the image's value too.
fn merge_environment(config: &mut Map<String, Value>, image: &Value) {
    let name = |entry: &Value| entry.as_str().unwrap_or_default().split('=').next().unwrap_or_default().to_owned();
    let mut merged = config.get("Env").and_then(Value::as_array).cloned().unwrap_or_default();
    let user: HashSet<String> = merged.iter().map(name).collect();
    merged.extend(list(image, "Env").iter().filter(|entry| !user.contains(&name(entry))).cloned());
    config.insert("Env".into(), Value::Array(merged));
}

#[cfg(test)]
#[path = "image_defaults_tests.rs"]
mod tests;
