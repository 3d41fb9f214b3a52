//! The update check on a real registry and engine: cases C01 to C22 of the design's table.
//!
//! What an engine's image store cannot know is expected as that store knows it, so that one table serves them all.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use refit::container::ContainersOptions;
use refit::image::{Action, Certainty, Check, CheckOptions, State, UpdateOptions, Via};
use refit::{CheckVia, Code, ConnectOptions, Refit};
use refit_lab::{Artifact, Compression, Format, Image, Index, Lab, Published, Scope, native_platform};
use serde_json::json;

/// A test's own repository, and a handle.
struct Ground {
    lab: &'static Lab,
    scope: Scope<'static>,
    refit: Refit,
}

impl Ground {
    async fn new(what: &str) -> Self {
        let lab = Lab::get();
        let mut options = ConnectOptions::default();
        options.host = Some(lab.engine.host());
        Self { lab, scope: lab.scope(what), refit: Refit::connect(options).await.expect("the lab's engine") }
    }

    /// A check's document, and its code when it is an error.
    async fn check(&self, image: &str) -> (Check, Option<Code>) {
        self.check_with(image, CheckOptions::default()).await
    }

    async fn check_with(&self, image: &str, options: CheckOptions) -> (Check, Option<Code>) {
        match self.refit.check_update(image, options).await {
            Ok(check) => (check, None),
            Err(failure) => (failure.report.expect("a check beside every error"), Some(failure.error.code())),
        }
    }

    /// Checks a tag and compares the verdict and, against the registry's own log, its price: HEADs, GETs of manifests, GETs of blobs at most.
    async fn expect(&self, case: &str, image: &Published, state: State, price: (usize, usize, usize)) -> Check {
        let mark = self.lab.registry.mark();
        let (check, code) = self.check(&image.reference).await;
        let seen = self.lab.registry.requests_since(&mark, &image.repository);
        let count = |method: &str, part: &str| seen.iter().filter(|seen| seen.method == method && seen.path.contains(part)).count();
        let paid = (count("HEAD", ""), count("GET", "/manifests/"), count("GET", "/blobs/"));
        assert_eq!((check.state, code), (state, None), "{case}: {check:#?}");
        assert!(paid.0 <= price.0 && paid.1 <= price.1 && paid.2 <= price.2, "{case}: {paid:?} of {price:?}");
        assert_eq!(seen.len(), check.requests as usize, "{case}: every request is counted");
        assert_eq!((check.via, check.certainty), (Some(Via::Registry), Some(Certainty::Exact)), "{case}");
        check
    }

    fn classic(&self) -> bool {
        !self.lab.engine.is_podman() && !self.lab.engine.has_containerd_store()
    }
}

fn foreign_platform() -> &'static str {
    if native_platform() == "linux/amd64" { "linux/arm64" } else { "linux/amd64" }
}

fn foreign(version: &str) -> Artifact {
    Image::new().platform(foreign_platform()).version(version).format(Format::Oci).build()
}

const ONE_HEAD: (usize, usize, usize) = (1, 0, 0);
const ALL: (usize, usize, usize) = (1, 2, 1);

#[tokio::test]
async fn c01_unchanged() {
    let ground = Ground::new("c01").await;
    let own = |format| Image::new().format(format).build();
    let cases = [
        ("v2s2", own(Format::Docker)),
        ("oci", own(Format::Oci)),
        ("index", Index::new(Format::Oci).image(&own(Format::Oci)).image(&foreign("1")).build()),
        ("list", Index::new(Format::Docker).image(&own(Format::Docker)).build()),
        ("attested", {
            let image = own(Format::Oci);
            Index::new(Format::Oci).image(&image).attestation(&image, "x").build()
        }),
    ];
    // Not in the table, so that the registry's scheme is known.
    ground.check(&ground.scope.reference("nothing")).await;
    for (case, artifact) in cases {
        let image = ground.scope.pull(&artifact, case);
        let check = ground.expect(case, &image, State::UpToDate, ONE_HEAD).await;
        assert_eq!((check.has_update, check.platform.as_deref()), (Some(false), Some(native_platform())), "{case}");
        assert_eq!(check.remote.unwrap().digest, artifact.digest, "{case}");
    }
}

