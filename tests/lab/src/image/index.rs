//! Several platforms under one tag, with all that builders put beside them.

use serde_json::{Map, Value, json};

use super::artifact::{descriptor, platform_object};
use super::{Artifact, Blob, Format};

/// A recipe of an image index or, with `Format::Docker`, of a manifest list.
#[derive(Debug, Clone)]
pub struct Index {
    format: Format,
    entries: Vec<(Artifact, Value)>,
    annotations: Map<String, Value>,
}

impl Index {
    /// An empty index.
    pub fn new(format: Format) -> Self {
        Self { format, entries: Vec::new(), annotations: Map::new() }
    }

    /// Adds an image under its own platform.
    pub fn image(self, image: &Artifact) -> Self {
        let platform = Value::Object(platform_object(&image.platform));
        self.entry(image, json!({ "platform": platform }))
    }

    /// Adds what buildkit adds for an image: a manifest of platform unknown/unknown with a statement. Another text, another digest.
    pub fn attestation(self, image: &Artifact, text: &str) -> Self {
        let statement = Blob::new(serde_json::to_vec(&json!({ "_type": "https://in-toto.io/Statement/v0.1", "predicate": text })).unwrap());
        let config = Blob::new(
            serde_json::to_vec(&json!({ "architecture": "unknown", "os": "unknown", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [statement.digest] } }))
            .unwrap(),
        );
        let manifest_type = "application/vnd.oci.image.manifest.v1+json";
        let document = json!({ "schemaVersion": 2, "mediaType": manifest_type,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.in-toto+json", &statement)] });
        let manifest =
            Artifact { config_digest: config.digest.clone(), blobs: vec![config, statement], ..Artifact::new(manifest_type, &document) };
        let annotations = json!({ "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.digest });
        self.entry(&manifest, json!({ "platform": { "architecture": "unknown", "os": "unknown" }, "annotations": annotations }))
    }

    /// Adds a manifest with entries of your own beside type, digest and size.
    pub fn entry(mut self, manifest: &Artifact, beside: Value) -> Self {
        self.entries.push((manifest.clone(), beside));
        self
    }

    /// An annotation of the index itself.
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.to_owned(), json!(value));
        self
    }

    /// Makes it.
    pub fn build(&self) -> Artifact {
        let media_type = match self.format {
            Format::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
            Format::Oci => "application/vnd.oci.image.index.v1+json",
        };
        let manifests: Vec<_> = self.entries.iter().map(|(manifest, beside)| described(manifest, beside)).collect();
        let mut document = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
        if !self.annotations.is_empty() {
            document["annotations"] = Value::Object(self.annotations.clone());
        }
        let parts = self.entries.iter().map(|(manifest, _)| manifest.clone()).collect();
        Artifact { parts, ..Artifact::new(media_type, &document) }
    }
}

fn described(manifest: &Artifact, beside: &Value) -> Value {
    let mut entry = json!({ "mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.bytes.len() });
    for (key, value) in beside.as_object().unwrap() {
        entry[key] = value.clone();
    }
    entry
}
