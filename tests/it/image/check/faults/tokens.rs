//! C29 to C32: token servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use refit::image::CheckState;
use refit::{Code, CredentialUse};
use refit_lab::{Answer, Asked, Image, LyingRegistry};
use serde_json::json;

use super::{Say, check, check_all, is_error, plain};

/// A registry that wants `Bearer good`, and its token server's answer.
fn with_tokens(token: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> LyingRegistry {
    let artifact = Image::scratch().build();
    LyingRegistry::start(move |asked| {
        if asked.path == "/token" {
            return token(asked);
        }
        if asked.bearer() == Some("good") {
            return Answer::manifest(&artifact);
        }
        Answer::ask_for_token(&format!("http://{}/token", asked.header("host")), "lab", &format!("repository:{}:pull", asked.repository()))
    })
}

#[tokio::test]
async fn c29_c30_a_token_server_fails() {
    let refit = plain().await;
    let of = async |token: Say| {
        let registry = with_tokens(move |_| token());
        check(&refit, &format!("{}/app:t", registry.host)).await
    };
    let denied = of(|| Answer::error(401, "UNAUTHORIZED")).await;
    is_error("denies", &denied, CheckState::Unauthorized, Code::Unauthorized);
    assert_eq!((denied.maybe_missing, denied.credential), (Some(true), Some(CredentialUse::None)));
    is_error("forbids", &of(|| Answer::error(403, "DENIED")).await, CheckState::Denied, Code::Unauthorized);
    is_error("500", &of(|| Answer::error(500, "UNKNOWN")).await, CheckState::RegistryError, Code::Registry);
    is_error("garbage", &of(|| Answer::html(200)).await, CheckState::BadResponse, Code::Registry);
    is_error("empty", &of(|| Answer::status(200)).await, CheckState::BadResponse, Code::Registry);
    is_error(
        "huge",
        &of(|| Answer::typed(200, "application/json", &vec![b' '; 65536]).times(100_000)).await,
        CheckState::BadResponse,
        Code::Registry,
    );
    let expiries: [Say; 4] = [
        || Answer::token("good", None),
        || Answer::token("good", Some(-1)),
        || Answer::token("good", Some(i64::MAX)),
        || Answer::json(200, &json!({"access_token": "good", "expires_in": "soon"})),
    ];
    for answer in expiries {
        assert_eq!(of(answer).await.state, CheckState::NotLocal);
    }
}

#[tokio::test]
async fn c31_c32_a_token_serves_many_tags_until_it_expires() {
    let issued = Arc::new(AtomicUsize::new(0));
    let (count, heads) = (issued.clone(), AtomicUsize::new(0));
    let artifact = Image::scratch().build();
    let registry = LyingRegistry::start(move |asked| {
        if asked.path == "/token" {
            return Answer::token(&format!("t{}", count.fetch_add(1, Ordering::Relaxed)), Some(300)).delay(Duration::from_millis(30));
        }
        // In the middle of the run the first token expires.
        let wanted = if heads.load(Ordering::Relaxed) < 100 { "t0" } else { "t1" };
        if asked.bearer() == Some(wanted) {
            heads.fetch_add(1, Ordering::Relaxed);
            return Answer::manifest(&artifact);
        }
        Answer::ask_for_token(&format!("http://{}/token", asked.header("host")), "lab", "repository:app:pull")
    });
    let images = (0..200).map(|tag| format!("{}/app:t{tag}", registry.host)).collect();
    let list = check_all(&plain().await, images).await;
    assert!(list.images.iter().all(|check| check.state == CheckState::NotLocal && check.has_update == Some(true)));
    assert_eq!(issued.load(Ordering::Relaxed), 2, "one, and one after it expired");
    assert_eq!(list.requests, registry.requests().len() as u64);
    assert!(registry.peak() <= 16, "at most sixteen at a time");
}