#[tokio::test]
async fn c02_to_c04_one_part_of_an_index_changed() {
    let ground = Ground::new("c02").await;
    let old = Image::new().version("1.0").format(Format::Oci).created("2024-01-01T00:00:00Z");
    let (old, new) = (old.build(), Image::new().version("2.0").format(Format::Oci).created("2024-06-01T00:00:00Z").build());
    let index = |own: &Artifact, other: &Artifact, attested: &str| {
        Index::new(Format::Oci).image(own).image(other).attestation(own, attested).build()
    };
    let other = foreign("1");
    let image = ground.scope.pull(&index(&old, &other, "a"), "t");

    ground.scope.publish(&index(&old, &foreign("2"), "a"), "t");
    ground.expect("C03", &image, State::UpToDate, ALL).await;
    ground.scope.publish(&index(&old, &other, "b"), "t");
    ground.expect("C04 attestation", &image, State::UpToDate, ALL).await;
    let annotated = Index::new(Format::Oci).image(&old).image(&other).annotation("a", "b").build();
    ground.scope.publish(&annotated, "t");
    ground.expect("C04 annotation", &image, State::UpToDate, ALL).await;
    // C11: pulled again, one HEAD is enough.
    ground.lab.engine.pull(&image.reference).unwrap();
    ground.expect("C11", &image, State::UpToDate, ONE_HEAD).await;

    let newest = index(&new, &other, "a");
    ground.scope.publish(&newest, "t");
    let check = ground.expect("C02", &image, State::UpdateAvailable, ALL).await;
    let (local, remote) = (check.local.unwrap(), check.remote.unwrap());
    assert_eq!((check.has_update, local.version.as_deref(), remote.version.as_deref()), (Some(true), Some("1.0"), Some("2.0")));
    assert_eq!((remote.digest, remote.created.as_deref()), (newest.digest, Some("2024-06-01T00:00:00Z")));
    assert!(remote.download_bytes.is_some_and(|bytes| bytes <= new.layer_bytes()));
}

#[tokio::test]
async fn c05_to_c08_the_same_image_packed_otherwise() {
    let ground = Ground::new("c05").await;
    let recipe = Image::new().env("A", "b").label("l", "1").random_layer(10_000, 5);
    let docker = recipe.clone().format(Format::Docker).build();
    let oci = recipe.clone().format(Format::Oci).build();
    let image = ground.scope.pull(&docker, "t");
    ground.scope.publish(&oci, "t");
    ground.expect("C05", &image, State::UpToDate, ALL).await;
    ground.scope.publish(&recipe.clone().format(Format::Docker).compression(Compression::Gzip(9)).build(), "t");
    ground.expect("C06", &image, State::UpToDate, ALL).await;
    ground.scope.publish(&recipe.clone().format(Format::Docker).label("l", "2").build(), "t");
    let check = ground.expect("C07", &image, State::UpdateAvailable, ALL).await;
    assert_eq!(check.remote.unwrap().download_bytes, Some(0), "C07: no layer changed");
    ground.scope.publish(&Index::new(Format::Docker).image(&docker).image(&foreign("1")).build(), "t");
    ground.expect("C08 to an index", &image, State::UpToDate, ALL).await;

    let indexed = ground.scope.pull(&Index::new(Format::Oci).image(&oci).build(), "i");
    ground.scope.publish(&oci, "i");
    ground.expect("C08 back", &indexed, State::UpToDate, ALL).await;
}

