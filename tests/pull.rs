//! `img_pull` on a real engine: the bytes, the progress, the end.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod connected;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connected::refit;
use refit::image::{LayerState, PullOptions};
use refit::{Cancel, Code, Error, Progress};
use refit_lab::{Image, Lab};

const MEGABYTE: usize = 1024 * 1024;

fn code<T>(outcome: refit::Outcome<T>) -> Code {
    match outcome {
        Ok(_) => panic!("it should have failed"),
        Err(failure) => Error::from(failure).code(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_tells_what_changed() {
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
    let told: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let listener = told.clone();
    let pulled = refit()
        .await
        .pull(&image.reference, PullOptions::default())
        .on_progress(move |progress| {
            listener.lock().unwrap().push(progress.clone());
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
    let told = told.lock().unwrap();
    assert!(told.windows(2).all(|pair| pair[0].permille <= pair[1].permille), "permille goes down");
    let last = told.last().unwrap();
    assert_eq!((last.phase, last.permille, last.layer.as_deref()), ("done", 1000, None));
    assert_eq!(told.iter().filter(|progress| progress.permille == 1000).count(), 1);
    let phases: Vec<_> = told.iter().filter(|progress| progress.layer.is_none()).map(|progress| progress.phase).collect();
    for phase in ["resolving", "downloading", "extracting", "verifying"] {
        assert!(phases.contains(&phase), "{phase} is missing in {phases:?}");
    }
    let most = told.iter().filter(|progress| progress.layer.is_none()).map(|progress| progress.current).max().unwrap();
    let off = |bytes: u64| (bytes as f64 / size as f64 - 1.0).abs();
    assert!(off(most) < 0.02 && off(pulled.bytes_downloaded) < 0.02, "told {most}, downloaded {}", pulled.bytes_downloaded);
    assert!(told.iter().any(|progress| progress.bytes_per_second.is_some() && progress.eta.is_some()), "no speed was told");
    let halves = told.iter().filter(|progress| progress.layer.is_none() && (200..800).contains(&progress.permille)).count();
    assert!(halves >= 3, "{halves} reports in the middle");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_cancelled_at_half_returns_at_once_and_a_later_one_succeeds() {
    let lab = Lab::get();
    let scope = lab.scope("pull-cancel");
    let image = scope.publish(&Image::new().random_layer(200 * MEGABYTE, 2).build(), "t");
    let refit = refit().await;
    let cancel = Cancel::new();
    let fired: Arc<Mutex<Option<Instant>>> = Arc::default();
    let (at_half, firing) = (cancel.clone(), fired.clone());
    let pull = refit.pull(&image.reference, PullOptions::default()).cancel(&cancel).on_progress(move |progress| {
        if progress.layer.is_none() && progress.permille >= 250 && !at_half.is_fired() {
            *firing.lock().unwrap() = Some(Instant::now());
            at_half.fire();
        }
        assert!(progress.permille < 1000, "a cancelled pull tells 1000");
        ControlFlow::Continue(())
    });
    assert_eq!(code(pull.await), Code::Cancelled);
    let took = fired.lock().unwrap().expect("it was fired").elapsed();
    assert!(took < Duration::from_millis(100), "it returned after {took:?}");
    assert!(!refit.image_status(&image.reference).await.unwrap().pulling);
    assert!(!refit.image_exists(&image.reference).await.unwrap());
    let later = refit.pull(&image.reference, PullOptions::default()).await.unwrap();
    assert!(later.changed);
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
async fn the_status_tells_a_pull_under_way_and_the_last_error() {
    let lab = Lab::get();
    let scope = lab.scope("pull-status");
    let refit = refit().await;
    let missing = format!("{}:nowhere", scope.reference("t").rsplit_once(':').unwrap().0);
    assert_eq!(code(refit.pull(&missing, PullOptions::default()).await), Code::NotFound);
    let status = refit.image_status(&missing).await.unwrap();
    assert_eq!(status.last_error.map(|error| error.name), Some("NOT_FOUND"));
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
async fn an_image_of_another_platform_stays_one() {
    let lab = Lab::get();
    let scope = lab.scope("pull-platform");
    let refit = refit().await;
    let base = Image::new();
    let index = |version: &str| {
        let both = [base.clone().version(version), base.clone().version(version).platform("linux/arm64/v8")];
        refit_lab::Index::new(refit_lab::Format::Docker).image(&both[0].clone().build()).image(&both[1].clone().build()).build()
    };
    let first = scope.publish(&index("1"), "t");
    let mut options = PullOptions::default();
    options.platform = Some("linux/arm64".into());
    refit.pull(&first.reference, options).await.unwrap();
    assert_eq!(refit.image_info(&first.reference).await.unwrap().architecture, "arm64");
    scope.publish(&index("2"), "t");
    refit.pull(&first.reference, PullOptions::default()).await.unwrap();
    let info = refit.image_info(&first.reference).await.unwrap();
    assert_eq!((info.architecture.as_str(), info.version.as_deref()), ("arm64", Some("2")));
    let mut nowhere = PullOptions::default();
    nowhere.platform = Some("linux/s390x".into());
    assert_eq!(code(refit.pull(&first.reference, nowhere).await), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_wants_a_login_gets_it_or_says_so() {
    let lab = Lab::get();
    let private = lab.registry_with_login();
    let scope = lab.scope("pull-login");
    let reference = private.registry.publish(&Image::new().build(), &scope.name, "t").reference;
    let refit = refit().await;
    assert_eq!(code(refit.pull(&reference, PullOptions::default()).await), Code::Unauthorized);
    let (user, password) = private.registry.login.clone().unwrap();
    let mut options = PullOptions::default();
    let mut auth = refit::image::RegistryAuth::default();
    (auth.username, auth.password) = (Some(user), Some("wrong".into()));
    options.registry_auth = Some(auth.clone());
    assert_eq!(code(refit.pull(&reference, options.clone()).await), Code::Unauthorized);
    auth.password = Some(password);
    options.registry_auth = Some(auth);
    assert!(refit.pull(&reference, options).await.unwrap().changed);
}
