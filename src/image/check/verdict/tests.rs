//! The cases of docs/check.md, section 8, on every store: what is local, what the registry has, the verdict and its price.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::json;

use super::*;

/// A digest of one letter.
fn d(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

/// A registry that counts what it is asked.
#[derive(Default)]
struct Fake {
    names: HashMap<String, String>,
    documents: HashMap<String, Value>,
    /// It answers as an engine does: by platforms.
    platforms: Option<Vec<Platform>>,
    asked: RefCell<String>,
}

impl Remote for Fake {
    async fn digest(&self, name: &str) -> Result<Option<String>, CheckFailure> {
        self.asked.borrow_mut().push('H');
        Ok(self.names.get(name).cloned())
    }

    async fn manifest(&self, digest: &str) -> Result<Manifest, CheckFailure> {
        self.asked.borrow_mut().push('M');
        if let Some(platforms) = &self.platforms {
            return Ok(Manifest::Platforms(platforms.clone()));
        }
        let json = self.documents.get(digest).cloned().ok_or(RegistryError::Denied)?;
        Ok(Manifest::Document(Document { sha256: digest.to_owned(), json }))
    }

    async fn config(&self, digest: &str) -> Result<Value, CheckFailure> {
        self.asked.borrow_mut().push('C');
        Ok(self.documents.get(digest).cloned().ok_or(RegistryError::Denied)?)
    }
}

impl Fake {
    fn tag(mut self, name: &str, digest: char) -> Self {
        self.names.insert(name.into(), d(digest));
        self.names.insert(d(digest), d(digest));
        self
    }

    fn has(mut self, digest: char) -> Self {
        self.names.insert(d(digest), d(digest));
        self
    }

    fn index(mut self, digest: char, kids: &[(&str, char)]) -> Self {
        let attestation = json!({"digest": d('0'), "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"}});
        let mut entries = vec![attestation];
        entries.extend(kids.iter().map(|(platform, kid)| {
            let mut parts = platform.split('/');
            json!({"digest": d(*kid), "platform": {"os": parts.next(), "architecture": parts.next(), "variant": parts.next().unwrap_or("")}})
        }));
        self.documents.insert(d(digest), json!({"schemaVersion": 2, "manifests": entries}));
        self
    }

    fn manifest(mut self, digest: char, config: char) -> Self {
        let layers = json!([{"digest": d('8'), "size": 100}, {"digest": d('9'), "size": 20}]);
        self.documents.insert(
            d(digest),
            json!({"schemaVersion": 2, "config": {"digest": d(config)}, "layers": layers,
            "annotations": {VERSION: "annotated"}}),
        );
        self
    }

    fn config(mut self, digest: char, architecture: &str, created: &str, top_layer: char, label: &str) -> Self {
        self.documents.insert(
            d(digest),
            json!({"os": "linux", "architecture": architecture, "created": created,
            "rootfs": {"diff_ids": [d('1'), d(top_layer)]}, "config": {"Labels": {VERSION: label}}}),
        );
        self
    }
}

const OLD: &str = "2024-01-01T00:00:00Z";
const NEW: &str = "2024-06-01T00:00:00Z";

/// A local amd64 image of version 1 whose layers are 1 and 2.
fn local(store: Store, id: char, digests: &[char]) -> ImageFacts {
    ImageFacts {
        id: d(id),
        store,
        repo_digests: digests.iter().map(|digest| format!("host:1/app@{}", d(*digest))).collect(),
        available: Vec::new(),
        platform: Some(Platform::parse("linux/amd64").unwrap()),
        created: Some(OLD.parse().unwrap()),
        version: Some("1".into()),
        layers: vec![d('1'), d('2')],
        config: json!({"Labels": {VERSION: "1"}}),
        pulled: None,
    }
}

