//! What the engine says about a local image, as far as checks and comparisons need it.
//!
//! Rules: docs/check.md, section 4.

use jiff::Timestamp;
use serde_json::Value;

use crate::engine::Store;
use crate::json::{integer, is_empty, is_true, list, optional_text, same, text, texts, time, unix_time};
use crate::platform::Platform;
use crate::reference::{Reference, listed_references};

/// The label, or the annotation, with the version of an image (OCI).
pub(crate) const VERSION: &str = "org.opencontainers.image.version";

/// A local image.
#[derive(Debug, Clone)]
pub(crate) struct ImageFacts {
    pub(crate) id: String,
    pub(crate) store: Store,
    /// `repository@digest`, as the engine lists them.
    pub(crate) repo_digests: Vec<String>,
    /// Of the manifests in the image's index, those that are here: their digest and platform.
    pub(crate) available: Vec<(String, Option<Platform>)>,
    pub(crate) platform: Option<Platform>,
    pub(crate) created: Option<Timestamp>,
    pub(crate) version: Option<String>,
    pub(crate) layers: Vec<String>,
    /// The image's own `Config`.
    pub(crate) config: Value,
    /// Whether it was ever pulled, where the engine was asked and tells (API 1.53).
    pub(crate) pulled: Option<bool>,
}

impl ImageFacts {
    /// From an inspect, or from an entry of a list, which tells less.
    pub(crate) fn of(inspect: &Value, podman: bool) -> Self {
        let id = optional_text(inspect, "/Id").unwrap_or_default();
        let repo_digests = listed_references(inspect, "/RepoDigests");
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
        let own = Platform::of_image(inspect).or_else(|| available.iter().find_map(|(_, platform)| platform.clone()));
        Self {
            store,
            repo_digests,
            available,
            platform: own,
            created: created(inspect),
            version: label(inspect),
            layers: texts(inspect, "/RootFS/Layers"),
            config: inspect.get("Config").cloned().unwrap_or_default(),
            pulled: was_pulled(inspect),
            id,
        }
    }

    /// Whether a digest is one of those by which the image is known.
    pub(crate) fn has(&self, digest: &str) -> bool {
        self.id == digest
            || self.repo_digests.iter().any(|own| digest_of(own) == digest)
            || self.available.iter().any(|(own, _)| own == digest)
    }

    /// Whether the engine's store shows that it was never pulled: on a classic one it then has no digest.
    pub(crate) fn was_never_pulled(&self) -> bool {
        match self.store {
            Store::Classic => self.repo_digests.is_empty(),
            Store::Containerd => self.pulled == Some(false),
            Store::Podman => false,
        }
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
        let same = |key: &str| same(&self.config[key], &remote["config"][key]);
        let same_platform =
            self.platform.as_ref().zip(Platform::of(remote).as_ref()).is_none_or(|(own, remote)| own.architecture == remote.architecture);
        !self.layers.is_empty()
            && self.layers == texts(remote, "/rootfs/diff_ids")
            && self.created == time(remote, "/created")
            && same_platform
            && COMPARED.iter().all(|key| same(key))
    }
}

/// The digest of `repository@digest`.
pub(crate) fn digest_of(repo_digest: &str) -> &str {
    repo_digest.rsplit_once('@').map_or(repo_digest, |(_, digest)| digest)
}

/// A list gives seconds where an inspect gives a date.
fn created(inspect: &Value) -> Option<Timestamp> {
    match integer(inspect, "/Created") {
        Some(seconds) => unix_time(seconds),
        None => time(inspect, "/Created"),
    }
}

fn label(inspect: &Value) -> Option<String> {
    let labels = inspect.pointer("/Config/Labels").or_else(|| inspect.get("Labels"))?;
    labels.get(VERSION).and_then(Value::as_str).filter(|version| !version.is_empty()).map(str::to_owned)
}

