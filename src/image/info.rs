//! `img_info`: what an image is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pull::LastPull;
use super::{CheckState, inspect};
use crate::engine::image_facts::VERSION;
use crate::error::shown;
use crate::json::{keys, optional_text, optional_texts, text_map, texts, time, unsigned};
use crate::reference::{Reference, listed_references};
use crate::{Refit, Result};

/// A local image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// When it was built.
    pub created: Option<Timestamp>,
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
    pub last_checked: Option<Timestamp>,
    /// What was found then: a state of `img_check_update`.
    pub last_check_state: Option<CheckState>,
    /// When it was last pulled through this handle.
    pub last_pulled: Option<Timestamp>,
}

impl Refit {
    /// A local image by reference or id. [`NotFound`](crate::Code::NotFound) when it is not local.
    #[tracing::instrument(level = "error", name = "img_info", skip_all, fields(image = %shown(image)), err(level = "warn"))]
    pub async fn image_info(&self, image: &str) -> Result<ImageInfo> {
        let inspect = inspect::get(&self.shared.engine, image).await?;
        let reference = Reference::parse(image).map(|reference| reference.normalised()).unwrap_or_default();
        let last_pulled = match self.shared.pulls.last(&reference) {
            Some(LastPull::Succeeded { at }) => Some(at),
            _ => None,
        };
        let mut info = of(image, &inspect, last_pulled);
        if let Some(check) = self.shared.last_checks.of(image, Some(&info.id)) {
            info.last_checked = time(&check, "/checked_at");
            info.last_check_state = check.get("state").and_then(|state| CheckState::deserialize(state).ok());
        }
        Ok(info)
    }
}

fn of(image: &str, inspect: &Value, last_pulled: Option<Timestamp>) -> ImageInfo {
    let labels = text_map(inspect, "/Config/Labels");
    ImageInfo {
        image: image.to_owned(),
        id: optional_text(inspect, "/Id").unwrap_or_default(),
        tags: listed_references(inspect, "/RepoTags"),
        digests: listed_references(inspect, "/RepoDigests"),
        os: optional_text(inspect, "/Os").unwrap_or_default(),
        architecture: optional_text(inspect, "/Architecture").unwrap_or_default(),
        variant: optional_text(inspect, "/Variant"),
        size: unsigned(inspect, "/Size").unwrap_or(0),
        created: time(inspect, "/Created"),
        version: labels.get(VERSION).filter(|version| !version.is_empty()).cloned(),
        labels,
        env: texts(inspect, "/Config/Env"),
        exposed_ports: keys(inspect, "/Config/ExposedPorts"),
        volumes: keys(inspect, "/Config/Volumes"),
        user: optional_text(inspect, "/Config/User").unwrap_or_default(),
        working_dir: optional_text(inspect, "/Config/WorkingDir").unwrap_or_default(),
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