fn verdict_of(reference: &str, local: Option<&ImageFacts>, remote: &Fake) -> (Result<Verdict, CheckFailure>, String) {
    let reference = Reference::parse(reference).unwrap();
    let subject = Subject { reference: &reference, local, platform: local.and_then(|local| local.platform.as_ref()) };
    let verdict = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(verdict_on(&subject, remote));
    (verdict, remote.asked.take())
}

/// The state and the questions (H: HEAD, M: manifest, C: configuration).
#[track_caller]
fn expect(local: &ImageFacts, remote: &Fake, state: CheckState, asked: &str) -> Verdict {
    let (verdict, questions) = verdict_of("host:1/app:1", Some(local), remote);
    let verdict = verdict.unwrap();
    assert_eq!((verdict.state, questions.as_str()), (state, asked));
    verdict
}

use CheckState::{LocalOnly, NotInRegistry, NotLocal, Pinned, PlatformGone, TagGone, UpToDate, UpdateAvailable};
use Store::{Classic, Containerd, Podman};

#[test]
fn c01_unchanged_is_one_head() {
    let registry = Fake::default().tag("1", 'a');
    expect(&local(Classic, 'c', &['a']), &registry, UpToDate, "H");
    expect(&local(Containerd, 'a', &['a']), &registry, UpToDate, "H");
    expect(&local(Podman, 'c', &['k', 'a']), &registry, UpToDate, "H");
    // C11: pulled again after another platform changed; digests accumulate on a classic store.
    expect(&local(Classic, 'c', &['b', 'a']), &registry, UpToDate, "H");
}

/// The tag names index b with kids k (ours) and m; before it was index a.
fn moved_index(ours: char) -> Fake {
    Fake::default()
        .tag("1", 'b')
        .index('b', &[("linux/arm64", 'm'), ("linux/amd64", ours)])
        .manifest('k', 'c')
        .manifest('n', 'e')
        .config('c', "amd64", OLD, '2', "1")
        .config('e', "amd64", NEW, '3', "2")
}

#[test]
fn c02_own_platform_changed() {
    let registry = moved_index('n');
    for local in [local(Classic, 'c', &['a']), local(Containerd, 'a', &['a']), local(Podman, 'c', &['a', 'k'])] {
        let verdict = expect(&local, &registry, UpdateAvailable, "HMMC");
        let remote = verdict.remote.as_ref().unwrap();
        assert_eq!(
            (remote.digest.as_str(), remote.created.map(|time| time.to_string()).as_deref(), remote.version.as_deref()),
            (d('b').as_str(), Some(NEW), Some("2"))
        );
        assert_eq!((remote.download_bytes, verdict.older, verdict.has_update()), (Some(20), false, Some(true)), "the first layer is local");
    }
}

#[test]
fn c03_only_another_platform_changed() {
    let registry = moved_index('k');
    expect(&local(Classic, 'c', &['a']), &registry, UpToDate, "HMM");
    expect(&local(Podman, 'c', &['a', 'k']), &registry, UpToDate, "HM");
    expect(&local(Containerd, 'a', &['a']), &registry, UpToDate, "HMMC");
    let with_manifests = ImageFacts { available: vec![(d('k'), None)], ..local(Containerd, 'a', &['a']) };
    expect(&with_manifests, &registry, UpToDate, "HM");
}

#[test]
fn c05_c06_converted_and_recompressed() {
    let registry = Fake::default().tag("1", 'b').manifest('b', 'c').config('c', "amd64", OLD, '2', "1");
    expect(&local(Classic, 'c', &['a']), &registry, UpToDate, "HM");
    expect(&local(Podman, 'c', &['a']), &registry, UpToDate, "HM");
    expect(&local(Containerd, 'a', &['a']), &registry, UpToDate, "HMC");
}

#[test]
fn c07_only_a_label_changed() {
    let registry = Fake::default().tag("1", 'b').manifest('b', 'e').config('e', "amd64", OLD, '2', "2");
    for local in [local(Classic, 'c', &['a']), local(Containerd, 'a', &['a'])] {
        let verdict = expect(&local, &registry, UpdateAvailable, "HMC");
        assert_eq!(verdict.remote.unwrap().download_bytes, Some(0));
    }
}

