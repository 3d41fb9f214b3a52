//! `/containers/json`, read into what the inventory needs: a thousand entries as raw JSON take more memory than everything else together.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::containers::TEMPORARY;
use crate::engine::{Engine, escape};
use crate::{Code, Result};

/// A container, as the list shows it. Podman writes `null` where Docker writes nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct ListedEntry {
    pub(crate) id: String,
    /// With the engine's slash. One with a second slash is the name under which another container links to this one.
    pub(crate) names: Option<Vec<String>>,
    /// `running`, `exited` and so on. Docker 26 shows `running` for a moment after a stop has returned.
    pub(crate) state: String,
    pub(crate) labels: Option<BTreeMap<String, String>>,
    host_config: Option<ListedHostConfig>,
    network_settings: Option<ListedNetworks>,
    pub(crate) mounts: Option<Vec<Value>>,
}

/// Of the whole `HostConfig` the list shows this, and not whose processes, memory or volumes a container uses.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ListedHostConfig {
    network_mode: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ListedNetworks {
    networks: Option<BTreeMap<String, Option<ListedEndpoint>>>,
}

/// An endpoint that is connected again gets another id while the container runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct ListedEndpoint {
    #[serde(rename = "NetworkID")]
    network_id: String,
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
}

/// What the list shows of the networks of a container: when it is the same as before, they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListedNetworking {
    mode: String,
    endpoints: BTreeMap<String, Option<ListedEndpoint>>,
}

impl ListedEntry {
    pub(crate) fn network_mode(&self) -> &str {
        self.host_config.as_ref().map_or("", |config| config.network_mode.as_str())
    }

    pub(crate) fn networking(&self) -> ListedNetworking {
        let networks = self.network_settings.as_ref().and_then(|settings| settings.networks.clone());
        ListedNetworking { mode: self.network_mode().to_owned(), endpoints: networks.unwrap_or_default() }
    }

    /// All names without the engine's slash.
    fn all_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().flatten().map(|name| name.strip_prefix('/').unwrap_or(name))
    }

    /// Its own name: the one that is not a link's.
    pub(crate) fn name(&self) -> Option<&str> {
        self.all_names().find(|name| !name.is_empty() && !name.contains('/'))
    }

    /// The containers that link to it (`--link`), by name, and the alias that each has for it.
    pub(crate) fn linked_by(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all_names().filter_map(|name| name.split_once('/')).filter(|(parent, alias)| !parent.is_empty() && !alias.contains('/'))
    }
}

/// Every container, stopped ones included, and the engine's clock at the time, in seconds since 1970.
pub(crate) async fn list(engine: &Engine) -> Result<(Vec<ListedEntry>, i64)> {
    read(engine, "listing the containers", "/containers/json?all=1").await
}

/// The containers that were created after one that is listed, of which Docker must know the id. Docker goes through them from the newest one on,
/// and does not look at the rest [measured on 20.10: 8 ms of a thousand containers, where the list of all takes 105].
pub(crate) async fn list_since(engine: &Engine, id: &str) -> Result<(Vec<ListedEntry>, i64)> {
    read(engine, "listing the newest containers", &filtered(&serde_json::json!({ "since": [id] }))).await
}

/// These containers, by their ids; one that is gone is left out.
pub(crate) async fn list_of(engine: &Engine, ids: &BTreeSet<String>) -> Result<(Vec<ListedEntry>, i64)> {
    read(engine, "listing containers by their ids", &filtered(&serde_json::json!({ "id": ids }))).await
}

/// The containers with temporary names, those of all recreations; their entries tell exactly.
pub(crate) async fn list_temporary(engine: &Engine) -> Result<(Vec<ListedEntry>, i64)> {
    read(engine, "listing the containers of recreations", &filtered(&serde_json::json!({ "name": [TEMPORARY] }))).await
}

fn filtered(filters: &Value) -> String {
    format!("/containers/json?all=1&filters={}", escape(&filters.to_string()))
}

async fn read(engine: &Engine, what: &str, path: &str) -> Result<(Vec<ListedEntry>, i64)> {
    let answer = engine.call(what, Method::GET, path, None, engine.timeout()).await?;
    let now = answer.engine_time().ok_or_else(|| Code::Engine.error(format!("{what}: the engine's answer has no Date header")))?;
    let list: Option<Vec<ListedEntry>> = serde_json::from_slice(&answer.body)
        .map_err(|error| Code::Engine.error(format!("{what}: the engine's answer is not a list of containers")).caused_by(&error))?;
    Ok((list.unwrap_or_default(), now))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(value: Value) -> ListedEntry {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_an_engine_leaves_out_is_nothing() {
        for value in [
            json!({"Id": "a"}),
            json!({"Id": "a", "Names": null, "HostConfig": null, "NetworkSettings": null, "Mounts": null, "Labels": null}),
            json!({"Id": "a", "NetworkSettings": {"Networks": null}, "HostConfig": {}}),
        ] {
            let entry = entry(value);
            assert_eq!((entry.id.as_str(), entry.name(), entry.network_mode()), ("a", None, ""));
            assert_eq!(entry.networking(), ListedNetworking::default());
        }
    }

    #[test]
    fn a_link_is_a_name_of_the_container_that_is_linked_to() {
        let entry = entry(json!({"Id": "a", "Names": ["/web/db", "/store", "/x/y/z"]}));
        assert_eq!(entry.name(), Some("store"));
        assert_eq!(entry.linked_by().collect::<Vec<_>>(), [("web", "db")]);
    }

    #[test]
    fn another_endpoint_is_another_network() {
        let of = |endpoint: &str| {
            entry(json!({"NetworkSettings": {"Networks": {"n": {"NetworkID": "1", "EndpointID": endpoint, "IPAddress": "10.0.0.2"}}}}))
                .networking()
        };
        assert_eq!(of("e"), of("e"));
        assert_ne!(of("e"), of("f"));
        assert_ne!(of("e"), entry(json!({})).networking());
    }
}
