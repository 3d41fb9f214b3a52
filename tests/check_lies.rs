//! The update check against registries that lie, stall and break: cases C23 to C40 of the design's table.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use refit::image::{Check, CheckList, CheckOptions, State, Via};
use refit::{Cancel, Code, ConnectOptions, CredentialUse, Refit, RegistryOptions};
use refit_lab::{Answer, Asked, Authority, Format, Identity, Image, Lab, LyingRegistry, Shelf};
use serde_json::json;

async fn connect(registries: BTreeMap<String, RegistryOptions>) -> Refit {
    let mut options = ConnectOptions::default();
    options.host = Some(Lab::get().engine.host());
    options.docker_config = Some(std::env::temp_dir().join("refit-no-docker-config"));
    options.registries = registries;
    Refit::connect(options).await.expect("the lab's engine")
}

async fn plain() -> Refit {
    connect(BTreeMap::new()).await
}

fn login(host: &str, username: &str, password: &str) -> BTreeMap<String, RegistryOptions> {
    let mut options = RegistryOptions::default();
    options.username = Some(username.into());
    options.password = Some(password.into());
    BTreeMap::from([(host.to_owned(), options)])
}

async fn check(refit: &Refit, image: &str) -> Check {
    match refit.check_update(image, CheckOptions::default()).await {
        Ok(check) => check,
        Err(failure) => failure.report.expect("a check beside every error"),
    }
}

async fn check_all(refit: &Refit, images: Vec<String>) -> CheckList {
    refit.check_updates(Some(images), CheckOptions::default()).await.expect("a batch is never an error")
}

/// What a registry that always answers the same makes of an image that is not local.
async fn found(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Check, usize) {
    let registry = LyingRegistry::start(answer);
    let check = check(&plain().await, &format!("{}/app:t", registry.host)).await;
    assert_eq!(registry.requests().len(), check.requests as usize, "every request is counted");
    (check, registry.requests().len())
}

#[track_caller]
fn is_error(case: &str, check: &Check, state: State, code: Code) {
    assert_eq!((check.state, check.has_update), (state, None), "{case}: {check:#?}");
    assert_eq!(check.error.as_ref().map(refit::Error::code), Some(code), "{case}");
}