#[test]
fn c08_single_to_index_and_back() {
    let to_index = Fake::default().tag("1", 'b').index('b', &[("linux/amd64", 'a')]);
    for local in [local(Classic, 'c', &['a']), local(Containerd, 'a', &['a']), local(Podman, 'c', &['a'])] {
        expect(&local, &to_index, UpToDate, "HM");
    }
    let to_single = Fake::default().tag("1", 'k').manifest('k', 'c').config('c', "amd64", OLD, '2', "1");
    expect(&local(Classic, 'c', &['b']), &to_single, UpToDate, "HM");
    expect(&local(Podman, 'c', &['b', 'k']), &to_single, UpToDate, "H");
    expect(&local(Containerd, 'b', &['b']), &to_single, UpToDate, "HMC");
}

#[test]
fn c09_c10_platforms() {
    let dropped = Fake::default().tag("1", 'b').index('b', &[("linux/arm64", 'm')]);
    assert_eq!(expect(&local(Classic, 'c', &['a']), &dropped, PlatformGone, "HM").has_update(), None);
    let other_single = Fake::default().tag("1", 'b').manifest('b', 'e').config('e', "arm64", NEW, '3', "2");
    expect(&local(Classic, 'c', &['a']), &other_single, PlatformGone, "HMC");
    // Pulled for arm64 on another machine: the other side's change is none, its own is one.
    let arm = ImageFacts { platform: Some(Platform::parse("linux/arm64/v8").unwrap()), ..local(Classic, 'x', &['a']) };
    let amd_changed = Fake::default().tag("1", 'b').index('b', &[("linux/amd64", 'n'), ("linux/arm64", 'm')]).manifest('m', 'x');
    expect(&arm, &amd_changed, UpToDate, "HMM");
    let arm_changed = amd_changed.manifest('m', 'e').config('e', "arm64", NEW, '3', "2");
    expect(&arm, &arm_changed, UpdateAvailable, "HMMC");
}

#[test]
fn c12_rolled_back_is_older() {
    let registry = Fake::default().tag("1", 'b').manifest('b', 'e').config('e', "amd64", "2020-01-01T00:00:00Z", '3', "0");
    assert!(expect(&local(Classic, 'c', &['a']), &registry, UpdateAvailable, "HMC").older);
}

#[test]
fn c14_pinned() {
    let image = local(Classic, 'c', &['a']);
    let pinned = |reference: &str, remote: &Fake| {
        let (verdict, asked) = verdict_of(reference, Some(&image), remote);
        let verdict = verdict.unwrap();
        (verdict.state, verdict.tag_moved, verdict.has_update(), asked)
    };
    let by_tag = format!("host:1/app:1@{}", d('a'));
    let here = Fake::default().tag("1", 'a');
    assert_eq!(pinned(&format!("host:1/app@{}", d('a')), &here), (Pinned, None, Some(false), String::new()));
    assert_eq!(pinned(&by_tag, &here), (Pinned, Some(false), Some(false), "H".into()));
    assert_eq!(pinned(&by_tag, &Fake::default().tag("1", 'b')), (Pinned, Some(true), None, "H".into()));
    assert_eq!(pinned(&by_tag, &Fake::default()), (Pinned, Some(true), None, "H".into()));
    let (missing, asked) = verdict_of(&by_tag, None, &here);
    assert_eq!((missing.unwrap().remote, asked.as_str()), (Some(known_by(&d('a'))), "H"));
}

