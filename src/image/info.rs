//! `img_info`: what an image is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::inspect::{self, keys, names, optional_texts, text, texts, time};
use super::pull::Last;
use crate::reference::Reference;
use crate::{Refit, Result};

/// The label in which an image tells its version (OCI).
pub(crate) const VERSION_LABEL: &str = "org.opencontainers.image.version";

/// A local image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "img_info")]
#[non_exhaustive]
pub struct ImageInfo {
    /// As asked.
    pub image: String,
    /// The engine's id: the digest of the configuration, or of the manifest on containerd's store.
    pub id: String,
    /// `repository:tag`, as the engine shows them.
    pub tags: Vec<String>,
    /// `repository@digest`.
    pub digests: Vec<String>,
    /// `linux`.
    pub os: String,
    /// `amd64`.
    pub architecture: String,
    /// `v8`.
    pub variant: Option<String>,
    /// Bytes.
    pub size: u64,
    /// When it was built (RFC 3339).
    pub created: Option<String>,
    /// The label `org.opencontainers.image.version`.
    pub version: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Paths that become anonymous volumes.
    pub volumes: Vec<String>,
    /// The user that it runs as; empty is root.
    pub user: String,
    /// Where it starts; empty is `/`.
    pub working_dir: String,
    /// The entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// The default command.
    pub cmd: Option<Vec<String>>,
    /// The engine's own healthcheck object: `Test`, and durations in nanoseconds.
    pub healthcheck: Option<Value>,
    /// Digests of the uncompressed layers, lowest first.
    pub layers: Vec<String>,
    /// When an update was last looked for through this handle (or its `state_dir`).
    pub last_checked: Option<String>,
    /// What was found then: a state of `img_check_update`.
    pub last_check_state: Option<String>,
    /// When it was last pulled through this handle.
    pub last_pulled: Option<String>,
}

impl Refit {
    /// A local image by reference or id. [`NotFound`](crate::Code::NotFound) when it is not local.
    pub async fn image_info(&self, image: &str) -> Result<ImageInfo> {
        let inspect = inspect::get(&self.shared.engine, image).await?;
        let reference = Reference::parse(image).map(|reference| reference.normalised()).unwrap_or_default();
        let last_pulled = match self.shared.pulls.last(&reference) {
            Some(Last::Pulled { at }) => Some(at),
            _ => None,
        };
        let mut info = of(image, &inspect, last_pulled);
        if let Some(check) = self.shared.last_checks.of(image) {
            info.last_checked = text(&check, "/checked_at");
            info.last_check_state = text(&check, "/state");
        }
        Ok(info)
    }
}

fn of(image: &str, inspect: &Value, last_pulled: Option<String>) -> ImageInfo {
    let labels = inspect.pointer("/Config/Labels").and_then(Value::as_object);
    let labels: BTreeMap<String, String> = labels
        .map(|labels| labels.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect())
        .unwrap_or_default();
    ImageInfo {
        image: image.to_owned(),
        id: text(inspect, "/Id").unwrap_or_default(),
        tags: names(inspect, "RepoTags"),
        digests: names(inspect, "RepoDigests"),
        os: text(inspect, "/Os").unwrap_or_default(),
        architecture: text(inspect, "/Architecture").unwrap_or_default(),
        variant: text(inspect, "/Variant"),
        size: inspect.get("Size").and_then(Value::as_u64).unwrap_or(0),
        created: time(inspect, "/Created"),
        version: labels.get(VERSION_LABEL).filter(|version| !version.is_empty()).cloned(),
        labels,
        env: texts(inspect, "/Config/Env"),
        exposed_ports: keys(inspect, "/Config/ExposedPorts"),
        volumes: keys(inspect, "/Config/Volumes"),
        user: text(inspect, "/Config/User").unwrap_or_default(),
        working_dir: text(inspect, "/Config/WorkingDir").unwrap_or_default(),
        entrypoint: optional_texts(inspect, "/Config/Entrypoint"),
        cmd: optional_texts(inspect, "/Config/Cmd"),
        healthcheck: inspect.pointer("/Config/Healthcheck").filter(|check| !check.is_null()).cloned(),
        layers: texts(inspect, "/RootFS/Layers"),
        last_checked: None,
        last_check_state: None,
        last_pulled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_engine_does_not_know_is_null() {
        let info =
            of("x", &json!({"Id": "sha256:1", "Created": "0001-01-01T00:00:00Z", "Config": null, "RepoTags": ["<none>:<none>"]}), None);
        let document = serde_json::to_value(info).unwrap_or_default();
        for field in ["created", "version", "entrypoint", "cmd", "healthcheck", "variant", "last_checked"] {
            assert!(document[field].is_null(), "{field} is {}", document[field]);
        }
        assert_eq!(document["tags"], json!([]));
    }
}
