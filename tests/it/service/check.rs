//! Checks of services: what they are pinned to, and for which platform.

use refit::image::{Certainty, CheckOptions, CheckState};
use refit_lab::{Artifact, Format, Image, Index, native_platform};
use serde_json::json;

use super::{Web, version};

/// An index with this machine's image, and one for another.
fn index(own: &Artifact, other: &Image) -> Artifact {
    let other = other.clone().platform("linux/s390x").build();
    Index::new(Format::Oci).image(own).image(&other).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_changes_for_another_platform_is_no_update() {
    let Some(web) = Web::new("index", |spec| spec["Mode"]["Replicated"]["Replicas"] = json!(0)) else { return };
    let own = version("1").build();
    let old = web.scope.publish(&index(&own, &version("1")), "t");
    web.change(|spec| spec["TaskTemplate"]["ContainerSpec"]["Image"] = json!(web.pinned(&old)));
    let other = web.scope.publish(&index(&own, &version("2")), "t");
    assert_ne!(old.digest, other.digest);
    let refit = web.refit().await;
    let check = refit.check_service(&web.name, CheckOptions::default()).await.unwrap().check;
    assert_eq!((check.state, check.certainty), (CheckState::UpToDate, Some(Certainty::Exact)), "{check:?}");
    let platform = native_platform().trim_end_matches("/v8");
    assert_eq!(check.platform.as_deref(), Some(platform));
    // The other platform's has one.
    let of_other = CheckOptions { platform: Some("linux/s390x".into()), ..CheckOptions::default() };
    let check = refit.check_service(&web.name, of_other).await.unwrap().check;
    assert_eq!((check.state, check.has_update), (CheckState::UpdateAvailable, Some(true)), "{check:?}");

    let new = web.scope.publish(&index(&version("2").build(), &version("2")), "t");
    let check = refit.check_service(&web.name, CheckOptions::default()).await.unwrap().check;
    assert_eq!((check.state, check.certainty), (CheckState::UpdateAvailable, Some(Certainty::Exact)), "{check:?}");
    assert_eq!(check.local.unwrap().version.as_deref(), Some("1"));
    assert_eq!(check.remote.unwrap().version.as_deref(), Some("2"));

    // Without the manifests of before it cannot be said whose image has changed.
    for digest in [&old.digest, &other.digest] {
        web.scope.lab.registry.delete_manifest(&new.repository, digest);
    }
    let check = refit.check_service(&web.name, CheckOptions::default()).await.unwrap().check;
    assert_eq!((check.state, check.certainty), (CheckState::UpdateAvailable, Some(Certainty::IndexOnly)), "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_without_the_platform_of_the_nodes_is_said() {
    let Some(web) = Web::new("platform", |_| {}) else { return };
    web.publish(&version("2").platform("linux/s390x"));
    let refit = web.refit().await;
    let check = refit.check_service(&web.name, CheckOptions::default()).await.unwrap().check;
    assert_eq!((check.state, check.has_update), (CheckState::PlatformGone, None), "{check:?}");
    super::is_refused(refit.update_service(&web.name, super::options()).await, refit::Code::NotFound, "names no image for");
    assert_eq!(web.image(), web.pinned(&web.old));
}

/// What its tasks run is known where they run.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_digest_is_judged_by_its_containers() {
    let Some(web) = Web::new("not-pinned", |spec| spec["Mode"]["Replicated"]["Replicas"] = json!(0)) else { return };
    let refit = web.refit().await;
    web.change(|spec| spec["TaskTemplate"]["ContainerSpec"]["Image"] = json!(web.old.reference));
    let unknown = refit.check_service(&web.name, CheckOptions::default()).await.unwrap().check;
    assert_eq!((unknown.state, unknown.has_update), (CheckState::NotLocal, None), "no task runs: {unknown:?}");
    assert!(unknown.remote.is_some() && unknown.notes.iter().any(|note| note.code == "not_pinned"));

    web.change(|spec| spec["Mode"]["Replicated"]["Replicas"] = json!(1));
    web.wait_running(1);
    let current = refit.check_service(&web.name, CheckOptions::default()).await.unwrap().check;
    assert_eq!((current.state, current.has_update), (CheckState::UpToDate, Some(false)), "{current:?}");
    web.publish(&version("2"));
    let newer = refit.check_service(&web.name, CheckOptions::default()).await.unwrap().check;
    assert_eq!((newer.state, newer.has_update), (CheckState::UpdateAvailable, Some(true)), "{newer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_pinned_without_a_tag_has_no_update() {
    let Some(web) = Web::new("by-digest", |spec| spec["Mode"]["Replicated"]["Replicas"] = json!(0)) else { return };
    web.change(|spec| spec["TaskTemplate"]["ContainerSpec"]["Image"] = json!(web.old.by_digest()));
    let check = web.refit().await.check_service(&web.name, CheckOptions::default()).await.unwrap().check;
    assert_eq!((check.state, check.has_update, check.requests), (CheckState::Pinned, Some(false), 0), "{check:?}");
    assert_eq!(check.image, web.old.by_digest());
}
