//! C23 to C28, C36, C37: digests, bodies and redirects that are not what they should be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use refit::Code;
use refit::image::CheckState;
use refit_lab::{Answer, Asked, Format, HonestRegistry, Identity, Image, Lab, LyingRegistry};
use serde_json::json;

use super::{Say, check, connect, found, is_error, login, plain};

type Lie = Box<dyn Fn(&Asked, Answer) -> Answer + Send + Sync>;

/// A registry that the engine reaches too, honest until its switch makes it lie; and an image that was pulled from it.
fn honest_but(
    lie: impl Fn(&Asked, Answer) -> Answer + Send + Sync + 'static,
) -> (LyingRegistry, Arc<AtomicBool>, String, refit_lab::Artifact) {
    let lab = Lab::get();
    let artifact = Image::new().format(Format::Oci).build();
    let repository = format!("refit-lab-honest-{}", refit_lab::digest::unique());
    let contents = HonestRegistry::new();
    contents.put(&repository, "t", &artifact);
    let lying = Arc::new(AtomicBool::new(false));
    let reported = lying.clone();
    let registry = LyingRegistry::for_engine(lab, move |asked| {
        let honest = contents.answer(asked);
        if reported.load(Ordering::Relaxed) { lie(asked, honest) } else { honest }
    });
    let image = format!("{}/{repository}:t", registry.host);
    lab.engine.pull(&image).expect("the pull");
    lying.store(true, Ordering::Relaxed);
    (registry, lying, image, artifact)
}

#[tokio::test]
async fn c23_header_and_body_contradict_each_other() {
    let wrong = format!("sha256:{}", "f".repeat(64));
    let lie = wrong.clone();
    let (_registry, _, image, artifact) = honest_but(move |asked, honest| {
        if asked.reference() == lie { honest.with_status(200).header("X", "y") } else { honest.replace("Docker-Content-Digest", &lie) }
    });
    is_error("no such manifest", &check(&plain().await, &image).await, CheckState::BadResponse, Code::Registry);
    Lab::get().engine.delete(&format!("/images/{image}?force=true"));
    let bytes = artifact.bytes.clone();
    let (check, _) = found(move |_| Answer::typed(200, "application/json", &bytes).header("Docker-Content-Digest", &wrong)).await;
    is_error("another body", &check, CheckState::BadResponse, Code::Registry);
}

#[tokio::test]
async fn c24_c26_a_missing_digest_header_is_computed_from_the_body() {
    let cases: [(&str, Lie); 4] = [
        ("no header", Box::new(|_, honest| honest.without("Docker-Content-Digest"))),
        ("ETag only", Box::new(|_, honest| honest.without("Docker-Content-Digest").header("ETag", "\"sha256:abc\""))),
        ("HEAD refused", Box::new(|asked, honest| if asked.method == "HEAD" { Answer::error(405, "UNSUPPORTED") } else { honest })),
        ("no digest", Box::new(|_, honest| honest.replace("Docker-Content-Digest", "sha256:short"))),
    ];
    for (case, lie) in cases {
        let (_registry, _, image, _) = honest_but(lie);
        let check = check(&plain().await, &image).await;
        assert_eq!((check.state, check.has_update, check.requests), (CheckState::UpToDate, Some(false), 2), "{case}: {check:#?}");
        Lab::get().engine.delete(&format!("/images/{image}?force=true"));
    }
}

#[tokio::test]
async fn c25_c27_c36_c37_bodies_that_are_no_manifests_are_bad_responses() {
    let head_then = |answer: Say| move |asked: &Asked| if asked.method == "HEAD" { Answer::status(405) } else { answer() };
    let bad: [(&str, Say); 8] = [
        ("html", || Answer::html(200)),
        ("broken JSON", || Answer::typed(200, "application/json", b"{\"schemaVersion\":2")),
        ("schema 1", || Answer::json(200, &json!({"schemaVersion": 1, "name": "x"}))),
        ("truncated", || Answer::json(200, &json!({"schemaVersion": 2})).cut(5)),
        ("huge", || Answer::typed(200, "application/json", &vec![b' '; 65536]).times(100_000)),
        ("deep", || Answer::typed(200, "application/json", "[".repeat(1_000_000).as_bytes())),
        ("gzip", || Answer::json(200, &json!({"schemaVersion": 2})).gzip()),
        ("headers", || Answer::status(200).header("X", &"x".repeat(1_000_000))),
    ];
    for (case, answer) in bad {
        is_error(case, &found(head_then(answer)).await.0, CheckState::BadResponse, Code::Registry);
    }
    is_error("html at once", &found(|_| Answer::html(200)).await.0, CheckState::BadResponse, Code::Registry);
    let (closed, requests) = found(|_| Answer::close()).await;
    is_error("closed", &closed, CheckState::Unreachable, Code::Unreachable);
    assert_eq!((closed.reason.as_deref(), requests), (Some("reset"), 3));
}

#[tokio::test]
async fn c28_redirects_are_followed_without_the_credentials() {
    let artifact = Image::scratch().build();
    let there = {
        let artifact = artifact.clone();
        LyingRegistry::start(move |_| Answer::manifest(&artifact))
    };
    let (same, _) = {
        let artifact = artifact.clone();
        found(move |asked| if asked.path == "/x" { Answer::manifest(&artifact) } else { Answer::redirect("/x") }).await
    };
    assert_eq!((same.state, same.requests), (CheckState::NotLocal, 2));
    is_error("loop", &found(|_| Answer::redirect("/again")).await.0, CheckState::BadResponse, Code::Registry);
    let address = format!("http://{}/x", there.host);
    let registry =
        LyingRegistry::start(
            move |asked| if asked.header("authorization").is_empty() { Answer::ask_for_login() } else { Answer::redirect(&address) },
        );
    let checked = check(&connect(login(&registry.host, "me", "secret")).await, &format!("{}/app:t", registry.host)).await;
    assert_eq!((checked.state, checked.has_update), (CheckState::NotLocal, Some(true)));
    assert!(there.requests().iter().all(|asked| asked.header("authorization").is_empty()), "the credential stays");
    let plain_address = format!("http://{}/x", there.host);
    let registry = LyingRegistry::start(move |_| Answer::redirect(&plain_address));
    let front = registry.over_tls(&Identity::self_signed(&["127.0.0.1"]));
    is_error("to http", &check(&plain().await, &format!("{}/app:t", front.host)).await, CheckState::BadResponse, Code::Registry);
}
