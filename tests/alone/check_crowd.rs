//! C35: two hundred good images, and among them one registry of each kind of lie: 200 right answers in the time of one timeout, and a process
//! that is none the worse for it. A file of its own, so that nobody else's memory is measured.

use std::time::{Duration, Instant};

use refit::image::{Check, CheckList, CheckOptions, CheckState};
use refit::{ConnectOptions, Refit};
use refit_lab::{Answer, Asked, Image, Lab, LyingRegistry, Scope};
use serde_json::json;

type Liar = Box<dyn Fn(&Asked) -> Answer + Send + Sync>;

const SLOW: Duration = Duration::from_millis(500);
/// A whole request's with its body, the longest of the limits.
const LIMIT: Duration = Duration::from_secs(20);
const UNREACHABLE: CheckState = CheckState::Unreachable;
const BAD: CheckState = CheckState::BadResponse;
const ERROR: CheckState = CheckState::RegistryError;

fn always(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Liar {
    Box::new(move |_| answer())
}

/// The lie is in the body of a GET; its HEAD is refused.
fn in_body(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Liar {
    Box::new(move |asked| if asked.method == "HEAD" { Answer::status(405) } else { answer() })
}

/// The lie is the token server's.
fn of_token_server(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Liar {
    Box::new(move |asked| {
        let realm = format!("http://{}/token", asked.header("host"));
        if asked.path == "/token" { answer() } else { Answer::ask_for_token(&realm, "lab", "repository:app:pull") }
    })
}

fn endless() -> Answer {
    Answer::typed(200, "application/json", &vec![b' '; 65536]).times(100_000)
}

/// Each lie, and what is made of it.
fn lies() -> Vec<(&'static str, Liar, CheckState)> {
    let schema_2 = || Answer::json(200, &json!({"schemaVersion": 2}));
    vec![
        ("C23 header contradicts body", in_body(move || schema_2().header("Docker-Content-Digest", &format!("sha256:{:064}", 0))), BAD),
        ("C25 page", always(|| Answer::html(200)), BAD),
        ("C25 broken JSON", in_body(|| Answer::typed(200, "application/json", b"{\"schemaVersion\":2")), BAD),
        ("C25 schema 1", in_body(|| Answer::json(200, &json!({"schemaVersion": 1}))), BAD),
        ("C25 closed", always(Answer::close), UNREACHABLE),
        ("C25 not HTTP", always(|| Answer::raw(b"SSH-2.0-OpenSSH\r\n")), BAD),
        ("C27 truncated", in_body(move || schema_2().cut(5)), BAD),
        ("C28 loop", always(|| Answer::redirect("/again")), BAD),
        ("C28 nowhere", always(|| Answer::status(302)), BAD),
        ("C28 to nobody", always(|| Answer::redirect("http://127.0.0.1:1/")), UNREACHABLE),
        ("C29 no token", of_token_server(|| Answer::error(401, "UNAUTHORIZED")), CheckState::Unauthorized),
        ("C29 a token that is refused", of_token_server(|| Answer::token("bad", None)), CheckState::Unauthorized),
        ("C29 token 500", of_token_server(|| Answer::error(500, "UNKNOWN")), ERROR),
        ("C29 token garbage", of_token_server(|| Answer::html(200)), BAD),
        ("C29 token empty", of_token_server(|| Answer::status(200)), BAD),
        ("C29 token slow", of_token_server(Answer::hang), UNREACHABLE),
        ("C33 limited", always(|| Answer::error(429, "TOOMANYREQUESTS").header("Retry-After", "1000")), CheckState::RateLimited),
        ("C33 limited, who knows how long", always(|| Answer::error(429, "TOOMANYREQUESTS")), CheckState::RateLimited),
        ("C34 500", always(|| Answer::error(500, "UNKNOWN")), ERROR),
        ("C34 503", always(|| Answer::status(503)), ERROR),
        ("C34 404 as a page", always(|| Answer::html(404)), ERROR),
        ("C34 denied", always(|| Answer::error(403, "DENIED")), CheckState::Denied),
        ("C35 hangs", always(Answer::hang), UNREACHABLE),
        ("C35 slow headers", always(|| Answer::status(200).drip_head(SLOW)), UNREACHABLE),
        ("C35 slow body", in_body(|| Answer::typed(200, "text/plain", &[b'x'; 1000]).drip_body(1, SLOW)), UNREACHABLE),
        ("C36 huge body", in_body(endless), BAD),
        ("C36 huge headers", always(|| Answer::status(200).header("X", &"x".repeat(1_000_000))), BAD),
        ("C36 huge token", of_token_server(endless), BAD),
        ("C36 deep JSON", in_body(|| Answer::typed(200, "application/json", "[".repeat(1_000_000).as_bytes())), BAD),
        ("C37 gzip", in_body(move || schema_2().gzip()), BAD),
    ]
}

/// 200 tags of one image, all up to date.
fn good_images(scope: &Scope<'_>) -> Vec<String> {
    let artifact = Image::new().build();
    let good = scope.pull(&artifact, "t0");
    for tag in 1..200 {
        scope.lab.registry.put_manifest(&good.repository, &format!("t{tag}"), &artifact.media_type, &artifact.bytes);
        scope.lab.engine.tag(&good.reference, &scope.reference(&format!("t{tag}")));
    }
    (0..200).map(|tag| scope.reference(&format!("t{tag}"))).collect()
}

async fn check_all(refit: &Refit, images: Vec<String>) -> CheckList {
    refit.check_updates(Some(images), CheckOptions::default()).await.expect("a batch is never an error")
}

fn is_right(check: &Check) -> bool {
    check.state == CheckState::UpToDate && check.has_update == Some(false) && check.error.is_none()
}

/// KiB of this process, lies and all.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test]
async fn c35_one_registry_of_each_lie_among_two_hundred_good_images() {
    let lab = Lab::get();
    let scope = lab.scope("c35");
    let good = good_images(&scope);
    let (names, registries): (Vec<_>, Vec<_>) =
        lies().into_iter().map(|(name, liar, state)| ((name, state), LyingRegistry::start(liar))).unzip();
    let mut images: Vec<String> = registries.iter().map(|registry| format!("{}/app:t", registry.host)).collect();
    images.extend(good.clone());
    let options = ConnectOptions {
        host: Some(lab.engine.host()),
        docker_config: Some(std::env::temp_dir().join("refit-no-docker-config")),
        ..ConnectOptions::default()
    };
    let refit = Refit::connect(options).await.expect("the lab's engine");
    assert!(check_all(&refit, good.clone()).await.images.iter().all(is_right), "without the liars");

    std::fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak of this process, which other tests have raised
    let (files, before) = (open_files(), memory("VmRSS"));
    let begun = Instant::now();
    let list = check_all(&refit, images).await;
    let (took, more) = (begun.elapsed(), memory("VmHWM").saturating_sub(before));
    let (bad, right) = list.images.split_at(registries.len());
    assert!(right.iter().all(is_right), "{:#?}", right.iter().find(|check| !is_right(check)));
    for ((lie, state), check) in names.iter().zip(bad) {
        assert_eq!((check.state, check.has_update), (*state, None), "{lie}: {check:#?}");
        assert!(check.error.is_some(), "{lie}");
    }
    assert!(took < LIMIT + Duration::from_secs(3), "{took:?}");
    assert!(right.iter().all(|check| check.elapsed_ms < 5_000), "nobody waits for a liar");
    // The liars, who are in this process too, have threads and bodies of their own.
    assert!(more < 40 * 1024, "{more} KiB more");

    drop(registries);
    let begun = Instant::now();
    assert!(check_all(&refit, good).await.images.iter().all(is_right), "and afterwards");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(open_files() <= files + 20, "{files} files before, {} after", open_files());
}
