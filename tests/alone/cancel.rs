//! A call that is cancelled returns within a tenth of a second.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use refit::image::{CheckOptions, CheckState, PullOptions};
use refit::{Cancel, Code};
use refit_lab::{Answer, Image, Lab, LyingRegistry};

use super::connected::refit;

#[tokio::test]
async fn a_cancelled_check_of_many_images_returns_at_once_with_the_checks_that_were_ready() {
    let hanging = LyingRegistry::start(|_| Answer::hang());
    let artifact = Image::scratch().build();
    let honest = LyingRegistry::start(move |_| Answer::manifest(&artifact));
    let images = vec![format!("{}/app:t", hanging.host), format!("{}/app:t", honest.host)];
    let (refit, cancel) = (refit().await, Cancel::new());
    let fire = cancel.clone();
    let fired = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        fire.fire();
        Instant::now()
    });
    let failure = refit.check_updates(Some(images), CheckOptions::default()).cancel(&cancel).await.unwrap_err();
    assert!(fired.await.unwrap().elapsed() < Duration::from_millis(100));
    assert_eq!(failure.error.code(), Code::Cancelled);
    let list = failure.report.expect("the checks that were ready");
    assert_eq!((list.images[0].state, list.images[0].has_update), (CheckState::Cancelled, None));
    assert_eq!(list.images[0].error.as_ref().map(refit::Error::code), Some(Code::Cancelled));
    assert_eq!((list.images[1].state, list.images[1].has_update), (CheckState::NotLocal, Some(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_cancelled_at_half_returns_at_once_and_a_later_one_succeeds() {
    let lab = Lab::get();
    let scope = lab.scope("pull-cancel");
    let image = scope.publish(&Image::new().random_layer(200 * 1024 * 1024, 2).build(), "t");
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
    assert_eq!(pull.await.unwrap_err().error.code(), Code::Cancelled);
    let took = fired.lock().unwrap().expect("it was fired").elapsed();
    assert!(took < Duration::from_millis(100), "it returned after {took:?}");
    assert!(!refit.image_status(&image.reference).await.unwrap().pulling);
    assert!(!refit.image_exists(&image.reference).await.unwrap());
    let later = refit.pull(&image.reference, PullOptions::default()).await.unwrap();
    assert!(later.changed);
}
