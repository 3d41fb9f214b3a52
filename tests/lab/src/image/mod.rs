//! Images made here, without a network and without an engine: every manifest that a registry can hold.

mod archive;
mod artifact;
mod index;
mod layer;

use serde_json::{Map, Value, json};

pub use artifact::{Artifact, Blob, Format};
pub use index::Index;
pub use layer::{Compression, Layer};
pub(crate) use layer::{gzip, static_busybox};

use crate::digest::unique;

/// A recipe. `new` begins with Debian's static busybox and a command that runs until it is asked to stop, and then stops at once.
///
/// Every `new` gives another image, a clone the same one: two builds of clones that were not changed have the same digests.
#[derive(Debug, Clone)]
pub struct Image {
    pub(crate) config: Map<String, Value>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) platform: String,
    pub(crate) created: String,
    pub(crate) annotations: Map<String, Value>,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    pub(crate) salt: String,
}

/// The machine's own platform as Docker writes it.
pub fn native_platform() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "linux/arm64/v8",
        _ => "linux/amd64",
    }
}

impl Image {
    /// Busybox with `PATH=/bin` and a shell that ends on SIGTERM.
    pub fn new() -> Self {
        let wait = "trap 'exit 0' TERM INT; echo ready; sleep 1000000 & wait";
        Self::scratch().layer(Layer::busybox()).env("PATH", "/bin").cmd(["sh", "-c", wait])
    }

    /// No layer, no configuration: nothing that could run.
    pub fn scratch() -> Self {
        Self {
            config: Map::new(),
            layers: Vec::new(),
            platform: native_platform().to_owned(),
            created: "2024-01-01T00:00:00Z".to_owned(),
            annotations: Map::new(),
            format: Format::Docker,
            compression: Compression::Gzip(1),
            salt: unique(),
        }
    }

    /// Makes the image depend on what it is made of and on this word alone.
    pub fn salt(mut self, salt: &str) -> Self {
        salt.clone_into(&mut self.salt);
        self
    }

    /// Sets an entry of the configuration (`Env`, `Shell`, `OnBuild`, …) as it is.
    pub fn config(mut self, key: &str, value: Value) -> Self {
        self.config.insert(key.to_owned(), value);
        self
    }

    fn append(mut self, key: &str, value: Value) -> Self {
        let list = self.config.entry(key).or_insert_with(|| json!([]));
        list.as_array_mut().unwrap().push(value);
        self
    }

    fn put(mut self, key: &str, name: &str, value: Value) -> Self {
        let map = self.config.entry(key).or_insert_with(|| json!({}));
        map.as_object_mut().unwrap().insert(name.to_owned(), value);
        self
    }

    /// Adds `NAME=VALUE`; the name's earlier value goes.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        if let Some(list) = self.config.get_mut("Env").and_then(Value::as_array_mut) {
            list.retain(|old| !old.as_str().unwrap_or_default().starts_with(&format!("{name}=")));
        }
        self.append("Env", json!(format!("{name}={value}")))
    }

    /// Adds a label.
    pub fn label(self, name: &str, value: &str) -> Self {
        self.put("Labels", name, json!(value))
    }

    /// The label `org.opencontainers.image.version` and a file `/version` with the same text.
    pub fn version(self, version: &str) -> Self {
        self.label("org.opencontainers.image.version", version).file("version", version.as_bytes())
    }

    /// CMD in its exec form.
    pub fn cmd<'a>(self, words: impl IntoIterator<Item = &'a str>) -> Self {
        let words: Vec<_> = words.into_iter().collect();
        self.config("Cmd", json!(words))
    }

    /// ENTRYPOINT in its exec form; CMD stays as it is.
    pub fn entrypoint<'a>(self, words: impl IntoIterator<Item = &'a str>) -> Self {
        let words: Vec<_> = words.into_iter().collect();
        self.config("Entrypoint", json!(words))
    }

    /// EXPOSE, such as `80/tcp`.
    pub fn expose(self, port: &str) -> Self {
        self.put("ExposedPorts", port, json!({}))
    }

    /// VOLUME.
    pub fn volume(self, path: &str) -> Self {
        self.put("Volumes", path, json!({}))
    }

    /// USER.
    pub fn user(self, user: &str) -> Self {
        self.config("User", json!(user))
    }

    /// WORKDIR, uncleaned as the old builder leaves it.
    pub fn workdir(self, path: &str) -> Self {
        self.config("WorkingDir", json!(path))
    }

    /// STOPSIGNAL.
    pub fn stop_signal(self, signal: &str) -> Self {
        self.config("StopSignal", json!(signal))
    }

    /// HEALTHCHECK as the configuration has it: `{"Test": ["CMD", "true"], "Interval": 1000000000}`.
    pub fn healthcheck(self, healthcheck: Value) -> Self {
        self.config("Healthcheck", healthcheck)
    }

    /// A layer with one file.
    pub fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.layer(Layer::new().file(path, bytes))
    }

    /// A layer of so many random bytes, the same for the same seed; it does not shrink when compressed.
    pub fn random_layer(self, size: usize, seed: u64) -> Self {
        self.layer(Layer::random(size, seed))
    }

    /// Any other layer.
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// `os/architecture[/variant]`; what busybox was compiled for stays.
    pub fn platform(mut self, platform: &str) -> Self {
        platform.clone_into(&mut self.platform);
        self
    }

    /// When it was created, RFC 3339.
    pub fn created(mut self, time: &str) -> Self {
        time.clone_into(&mut self.created);
        self
    }

    /// An annotation of the manifest, which is none of the configuration.
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.to_owned(), json!(value));
        self
    }

    /// Docker's media types (the default) or OCI's; the configuration stays as it is byte for byte.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// How layers are packed; another one gives other blobs of the same content.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }
}

impl Default for Image {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_image_and_what_is_changed_shows_where_it_should() {
        let base = Image::scratch().env("A", "1").env("A", "2").file("a", b"text");
        let one = base.clone().build();
        assert_eq!(one.digest, base.clone().build().digest);
        assert_eq!(one.config_json()["config"]["Env"], json!(["A=2"]));

        let oci = base.clone().format(Format::Oci).build();
        assert_ne!(oci.digest, one.digest);
        assert_eq!(oci.config_digest, one.config_digest);

        let packed = base.clone().compression(Compression::Gzip(9)).build();
        assert_eq!(packed.config_digest, one.config_digest);

        let annotated = base.clone().annotation("k", "v").build();
        assert_ne!(annotated.digest, one.digest);
        assert_eq!(annotated.config_digest, one.config_digest);

        let other = Image::scratch().env("A", "2").file("a", b"text").build();
        assert_ne!(other.config_digest, one.config_digest);
    }
}