#[tokio::test]
async fn c09_c10_platforms() {
    let ground = Ground::new("c09").await;
    let (own, other) = (Image::new().format(Format::Oci).build(), foreign("1"));
    let both = Index::new(Format::Oci).image(&own).image(&other).build();
    let image = ground.scope.pull(&both, "dropped");
    ground.scope.publish(&Index::new(Format::Oci).image(&other).build(), "dropped");
    let check = ground.expect("C09", &image, State::PlatformGone, ALL).await;
    assert_eq!(check.has_update, None);
    ground.scope.publish(&other, "dropped");
    ground.expect("C09 single", &image, State::PlatformGone, ALL).await;

    // Not the index of before: what a containerd store has of one tag it has of all.
    let own = Image::new().format(Format::Oci).build();
    let image = ground.scope.publish(&Index::new(Format::Oci).image(&own).image(&other).build(), "foreign");
    ground.lab.engine.pull_platform(&image.reference, foreign_platform()).unwrap();
    ground.scope.publish(&Index::new(Format::Oci).image(&Image::new().format(Format::Oci).build()).image(&other).build(), "foreign");
    let check = ground.expect("C10 the other side", &image, State::UpToDate, ALL).await;
    assert!(check.platform.is_some_and(|platform| platform.starts_with(foreign_platform())));
    // Engine 26's containerd store leaves it out of its list.
    let list = ground.refit.check_updates(Some(vec![image.reference.clone(); 5]), CheckOptions::default()).await.unwrap();
    assert!(list.images.iter().all(|check| check.state == State::UpToDate), "C10 in the batch: {list:#?}");
    ground.scope.publish(&Index::new(Format::Oci).image(&own).image(&foreign("2")).build(), "foreign");
    ground.expect("C10 its own side", &image, State::UpdateAvailable, ALL).await;
}

#[tokio::test]
async fn c12_rolled_back_is_noted() {
    let ground = Ground::new("c12").await;
    let image = ground.scope.pull(&Image::new().created("2024-06-01T00:00:00Z").build(), "t");
    ground.scope.publish(&Image::new().created("2024-01-01T00:00:00Z").build(), "t");
    let check = ground.expect("C12", &image, State::UpdateAvailable, ALL).await;
    assert!(check.notes.iter().any(|note| note.code == "older"), "{:?}", check.notes);
}

#[tokio::test]
async fn c13_one_image_in_three_repositories() {
    let ground = Ground::new("c13").await;
    let artifact = Image::new().build();
    let image = ground.scope.pull(&artifact, "t");
    let registry = &ground.lab.registry;
    let others = ["moved", "gone"].map(|what| {
        let published = registry.publish(&artifact, &ground.scope.name(what), "t");
        ground.lab.engine.pull(&published.reference).unwrap();
        published
    });
    registry.publish(&Image::new().build(), &others[0].repository, "t");
    registry.delete_manifest(&others[1].repository, &artifact.digest);
    let images = vec![image.reference.clone(), others[0].reference.clone(), others[1].reference.clone()];
    let list = ground.refit.check_updates(Some(images.clone()), CheckOptions::default()).await.unwrap();
    assert_eq!(list.images.iter().map(|check| &check.image).collect::<Vec<_>>(), images.iter().collect::<Vec<_>>(), "in the order asked");
    let states: Vec<State> = list.images.iter().map(|check| check.state).collect();
    let gone = if ground.classic() { State::TagGone } else { State::NotInRegistry };
    assert_eq!(states, [State::UpToDate, State::UpdateAvailable, gone]);
}

#[tokio::test]
async fn c14_pinned() {
    let ground = Ground::new("c14").await;
    let artifact = Image::new().build();
    let published = ground.scope.publish(&artifact, "t");
    let by_digest = published.by_digest();
    ground.lab.engine.pull(&by_digest).unwrap();
    let (check, code) = ground.check(&by_digest).await;
    assert_eq!((check.state, check.has_update, check.tag_moved, code), (State::Pinned, Some(false), None, None));
    let with_tag = format!("{}@{}", published.reference, artifact.digest);
    let (check, _) = ground.check(&with_tag).await;
    assert_eq!((check.state, check.has_update, check.tag_moved), (State::Pinned, Some(false), Some(false)));
    ground.scope.publish(&Image::new().build(), "t");
    let (check, _) = ground.check(&with_tag).await;
    assert_eq!((check.state, check.has_update, check.tag_moved), (State::Pinned, None, Some(true)));
    ground.lab.registry.delete_tag(&published.repository, "t");
    let (check, _) = ground.check(&with_tag).await;
    assert_eq!((check.state, check.has_update, check.tag_moved), (State::Pinned, None, Some(true)));
}

