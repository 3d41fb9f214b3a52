//! What a recipe becomes: the bytes of a manifest and of all that it refers to.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Compression, Image};
use crate::digest::sha256;

/// Which family of media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Image manifest version 2, schema 2; manifest list.
    Docker,
    /// OCI image manifest; image index.
    Oci,
}

/// A blob with its digest.
#[derive(Debug, Clone)]
pub struct Blob {
    /// `sha256:…`.
    pub digest: String,
    /// As the registry has it.
    pub bytes: Arc<Vec<u8>>,
    /// The digest of a layer's bytes unpacked; empty for other blobs.
    pub diff_id: String,
    /// How a layer is packed.
    pub compression: Compression,
}

impl Blob {
    /// Any bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: sha256(&bytes), bytes: Arc::new(bytes), diff_id: String::new(), compression: Compression::Plain }
    }
}

/// A manifest or an index, ready to be published.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Of the manifest.
    pub media_type: String,
    /// The manifest.
    pub bytes: Vec<u8>,
    /// Of the manifest.
    pub digest: String,
    /// Of the configuration; empty for an index.
    pub config_digest: String,
    /// The configuration first, then the layers; empty for an index.
    pub blobs: Vec<Blob>,
    /// The manifests of an index.
    pub parts: Vec<Artifact>,
    /// `os/architecture[/variant]`; empty for an index.
    pub platform: String,
}

impl Artifact {
    /// From a manifest's document.
    pub(crate) fn new(media_type: &str, document: &Value) -> Self {
        let bytes = serde_json::to_vec_pretty(document).unwrap();
        Self {
            media_type: media_type.to_owned(),
            digest: sha256(&bytes),
            bytes,
            config_digest: String::new(),
            blobs: Vec::new(),
            parts: Vec::new(),
            platform: String::new(),
        }
    }

    /// The manifest as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// The configuration as JSON; null for an index.
    pub fn config_json(&self) -> Value {
        self.blobs.first().map_or(Value::Null, |config| serde_json::from_slice(&config.bytes).unwrap())
    }

    /// The bytes of all layers as a registry hands them out.
    pub fn layer_bytes(&self) -> u64 {
        self.blobs.iter().skip(1).map(|blob| blob.bytes.len() as u64).sum()
    }
}

impl Image {
    /// Makes the manifest, the configuration and the layers.
    pub fn build(&self) -> Artifact {
        let layers: Vec<Blob> = self.layers.iter().map(|layer| layer.salted(&self.salt).pack(self.compression)).collect();
        let config = Blob::new(serde_json::to_vec(&self.configuration(&layers)).unwrap());
        let (manifest_type, config_type) = match self.format {
            Format::Docker => ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.container.image.v1+json"),
            Format::Oci => ("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json"),
        };
        let described: Vec<_> = layers.iter().map(|layer| descriptor(layer_type(self.format, layer.compression), layer)).collect();
        let mut manifest =
            json!({ "schemaVersion": 2, "mediaType": manifest_type, "config": descriptor(config_type, &config), "layers": described });
        if !self.annotations.is_empty() {
            manifest["annotations"] = Value::Object(self.annotations.clone());
        }
        let config_digest = config.digest.clone();
        let blobs = std::iter::once(config).chain(layers).collect();
        Artifact { config_digest, blobs, platform: self.platform.clone(), ..Artifact::new(manifest_type, &manifest) }
    }

    fn configuration(&self, layers: &[Blob]) -> Value {
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let history: Vec<_> = layers.iter().map(|_| json!({ "created": self.created, "created_by": "refit-lab" })).collect();
        let mut document = platform_object(&self.platform);
        // `lab down` on an engine that is not ours finds its images by the author: containers do not inherit it, as they would a label.
        document.insert("author".into(), json!("refit-lab"));
        document.insert("created".into(), json!(self.created));
        document.insert("config".into(), Value::Object(self.config.clone()));
        document.insert("rootfs".into(), json!({ "type": "layers", "diff_ids": diff_ids }));
        let mut history = history;
        history.push(json!({ "created": self.created, "created_by": "refit-lab", "comment": self.salt, "empty_layer": true }));
        document.insert("history".into(), json!(history));
        Value::Object(document)
    }
}

fn layer_type(format: Format, compression: Compression) -> &'static str {
    match (format, compression) {
        (Format::Docker, Compression::Plain) => "application/vnd.docker.image.rootfs.diff.tar",
        (Format::Docker, Compression::Gzip(_)) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        (Format::Oci, Compression::Plain) => "application/vnd.oci.image.layer.v1.tar",
        (Format::Oci, Compression::Gzip(_)) => "application/vnd.oci.image.layer.v1.tar+gzip",
    }
}

pub(crate) fn descriptor(media_type: &str, blob: &Blob) -> Value {
    json!({ "mediaType": media_type, "size": blob.bytes.len(), "digest": blob.digest })
}

/// `os`, `architecture` and, where there is one, `variant`.
pub(crate) fn platform_object(platform: &str) -> Map<String, Value> {
    ["os", "architecture", "variant"].iter().zip(platform.split('/')).map(|(key, value)| ((*key).to_owned(), json!(value))).collect()
}
