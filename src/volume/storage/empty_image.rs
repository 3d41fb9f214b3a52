//! The image of storage containers: it has no file, so that nothing is pulled for a volume.
//!
//! It is the same for each architecture wherever it is made: `POST /images/load` gives a fixed configuration the same id each time, while an import
//! of an empty archive makes another image each time [measured on Docker 20.10].

use bytes::Bytes;
use serde_json::{Value, json};

use crate::engine::api::images;
use crate::engine::{Endpoint, Engine};
use crate::json::text_map;
use crate::volume::archive::{END, Entry, padding};
use crate::{Refit, Result};
use sha2::{Digest, Sha256};

/// The label by which the image is known, whatever id a store gives it.
const LABEL: &str = "refit.storage";

/// Whether an image in the engine's list is this one, which is not listed.
pub(crate) fn is_empty_image(listed: &Value) -> bool {
    text_map(listed, "/Labels").contains_key(LABEL)
        && listed["RepoTags"].as_array().is_none_or(|tags| tags.iter().all(|tag| tag == "<none>:<none>"))
}

/// The id of the image, as this engine is known to have it, or as Docker's own store would.
pub(super) async fn id(refit: &Refit) -> Result<String> {
    match refit.shared.storage_image.get() {
        Some(id) => Ok(id),
        None => Ok(digest(&configuration(&likely_architecture(refit).await?))),
    }
}

/// An engine behind a socket of this machine has its architecture. Where it has not, the image is missing, and loaded.
async fn likely_architecture(refit: &Refit) -> Result<String> {
    let engine = &refit.shared.engine;
    match (engine.endpoint(), std::env::consts::ARCH) {
        (Endpoint::Unix(_), "x86_64") => Ok("amd64".to_owned()),
        (Endpoint::Unix(_), "aarch64") => Ok("arm64".to_owned()),
        _ => Ok(engine.facts().await?.architecture),
    }
}

/// Loads it; its id.
pub(super) async fn load(refit: &Refit) -> Result<String> {
    let engine: &Engine = &refit.shared.engine;
    let id = images::load(engine, archive(&engine.facts().await?.architecture)).await?;
    refit.shared.storage_image.set(&id);
    Ok(id)
}

/// The id that the engine's store has given the image.
#[derive(Debug, Default)]
pub(crate) struct StorageImage(std::sync::Mutex<Option<String>>);

impl StorageImage {
    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn set(&self, id: &str) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(id.to_owned());
    }
}

fn configuration(architecture: &str) -> Vec<u8> {
    let configuration = json!({
        "architecture": architecture,
        "config": {"Cmd": ["none"], "Labels": {LABEL: "an empty image, by which refit reads and writes volumes"}},
        "created": "1970-01-01T00:00:00Z",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    configuration.to_string().into_bytes()
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// What `docker load` reads: `manifest.json` for Docker's own store, and an OCI layout for containerd's.
fn archive(architecture: &str) -> Bytes {
    let configuration = configuration(architecture);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&configuration), "size": configuration.len()},
        "layers": [],
    });
    let manifest = manifest.to_string().into_bytes();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(&manifest), "size": manifest.len()}],
    });
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", digest(bytes).trim_start_matches("sha256:"));
    let docker = json!([{"Config": blob(&configuration), "RepoTags": null, "Layers": []}]);
    let files = [
        ("oci-layout".to_owned(), json!({"imageLayoutVersion": "1.0.0"}).to_string().into_bytes()),
        ("index.json".to_owned(), index.to_string().into_bytes()),
        ("manifest.json".to_owned(), docker.to_string().into_bytes()),
        (blob(&manifest), manifest),
        (blob(&configuration), configuration),
    ];
    let mut bytes = Vec::new();
    for (path, content) in files {
        let entry = Entry::file(&path, content.len() as u64);
        bytes.extend(entry.head());
        bytes.extend_from_slice(&content);
        bytes.resize(bytes.len() + padding(entry.size), 0);
    }
    bytes.extend(END);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_the_same_each_time() {
        assert_eq!(archive("amd64"), archive("amd64"));
        assert_ne!(digest(&configuration("amd64")), digest(&configuration("arm64")));
    }

    #[test]
    fn it_is_known_by_its_label_while_it_has_no_tag() {
        let labels = json!({LABEL: "x"});
        assert!(is_empty_image(&json!({"Labels": labels, "RepoTags": null})));
        assert!(is_empty_image(&json!({"Labels": labels, "RepoTags": ["<none>:<none>"]})));
        assert!(!is_empty_image(&json!({"Labels": labels, "RepoTags": ["app:1"]})));
        assert!(!is_empty_image(&json!({"Labels": null, "RepoTags": null})));
    }
}