#[tokio::test]
async fn c15_c16_built_here() {
    let ground = Ground::new("c15").await;
    let image = ground.scope.reference("t");
    ground.lab.engine.load(&Image::new().build().archive(&[&image]));
    let (check, code) = ground.check(&image).await;
    let expected = if ground.classic() { (State::LocalOnly, None) } else { (State::NotInRegistry, Some(true)) };
    assert_eq!(((check.state, check.maybe_local), check.has_update, code), (expected, None, None));

    let (repository, tag) = image.rsplit_once(':').unwrap();
    ground.lab.engine.must("POST", &format!("/images/{repository}/push?tag={tag}"), &json!({}));
    let (check, code) = ground.check(&image).await;
    assert_eq!((check.state, check.has_update, code), (State::UpToDate, Some(false), None), "C16: {check:#?}");
}

#[tokio::test]
async fn c17_c18_the_tag_was_removed() {
    let ground = Ground::new("c17").await;
    let image = ground.scope.pull(&Image::new().build(), "t");
    ground.lab.registry.delete_tag(&image.repository, "t");
    ground.expect("C17", &image, State::TagGone, (2, 0, 0)).await;
    ground.lab.registry.delete_manifest(&image.repository, &image.digest);
    let expected = if ground.classic() { State::TagGone } else { State::NotInRegistry };
    let check = ground.expect("C18", &image, expected, (2, 0, 0)).await;
    assert_eq!(check.has_update, None);
}

#[tokio::test]
async fn c19_not_local() {
    let ground = Ground::new("c19").await;
    let image = ground.scope.publish(&Image::new().build(), "t");
    let check = ground.expect("C19", &image, State::NotLocal, ONE_HEAD).await;
    assert_eq!((check.has_update, check.remote.unwrap().digest), (Some(true), image.digest));
    let (check, code) = ground.check(&ground.scope.reference("nothing")).await;
    assert_eq!((check.state, check.has_update, code), (State::NotLocal, None, Some(Code::NotFound)));
    assert_eq!(check.error.unwrap().code(), Code::NotFound);
    for name in ["UPPER/case", "a b", "", "a:b:c"] {
        let (check, code) = ground.check(name).await;
        assert_eq!((check.state, check.has_update, check.via, code), (State::InvalidReference, None, None, Some(Code::InvalidArgument)));
        assert_eq!(check.image, name, "byte for byte as asked");
    }
}

#[tokio::test]
async fn c20_a_container_on_the_old_image() {
    let ground = Ground::new("c20").await;
    let image = ground.scope.pull(&Image::new().build(), "t");
    ground.lab.engine.run_image(&ground.scope.name("web"), &image.reference);
    ground.expect("before", &image, State::UpToDate, ONE_HEAD).await;
    ground.scope.pull(&Image::new().build(), "t");
    let check = ground.expect("C20", &image, State::RecreateNeeded, ONE_HEAD).await;
    assert_eq!((check.has_update, check.outdated_containers), (Some(true), vec![ground.scope.name("web")]));
    let all = vec![image.reference.clone(); 5];
    let list = ground.refit.check_updates(Some(all), CheckOptions::default()).await.unwrap();
    assert!(list.images.iter().all(|check| check.state == State::RecreateNeeded), "in the batch too");
    ground.scope.publish(&Image::new().build(), "t");
    ground.expect("a newer one comes first", &image, State::UpdateAvailable, ALL).await;
}

