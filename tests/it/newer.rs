//! Engines that speak a newer API than the lab's: the lab's own with the face of one, which answers as moby's changelog of the API tells.
//!
//! The tests of all other modules meet that face with `REFIT_LAB_FACE=1.44-1.54`.

use std::time::Duration;

use refit::container::{RecreateOptions, Recreation};
use refit::image::{CheckOptions, CheckState, PlannedAction, PullOptions, UpdateOptions};
use refit::{ConnectOptions, Refit};
use refit_lab::{Image, Lab, Proxy, Scope, not_here};
use serde_json::{Value, json};

/// Docker 29's versions, and those of an engine that has dropped what 28 speaks.
const RANGES: [(u32, u32); 2] = [(1, 44), (1, 52)];
const NEWEST: (u32, u32) = (1, 54);
const MAC: &str = "02:00:00:00:00:29";

/// `None`: the lab's engine is too old for the face.
fn face(lab: &Lab, oldest: (u32, u32)) -> Option<Proxy> {
    if lab.engine.is_podman() || lab.engine.api() < (1, 48) {
        not_here("the face of a newer engine needs one of API 1.48");
        return None;
    }
    Some(Proxy::newer_engine(&lab.engine, oldest, NEWEST))
}

async fn open(face: &Proxy) -> Refit {
    let options = ConnectOptions { host: Some(face.host.clone()), timeout: Duration::from_secs(60), ..ConnectOptions::default() };
    Refit::connect(options).await.unwrap()
}

async fn recreated(refit: &Refit, name: &str) -> Recreation {
    let options = RecreateOptions { settle: Duration::from_millis(300), ..RecreateOptions::default() };
    refit.recreate_container(name, options).await.unwrap()
}

