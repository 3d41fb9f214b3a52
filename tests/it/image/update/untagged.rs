//! Engine 26 with containerd's store deletes an image that has lost its tag, though a container still uses it; every other keeps it.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::connected::refit;
use refit::container::{RecreateOptions, RecreationResult};
use refit::image::{TagFate, UpdateOptions};
use refit::{Cancel, Code};
use refit_lab::{Image, Lab, Published, Scope};

fn forgets() -> bool {
    Lab::get().engine.forgets_untagged_images()
}

fn recreate() -> RecreateOptions {
    RecreateOptions {
        settle: Duration::from_millis(300),
        allow_lossy: true, // Podman's inspect hides things; elsewhere it allows nothing
        ..RecreateOptions::default()
    }
}

fn update() -> UpdateOptions {
    UpdateOptions { recreate: recreate(), ..UpdateOptions::default() }
}

/// A running container of the first version, and the id of its image.
fn running(scope: &Scope) -> (Published, String, String) {
    let old = scope.pull(&Image::new().version("1").build(), "t");
    let name = scope.name("web");
    scope.lab.engine.run_image(&name, &old.reference);
    let id = scope.lab.engine.image(&old.reference).unwrap()["Id"].as_str().unwrap().to_owned();
    (old, name, id)
}

/// The tags of the scope's repository.
fn tags(scope: &Scope) -> Vec<String> {
    let images = scope.lab.engine.get("/images/json");
    let tags = images.as_array().unwrap().iter().flat_map(|image| image["RepoTags"].as_array().cloned().unwrap_or_default());
    tags.filter_map(|tag| tag.as_str().map(str::to_owned)).filter(|tag| tag.contains(&scope.name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_keeps_the_old_image_under_a_tag_of_its_own() {
    let scope = Lab::get().scope("forgetful");
    let engine = &scope.lab.engine;
    let (old, name, old_id) = running(&scope);
    let refit = refit().await;
    scope.publish(&Image::new().version("2").build(), "t");
    let plan = refit.plan_update(&old.reference, update()).await.unwrap();
    let digits = &old_id["sha256:".len()..][..12];
    let expected = format!("{}:refit-previous-{digits}", old.reference.strip_suffix(":t").unwrap());
    assert_eq!(plan.keep_as, forgets().then(|| expected.clone()));
    assert_eq!(tags(&scope), std::slice::from_ref(&old.reference), "a plan tags nothing");

    let report = refit.update(&old.reference, update()).await.unwrap();
    assert_eq!(report.tag, Some(TagFate::Moved));
    assert_ne!(engine.container(&name).unwrap()["Image"], old_id.as_str());
    assert_eq!(engine.image(&expected).map(|kept| kept["Id"].clone()), forgets().then(|| old_id.clone().into()));
    assert!(engine.image(&old_id).is_some(), "the way back is there");
    let removed = refit.remove_old_images(old.reference.clone(), Default::default()).await.unwrap();
    assert_eq!(removed.removed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [old_id.as_str()]);
    assert!(engine.image(&old_id).is_none());
    assert_eq!(tags(&scope), std::slice::from_ref(&old.reference));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_ends_in_its_pull_or_is_rolled_back_leaves_no_tag() {
    let scope = Lab::get().scope("forgetful-pull");
    let engine = &scope.lab.engine;
    let (old, name, old_id) = running(&scope);
    let before = engine.container(&name).unwrap();
    let refit = refit().await;
    scope.publish(&Image::new().version("2").random_layer(60 * 1024 * 1024, 2).build(), "t");
    let cancel = Cancel::new();
    let firing = cancel.clone();
    let cancelled = refit.update(&old.reference, update()).cancel(&cancel).on_progress(move |progress| {
        if progress.phase == "downloading" {
            firing.fire();
        }
        ControlFlow::Continue(())
    });
    assert_eq!(cancelled.await.unwrap_err().error.code(), Code::Cancelled);
    assert_eq!(tags(&scope), std::slice::from_ref(&old.reference));

    scope.publish(&Image::new().version("3").cmd(["sh", "-c", "exit 3"]).build(), "t");
    let failure = refit.update(&old.reference, update()).await.unwrap_err();
    let error = failure.error;
    assert_eq!((error.code(), failure.report.unwrap().tag), (Code::RolledBack, Some(TagFate::Restored)), "{error}");
    assert_eq!(tags(&scope), std::slice::from_ref(&old.reference));
    assert_eq!(engine.image(&old.reference).unwrap()["Id"], old_id.as_str());
    let after = engine.container(&name).unwrap();
    assert_eq!((&after["Id"], &after["State"]["Running"]), (&before["Id"], &true.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_pull_by_hand_a_recreation_is_refused_where_the_old_image_is_forgotten() {
    let scope = Lab::get().scope("forgetful-bare");
    let engine = &scope.lab.engine;
    let (old, name, old_id) = running(&scope);
    let before = engine.container(&name).unwrap();
    let refit = refit().await;
    scope.pull(&Image::new().version("2").build(), "t");
    assert_eq!(engine.image(&old_id).is_none(), forgets());
    let outcome = refit.recreate_container(name.clone(), recreate()).await;
    let after = engine.container(&name).unwrap();
    if forgets() {
        let failure = outcome.unwrap_err();
        assert_eq!(failure.error.code(), Code::Unsupported);
        let message = failure.error.message();
        assert!(message.contains("img_update") && message.contains(&old.reference) && message.contains(&old_id), "{message}");
        assert_eq!((&after["Id"], &after["State"]["StartedAt"]), (&before["Id"], &before["State"]["StartedAt"]));
    } else {
        assert_eq!(outcome.unwrap().result, RecreationResult::Recreated);
        assert_ne!(after["Id"], before["Id"]);
    }
}