/// The container runs what the tag names, though an index of a containerd store has another id now.
#[tokio::test]
async fn c20_a_container_whose_platform_did_not_change() {
    let ground = Ground::new("c20p").await;
    let (own, web) = (Image::new().format(Format::Oci).build(), ground.scope.name("web"));
    let index = |other: &str| Index::new(Format::Oci).image(&own).image(&foreign(other)).build();
    let image = ground.scope.pull(&index("1"), "t");
    ground.lab.engine.run_image(&web, &image.reference);
    ground.scope.pull(&index("2"), "t");
    // Engine 26 keeps no word of the manifest that a container runs.
    let known = !ground.lab.engine.has_containerd_store() || ground.lab.engine.version() >= (28, 0);
    let state = if known { State::UpToDate } else { State::RecreateNeeded };
    ground.expect("C20 single", &image, state, ONE_HEAD).await;
    let list = ground.refit.check_updates(Some(vec![image.reference.clone(); 5]), CheckOptions::default()).await.unwrap();
    assert!(list.images.iter().all(|check| check.state == state), "{list:#?}");
    let own_containers = ground.refit.image_containers(&image.reference, &ContainersOptions::default()).await.unwrap();
    assert_eq!(own_containers.containers.iter().map(|one| one.container.outdated).collect::<Vec<_>>(), [!known]);
    let all = ground.refit.containers(&ContainersOptions::default()).await.unwrap();
    assert_eq!(all.containers.iter().find(|one| one.name == web).map(|one| one.outdated), Some(!known));
    let plan = ground.refit.plan_update(&image.reference, &UpdateOptions::default()).await.unwrap();
    assert_eq!(plan.containers[0].action == Action::UpToDate, known, "{plan:#?}");
}

#[tokio::test]
async fn c21_a_thousand_references() {
    let ground = Ground::new("c21").await;
    let artifact = Image::new().build();
    let pulled = ground.scope.pull(&artifact, "t0");
    let mut images = vec![pulled.reference];
    for number in 1..1000 {
        let tag = format!("t{number}");
        ground.lab.registry.put_manifest(&ground.scope.name, &tag, &artifact.media_type, &artifact.bytes);
        images.push(ground.scope.reference(&tag));
    }
    let mut steps = Vec::new();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let listener = told.clone();
    let operation = ground.refit.check_updates(Some(images), CheckOptions::default()).on_progress(move |progress| {
        listener.lock().unwrap().push((progress.phase, progress.permille, progress.step, progress.steps));
        std::ops::ControlFlow::Continue(())
    });
    let list = operation.await.unwrap();
    steps.append(&mut told.lock().unwrap());
    assert_eq!(list.images[0].state, State::UpToDate);
    assert!(list.images[1..].iter().all(|check| check.state == State::NotLocal && check.has_update == Some(true)));
    assert_eq!(list.requests, 1000, "a HEAD an image");
    assert!(steps.is_sorted_by_key(|step| step.1), "permille never goes down");
    assert_eq!(steps.last(), Some(&("done", 1000, 1000, 1000)));
}

#[tokio::test]
async fn c22_through_the_engine() {
    let ground = Ground::new("c22").await;
    let image = ground.scope.pull(&Image::new().build(), "t");
    let through_engine = || {
        let mut options = CheckOptions::default();
        options.via = Some(CheckVia::Engine);
        options
    };
    let (check, code) = ground.check_with(&image.reference, through_engine()).await;
    if ground.lab.engine.is_podman() {
        assert_eq!((check.state, check.has_update), (State::EngineError, None), "its 404 is never a missing tag");
        assert!(code.is_some());
        return;
    }
    assert_eq!(
        (check.state, check.via, check.certainty, check.requests),
        (State::UpToDate, Some(Via::Engine), Some(Certainty::IndexOnly), 0)
    );
    ground.scope.publish(&Image::new().build(), "t");
    let (check, _) = ground.check_with(&image.reference, through_engine()).await;
    assert_eq!((check.state, check.has_update, check.certainty), (State::UpdateAvailable, Some(true), Some(Certainty::IndexOnly)));
    ground.lab.registry.delete_tag(&image.repository, "t");
    let (check, _) = ground.check_with(&image.reference, through_engine()).await;
    assert_eq!((check.state, check.has_update), (State::TagGone, None), "{check:#?}");
}
