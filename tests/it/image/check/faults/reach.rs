//! C38, C39: certificates, and registries that only the engine reaches.

use std::time::{Duration, Instant};

use refit::image::{Certainty, Check, CheckState, Via};
use refit::{Code, ConnectOptions, Refit};
use refit_lab::{Answer, Authority, Canned, Fault, Image, Lab, LyingRegistry, Proxy, Scope, When, native_platform, not_here};
use serde_json::json;

use super::{check, is_error, plain};

/// The loopback is an insecure network of every engine. How certificates are judged elsewhere: src/registry/tests/certificates.rs.
#[tokio::test]
async fn c38_any_certificate_is_accepted_in_an_insecure_network() {
    let artifact = Image::scratch().build();
    let registry = LyingRegistry::start(move |_| Answer::manifest(&artifact));
    let front = registry.over_tls(&Authority::new("nobody's").expired(&["registry.example"]));
    let check = check(&plain().await, &format!("{}/app:t", front.host)).await;
    assert_eq!((check.state, check.requests), (CheckState::NotLocal, 1), "a failed handshake is no request");
}

#[tokio::test]
async fn c39_only_the_engine_reaches_the_registry() {
    let lab = Lab::get();
    let Some(network) = &lab.network else { return not_here("the engine has no network of its own") };
    if lab.engine.is_podman() {
        return not_here("Podman cannot be asked what a registry has");
    }
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
    assert_eq!((check.state, check.via, check.has_update), (CheckState::UpToDate, Some(Via::Engine), Some(false)), "{check:#?}");
}

fn pushed(lab: &Lab, name: &str) -> bool {
    let answer = lab.engine.ask("POST", &format!("/images/{name}/push?tag=t"), &json!({})).text();
    answer.contains("digest: sha256:") || answer.contains("\"Digest\"")
}

/// An engine that reaches a registry that this process does not: the lab's engine with another answer about the image.
struct Middleman {
    engine: Proxy,
    image: String,
    id: String,
    _scope: Scope<'static>,
}

impl Middleman {
    /// `registry` is the name of the registry on this side.
    fn new(what: &str, registry: &str) -> Self {
        let lab = Lab::get();
        let scope = lab.scope(what);
        let image = format!("{registry}/{}:t", scope.name);
        lab.engine.load(&Image::new().build().archive(&[&image]));
        let id = lab.engine.image(&image).unwrap()["Id"].as_str().unwrap().to_owned();
        Self { engine: Proxy::engine(lab), image, id, _scope: scope }
    }

    async fn check(&self, answer: Canned) -> Check {
        self.engine.reset();
        self.engine.on(When::each("GET *distribution*"), Fault::Answer(answer));
        // For this engine no network is insecure.
        let mut info = Lab::get().engine.get("/info");
        info.as_object_mut().unwrap().remove("RegistryConfig");
        self.engine.on(When::each("GET */info"), Fault::Answer(Canned::json(200, &info)));
        let options = ConnectOptions { host: Some(self.engine.host.clone()), ..ConnectOptions::default() };
        check(&Refit::connect(options).await.unwrap(), &self.image).await
    }
}

fn says(digest: &str, architecture: &str) -> Canned {
    Canned::json(200, &json!({"Descriptor": {"digest": digest, "size": 1}, "Platforms": [{"os": "linux", "architecture": architecture}]}))
}

#[tokio::test]
async fn c39_the_engine_answers_where_names_or_certificates_fail_on_this_side() {
    let registry = LyingRegistry::start(|_| Answer::status(500));
    let front = registry.over_tls(&Authority::new("the engine's").identity(&["127.0.0.1"]));
    let own = native_platform().trim_start_matches("linux/");
    let other = format!("sha256:{}", "f".repeat(64));
    for (registry, reason) in [("registry.invalid", "dns"), (front.host.as_str(), "tls")] {
        let middleman = Middleman::new("c39", registry);
        if Lab::get().engine.is_podman() {
            let check = middleman.check(says(&other, own)).await;
            is_error(registry, &check, CheckState::Unreachable, Code::Unreachable);
            continue;
        }
        for (answer, state, has_update) in [
            (says(&middleman.id, own), CheckState::UpToDate, Some(false)),
            (says(&other, own), CheckState::UpdateAvailable, Some(true)),
            (says(&other, "s390x"), CheckState::PlatformGone, None),
        ] {
            let check = middleman.check(answer).await;
            assert_eq!((check.state, check.has_update), (state, has_update), "{check:#?}");
            let answered = (check.via, check.certainty, check.requests);
            assert_eq!(answered, (Some(Via::Engine), Some(Certainty::IndexOnly), 0), "{check:#?}");
        }
        let refused = middleman.check(Canned::message(401, "unauthorized")).await;
        is_error("401", &refused, CheckState::Unauthorized, Code::Unauthorized);
        assert_eq!(refused.via, Some(Via::Engine));
        let unknown = middleman.check(Canned::message(404, "manifest unknown: manifest unknown")).await;
        assert!(matches!(unknown.state, CheckState::LocalOnly | CheckState::NotInRegistry), "{unknown:#?}");
        for closed in [Canned::message(404, "page not found"), Canned::message(403, "Forbidden")] {
            is_error("a socket proxy", &middleman.check(closed).await, CheckState::RegistryError, Code::Registry);
        }
        let limited = middleman.check(Canned::message(500, "toomanyrequests: You have reached your pull rate limit")).await;
        is_error("429", &limited, CheckState::RateLimited, Code::RateLimited);
        let broken = middleman.check(Canned::message(500, "received unexpected HTTP status: 500 Internal Server Error")).await;
        is_error("500", &broken, CheckState::RegistryError, Code::Registry);
        // If the engine fails too, the error of this side is reported.
        let neither = middleman.check(Canned::message(500, "dial tcp 10.0.0.1:443: connect: connection refused")).await;
        is_error("neither", &neither, CheckState::Unreachable, Code::Unreachable);
        let found_here =
            neither.via == Some(Via::Registry) && neither.reason.as_deref().is_some_and(|own| own == reason || own == "timeout");
        assert!(found_here, "{neither:#?}");
    }
    assert_eq!(registry.requests().len(), 0);
}

/// The engine waits for the registry: it is not silent, and other calls need not find it again.
#[tokio::test]
async fn an_engine_that_waits_for_a_registry_is_not_one_that_does_not_answer() {
    let engine = Proxy::engine(Lab::get());
    if Lab::get().engine.is_podman() {
        return not_here("Podman asks no registry for a digest");
    }
    engine.on(When::each("GET *distribution*"), Fault::Hang);
    let options = ConnectOptions { host: Some(engine.host.clone()), check_via: refit::CheckVia::Engine, ..ConnectOptions::default() };
    let refit = Refit::connect(options).await.unwrap();
    let check = check(&refit, "registry.invalid/app:t").await;
    is_error("silence", &check, CheckState::Unreachable, Code::Unreachable);
    assert_eq!((check.via, check.reason.as_deref()), (Some(Via::Engine), Some("timeout")), "{check:#?}");
    let message = check.error.unwrap().message().to_owned();
    assert!(message.contains("the registry has not answered it within 20 s"), "{message}");
}