fn mac(scope: &Scope<'_>, container: &str, network: &str) -> Value {
    scope.lab.engine.container(container).unwrap()["NetworkSettings"]["Networks"][network]["MacAddress"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_version_that_both_speak_is_agreed_and_an_inspect_is_asked_in_the_newest_that_shows_all() {
    let lab = Lab::get();
    for oldest in RANGES {
        let Some(face) = face(lab, oldest) else { return };
        let scope = lab.scope("newer-agreed");
        let image = scope.pull(&Image::new().build(), "t");
        lab.engine.run_image(&scope.name("c"), &image.reference);
        let refit = open(&face).await;
        let info = refit.engine_info().await.unwrap();
        assert_eq!((info.api_version.as_str(), info.min_api_version), ("1.54", Some(format!("1.{}", oldest.1))));
        refit.container_status(&scope.name("c")).await.unwrap();
        let paths: Vec<String> = face.requests().into_iter().map(|request| request.path).collect();
        assert!(paths.iter().any(|path| path == "/v1.54/info"), "{paths:?}");
        let is_inspect = |path: &&String| path.contains("/containers/") && path.ends_with("/json") && !path.ends_with("/containers/json");
        let inspect = paths.iter().find(is_inspect).expect("an inspect");
        assert!(inspect.starts_with(if oldest == (1, 52) { "/v1.52/" } else { "/v1.51/" }), "{inspect}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_mac_address_is_kept_and_a_generated_one_is_not_pinned() {
    let lab = Lab::get();
    for oldest in RANGES {
        let Some(face) = face(lab, oldest) else { return };
        let scope = lab.scope("newer-mac");
        let (first, second) = (scope.network("n1"), scope.network("n2"));
        let old = scope.pull(&Image::new().build(), "t");
        let (configured, generated) = (scope.name("configured"), scope.name("generated"));
        let endpoints = |mac: Value| json!({"EndpointsConfig": {first.as_str(): {"MacAddress": mac}, second.as_str(): {}}});
        let body = |mac: Value| json!({"Image": old.reference, "StopTimeout": 1, "HostConfig": {"NetworkMode": first}, "NetworkingConfig": endpoints(mac)});
        lab.engine.run(&configured, &body(json!(MAC)));
        lab.engine.run(&generated, &body(Value::Null));
        let had = mac(&scope, &generated, &first);
        scope.pull(&Image::new().build(), "t");
        let refit = open(&face).await;
        recreated(&refit, &configured).await;
        assert_eq!(mac(&scope, &configured, &first), MAC, "{oldest:?}");
        // The old one runs on under another name until the new one has started: one address of both would be seen.
        recreated(&refit, &generated).await;
        assert_ne!(mac(&scope, &generated, &first), had, "{oldest:?}");
        assert_eq!(lab.engine.get(&format!("/v1.51/containers/{generated}/json"))["Config"]["MacAddress"], Value::Null, "{oldest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_container_keeps_its_configured_mac_address_where_the_engine_speaks_1_51_too() {
    let lab = Lab::get();
    let Some(face) = face(lab, (1, 44)) else { return };
    let scope = lab.scope("newer-stopped");
    let network = scope.network("n");
    let old = scope.pull(&Image::new().build(), "t");
    let name = scope.name("c");
    // Not to be told from a generated one but by Config.
    let random = "9e:1f:20:33:4a:51";
    let endpoints = json!({"EndpointsConfig": {network.as_str(): {"MacAddress": random}}});
    lab.engine.create(&name, &json!({"Image": old.reference, "HostConfig": {"NetworkMode": network}, "NetworkingConfig": endpoints}));
    scope.pull(&Image::new().build(), "t");
    recreated(&open(&face).await, &name).await;
    lab.engine.post(&format!("/containers/{name}/start"), &Value::Null);
    assert_eq!(mac(&scope, &name, &network), random);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_listed_and_updated_with_its_container() {
    let lab = Lab::get();
    for oldest in RANGES {
        let Some(face) = face(lab, oldest) else { return };
        let scope = lab.scope("newer-update");
        let refit = open(&face).await;
        let first = scope.publish(&Image::new().version("1").build(), "t");
        assert!(refit.pull(&first.reference, PullOptions::default()).await.unwrap().changed);
        let listed = refit.images(&refit::image::ListOptions::default()).await.unwrap();
        assert!(listed.images.iter().any(|image| image.tags.contains(&first.reference)));
        let name = scope.name("c");
        lab.engine.run(&name, &json!({"Image": first.reference, "StopTimeout": 1}));
        scope.publish(&Image::new().version("2").build(), "t");
        assert_eq!(refit.check_update(&first.reference, CheckOptions::default()).await.unwrap().state, CheckState::UpdateAvailable);
        let plan = refit.plan_update(&first.reference, UpdateOptions::default()).await.unwrap();
        assert_eq!(plan.containers[0].action, PlannedAction::RecreateAndStart, "{plan:?}");
        let updated = refit.update(&first.reference, UpdateOptions::default()).await.unwrap();
        assert_eq!(updated.containers.len(), 1, "{updated:?}");
        assert_eq!(lab.engine.container(&name).unwrap()["Image"], lab.engine.image(&first.reference).unwrap()["Id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_origin_of_an_image_tells_why_the_registry_does_not_have_it() {
    let lab = Lab::get();
    if !lab.engine.has_containerd_store() {
        return not_here("a classic store shows by its digests what was pulled");
    }
    let Some(face) = face(lab, (1, 44)) else { return };
    let scope = lab.scope("newer-origin");
    let refit = open(&face).await;
    let cases = [
        (json!({"Pull": [{"Repository": format!("{}/{}", lab.registry.host, scope.name)}]}), CheckState::TagGone, None),
        (json!({"Build": [{"Ref": "x", "CreatedAt": "2026-11-29T00:00:00Z"}]}), CheckState::LocalOnly, None),
        (Value::Null, CheckState::NotInRegistry, Some(true)),
    ];
    for (number, (identity, state, maybe_local)) in cases.into_iter().enumerate() {
        let reference = scope.reference(&format!("t{number}"));
        lab.engine.load(&Image::new().build().archive(&[&reference]));
        let id = lab.engine.image(&reference).unwrap()["Id"].as_str().unwrap().to_owned();
        face.set_origin(&id, identity.clone());
        let check = refit.check_update(&reference, CheckOptions::default()).await.unwrap();
        assert_eq!((check.state, check.maybe_local), (state, maybe_local), "{identity}");
    }
}
