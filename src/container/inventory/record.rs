//! Of a container's inspect, what others depend on: a thousand whole ones take 40 MiB.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::container::state;
use crate::engine::api::container_list::ListedEntry;
use crate::json::{entries, is_empty, text};

/// The namespaces that may be another container's.
const NAMESPACES: [&str; 3] = ["NetworkMode", "PidMode", "IpcMode"];

/// By the name of a container: its links, as its inspect shows them (`/child:/parent/alias`).
pub(super) type Links = BTreeMap<String, Vec<Value>>;

/// What an inspect says of those that the container depends on, and of what it gives to others, in the form of the inspect.
pub(super) fn of_inspect(inspect: &Value) -> Value {
    let config = &inspect["HostConfig"];
    let mut host_config = Map::new();
    for key in NAMESPACES.into_iter().filter(|key| is_of_container(text(config, key))) {
        host_config.insert(key.into(), config[key].clone());
    }
    for key in ["Links", "VolumesFrom"].into_iter().filter(|key| !is_empty(&config[key])) {
        host_config.insert(key.into(), config[key].clone());
    }
    let linking = entries(inspect, "/NetworkSettings/Networks").filter(|(_, endpoint)| !is_empty(&endpoint["Links"]));
    let networks: Map<String, Value> =
        linking.map(|(name, endpoint)| (name.clone(), json!({"Links": endpoint["Links"].clone()}))).collect();
    record(
        state::id(inspect),
        state::name(inspect),
        json!({"Status": state::status(inspect), "Running": state::is_running(inspect)}),
        host_config,
        networks,
        mounts(inspect["Mounts"].as_array().map(Vec::as_slice).unwrap_or_default()),
    )
}

/// The same of a container that was not inspected, as far as the list shows it.
pub(super) fn of_entry(entry: &ListedEntry) -> Value {
    let mut host_config = Map::new();
    if is_of_container(entry.network_mode()) {
        host_config.insert("NetworkMode".into(), entry.network_mode().into());
    }
    let mounts = mounts(entry.mounts.as_deref().unwrap_or_default());
    record(&entry.id, entry.name().unwrap_or_default(), listed_state(entry), host_config, Map::new(), mounts)
}

/// A record with what the list shows now: the name and the state, which a rename or a stop has changed, and links, which an inspect shows with
/// the names that the containers had then.
pub(super) fn with_entry(record: &Value, entry: &ListedEntry, links: &Links) -> Value {
    let mut record = record.clone();
    let name = entry.name().unwrap_or_default();
    record["Name"] = format!("/{name}").into();
    record["State"] = listed_state(entry);
    if let Some(links) = links.get(name) {
        record["HostConfig"]["Links"] = Value::Array(links.clone());
    }
    record
}

/// The links of all containers: the list shows each as a name of the container that is linked to.
pub(super) fn links(list: &[ListedEntry]) -> Links {
    let mut links = Links::new();
    for child in list {
        for (parent, alias) in child.linked_by() {
            let link = format!("/{}:/{parent}/{alias}", child.name().unwrap_or(&child.id));
            links.entry(parent.to_owned()).or_default().push(link.into());
        }
    }
    links
}

fn is_of_container(mode: &str) -> bool {
    mode.starts_with("container:")
}

fn listed_state(entry: &ListedEntry) -> Value {
    let running = matches!(entry.state.as_str(), "running" | "paused" | "restarting");
    json!({"Status": entry.state, "Running": running})
}

fn mounts(shown: &[Value]) -> Vec<Value> {
    const KEPT: [&str; 6] = ["Type", "Name", "Source", "Destination", "RW", "Propagation"];
    let kept = |mount: &Value| {
        let kept = KEPT.iter().filter_map(|key| Some(((*key).to_owned(), mount.get(key)?.clone())));
        Value::Object(kept.collect())
    };
    shown.iter().map(kept).collect()
}

fn record(id: &str, name: &str, state: Value, host_config: Map<String, Value>, networks: Map<String, Value>, mounts: Vec<Value>) -> Value {
    let name = format!("/{}", name.trim_start_matches('/'));
    let mut record = json!({"Id": id, "Name": name, "State": state, "HostConfig": host_config});
    if !networks.is_empty() {
        record["NetworkSettings"] = json!({ "Networks": networks });
    }
    if !mounts.is_empty() {
        record["Mounts"] = Value::Array(mounts);
    }
    record
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entry(value: Value) -> ListedEntry {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_record_has_what_others_depend_on_and_nothing_else() {
        let inspect = json!({"Id": "a", "Name": "/web", "State": {"Status": "running", "Running": true, "Pid": 5}, "Image": "sha256:1",
            "HostConfig": {"NetworkMode": "container:b", "PidMode": "", "IpcMode": "private", "Links": null, "VolumesFrom": ["b:ro"], "Memory": 5},
            "NetworkSettings": {"Networks": {"n": {"Links": ["c:d"], "IPAddress": "1"}, "m": {"Links": null}}},
            "Mounts": [{"Type": "volume", "Name": "v", "Source": "/s", "Destination": "/d", "Driver": "local", "Mode": "z", "RW": true, "Propagation": ""}]});
        let expected = json!({"Id": "a", "Name": "/web", "State": {"Status": "running", "Running": true},
            "HostConfig": {"NetworkMode": "container:b", "VolumesFrom": ["b:ro"]},
            "NetworkSettings": {"Networks": {"n": {"Links": ["c:d"]}}},
            "Mounts": [{"Type": "volume", "Name": "v", "Source": "/s", "Destination": "/d", "RW": true, "Propagation": ""}]});
        assert_eq!(of_inspect(&inspect), expected);
    }

    #[test]
    fn the_list_shows_network_state_name_and_links() {
        let list = [
            entry(json!({"Id": "a", "Names": ["/web"], "State": "exited", "HostConfig": {"NetworkMode": "container:b"}})),
            entry(json!({"Id": "b", "Names": ["/front/db", "/store2"], "State": "paused", "HostConfig": {"NetworkMode": "default"}})),
            entry(json!({"Id": "c", "Names": ["/front"], "State": "running"})),
        ];
        let links = links(&list);
        assert_eq!(of_entry(&list[0])["HostConfig"], json!({"NetworkMode": "container:b"}));
        assert_eq!(of_entry(&list[1])["HostConfig"], json!({}));
        let before = json!({"Id": "c", "Name": "/c", "State": {}, "HostConfig": {"PidMode": "container:a", "Links": ["/store:/front/db"]}});
        let now = with_entry(&before, &list[2], &links);
        assert_eq!(now["HostConfig"], json!({"PidMode": "container:a", "Links": ["/store2:/front/db"]}), "the child has another name now");
        assert_eq!((&now["Name"], &now["State"]["Running"]), (&json!("/front"), &json!(true)));
        assert_eq!(with_entry(&of_entry(&list[1]), &list[1], &links)["State"], json!({"Status": "paused", "Running": true}));
    }
}
