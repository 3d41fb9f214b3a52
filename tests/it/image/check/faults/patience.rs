//! C33, C34: registries that limit requests, and answers after which the request is repeated.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use refit::Code;
use refit::image::{Check, CheckState};
use refit_lab::{Answer, Image, LyingRegistry};
use serde_json::json;

use super::{check_all, found, is_error, plain};

#[tokio::test]
async fn c33_a_registry_limits_the_number_of_requests() {
    let limited = |check: &Check| (check.state, check.has_update, check.retry_at.is_some(), check.limit, check.remaining);
    let registry = LyingRegistry::start(|_| {
        Answer::error(429, "TOOMANYREQUESTS")
            .header("Retry-After", "120")
            .header("RateLimit-Limit", "100;w=21600")
            .header("RateLimit-Remaining", "0;w=21600")
    });
    let images = (0..20).map(|number| format!("{}/app{number}:t", registry.host)).collect();
    let list = check_all(&plain().await, images).await;
    assert!(
        list.images.iter().all(|check| check.state == CheckState::RateLimited && check.has_update.is_none() && check.retry_at.is_some())
    );
    // Any of them may have been the one that was asked.
    let asked = (CheckState::RateLimited, None, true, Some(100), Some(0));
    assert_eq!((registry.requests().len(), list.images.iter().filter(|check| limited(check) == asked).count()), (1, 1));

    let (by_date, _) = found(|_| {
        let now = "Tue, 01 Jan 2030 12:00:00 GMT";
        Answer::error(429, "TOOMANYREQUESTS").header("Retry-After", "Tue, 01 Jan 2030 13:00:00 GMT").header("Date", now)
    })
    .await;
    assert_eq!(by_date.state, CheckState::RateLimited);
    let wait = by_date.error.unwrap().context().retry_after.unwrap();
    assert!(wait > Duration::from_secs(3500) && wait <= Duration::from_secs(3600), "by the registry's own clock: {wait:?}");
    let (silent, _) = found(|_| Answer::error(429, "TOOMANYREQUESTS")).await;
    assert_eq!(limited(&silent), (CheckState::RateLimited, None, false, None, None));
    let (artifact, once) = (Image::scratch().build(), AtomicUsize::new(0));
    let (waited, requests) = found(move |_| match once.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::error(429, "TOOMANYREQUESTS").header("Retry-After", "1"),
        _ => Answer::manifest(&artifact),
    })
    .await;
    assert_eq!((waited.state, requests), (CheckState::NotLocal, 2), "a short wish is granted once");
}

#[tokio::test]
async fn c34_a_registry_answers_with_errors() {
    let (failed, requests) = found(|_| Answer::error(500, "UNKNOWN")).await;
    is_error("500", &failed, CheckState::RegistryError, Code::Registry);
    assert_eq!(requests, 2, "a 500 is not asked again, and a HEAD may lie");
    let (artifact, once) = (Image::scratch().build(), AtomicUsize::new(0));
    let (busy, requests) =
        found(move |_| if once.fetch_add(1, Ordering::Relaxed) == 0 { Answer::status(503) } else { Answer::manifest(&artifact) }).await;
    assert_eq!((busy.state, requests), (CheckState::NotLocal, 2));
    for (case, answer) in [
        ("404 in plain text", Answer::typed(404, "text/plain", b"404 page not found")),
        ("404 in XML", Answer::typed(404, "application/xml", b"<Error><Code>NoSuchKey</Code></Error>")),
        ("404 of another product", Answer::json(404, &json!({"errors": [{"status": 404, "message": "Not Found"}]}))),
        ("404 without a body", Answer::status(404)),
        ("403 of a proxy", Answer::html(403)),
    ] {
        is_error(case, &found(move |_| answer.clone()).await.0, CheckState::RegistryError, Code::Registry);
    }
    is_error("404 as a page", &found(|_| Answer::html(404)).await.0, CheckState::RegistryError, Code::Registry);
    is_error("forbidden", &found(|_| Answer::error(403, "DENIED")).await.0, CheckState::Denied, Code::Unauthorized);
    is_error("missing", &found(|_| Answer::error(404, "MANIFEST_UNKNOWN")).await.0, CheckState::NotLocal, Code::NotFound);
}