type Lie = Box<dyn Fn(&Asked, Answer) -> Answer + Send + Sync>;
type Say = fn() -> Answer;
type Liar = Box<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// A registry that the engine reaches too, honest until it is told to lie; and an image that was pulled from it.
fn turncoat(
    lie: impl Fn(&Asked, Answer) -> Answer + Send + Sync + 'static,
) -> (LyingRegistry, Arc<AtomicBool>, String, refit_lab::Artifact) {
    let lab = Lab::get();
    let artifact = Image::new().format(Format::Oci).build();
    let repository = format!("refit-lab-turncoat-{}", refit_lab::digest::unique());
    let shelf = Shelf::new();
    shelf.put(&repository, "t", &artifact);
    let lying = Arc::new(AtomicBool::new(false));
    let told = lying.clone();
    let registry = LyingRegistry::for_engine(lab, move |asked| {
        let honest = shelf.answer(asked);
        if told.load(Ordering::Relaxed) { lie(asked, honest) } else { honest }
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
    let (_registry, _, image, artifact) = turncoat(move |asked, honest| {
        if asked.reference() == lie { honest.with_status(200).header("X", "y") } else { honest.replace("Docker-Content-Digest", &lie) }
    });
    is_error("no such manifest", &check(&plain().await, &image).await, State::BadResponse, Code::Registry);
    Lab::get().engine.delete(&format!("/images/{image}?force=true"));
    let bytes = artifact.bytes.clone();
    let (check, _) = found(move |_| Answer::typed(200, "application/json", &bytes).header("Docker-Content-Digest", &wrong)).await;
    is_error("another body", &check, State::BadResponse, Code::Registry);
}

#[tokio::test]
async fn c24_c26_digests_that_must_be_looked_for() {
    let cases: [(&str, Lie); 4] = [
        ("no header", Box::new(|_, honest| honest.without("Docker-Content-Digest"))),
        ("ETag only", Box::new(|_, honest| honest.without("Docker-Content-Digest").header("ETag", "\"sha256:abc\""))),
        ("HEAD refused", Box::new(|asked, honest| if asked.method == "HEAD" { Answer::error(405, "UNSUPPORTED") } else { honest })),
        ("no digest", Box::new(|_, honest| honest.replace("Docker-Content-Digest", "sha256:short"))),
    ];
    for (case, lie) in cases {
        let (_registry, _, image, _) = turncoat(lie);
        let check = check(&plain().await, &image).await;
        assert_eq!((check.state, check.has_update, check.requests), (State::UpToDate, Some(false), 2), "{case}: {check:#?}");
        Lab::get().engine.delete(&format!("/images/{image}?force=true"));
    }
}

#[tokio::test]
async fn c25_c27_c36_c37_bodies() {
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
        is_error(case, &found(head_then(answer)).await.0, State::BadResponse, Code::Registry);
    }
    is_error("html at once", &found(|_| Answer::html(200)).await.0, State::BadResponse, Code::Registry);
    let (closed, requests) = found(|_| Answer::close()).await;
    is_error("closed", &closed, State::Unreachable, Code::Unreachable);
    assert_eq!((closed.reason.as_deref(), requests), (Some("reset"), 3));
}

#[tokio::test]
async fn c28_redirects() {
    let artifact = Image::scratch().build();
    let there = {
        let artifact = artifact.clone();
        LyingRegistry::start(move |_| Answer::manifest(&artifact))
    };
    let (same, _) = {
        let artifact = artifact.clone();
        found(move |asked| if asked.path == "/x" { Answer::manifest(&artifact) } else { Answer::redirect("/x") }).await
    };
    assert_eq!((same.state, same.requests), (State::NotLocal, 2));
    is_error("loop", &found(|_| Answer::redirect("/again")).await.0, State::BadResponse, Code::Registry);
    let address = format!("http://{}/x", there.host);
    let registry =
        LyingRegistry::start(
            move |asked| if asked.header("authorization").is_empty() { Answer::ask_for_login() } else { Answer::redirect(&address) },
        );
    let checked = check(&connect(login(&registry.host, "me", "secret")).await, &format!("{}/app:t", registry.host)).await;
    assert_eq!((checked.state, checked.has_update), (State::NotLocal, Some(true)));
    assert!(there.requests().iter().all(|asked| asked.header("authorization").is_empty()), "the credential stays");
    let plain_address = format!("http://{}/x", there.host);
    let secure = LyingRegistry::start(move |_| Answer::redirect(&plain_address)).over_tls_for_test();
    is_error("to http", &check(&plain().await, &format!("{}/app:t", secure.1.host)).await, State::BadResponse, Code::Registry);
}

trait OverTls: Sized {
    fn over_tls_for_test(self) -> (Self, refit_lab::TlsFront);
}

impl OverTls for LyingRegistry {
    fn over_tls_for_test(self) -> (Self, refit_lab::TlsFront) {
        let front = self.over_tls(&Identity::self_signed(&["127.0.0.1"]));
        (self, front)
    }
}

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
async fn c29_c30_token_servers() {
    let refit = plain().await;
    let of = async |token: Say| {
        let registry = with_tokens(move |_| token());
        check(&refit, &format!("{}/app:t", registry.host)).await
    };
    let denied = of(|| Answer::error(401, "UNAUTHORIZED")).await;
    is_error("denies", &denied, State::Unauthorized, Code::Unauthorized);
    assert_eq!((denied.maybe_missing, denied.credential), (Some(true), Some(CredentialUse::None)));
    is_error("forbids", &of(|| Answer::error(403, "DENIED")).await, State::Denied, Code::Unauthorized);
    is_error("500", &of(|| Answer::error(500, "UNKNOWN")).await, State::RegistryError, Code::Registry);
    is_error("garbage", &of(|| Answer::html(200)).await, State::BadResponse, Code::Registry);
    is_error("empty", &of(|| Answer::status(200)).await, State::BadResponse, Code::Registry);
    is_error(
        "huge",
        &of(|| Answer::typed(200, "application/json", &vec![b' '; 65536]).times(100_000)).await,
        State::BadResponse,
        Code::Registry,
    );
    let expiries: [Say; 4] = [
        || Answer::token("good", None),
        || Answer::token("good", Some(-1)),
        || Answer::token("good", Some(i64::MAX)),
        || Answer::json(200, &json!({"access_token": "good", "expires_in": "soon"})),
    ];
    for answer in expiries {
        assert_eq!(of(answer).await.state, State::NotLocal);
    }
}

#[tokio::test]
async fn c31_c32_one_token_for_many_tags_and_a_new_one_when_it_expires() {
    let issued = Arc::new(AtomicUsize::new(0));
    let (count, heads) = (issued.clone(), AtomicUsize::new(0));
    let artifact = Image::scratch().build();
    let registry = LyingRegistry::start(move |asked| {
        if asked.path == "/token" {
            return Answer::token(&format!("t{}", count.fetch_add(1, Ordering::Relaxed)), Some(300)).delay(Duration::from_millis(30));
        }
        // In the middle of the run the first token is no good any more.
        let wanted = if heads.load(Ordering::Relaxed) < 100 { "t0" } else { "t1" };
        if asked.bearer() == Some(wanted) {
            heads.fetch_add(1, Ordering::Relaxed);
            return Answer::manifest(&artifact);
        }
        Answer::ask_for_token(&format!("http://{}/token", asked.header("host")), "lab", "repository:app:pull")
    });
    let images = (0..200).map(|tag| format!("{}/app:t{tag}", registry.host)).collect();
    let list = check_all(&plain().await, images).await;
    assert!(list.images.iter().all(|check| check.state == State::NotLocal && check.has_update == Some(true)));
    assert_eq!(issued.load(Ordering::Relaxed), 2, "one, and one after it expired");
    assert_eq!(list.requests, registry.requests().len() as u64);
    assert!(registry.peak() <= 8, "at most eight at a time");
}

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
async fn c35_one_registry_of_each_lie_among_two_hundred_good_images() {
    let lab = Lab::get();
    let scope = lab.scope("c35");
    let artifact = Image::new().build();
    let good = scope.pull(&artifact, "t0");
    for tag in 1..200 {
        lab.registry.put_manifest(&good.repository, &format!("t{tag}"), &artifact.media_type, &artifact.bytes);
        lab.engine.tag(&good.reference, &scope.reference(&format!("t{tag}")));
    }
    let slow = Duration::from_millis(500);
    let lies: Vec<Liar> = vec![
        Box::new(|_| Answer::hang()),
        Box::new(move |_| Answer::status(200).drip_head(slow)),
        Box::new(move |asked| {
            if asked.method == "HEAD" { Answer::status(405) } else { Answer::typed(200, "text/plain", &[b'x'; 1000]).drip_body(1, slow) }
        }),
        Box::new(|_| Answer::close()),
        Box::new(|_| Answer::html(200)),
        Box::new(|_| Answer::typed(200, "application/json", &vec![b' '; 65536]).times(100_000)),
        Box::new(|_| Answer::redirect("/again")),
        Box::new(|_| Answer::error(429, "TOOMANYREQUESTS").header("Retry-After", "1000")),
        Box::new(|_| Answer::error(500, "UNKNOWN")),
        Box::new(|_| Answer::raw(b"SSH-2.0-OpenSSH\r\n")),
    ];
    let registries: Vec<LyingRegistry> = lies.into_iter().map(LyingRegistry::start).collect();
    let mut images: Vec<String> = registries.iter().map(|registry| format!("{}/app:t", registry.host)).collect();
    images.extend((0..200).map(|tag| scope.reference(&format!("t{tag}"))));
    let refit = plain().await;
    let begun = Instant::now();
    let list = check_all(&refit, images).await;
    let took = begun.elapsed();
    let (bad, good) = list.images.split_at(registries.len());
    assert!(good.iter().all(|check| check.state == State::UpToDate && check.has_update == Some(false)));
    assert!(bad.iter().all(|check| check.has_update.is_none() && check.error.is_some()), "{bad:#?}");
    assert!(bad[..3].iter().all(|check| check.state == State::Unreachable && check.reason.as_deref() == Some("timeout")), "{bad:#?}");
    // The slow body has the longest limit: 20 s for a whole request.
    assert!(took < Duration::from_secs(23), "{took:?}");
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

/// The loopback is an insecure network of every engine. How certificates are judged elsewhere: src/registry/tests/certificates.rs.
#[tokio::test]
async fn c38_any_certificate_will_do_in_an_insecure_network() {
    let artifact = Image::scratch().build();
    let registry = LyingRegistry::start(move |_| Answer::manifest(&artifact));
    let front = registry.over_tls(&Authority::new("nobody's").expired(&["registry.example"]));
    let check = check(&plain().await, &format!("{}/app:t", front.host)).await;
    assert_eq!((check.state, check.requests), (State::NotLocal, 1), "a failed handshake is no request");
}

#[tokio::test]
async fn c39_only_the_engine_reaches_it() {
    let lab = Lab::get();
    let Some(network) = &lab.network else { return };
    let scope = lab.scope("c39");
    let folder = std::env::temp_dir().join(&scope.name);
    std::fs::create_dir_all(&folder).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\nlog:\n  accesslog:\n    disabled: true\n",
        folder.display()
    );
    std::fs::write(folder.join("config.yml"), config).unwrap();
    let mut registry = std::process::Command::new("nsenter")
        .arg(format!("--net={}", network.display()))
        .args(["docker-registry", "serve"])
        .arg(folder.join("config.yml"))
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let name = format!("127.0.0.1:{port}/{}", scope.name);
    lab.engine.load(&Image::new().build().archive(&[&format!("{name}:t")]));
    let begun = Instant::now();
    while !pushed(lab, &name) {
        assert!(begun.elapsed() < Duration::from_secs(20), "the registry answers the engine");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let check = check(&plain().await, &format!("{name}:t")).await;
    registry.kill().unwrap();
    registry.wait().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!((check.state, check.via, check.has_update), (State::UpToDate, Some(Via::Engine), Some(false)), "{check:#?}");
}

fn pushed(lab: &Lab, name: &str) -> bool {
    let answer = lab.engine.ask("POST", &format!("/images/{name}/push?tag=t"), &json!({})).text();
    answer.contains("digest: sha256:") || answer.contains("\"Digest\"")
}

#[tokio::test]
async fn c40_credentials_of_docker_and_of_the_caller() {
    let artifact = Image::scratch().build();
    let registry = LyingRegistry::start(move |asked| match asked.header("authorization") {
        // refit:REFIT-SECRET
        "Basic cmVmaXQ6UkVGSVQtU0VDUkVU" => Answer::manifest(&artifact),
        _ => Answer::ask_for_login(),
    });
    let image = format!("{}/app:t", registry.host);
    let checked = check(&connect(login(&registry.host, "refit", "REFIT-SECRET")).await, &image).await;
    assert_eq!((checked.state, checked.credential), (State::NotLocal, Some(CredentialUse::Used)));
    let rejected = check(&connect(login(&registry.host, "refit", "REFIT-SECRET-OLD")).await, &image).await;
    is_error("rejected", &rejected, State::Unauthorized, Code::Unauthorized);
    assert_eq!((rejected.credential, rejected.notes[0].code), (Some(CredentialUse::Rejected), "credential_rejected"));

    let folder = std::env::temp_dir().join(format!("refit-c40-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = json!({"auths": {format!("https://{}/v1/", registry.host): {"auth": "cmVmaXQ6UkVGSVQtU0VDUkVU"}}});
    std::fs::write(folder.join("config.json"), file.to_string()).unwrap();
    let mut options = ConnectOptions::default();
    options.host = Some(Lab::get().engine.host());
    options.docker_config = Some(folder.clone());
    let refit = Refit::connect(options).await.unwrap();
    let from_file = check(&refit, &image).await;
    assert_eq!((from_file.state, from_file.credential), (State::NotLocal, Some(CredentialUse::Used)));
    std::fs::remove_dir_all(folder).unwrap();
    let shown = format!("{checked:?} {rejected:?} {from_file:?} {refit:?} {}", serde_json::to_string(&rejected).unwrap());
    for secret in ["REFIT-SECRET", "UkVGSVQtU0VDUkVU"] {
        assert!(!shown.contains(secret), "a secret is shown");
    }
}