#[test]
fn c15_c17_c18_the_registry_has_no_such_tag() {
    let nothing = Fake::default();
    expect(&local(Classic, 'c', &[]), &nothing, LocalOnly, "H");
    assert!(expect(&local(Containerd, 'a', &['a']), &nothing, NotInRegistry, "HH").maybe_local);
    assert!(expect(&local(Podman, 'c', &['a']), &nothing, NotInRegistry, "HH").maybe_local);
    expect(&local(Classic, 'c', &['a']), &nothing, TagGone, "HH");
    let pulled = |pulled| ImageFacts { pulled: Some(pulled), ..local(Containerd, 'a', &['a']) };
    expect(&pulled(true), &nothing, TagGone, "HH");
    expect(&pulled(false), &nothing, LocalOnly, "HH");
    let kept = Fake::default().has('a');
    for store in [Classic, Containerd, Podman] {
        expect(&local(store, 'a', &['a']), &kept, TagGone, "HH");
    }
}

#[test]
fn c16_built_pushed_never_pulled() {
    let registry = Fake::default().tag("1", 'a').manifest('a', 'c').config('c', "amd64", OLD, '2', "1");
    expect(&local(Classic, 'c', &['a']), &registry, UpToDate, "H");
    expect(&local(Containerd, 'a', &['a']), &registry, UpToDate, "H");
    // Podman invents a digest for what it built; its id is the configuration's.
    expect(&local(Podman, 'c', &['z']), &registry, UpToDate, "HM");
}

#[test]
fn c19_not_local() {
    let (verdict, asked) = verdict_of("host:1/app:1", None, &Fake::default().tag("1", 'a'));
    let verdict = verdict.unwrap();
    assert_eq!((verdict.state, verdict.has_update(), asked.as_str()), (NotLocal, Some(true), "H"));
    let (verdict, _) = verdict_of("host:1/app:1", None, &Fake::default());
    assert_eq!(verdict.unwrap().has_update(), None);
}

#[test]
fn c26_a_digest_of_another_kind_names_the_same_manifest() {
    let mut registry = Fake::default();
    let sha512 = format!("sha512:{}", "a".repeat(128));
    registry.names.insert("1".into(), sha512.clone());
    registry.documents.insert(sha512, json!({"schemaVersion": 2}));
    let image = ImageFacts { id: "sha512".into(), ..local(Classic, 'c', &[]) };
    // The fake's document calls itself by the name it was asked by; a registry's would by its sha256.
    let known = ImageFacts { repo_digests: vec![format!("host:1/app@sha512:{}", "a".repeat(128))], ..image };
    expect(&known, &registry, UpToDate, "H");
}

#[test]
fn an_engine_knows_the_index_alone() {
    let engine = |platforms: &[&str]| Fake {
        platforms: Some(platforms.iter().map(|platform| Platform::parse(platform).unwrap()).collect()),
        ..Fake::default().tag("1", 'b')
    };
    for (platforms, state) in [
        (&["linux/amd64"] as &[_], UpdateAvailable),
        (&["linux/arm64", "linux/amd64"], UpdateAvailable),
        (&[], UpdateAvailable),
        (&["linux/arm64"], PlatformGone),
    ] {
        let verdict = expect(&local(Classic, 'c', &['a']), &engine(platforms), state, "HM");
        assert_eq!(verdict.certainty, Certainty::IndexOnly);
    }
    assert_eq!(expect(&local(Classic, 'c', &['b']), &engine(&[]), UpToDate, "H").certainty, Certainty::Exact);
}

#[test]
fn what_is_no_image() {
    let chart = |mut remote: Fake| {
        remote.documents.insert(d('b'), json!({"schemaVersion": 2, "layers": []}));
        remote
    };
    let (verdict, _) = verdict_of("host:1/app:1", Some(&local(Classic, 'c', &['a'])), &chart(Fake::default().tag("1", 'b')));
    assert!(matches!(verdict, Err(CheckFailure::Registry(RegistryError::InvalidResponse(_)))));
}

/// A registry that refuses every name.
struct Closed(RegistryError);

impl Remote for Closed {
    async fn digest(&self, _: &str) -> Result<Option<String>, CheckFailure> {
        Err(self.0.clone().into())
    }

    async fn manifest(&self, _: &str) -> Result<Manifest, CheckFailure> {
        Err(self.0.clone().into())
    }

