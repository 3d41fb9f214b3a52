//! C33, C34: who wants to be left alone, and who is asked again; and a caller who has no patience.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use refit::image::{Check, CheckOptions, State};
use refit::{Cancel, Code};
use refit_lab::{Answer, Image, LyingRegistry};

use super::{check_all, found, is_error, plain};

#[tokio::test]
async fn c33_too_many_requests() {
    let limited = |check: &Check| (check.state, check.has_update, check.retry_at.is_some(), check.limit, check.remaining);
    let registry = LyingRegistry::start(|_| {
        Answer::error(429, "TOOMANYREQUESTS")
            .header("Retry-After", "120")
            .header("RateLimit-Limit", "100;w=21600")
            .header("RateLimit-Remaining", "0;w=21600")
    });
    let images = (0..20).map(|number| format!("{}/app{number}:t", registry.host)).collect();
    let list = check_all(&plain().await, images).await;
    assert!(list.images.iter().all(|check| check.state == State::RateLimited && check.has_update.is_none() && check.retry_at.is_some()));
    assert_eq!((registry.requests().len(), limited(&list.images[0])), (1, (State::RateLimited, None, true, Some(100), Some(0))));

    let (by_date, _) = found(|_| {
        let now = "Tue, 01 Jan 2030 12:00:00 GMT";
        Answer::error(429, "TOOMANYREQUESTS").header("Retry-After", "Tue, 01 Jan 2030 13:00:00 GMT").header("Date", now)
    })
    .await;
    assert_eq!(by_date.state, State::RateLimited);
    let wait = by_date.error.unwrap().context().retry_after.unwrap();
    assert!(wait > Duration::from_secs(3500) && wait <= Duration::from_secs(3600), "by the registry's own clock: {wait:?}");
    let (silent, _) = found(|_| Answer::error(429, "TOOMANYREQUESTS")).await;
    assert_eq!(limited(&silent), (State::RateLimited, None, false, None, None));
    let (artifact, once) = (Image::scratch().build(), AtomicUsize::new(0));
    let (waited, requests) = found(move |_| match once.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::error(429, "TOOMANYREQUESTS").header("Retry-After", "1"),
        _ => Answer::manifest(&artifact),
    })
    .await;
    assert_eq!((waited.state, requests), (State::NotLocal, 2), "a short wish is granted once");
}

#[tokio::test]
async fn c34_errors_of_the_registry() {
    let (failed, requests) = found(|_| Answer::error(500, "UNKNOWN")).await;
    is_error("500", &failed, State::RegistryError, Code::Registry);
    assert_eq!(requests, 1, "a 500 is not asked again");
    let (artifact, once) = (Image::scratch().build(), AtomicUsize::new(0));
    let (busy, requests) =
        found(move |_| if once.fetch_add(1, Ordering::Relaxed) == 0 { Answer::status(503) } else { Answer::manifest(&artifact) }).await;
    assert_eq!((busy.state, requests), (State::NotLocal, 2));
    is_error("404 as a page", &found(|_| Answer::html(404)).await.0, State::RegistryError, Code::Registry);
    is_error("forbidden", &found(|_| Answer::error(403, "DENIED")).await.0, State::Denied, Code::Unauthorized);
    is_error("missing", &found(|_| Answer::error(404, "MANIFEST_UNKNOWN")).await.0, State::NotLocal, Code::NotFound);
}

#[tokio::test]
async fn a_cancelled_batch_returns_at_once_with_what_was_ready() {
    let hanging = LyingRegistry::start(|_| Answer::hang());
    let artifact = Image::scratch().build();
    let honest = LyingRegistry::start(move |_| Answer::manifest(&artifact));
    let images = vec![format!("{}/app:t", hanging.host), format!("{}/app:t", honest.host)];
    let (refit, cancel) = (plain().await, Cancel::new());
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
    is_error("hanging", &list.images[0], State::Cancelled, Code::Cancelled);
    assert_eq!((list.images[1].state, list.images[1].has_update), (State::NotLocal, Some(true)));
}
