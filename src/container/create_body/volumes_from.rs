//! `VolumesFrom`: an entry is kept only while its source would give the same volumes.
//!
//! Rules: docs/recreate.md, section 3.5.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::mounts::own;
use super::value::{clean_path, is_id_of, list, text};

/// Keeps the entries whose source is there and still gives the same mounts, and answers with the destinations that the
/// kept ones fill. A source that is gone is a 400 at create; one that was recreated with another anonymous volume would
/// change the data in silence.
///
/// `hides_binds`: Podman shows no folder of the machine that came so, though it is there [measured on 5.8].
pub(super) fn rewrite(host_config: &mut Map<String, Value>, container: &Value, containers: &[Value], hides_binds: bool) -> HashSet<String> {
    let mut filled = HashSet::new();
    let own = own(&Value::Object(host_config.clone()));
    if let Some(Value::Array(entries)) = host_config.get_mut("VolumesFrom") {
        entries.retain(|entry| {
            let entry = entry.as_str().unwrap_or_default();
            let writes = !entry.split_once(':').is_some_and(|(_, mode)| mode.split(',').any(|word| word == "ro"));
            let gives = named(containers, source(entry)).and_then(|source| gives_the_same(source, writes, container, &own, hides_binds));
            gives.is_some_and(|destinations| {
                filled.extend(destinations);
                true
            })
        });
    }
    filled
}

/// `container[:mode]`.
pub(super) fn source(entry: &str) -> &str {
    entry.split(':').next().unwrap_or_default()
}

/// The container of a name, an id or the beginning of one.
pub(crate) fn named<'a>(containers: &'a [Value], name: &str) -> Option<&'a Value> {
    let name = name.trim_start_matches('/');
    let by_name = containers.iter().find(|container| text(container, "Name").trim_start_matches('/') == name);
    by_name.or_else(|| containers.iter().find(|container| is_id_of(text(container, "Id"), name)))
}

/// The same, to be replaced.
pub(crate) fn named_mut<'a>(containers: &'a mut [Value], name: &str) -> Option<&'a mut Value> {
    let id = text(named(containers, name)?, "Id").to_owned();
    containers.iter_mut().find(|container| text(container, "Id") == id)
}

/// The destinations that a source fills, when each shows the same mount in the container.
fn gives_the_same(source: &Value, writes: bool, container: &Value, own: &HashSet<String>, hides_binds: bool) -> Option<HashSet<String>> {
    let mut destinations = HashSet::new();
    for given in list(source, "Mounts") {
        let destination = clean_path(text(given, "Destination"));
        // The container's own mount goes before one that is taken.
        if own.contains(&destination) {
            continue;
        }
        let shown = list(container, "Mounts").iter().find(|mount| clean_path(text(mount, "Destination")) == destination);
        let Some(has) = shown else {
            if hides_binds && text(given, "Type") == "bind" {
                continue;
            }
            return None;
        };
        let differs = ["Type", "Name", "Source", "Propagation"].iter().any(|key| text(has, key) != text(given, key));
        if differs || (has["RW"] == true) != (given["RW"] == true && writes) {
            return None;
        }
        destinations.insert(destination);
    }
    Some(destinations)
}
