//! What the engine says about a local image, as far as a check needs it.

use jiff::Timestamp;
use serde_json::Value;

use super::inspect::{text, texts, time};
use super::platform::Platform;
use crate::Store;
use crate::reference::Reference;

/// Where an image says which version it is.
pub(crate) const VERSION: &str = "org.opencontainers.image.version";

/// A local image.
#[derive(Debug, Clone)]
pub(crate) struct LocalFacts {
    pub(crate) id: String,
    pub(crate) store: Store,
    /// `repository@digest`, as the engine lists them.
    pub(crate) repo_digests: Vec<String>,
    /// Of the manifests in the image's index, those that are here: their digest and platform.
    pub(crate) available: Vec<(String, Option<Platform>)>,
    pub(crate) platform: Option<Platform>,
    pub(crate) created: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) layers: Vec<String>,
    /// The image's own `Config`.
    pub(crate) config: Value,
    /// Whether it was ever pulled, where the engine tells (API 1.53).
    pub(crate) pulled: Option<bool>,
}

impl LocalFacts {
    /// From an inspect, or from an entry of a list, which tells less.
    pub(crate) fn of(inspect: &Value, podman: bool) -> Self {
        let id = text(inspect, "/Id").unwrap_or_default();
        let repo_digests = super::inspect::names(inspect, "RepoDigests");
        // Only a containerd store calls an image by a digest that registries know.
        let by_manifest =
            inspect.get("Descriptor").is_some_and(|value| !value.is_null()) || repo_digests.iter().any(|own| digest_of(own) == id);
        let store = if podman {
            Store::Podman
        } else if by_manifest {
            Store::Containerd
        } else {
            Store::Classic
        };
        let available = available(inspect);
        // Engine 29 leaves the platform empty for an image that was pulled for another one.
        let own = platform(inspect).or_else(|| available.iter().find_map(|(_, platform)| platform.clone()));
        Self {
            store,
            repo_digests,
            available,
            platform: own,
            created: created(inspect),
            version: label(inspect),
            layers: texts(inspect, "/RootFS/Layers"),
            config: inspect.get("Config").cloned().unwrap_or_default(),
            pulled: inspect.get("Identity").filter(|identity| identity.is_object()).map(was_pulled),
            id,
        }
    }

    /// Whether a digest is one of those by which the image is known.
    pub(crate) fn has(&self, digest: &str) -> bool {
        self.id == digest
            || self.repo_digests.iter().any(|own| digest_of(own) == digest)
            || self.available.iter().any(|(own, _)| own == digest)
    }

    /// Its distinct digests, those of the repository first.
    pub(crate) fn digests(&self, reference: &Reference) -> Vec<String> {
        let of_repository = |own: &String| Reference::parse(own).is_ok_and(|own| own.name() == reference.name());
        let (own, other): (Vec<_>, Vec<_>) = self.repo_digests.iter().partition(|digest| of_repository(digest));
        let mut digests: Vec<String> = Vec::new();
        for digest in own.into_iter().chain(other).map(|digest| digest_of(digest)) {
            if !digests.iter().any(|known| known == digest) {
                digests.push(digest.to_owned());
            }
        }
        digests
    }

    /// Whether a registry's image configuration is this image's.
    pub(crate) fn is_made_of(&self, remote: &Value) -> bool {
        const COMPARED: [&str; 9] = ["Env", "Cmd", "Entrypoint", "Labels", "ExposedPorts", "WorkingDir", "User", "Volumes", "StopSignal"];
        let same = |key: &str| something(self.config.get(key)) == something(remote.pointer("/config").and_then(|config| config.get(key)));
        let instant = |time: Option<&str>| time.and_then(|time| time.parse::<Timestamp>().ok());
        let same_platform =
            self.platform.as_ref().zip(Platform::of(remote).as_ref()).is_none_or(|(own, remote)| own.architecture == remote.architecture);
        !self.layers.is_empty()
            && self.layers == texts(remote, "/rootfs/diff_ids")
            && instant(self.created.as_deref()) == instant(time(remote, "/created").as_deref())
            && same_platform
            && COMPARED.iter().all(|key| same(key))
    }
}

/// The digest of `repository@digest`.
pub(crate) fn digest_of(repo_digest: &str) -> &str {
    repo_digest.rsplit_once('@').map_or(repo_digest, |(_, digest)| digest)
}

/// Engines write an absent value as null, "", [] or {}.
fn something(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    })
}

fn platform(inspect: &Value) -> Option<Platform> {
    Some(Platform::new(&text(inspect, "/Os")?, &text(inspect, "/Architecture")?, text(inspect, "/Variant").as_deref()))
}

/// A list gives seconds where an inspect gives a date.
fn created(inspect: &Value) -> Option<String> {
    match inspect.get("Created").and_then(Value::as_i64) {
        Some(seconds) => super::list::unix_time(seconds),
        None => time(inspect, "/Created"),
    }
}

