//! Takes away what tests made, and nothing else: by a part of the name, by the label, by the author of an image.

use serde_json::Value;

use crate::engine::Engine;

/// What is to go.
#[derive(Clone, Copy)]
pub(crate) enum Ours<'a> {
    /// Whatever has this in its name.
    Named(&'a str),
    /// Whatever the lab made.
    All,
}

impl Ours<'_> {
    fn is(self, name: &str, labels: &Value) -> bool {
        match self {
            Self::Named(part) => name.contains(part),
            Self::All => name.contains("refit-lab-") || !labels["refit-lab"].is_null(),
        }
    }
}

/// Removes containers with their anonymous volumes, then volumes, networks and images.
pub(crate) fn clean(engine: &Engine, ours: Ours<'_>) {
    // Podman removes none that another one holds: those go first.
    for _ in 0..4 {
        let all = list(engine, "/containers/json?all=1");
        let left: Vec<_> = all.iter().filter(|container| ours.is(&container["Names"].to_string(), &container["Labels"])).collect();
        for container in &left {
            remove(engine, "containers", &container["Id"], "?force=1&v=1");
        }
        if left.is_empty() {
            break;
        }
    }
    for volume in list(engine, "/volumes").iter().flat_map(|all| all["Volumes"].as_array().cloned().unwrap_or_default()) {
        if ours.is(volume["Name"].as_str().unwrap_or_default(), &volume["Labels"]) {
            remove(engine, "volumes", &volume["Name"], "");
        }
    }
    for network in list(engine, "/networks") {
        if ours.is(network["Name"].as_str().unwrap_or_default(), &network["Labels"]) {
            remove(engine, "networks", &network["Id"], "");
        }
    }
    clean_images(engine, ours);
}

fn clean_images(engine: &Engine, ours: Ours<'_>) {
    for image in list(engine, "/images/json") {
        let names: Vec<_> = ["RepoTags", "RepoDigests"].iter().flat_map(|key| image[key].as_array().cloned().unwrap_or_default()).collect();
        let mut left = false;
        for name in names.iter().filter_map(Value::as_str) {
            if name.contains("<none>") {
                left = true;
            } else if ours.is(name, &Value::Null) {
                remove(engine, "images", &Value::from(name), "?force=1");
            }
        }
        // An untagged image has no name of ours, but it has an author.
        let id = image["Id"].as_str().unwrap_or_default();
        if (left || names.is_empty()) && matches!(ours, Ours::All) && engine.image(id).is_some_and(|image| image["Author"] == "refit-lab") {
            remove(engine, "images", &image["Id"], "?force=1");
        }
    }
}

fn list(engine: &Engine, path: &str) -> Vec<Value> {
    // Docker 26 with containerd's store fails a list while another test removes an image that is in it.
    let ask = || engine.ask("GET", path, &Value::Null);
    let answer = (0..20).map(|_| ask()).find(|answer| answer.status < 500).unwrap_or_else(ask);
    match answer.json() {
        Value::Array(all) => all,
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// What cannot be removed now is gone with a private engine, or with the next `lab down`.
fn remove(engine: &Engine, kind: &str, id: &Value, query: &str) {
    let id = id.as_str().unwrap_or_default();
    engine.ask("DELETE", &format!("/{kind}/{id}{query}"), &Value::Null);
}
