//! `img_pull` on a real engine: bytes, progress, results.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::connected::refit;
use refit::image::{CheckOptions, CheckState, LayerState, PullOptions, RegistryAuth};
use refit::{Cancel, Code, ConnectOptions, Error, Progress, Refit};
use refit_lab::{Answer, Canned, Fault, HonestRegistry, Image, Lab, LyingRegistry, Proxy, When, native_platform};

const MEGABYTE: usize = 1024 * 1024;

fn code<T>(outcome: refit::Outcome<T>) -> Code {
    match outcome {
        Ok(_) => panic!("it should have failed"),
        Err(failure) => Error::from(failure).code(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_reports_what_changed() {
    let lab = Lab::get();
    let scope = lab.scope("pull-changed");
    let refit = refit().await;
    let first = scope.publish(&Image::new().version("1.0").build(), "t");
    let pulled = refit.pull(&first.reference, PullOptions::default()).await.unwrap();
    assert!(pulled.changed && pulled.before.is_none() && !pulled.shared);
    assert_eq!(pulled.digest.as_ref(), Some(&first.digest));
    let again = refit.pull(&first.reference, PullOptions::default()).await.unwrap();
    assert!(!again.changed);
    assert_eq!(again.before, Some(again.after.clone()));
    assert_eq!(again.bytes_downloaded, 0);
    let second = scope.publish(&Image::new().version("2.0").build(), "t");
    let moved = refit.pull(&first.reference, PullOptions::default()).await.unwrap();
    assert!(moved.changed);
    assert_eq!(moved.before, Some(again.after));
    assert_eq!(moved.digest, Some(second.digest));
    assert_ne!(moved.after.id, moved.before.unwrap().id);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_of_a_large_pull_is_monotone_and_its_bytes_are_right() {
    let lab = Lab::get();
    let scope = lab.scope("pull-large");
    let size = 200 * MEGABYTE;
    let image = scope.publish(&Image::new().random_layer(size, 1).build(), "t");
    let reported: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let listener = reported.clone();
    let pulled = refit()
        .await
        .pull(&image.reference, PullOptions::default())
        .on_progress(move |progress| {
            listener.lock().unwrap().push(progress.clone());
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
    let reported = reported.lock().unwrap();
    assert!(reported.windows(2).all(|pair| pair[0].permille <= pair[1].permille), "permille goes down");
    let last = reported.last().unwrap();
    assert_eq!((last.phase, last.permille, last.layer.as_deref()), ("done", 1000, None));
    assert_eq!(reported.iter().filter(|progress| progress.permille == 1000).count(), 1);
    let phases: Vec<_> = reported.iter().filter(|progress| progress.layer.is_none()).map(|progress| progress.phase).collect();
    for phase in ["resolving", "downloading", "extracting", "verifying"] {
        assert!(phases.contains(&phase), "{phase} is missing in {phases:?}");
    }
    let most = reported.iter().filter(|progress| progress.layer.is_none()).map(|progress| progress.current).max().unwrap();
    let off = |bytes: u64| (bytes as f64 / size as f64 - 1.0).abs();
    assert!(off(most) < 0.02 && off(pulled.bytes_downloaded) < 0.02, "reported {most}, downloaded {}", pulled.bytes_downloaded);
    assert!(reported.iter().any(|progress| progress.bytes_per_second.is_some() && progress.eta.is_some()), "no speed was reported");
    let halves = reported.iter().filter(|progress| progress.layer.is_none() && (200..800).contains(&progress.permille)).count();
    assert!(halves >= 3, "{halves} reports in the middle");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_stops_a_pull_and_a_time_limit_does() {
    let lab = Lab::get();
    let scope = lab.scope("pull-stop");
    let image = scope.publish(&Image::new().random_layer(100 * MEGABYTE, 3).build(), "t");
    let refit = refit().await;
    let stopped = refit.pull(&image.reference, PullOptions::default()).on_progress(|_| ControlFlow::Break(())).await;
    assert_eq!(code(stopped), Code::Stopped);
    let late = refit.pull(&image.reference, PullOptions::default()).timeout(Duration::from_millis(50)).await;
    assert_eq!(code(late), Code::Timeout);
    let fired = Cancel::new();
    fired.fire();
    let other = lab.scope("pull-fired");
    let untouched = other.publish(&Image::new().build(), "t");
    let mark = lab.registry.mark();
    assert_eq!(code(refit.pull(&untouched.reference, PullOptions::default()).cancel(&fired).await), Code::Cancelled);
    assert_eq!(lab.registry.requests_since(&mark, &other.name).len(), 0, "a token that was fired before: nothing is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pulls_of_an_image_share_one_download() {
    let lab = Lab::get();
    let scope = lab.scope("pull-shared");
    let image = scope.publish(&Image::new().random_layer(100 * MEGABYTE, 4).random_layer(10 * MEGABYTE, 5).build(), "t");
    let refit = refit().await;
    let mark = lab.registry.mark();
    let leaves = Cancel::new();
    let leaving = leaves.clone();
    let first = tokio::spawn({
        let pull = refit.pull(&image.reference, PullOptions::default()).cancel(&leaves).on_progress(move |progress| {
            if progress.permille > 200 {
                leaving.fire();
            }
            ControlFlow::Continue(())
        });
        async move { pull.await }
    });
    while !refit.image_status(&image.reference).await.unwrap().pulling {
        tokio::task::yield_now().await;
    }
    let second = refit.pull(&image.reference, PullOptions::default()).await.unwrap();
    assert_eq!(code(first.await.unwrap()), Code::Cancelled);
    assert!(second.shared && second.changed);
    let seen = lab.registry.requests_since(&mark, &scope.name);
    for blob in image.artifact.blobs.iter().map(|blob| &blob.digest) {
        let asked = seen.iter().filter(|request| request.method == "GET" && request.path.ends_with(blob.as_str())).count();
        assert_eq!(asked, 1, "{blob} was asked for {asked} times");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_shows_a_running_pull_and_the_last_error() {
    let lab = Lab::get();
    let scope = lab.scope("pull-status");
    let refit = refit().await;
    let missing = format!("{}:nowhere", scope.reference("t").rsplit_once(':').unwrap().0);
    assert_eq!(code(refit.pull(&missing, PullOptions::default()).await), Code::NotFound);
    let status = refit.image_status(&missing).await.unwrap();
    assert_eq!(status.last_error.unwrap().name, "NOT_FOUND");
    assert!(!status.exists && !status.ready && !status.pulling);

    let old = scope.pull(&Image::new().build(), "t");
    scope.publish(&Image::new().random_layer(100 * MEGABYTE, 6).build(), "t");
    let reference = old.reference.clone();
    let pulling = tokio::spawn({
        let pull = refit.pull(&reference, PullOptions::default());
        async move { pull.await }
    });
    let mut downloading = false;
    while !pulling.is_finished() {
        let status = refit.image_status(&reference).await.unwrap();
        if let Some(operation) = status.operation {
            assert!(status.ready && status.exists && status.pulling, "a local image stays ready while it is updated");
            downloading |= operation.layers.iter().any(|layer| layer.status == LayerState::Downloading && layer.total.is_some());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    pulling.await.unwrap().unwrap();
    assert!(downloading, "no layer was shown while it was downloaded");
    let status = refit.image_status(&reference).await.unwrap();
    assert!(status.ready && !status.pulling && status.operation.is_none() && status.last_error.is_none());
    assert!(refit.image_info(&reference).await.unwrap().last_pulled.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_keeps_the_platform_of_the_local_image() {
    let lab = Lab::get();
    let scope = lab.scope("pull-platform");
    let refit = refit().await;
    let base = Image::new();
    let index = |version: &str| {
        let both = [base.clone().version(version), base.clone().version(version).platform("linux/arm64/v8")];
        refit_lab::Index::new(refit_lab::Format::Docker).image(&both[0].clone().build()).image(&both[1].clone().build()).build()
    };
    let first = scope.publish(&index("1"), "t");
    let options = PullOptions { platform: Some("linux/arm64".into()), ..PullOptions::default() };
    refit.pull(&first.reference, options).await.unwrap();
    assert_eq!(refit.image_info(&first.reference).await.unwrap().architecture, "arm64");
    scope.publish(&index("2"), "t");
    refit.pull(&first.reference, PullOptions::default()).await.unwrap();
    let info = refit.image_info(&first.reference).await.unwrap();
    assert_eq!((info.architecture.as_str(), info.version.as_deref()), ("arm64", Some("2")));
    let nowhere = PullOptions { platform: Some("linux/s390x".into()), ..PullOptions::default() };
    assert_eq!(code(refit.pull(&first.reference, nowhere).await), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_wants_a_login_gets_it_or_the_pull_is_unauthorized() {
    let lab = Lab::get();
    let private = lab.registry_with_login();
    let scope = lab.scope("pull-login");
    let reference = private.registry.publish(&Image::new().build(), &scope.name, "t").reference;
    let refit = refit().await;
    assert_eq!(code(refit.pull(&reference, PullOptions::default()).await), Code::Unauthorized);
    let (user, password) = private.registry.login.clone().unwrap();
    let with_password = |password: String| PullOptions {
        registry_auth: Some(RegistryAuth { username: Some(user.clone()), password: Some(password), ..RegistryAuth::default() }),
        ..PullOptions::default()
    };
    assert_eq!(code(refit.pull(&reference, with_password("wrong".into())).await), Code::Unauthorized);
    assert!(refit.pull(&reference, with_password(password)).await.unwrap().changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_for_another_platform_is_no_success_and_the_tag_names_the_old_one() {
    let lab = Lab::get();
    let scope = lab.scope("pull-other-platform");
    let refit = refit().await;
    let before = scope.pull(&Image::new().version("1").build(), "t");
    let old = lab.engine.image(&before.reference).unwrap()["Id"].clone();
    let foreign = if native_platform() == "linux/amd64" { "linux/arm64/v8" } else { "linux/amd64" };
    scope.publish(&Image::new().version("2").platform(foreign).build(), "t");
    let error = Error::from(refit.pull(&before.reference, PullOptions::default()).await.unwrap_err());
    assert_eq!(error.code(), Code::NotFound, "{error}");
    assert_eq!(lab.engine.image(&before.reference).unwrap()["Id"], old, "{error}");

    // Asked for explicitly, where the tag has one manifest for another platform alone.
    let single = scope.publish(&Image::new().build(), "single");
    let wanted = PullOptions { platform: Some(foreign.into()), ..PullOptions::default() };
    let error = Error::from(refit.pull(&single.reference, wanted).await.unwrap_err());
    assert_eq!(error.code(), Code::NotFound, "{error}");
    assert!(lab.engine.image(&single.reference).is_none(), "{error}");
}

/// The lab's engine, with another answer to a pull.
async fn engine_whose_pull_says(answer: Canned) -> (Proxy, Refit) {
    let engine = Proxy::engine(Lab::get());
    engine.on(When::each("POST */images/create*"), Fault::Answer(answer));
    let refit = Refit::connect(ConnectOptions { host: Some(engine.host.clone()), ..ConnectOptions::default() }).await.unwrap();
    (engine, refit)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_without_the_digest_is_no_success() {
    let lab = Lab::get();
    let scope = lab.scope("pull-no-digest");
    let image = scope.pull(&Image::new().build(), "t");
    let (_engine, refit) = engine_whose_pull_says(Canned::json(200, &serde_json::json!({"status": "Pulling from app", "id": "t"}))).await;
    let outcome = refit.pull(&image.reference, PullOptions::default()).await;
    if lab.engine.is_podman() {
        return assert!(outcome.is_ok(), "Podman names no digest");
    }
    let error = Error::from(outcome.unwrap_err());
    assert!(error.code() == Code::Engine && error.message().contains("digest"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_refused_is_left_out_of_the_pull_once() {
    let lab = Lab::get();
    let scope = lab.scope("pull-refused");
    let contents = HonestRegistry::new();
    contents.put(&scope.name, "t", &Image::new().build());
    // The token server refuses an expired credential, and gives everyone a token: GHCR's "denied: denied".
    let registry = LyingRegistry::for_engine(lab, move |asked| {
        let realm = format!("http://{}/token", asked.header("host"));
        match (asked.path.as_str(), asked.header("authorization"), asked.bearer()) {
            // containerd tries OAuth first.
            ("/token", ..) if asked.method == "POST" => Answer::error(405, "UNSUPPORTED"),
            ("/token", "", _) => Answer::token("everyones", None),
            ("/token", ..) => Answer::error(403, "DENIED"),
            (_, _, Some("everyones")) => contents.answer(asked),
            _ => Answer::ask_for_token(&realm, "lab", &format!("repository:{}:pull", asked.repository())),
        }
    });
    let login = LyingRegistry::for_engine(lab, |_| Answer::ask_for_login());
    let with = || {
        let auth = RegistryAuth { username: Some("me".into()), password: Some("expired".into()), ..RegistryAuth::default() };
        PullOptions { registry_auth: Some(auth), ..PullOptions::default() }
    };
    let refit = refit().await;
    let pulled = refit.pull(format!("{}/{}:t", registry.host, scope.name), with()).await.unwrap();
    assert_eq!(pulled.notes.iter().map(|note| note.code.as_str()).collect::<Vec<_>>(), ["credential_rejected"]);
    assert_eq!(code(refit.pull(format!("{}/{}:t", login.host, scope.name), with()).await), Code::Unauthorized);
    lab.engine.delete(&format!("/images/{}/{}:t?force=true", registry.host, scope.name));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_before_a_pull_is_not_shown_after_it() {
    let lab = Lab::get();
    let scope = lab.scope("pull-stale");
    let refit = refit().await;
    let image = scope.pull(&Image::new().version("1").build(), "t");
    scope.publish(&Image::new().version("2").build(), "t");
    let checked = async |expected: Option<&str>| {
        let status = refit.image_status(&image.reference).await.unwrap();
        assert_eq!(status.last_check.as_ref().map(|check| check["state"].as_str().unwrap()), expected);
        let info = refit.image_info(&image.reference).await.unwrap();
        assert_eq!(info.last_check_state.is_some(), expected.is_some());
    };
    let found = refit.check_update(&image.reference, CheckOptions::default()).await.unwrap();
    assert_eq!(found.state, CheckState::UpdateAvailable);
    checked(Some("update_available")).await;
    refit.pull(&image.reference, PullOptions::default()).await.unwrap();
    checked(None).await;
    // The same where somebody else has pulled.
    scope.publish(&Image::new().version("3").build(), "t");
    refit.check_update(&image.reference, CheckOptions::default()).await.unwrap();
    checked(Some("update_available")).await;
    lab.engine.pull(&image.reference).unwrap();
    checked(None).await;
}