fn label(inspect: &Value) -> Option<String> {
    let labels = inspect.pointer("/Config/Labels").or_else(|| inspect.get("Labels"))?;
    labels.get(VERSION).and_then(Value::as_str).filter(|version| !version.is_empty()).map(str::to_owned)
}

fn available(inspect: &Value) -> Vec<(String, Option<Platform>)> {
    let manifests = inspect.get("Manifests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_here = |manifest: &&Value| {
        manifest.get("Available").and_then(Value::as_bool) == Some(true) && text(manifest, "/Kind").is_none_or(|kind| kind == "image")
    };
    let read = |manifest: &Value| {
        let platform = manifest.pointer("/ImageData/Platform").or_else(|| manifest.pointer("/Descriptor/platform"));
        Some((text(manifest, "/Descriptor/digest").or_else(|| text(manifest, "/ID"))?, platform.and_then(Platform::of)))
    };
    manifests.iter().filter(is_here).filter_map(read).collect()
}

fn was_pulled(identity: &Value) -> bool {
    identity.get("Pull").and_then(Value::as_array).is_some_and(|pulls| !pulls.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn stores() {
        let table = [
            (json!({"Id": A, "RepoDigests": [format!("r@{B}")]}), Store::Classic),
            (json!({"Id": A, "RepoDigests": []}), Store::Classic),
            (json!({"Id": A, "RepoDigests": null}), Store::Classic),
            (json!({"Id": A, "RepoDigests": [format!("r@{A}")]}), Store::Containerd),
            (json!({"Id": A, "RepoDigests": [], "Descriptor": {"digest": A}}), Store::Containerd),
            (json!({"Id": A, "RepoDigests": [format!("r@{A}")], "Descriptor": null}), Store::Containerd),
        ];
        for (inspect, store) in table {
            assert_eq!(LocalFacts::of(&inspect, false).store, store, "{inspect}");
            assert_eq!(LocalFacts::of(&inspect, true).store, Store::Podman);
        }
    }

    #[test]
    fn the_platform_of_an_image_for_another_machine() {
        let inspect = json!({"Id": A, "Architecture": "", "Os": "", "Manifests": [
            {"ID": B, "Available": false, "Kind": "image", "Descriptor": {"digest": B}, "ImageData": {"Platform": {"os": "linux", "architecture": "amd64"}}},
            {"ID": A, "Available": true, "Kind": "attestation", "Descriptor": {"digest": A}},
            {"ID": A, "Available": true, "Kind": "image", "Descriptor": {"digest": A}, "ImageData": {"Platform": {"os": "linux", "architecture": "arm64"}}},
        ]});
        let facts = LocalFacts::of(&inspect, false);
        assert_eq!(facts.platform.as_ref().unwrap().to_string(), "linux/arm64");
        assert_eq!((facts.available.len(), facts.has(A), facts.has(B)), (1, true, false));
    }

    #[test]
    fn digests_of_the_repository_come_first_and_once() {
        let inspect = json!({"Id": "x", "RepoDigests": [format!("other@{B}"), format!("host:1/app@{A}"), format!("third@{A}")]});
        let reference = Reference::parse("host:1/app:1").unwrap();
        assert_eq!(LocalFacts::of(&inspect, false).digests(&reference), [A, B]);
    }

    #[test]
    fn the_same_image_however_it_was_packed() {
        let local = json!({"Id": A, "Created": "2024-01-01T00:00:00.5Z", "Architecture": "amd64", "Os": "linux", "RootFS": {"Layers": [B]},
            "Config": {"Env": ["A=b"], "Cmd": null, "Labels": {}, "User": "", "WorkingDir": "/"}});
        let facts = LocalFacts::of(&local, false);
        let remote = json!({"created": "2024-01-01T00:00:00.500000000Z", "architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [B]},
            "config": {"Env": ["A=b"], "WorkingDir": "/", "ArgsEscaped": true}});
        assert!(facts.is_made_of(&remote));
        for (pointer, value) in [
            ("/created", json!("2024-01-01T00:00:01Z")),
            ("/architecture", json!("arm64")),
            ("/rootfs/diff_ids", json!([A])),
            ("/config/Env", json!(["A=c"])),
            ("/config/WorkingDir", json!("")),
        ] {
            let mut other = remote.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            assert!(!facts.is_made_of(&other), "{pointer}");
        }
        let mut labelled = remote.clone();
        labelled["config"]["Labels"] = json!({"a": "b"});
        assert!(!facts.is_made_of(&labelled));
    }

    #[test]
    fn a_list_tells_less() {
        let facts = LocalFacts::of(&json!({"Id": A, "Created": 1_700_000_000, "Labels": {VERSION: "1"}, "RepoDigests": null}), false);
        assert_eq!((facts.created.as_deref(), facts.version.as_deref(), facts.platform), (Some("2023-11-14T22:13:20Z"), Some("1"), None));
    }
}