    async fn config(&self, _: &str) -> Result<Value, CheckFailure> {
        Err(self.0.clone().into())
    }
}

#[test]
fn an_image_that_was_never_pulled_is_local_only_where_docker_hub_does_not_know_it() {
    let never = |store: Store, digests: &[char]| ImageFacts { pulled: Some(false), ..local(store, 'c', digests) };
    let own = Verdict { maybe_local: true, ..Verdict::of(LocalOnly) };
    for error in [RegistryError::Unauthorized, RegistryError::Denied] {
        for (reference, image, expected) in [
            ("myapp:dev", never(Classic, &[]), Ok(own.clone())),
            ("team/myapp:dev", never(Containerd, &['c']), Ok(own.clone())),
            ("myapp:dev", local(Classic, 'c', &['a']), Err(error.clone().into())),
            ("myapp:dev", local(Containerd, 'c', &['c']), Err(error.clone().into())),
            ("myapp:dev", ImageFacts { pulled: Some(true), ..local(Containerd, 'c', &['c']) }, Err(error.clone().into())),
            ("myapp:dev", local(Podman, 'c', &['k']), Err(error.clone().into())),
            ("host:1/app:1", never(Classic, &[]), Err(error.clone().into())),
        ] {
            let reference = Reference::parse(reference).unwrap();
            let subject = Subject { reference: &reference, local: Some(&image), platform: None };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let verdict = runtime.block_on(verdict_on(&subject, &Closed(error.clone())));
            assert_eq!(verdict, expected, "{reference} {:?} {:?}", image.store, image.pulled);
        }
    }
    let (verdict, questions) = verdict_of("myapp:dev", Some(&never(Containerd, &['c'])), &Fake::default());
    assert_eq!((verdict, questions.as_str()), (Ok(own), "H"), "its digest is not sent to the registry either");
    let failed = RegistryError::Status { status: 500, message: String::new() };
    let reference = Reference::parse("myapp:dev").unwrap();
    let image = never(Classic, &[]);
    let subject = Subject { reference: &reference, local: Some(&image), platform: None };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(verdict_on(&subject, &Closed(failed.clone()))), Err(failed.into()));
}

#[test]
fn the_time_of_a_reproducible_build_proves_nothing_about_older() {
    for (created, older) in [
        ("1970-01-01T00:00:00Z", false),
        ("1980-01-01T00:00:01Z", false),
        ("0001-01-01T00:00:00Z", false),
        ("2023-12-31T23:00:00-05:00", false),
        ("2023-12-31T18:59:59-05:00", true),
        ("1999-01-01T00:00:00Z", true),
    ] {
        let registry = Fake::default().tag("1", 'b').manifest('b', 'e').config('e', "amd64", created, '3', "2");
        let verdict = expect(&local(Classic, 'c', &['a']), &registry, UpdateAvailable, "HMC");
        assert_eq!(verdict.older, older, "{created}");
    }
}

#[test]
fn empty_null_and_absent_lists_of_a_manifest_are_alike() {
    for manifests in [json!(null), json!([])] {
        let mut registry = Fake::default().tag("1", 'b').manifest('b', 'c');
        registry.documents.get_mut(&d('b')).unwrap()["manifests"] = manifests;
        expect(&local(Classic, 'c', &['a']), &registry, UpToDate, "HM");
    }
}

#[test]
fn the_numbers_of_a_registry_are_added_without_overflow() {
    let mut registry = Fake::default().tag("1", 'b').manifest('b', 'e').config('e', "amd64", NEW, '3', "2");
    registry.documents.get_mut(&d('b')).unwrap()["layers"] =
        json!([{"size": u64::MAX}, {"size": u64::MAX}, {"size": null}, {"size": -1}, {"size": 1.5}]);
    let verdict = expect(&local(Classic, 'c', &['a']), &registry, UpdateAvailable, "HMC");
    assert_eq!(verdict.remote.unwrap().download_bytes, Some(i64::MAX as u64));
}
