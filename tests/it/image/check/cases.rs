//! The update check on a real registry and engine: cases C01 to C22 of docs/check.md, section 8.
//!
//! Where an image store lacks information, the expectation is what that store can show, so that one table is enough for all.

use refit::container::ContainersOptions;
use refit::image::{Certainty, Check, CheckOptions, CheckState, PlannedAction, UpdateOptions, Via};
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
        let options = ConnectOptions { host: Some(lab.engine.host()), ..ConnectOptions::default() };
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

    /// Checks a tag and compares the verdict and, by the registry's own log, the most HEADs, GETs of manifests and GETs of blobs that it may cost.
    async fn expect(&self, case: &str, image: &Published, state: CheckState, price: (usize, usize, usize)) -> Check {
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

    /// Whether the engine tells which images were pulled: a classic store by their digests, another one from Docker 29 on.
    fn knows_origins(&self) -> bool {
        self.classic() || !self.lab.engine.is_podman() && self.lab.engine.api() >= (1, 53)
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
async fn c01_an_unchanged_image_is_up_to_date() {
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
        let check = ground.expect(case, &image, CheckState::UpToDate, ONE_HEAD).await;
        assert_eq!((check.has_update, check.platform.as_deref()), (Some(false), Some(native_platform())), "{case}");
        assert_eq!(check.remote.unwrap().digest, artifact.digest, "{case}");
    }
}

#[tokio::test]
async fn c02_to_c04_an_index_changed_in_one_part() {
    let ground = Ground::new("c02").await;
    let old = Image::new().version("1.0").format(Format::Oci).created("2024-01-01T00:00:00Z");
    let (old, new) = (old.build(), Image::new().version("2.0").format(Format::Oci).created("2024-06-01T00:00:00Z").build());
    let index = |own: &Artifact, other: &Artifact, attested: &str| {
        Index::new(Format::Oci).image(own).image(other).attestation(own, attested).build()
    };
    let other = foreign("1");
    let image = ground.scope.pull(&index(&old, &other, "a"), "t");

    ground.scope.publish(&index(&old, &foreign("2"), "a"), "t");
    ground.expect("C03", &image, CheckState::UpToDate, ALL).await;
    ground.scope.publish(&index(&old, &other, "b"), "t");
    ground.expect("C04 attestation", &image, CheckState::UpToDate, ALL).await;
    let annotated = Index::new(Format::Oci).image(&old).image(&other).annotation("a", "b").build();
    ground.scope.publish(&annotated, "t");
    ground.expect("C04 annotation", &image, CheckState::UpToDate, ALL).await;
    // C11: pulled again, one HEAD is enough.
    ground.lab.engine.pull(&image.reference).unwrap();
    ground.expect("C11", &image, CheckState::UpToDate, ONE_HEAD).await;

    let newest = index(&new, &other, "a");
    ground.scope.publish(&newest, "t");
    let check = ground.expect("C02", &image, CheckState::UpdateAvailable, ALL).await;
    let (local, remote) = (check.local.unwrap(), check.remote.unwrap());
    assert_eq!((check.has_update, local.version.as_deref(), remote.version.as_deref()), (Some(true), Some("1.0"), Some("2.0")));
    assert_eq!((remote.digest, remote.created), (newest.digest, "2024-06-01T00:00:00Z".parse().ok()));
    assert!(remote.download_bytes.is_some_and(|bytes| bytes <= new.layer_bytes()));
}

#[tokio::test]
async fn c05_to_c08_the_same_image_was_compressed_or_formatted_differently() {
    let ground = Ground::new("c05").await;
    let recipe = Image::new().env("A", "b").label("l", "1").random_layer(10_000, 5);
    let docker = recipe.clone().format(Format::Docker).build();
    let oci = recipe.clone().format(Format::Oci).build();
    let image = ground.scope.pull(&docker, "t");
    ground.scope.publish(&oci, "t");
    ground.expect("C05", &image, CheckState::UpToDate, ALL).await;
    ground.scope.publish(&recipe.clone().format(Format::Docker).compression(Compression::Gzip(9)).build(), "t");
    ground.expect("C06", &image, CheckState::UpToDate, ALL).await;
    ground.scope.publish(&recipe.clone().format(Format::Docker).label("l", "2").build(), "t");
    let check = ground.expect("C07", &image, CheckState::UpdateAvailable, ALL).await;
    assert_eq!(check.remote.unwrap().download_bytes, Some(0), "C07: no layer changed");
    ground.scope.publish(&Index::new(Format::Docker).image(&docker).image(&foreign("1")).build(), "t");
    ground.expect("C08 to an index", &image, CheckState::UpToDate, ALL).await;

    let indexed = ground.scope.pull(&Index::new(Format::Oci).image(&oci).build(), "i");
    ground.scope.publish(&oci, "i");
    ground.expect("C08 back", &indexed, CheckState::UpToDate, ALL).await;
}

#[tokio::test]
async fn c09_c10_the_platform_of_the_local_image_is_compared() {
    let ground = Ground::new("c09").await;
    let (own, other) = (Image::new().format(Format::Oci).build(), foreign("1"));
    let both = Index::new(Format::Oci).image(&own).image(&other).build();
    let image = ground.scope.pull(&both, "dropped");
    ground.scope.publish(&Index::new(Format::Oci).image(&other).build(), "dropped");
    let check = ground.expect("C09", &image, CheckState::PlatformGone, ALL).await;
    assert_eq!(check.has_update, None);
    ground.scope.publish(&other, "dropped");
    ground.expect("C09 single", &image, CheckState::PlatformGone, ALL).await;

    // Not the earlier index: a containerd store has the content of one tag for all tags.
    let own = Image::new().format(Format::Oci).build();
    let image = ground.scope.publish(&Index::new(Format::Oci).image(&own).image(&other).build(), "foreign");
    ground.lab.engine.pull_platform(&image.reference, foreign_platform()).unwrap();
    ground.scope.publish(&Index::new(Format::Oci).image(&Image::new().format(Format::Oci).build()).image(&other).build(), "foreign");
    let check = ground.expect("C10 the other side", &image, CheckState::UpToDate, ALL).await;
    assert!(check.platform.is_some_and(|platform| platform.starts_with(foreign_platform())));
    // Engine 26's containerd store leaves it out of its list.
    let list = ground.refit.check_updates(Some(vec![image.reference.clone(); 5]), CheckOptions::default()).await.unwrap();
    assert!(list.images.iter().all(|check| check.state == CheckState::UpToDate), "C10 in the batch: {list:#?}");
    ground.scope.publish(&Index::new(Format::Oci).image(&own).image(&foreign("2")).build(), "foreign");
    ground.expect("C10 its own side", &image, CheckState::UpdateAvailable, ALL).await;
}

#[tokio::test]
async fn c12_a_tag_that_was_rolled_back_is_noted() {
    let ground = Ground::new("c12").await;
    let image = ground.scope.pull(&Image::new().created("2024-06-01T00:00:00Z").build(), "t");
    ground.scope.publish(&Image::new().created("2024-01-01T00:00:00Z").build(), "t");
    let check = ground.expect("C12", &image, CheckState::UpdateAvailable, ALL).await;
    assert!(check.notes.iter().any(|note| note.code == "older"), "{:?}", check.notes);
}

#[tokio::test]
async fn c13_an_image_has_tags_in_three_repositories() {
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
    let states: Vec<CheckState> = list.images.iter().map(|check| check.state).collect();
    let gone = if ground.knows_origins() { CheckState::TagGone } else { CheckState::NotInRegistry };
    assert_eq!(states, [CheckState::UpToDate, CheckState::UpdateAvailable, gone]);
}

#[tokio::test]
async fn c14_an_image_is_pinned_by_its_digest() {
    let ground = Ground::new("c14").await;
    let artifact = Image::new().build();
    let published = ground.scope.publish(&artifact, "t");
    let by_digest = published.by_digest();
    ground.lab.engine.pull(&by_digest).unwrap();
    let (check, code) = ground.check(&by_digest).await;
    assert_eq!((check.state, check.has_update, check.tag_moved, code), (CheckState::Pinned, Some(false), None, None));
    let with_tag = format!("{}@{}", published.reference, artifact.digest);
    let (check, _) = ground.check(&with_tag).await;
    assert_eq!((check.state, check.has_update, check.tag_moved), (CheckState::Pinned, Some(false), Some(false)));
    ground.scope.publish(&Image::new().build(), "t");
    let (check, _) = ground.check(&with_tag).await;
    assert_eq!((check.state, check.has_update, check.tag_moved), (CheckState::Pinned, None, Some(true)));
    ground.lab.registry.delete_tag(&published.repository, "t");
    let (check, _) = ground.check(&with_tag).await;
    assert_eq!((check.state, check.has_update, check.tag_moved), (CheckState::Pinned, None, Some(true)));
}

#[tokio::test]
async fn c15_c16_an_image_was_built_on_this_machine() {
    let ground = Ground::new("c15").await;
    let image = ground.scope.reference("t");
    ground.lab.engine.load(&Image::new().build().archive(&[&image]));
    let (check, code) = ground.check(&image).await;
    let expected = if ground.classic() { (CheckState::LocalOnly, None) } else { (CheckState::NotInRegistry, Some(true)) };
    assert_eq!(((check.state, check.maybe_local), check.has_update, code), (expected, None, None));

    let (repository, tag) = image.rsplit_once(':').unwrap();
    ground.lab.engine.must("POST", &format!("/images/{repository}/push?tag={tag}"), &json!({}));
    let (check, code) = ground.check(&image).await;
    assert_eq!((check.state, check.has_update, code), (CheckState::UpToDate, Some(false), None), "C16: {check:#?}");
}

#[tokio::test]
async fn c17_c18_the_tag_was_removed() {
    let ground = Ground::new("c17").await;
    let image = ground.scope.pull(&Image::new().build(), "t");
    ground.lab.registry.delete_tag(&image.repository, "t");
    ground.expect("C17", &image, CheckState::TagGone, (2, 1, 0)).await;
    ground.lab.registry.delete_manifest(&image.repository, &image.digest);
    let expected = if ground.knows_origins() { CheckState::TagGone } else { CheckState::NotInRegistry };
    let check = ground.expect("C18", &image, expected, (2, 2, 0)).await;
    assert_eq!(check.has_update, None);
}

#[tokio::test]
async fn c19_an_image_is_not_local() {
    let ground = Ground::new("c19").await;
    let image = ground.scope.publish(&Image::new().build(), "t");
    let check = ground.expect("C19", &image, CheckState::NotLocal, ONE_HEAD).await;
    assert_eq!((check.has_update, check.remote.unwrap().digest), (Some(true), image.digest));
    let (check, code) = ground.check(&ground.scope.reference("nothing")).await;
    assert_eq!((check.state, check.has_update, code), (CheckState::NotLocal, None, Some(Code::NotFound)));
    assert_eq!(check.error.unwrap().code(), Code::NotFound);
    for name in ["UPPER/case", "a b", "", "a:b:c"] {
        let (check, code) = ground.check(name).await;
        assert_eq!(
            (check.state, check.has_update, check.via, code),
            (CheckState::InvalidReference, None, None, Some(Code::InvalidArgument))
        );
        assert_eq!(check.image, name, "byte for byte as asked");
    }
}

#[tokio::test]
async fn c20_a_container_still_runs_the_old_image() {
    let ground = Ground::new("c20").await;
    let image = ground.scope.pull(&Image::new().build(), "t");
    ground.lab.engine.run_image(&ground.scope.name("web"), &image.reference);
    ground.expect("before", &image, CheckState::UpToDate, ONE_HEAD).await;
    ground.scope.pull(&Image::new().build(), "t");
    let check = ground.expect("C20", &image, CheckState::RecreateNeeded, ONE_HEAD).await;
    assert_eq!((check.has_update, check.outdated_containers), (Some(true), vec![ground.scope.name("web")]));
    let all = vec![image.reference.clone(); 5];
    let list = ground.refit.check_updates(Some(all), CheckOptions::default()).await.unwrap();
    assert!(list.images.iter().all(|check| check.state == CheckState::RecreateNeeded), "in the batch too");
    ground.scope.publish(&Image::new().build(), "t");
    ground.expect("a newer one comes first", &image, CheckState::UpdateAvailable, ALL).await;
}

/// The container runs what the tag names, though an index of a containerd store has another id now.
#[tokio::test]
async fn c20_an_index_changed_but_not_for_the_platform_of_a_container() {
    let ground = Ground::new("c20p").await;
    let (own, web) = (Image::new().format(Format::Oci).build(), ground.scope.name("web"));
    let index = |other: &str| Index::new(Format::Oci).image(&own).image(&foreign(other)).build();
    let image = ground.scope.pull(&index("1"), "t");
    ground.lab.engine.run_image(&web, &image.reference);
    ground.scope.pull(&index("2"), "t");
    // Engine 26 does not record the manifest that a container runs.
    let known = !ground.lab.engine.has_containerd_store() || ground.lab.engine.version() >= (28, 0);
    let state = if known { CheckState::UpToDate } else { CheckState::RecreateNeeded };
    ground.expect("C20 single", &image, state, ONE_HEAD).await;
    let list = ground.refit.check_updates(Some(vec![image.reference.clone(); 5]), CheckOptions::default()).await.unwrap();
    assert!(list.images.iter().all(|check| check.state == state), "{list:#?}");
    let own_containers = ground.refit.image_containers(&image.reference, &ContainersOptions::default()).await.unwrap();
    assert_eq!(own_containers.containers.iter().map(|one| one.container.outdated).collect::<Vec<_>>(), [!known]);
    let all = ground.refit.containers(&ContainersOptions::default()).await.unwrap();
    assert_eq!(all.containers.iter().find(|one| one.name == web).map(|one| one.outdated), Some(!known));
    let plan = ground.refit.plan_update(&image.reference, UpdateOptions::default()).await.unwrap();
    assert_eq!(plan.containers[0].action == PlannedAction::UpToDate, known, "{plan:#?}");
}

#[tokio::test]
async fn c21_a_thousand_references_are_checked() {
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
    let reported = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let listener = reported.clone();
    let operation = ground.refit.check_updates(Some(images), CheckOptions::default()).on_progress(move |progress| {
        listener.lock().unwrap().push((progress.phase, progress.permille, progress.step, progress.steps));
        std::ops::ControlFlow::Continue(())
    });
    let list = operation.await.unwrap();
    steps.append(&mut reported.lock().unwrap());
    assert_eq!(list.images[0].state, CheckState::UpToDate);
    assert!(list.images[1..].iter().all(|check| check.state == CheckState::NotLocal && check.has_update == Some(true)));
    assert_eq!(list.requests, 1000, "a HEAD an image");
    assert!(steps.is_sorted_by_key(|step| step.1), "permille never goes down");
    assert_eq!(steps.last(), Some(&("done", 1000, 1000, 1000)));
}

#[tokio::test]
async fn c22_a_check_goes_through_the_engine() {
    let ground = Ground::new("c22").await;
    let image = ground.scope.pull(&Image::new().build(), "t");
    let through_engine = || CheckOptions { via: Some(CheckVia::Engine), ..CheckOptions::default() };
    let (check, code) = ground.check_with(&image.reference, through_engine()).await;
    if ground.lab.engine.is_podman() {
        assert_eq!((check.state, check.has_update), (CheckState::EngineError, None), "its 404 is never a missing tag");
        assert!(code.is_some());
        return;
    }
    assert_eq!(
        (check.state, check.via, check.certainty, check.requests),
        (CheckState::UpToDate, Some(Via::Engine), Some(Certainty::IndexOnly), 0)
    );
    ground.scope.publish(&Image::new().build(), "t");
    let (check, _) = ground.check_with(&image.reference, through_engine()).await;
    assert_eq!((check.state, check.has_update, check.certainty), (CheckState::UpdateAvailable, Some(true), Some(Certainty::IndexOnly)));
    ground.lab.registry.delete_tag(&image.repository, "t");
    let (check, _) = ground.check_with(&image.reference, through_engine()).await;
    assert_eq!((check.state, check.has_update), (CheckState::TagGone, None), "{check:#?}");
}