fn available(inspect: &Value) -> Vec<(String, Option<Platform>)> {
    let is_here = |manifest: &&Value| is_true(manifest, "/Available") && matches!(text(manifest, "/Kind"), "" | "image");
    let read = |manifest: &Value| {
        let platform = manifest.pointer("/ImageData/Platform").or_else(|| manifest.pointer("/Descriptor/platform"));
        Some((optional_text(manifest, "/Descriptor/digest").or_else(|| optional_text(manifest, "/ID"))?, platform.and_then(Platform::of)))
    };
    list(inspect, "/Manifests").iter().filter(is_here).filter_map(read).collect()
}

/// Whether an image was ever pulled, or pushed, where an inspect tells where it is from. An image that was loaded has no origin, whether it was
/// pulled elsewhere or not.
pub(crate) fn was_pulled(inspect: &Value) -> Option<bool> {
    let identity = inspect.get("Identity").filter(|identity| !is_empty(identity))?;
    Some(!list(identity, "/Pull").is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn the_store_is_known_by_the_form_of_the_id() {
        let table = [
            (json!({"Id": A, "RepoDigests": [format!("r@{B}")]}), Store::Classic),
            (json!({"Id": A, "RepoDigests": []}), Store::Classic),
            (json!({"Id": A, "RepoDigests": null}), Store::Classic),
            (json!({"Id": A, "RepoDigests": [format!("r@{A}")]}), Store::Containerd),
            (json!({"Id": A, "RepoDigests": [], "Descriptor": {"digest": A}}), Store::Containerd),
            (json!({"Id": A, "RepoDigests": [format!("r@{A}")], "Descriptor": null}), Store::Containerd),
        ];
        for (inspect, store) in table {
            assert_eq!(ImageFacts::of(&inspect, false).store, store, "{inspect}");
            assert_eq!(ImageFacts::of(&inspect, true).store, Store::Podman);
        }
    }

    #[test]
    fn an_image_for_another_machine_has_the_platform_of_its_manifest() {
        let inspect = json!({"Id": A, "Architecture": "", "Os": "", "Manifests": [
            {"ID": B, "Available": false, "Kind": "image", "Descriptor": {"digest": B}, "ImageData": {"Platform": {"os": "linux", "architecture": "amd64"}}},
            {"ID": A, "Available": true, "Kind": "attestation", "Descriptor": {"digest": A}},
            {"ID": A, "Available": true, "Kind": "image", "Descriptor": {"digest": A}, "ImageData": {"Platform": {"os": "linux", "architecture": "arm64"}}},
        ]});
        let facts = ImageFacts::of(&inspect, false);
        assert_eq!(facts.platform.as_ref().unwrap().to_string(), "linux/arm64");
        assert_eq!((facts.available.len(), facts.has(A), facts.has(B)), (1, true, false));
    }

    #[test]
    fn digests_of_the_repository_come_first_and_once() {
        let inspect = json!({"Id": "x", "RepoDigests": [format!("other@{B}"), format!("host:1/app@{A}"), format!("third@{A}")]});
        let reference = Reference::parse("host:1/app:1").unwrap();
        assert_eq!(ImageFacts::of(&inspect, false).digests(&reference), [A, B]);
    }

    #[test]
    fn an_image_is_the_same_however_its_layers_are_compressed() {
        let local = json!({"Id": A, "Created": "2024-01-01T00:00:00.5Z", "Architecture": "amd64", "Os": "linux", "RootFS": {"Layers": [B]},
            "Config": {"Env": ["A=b"], "Cmd": null, "Labels": {}, "User": "", "WorkingDir": "/"}});
        let facts = ImageFacts::of(&local, false);
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
    fn a_list_entry_has_time_and_version_but_no_platform() {
        let facts = ImageFacts::of(&json!({"Id": A, "Created": 1_700_000_000, "Labels": {VERSION: "1"}, "RepoDigests": null}), false);
        assert_eq!(
            (facts.created.map(|time| time.to_string()).as_deref(), facts.version.as_deref(), facts.platform),
            (Some("2023-11-14T22:13:20Z"), Some("1"), None)
        );
    }
}
