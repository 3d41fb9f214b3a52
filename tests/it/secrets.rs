//! No output contains a credential. A child process gets one marked secret from every source, meets registries that behave in every way, makes
//! every call of an image, and prints all results; then everything that was written is searched.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use refit::image::{CheckOptions, PullOptions, RegistryAuth, UpdateOptions};
use refit::{CheckVia, ConnectOptions, Outcome, Refit, RegistryOptions};
use refit_lab::{Answer, Asked, Image, Lab, LyingRegistry};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::dispatcher::Dispatch;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

type Manner = Box<dyn Fn(&Asked) -> Answer + Send + Sync>;

const SECRET: &str = "REFIT-SECRET-5f0c1e";
const FOLDER: &str = "REFIT_SECRETS";
/// The sources of a credential; there is one registry of each manner for each source.
const SOURCES: [&str; 9] =
    ["options", "options token", "variable", "auths", "identitytoken", "registrytoken", "helper", "failing helper", "podman"];

/// The ways in which registries behave that get a credential. The worst send it back.
fn manners() -> Vec<Manner> {
    let artifact = Image::scratch().build();
    let said = |asked: &Asked| format!("{} {} {SECRET}", asked.header("authorization"), String::from_utf8_lossy(&asked.body));
    let echo = move |status: u16, asked: &Asked| {
        let words = json!({"errors": [{"code": "DENIED", "message": said(asked)}]});
        Answer::json(status, &words).header("X-Echo", asked.header("authorization"))
    };
    let token = |asked: &Asked| {
        let realm = format!("http://{}/token", asked.header("host"));
        Answer::ask_for_token(&realm, "lab", "repository:app:pull")
    };
    vec![
        Box::new(move |asked| if asked.header("authorization").is_empty() { Answer::ask_for_login() } else { Answer::manifest(&artifact) }),
        Box::new(|_| Answer::ask_for_login()),
        Box::new(move |asked| if asked.header("authorization").is_empty() { Answer::ask_for_login() } else { echo(403, asked) }),
        Box::new(move |asked| match (asked.method.as_str(), asked.header("authorization")) {
            (_, "") => Answer::ask_for_login(),
            ("HEAD", _) => Answer::status(405),
            _ => echo(500, asked),
        }),
        Box::new(move |asked| if asked.path == "/token" { echo(500, asked) } else { token(asked) }),
        Box::new(move |asked| if asked.path == "/token" { Answer::token(SECRET, None) } else { token(asked) }),
        Box::new(move |asked| match (asked.path.as_str(), asked.bearer()) {
            ("/token", _) => Answer::token(SECRET, None),
            (_, None) => token(asked),
            _ if asked.method == "HEAD" => Answer::status(405),
            _ => echo(500, asked),
        }),
        Box::new(|asked| if asked.header("authorization").is_empty() { Answer::ask_for_login() } else { Answer::redirect("ftp://x/") }),
        Box::new(|asked| if asked.header("authorization").is_empty() { Answer::ask_for_login() } else { Answer::html(200) }),
    ]
}

/// The child process of the test below; without its variable it does nothing.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let registries: Vec<Vec<String>> = serde_json::from_slice(&std::fs::read(folder.join("registries.json")).unwrap()).unwrap();
    let mut options =
        ConnectOptions { host: Some(Lab::get().engine.host()), state_dir: Some(folder.join("state")), ..ConnectOptions::default() };
    for host in registries[0].iter().chain(&registries[1]) {
        let own = RegistryOptions {
            username: Some("refit".into()),
            password: Some(SECRET.into()),
            token: registries[1].contains(host).then(|| SECRET.into()),
            ..RegistryOptions::default()
        };
        options.registries.insert(host.clone(), own);
    }
    println!("{options:?}");
    // The log too, of every crate and level.
    tracing::dispatcher::set_global_default(Dispatch::new(tracing_subscriber::registry().with(Printed))).unwrap();
    let refit = Refit::connect(options).await.unwrap();
    println!("{refit:?}");
    let images: Vec<String> = registries.concat().iter().map(|host| format!("{host}/app:t")).collect();
    tell(refit.check_updates(Some(images.clone()), CheckOptions::default()).await);
    // Through the proxy; not through the engine, which is slow with such a name.
    let by_ourselves = CheckOptions { via: Some(CheckVia::Registry), ..CheckOptions::default() };
    tell(refit.check_update("registry.invalid/app:t", by_ourselves).await);
    let through_engine = CheckOptions { via: Some(CheckVia::Engine), ..CheckOptions::default() };
    for image in &images {
        tell(refit.check_update(image, CheckOptions::default()).await);
        tell(refit.check_update(image, through_engine.clone()).await);
        let auth = RegistryAuth { username: Some("refit".into()), password: Some(SECRET.into()), ..RegistryAuth::default() };
        let pull = PullOptions { registry_auth: image.contains("app").then_some(auth), ..PullOptions::default() };
        println!("{pull:?}");
        let reported = |progress: &refit::Progress| {
            println!("{progress:?}");
            ControlFlow::Continue(())
        };
        tell(refit.pull(image, pull).on_progress(reported).await);
        tell(refit.pull(image, PullOptions::default()).on_progress(reported).await);
        tell(refit.plan_update(image, UpdateOptions::default()).await);
        println!("{:?}", refit.image_status(image).await);
        println!("{:?}", refit.image_info(image).await);
    }
    eprintln!("the end");
}

/// Prints every span and every event with all fields.
struct Printed;

impl<S: Subscriber> Layer<S> for Printed {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        println!("span {attributes:?}");
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        println!("{event:?}");
    }
}

fn tell<T: Serialize + Debug>(outcome: Outcome<T>) {
    println!("{outcome:?}");
    match outcome {
        Ok(document) => println!("{}", serde_json::to_string(&document).unwrap()),
        Err(failure) => {
            let (error, report) = (failure.error, failure.report);
            println!("{error} {} {}", serde_json::to_string(&error.document()).unwrap(), serde_json::to_string(&report).unwrap());
        }
    }
}

fn helper(folder: &Path, name: &str, script: &str) {
    let file = folder.join(format!("docker-credential-{name}"));
    std::fs::write(&file, format!("#!/bin/sh\ncat > /dev/null\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// docker's file, podman's, and the program's variables.
fn lay_out(folder: &Path, registries: &[Vec<String>]) -> BTreeMap<&'static str, String> {
    let basic = STANDARD_NO_PAD.encode(format!("refit:{SECRET}"));
    let of = |source: &str, entry: &Value| -> serde_json::Map<String, Value> {
        let at = SOURCES.iter().position(|name| *name == source).unwrap();
        registries[at].iter().map(|host| (host.clone(), entry.clone())).collect()
    };
    let mut auths = of("auths", &json!({"auth": basic}));
    auths.extend(of("identitytoken", &json!({"identitytoken": SECRET})));
    auths.extend(of("registrytoken", &json!({"registrytoken": SECRET})));
    let mut helpers = of("helper", &json!("refit-good"));
    helpers.extend(of("failing helper", &json!("refit-bad")));
    std::fs::create_dir_all(folder.join("docker")).unwrap();
    std::fs::write(folder.join("docker/config.json"), json!({"auths": auths, "credHelpers": helpers}).to_string()).unwrap();
    helper(folder, "refit-good", &format!("echo '{{\"Username\":\"refit\",\"Secret\":\"{SECRET}\"}}'"));
    helper(folder, "refit-bad", &format!("echo {SECRET}; echo {SECRET} >&2; exit 1"));
    std::fs::write(folder.join("auth.json"), json!({"auths": of("podman", &json!({"auth": basic}))}).to_string()).unwrap();
    let path = std::env::var("PATH").unwrap();
    BTreeMap::from([
        (FOLDER, folder.display().to_string()),
        ("PATH", format!("{}:{path}", folder.display())),
        ("DOCKER_CONFIG", folder.join("docker").display().to_string()),
        ("DOCKER_AUTH_CONFIG", json!({"auths": of("variable", &json!({"auth": basic}))}).to_string()),
        ("REGISTRY_AUTH_FILE", folder.join("auth.json").display().to_string()),
        ("HTTPS_PROXY", format!("http://refit:{SECRET}@127.0.0.1:1")),
        ("HTTP_PROXY", format!("http://refit:{SECRET}@127.0.0.1:1")),
        ("TMPDIR", folder.join("tmp").display().to_string()),
        ("RUST_BACKTRACE", "full".to_owned()),
    ])
}

/// The secret as it is, and as it looks in base64 wherever it begins.
fn needles() -> Vec<String> {
    let mut needles = vec![SECRET.to_owned()];
    // In base64 the text before the secret also changes this many characters.
    for (before, part) in [(0, 0), (1, 2), (2, 3)] {
        let whole = format!("{}{SECRET}", "x".repeat(before));
        for text in [STANDARD_NO_PAD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
            needles.push(text[part..text.len() - 2].to_owned());
        }
    }
    needles
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn no_output_contains_a_credential() {
    let folder = std::env::temp_dir().join(format!("refit-secrets-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("tmp")).unwrap();
    // Up before the child has variables of its own.
    Lab::get();
    let servers: Vec<Vec<LyingRegistry>> = SOURCES.iter().map(|_| manners().into_iter().map(LyingRegistry::start).collect()).collect();
    let hosts: Vec<Vec<String>> = servers.iter().map(|all| all.iter().map(|one| one.host.clone()).collect()).collect();
    std::fs::write(folder.join("registries.json"), serde_json::to_vec(&hosts).unwrap()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "secrets::child", "--nocapture"]).envs(lay_out(&folder, &hosts));
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(log.contains("refit::registry::request") && log.contains("img_check_update"), "the log is printed");
    assert!(output.stdout.len() > 100_000 && String::from_utf8_lossy(&output.stderr).contains("the end"));

    // Each source was read, but for the helper that fails.
    let needles = needles();
    let has = |text: &str| needles.iter().any(|needle| text.contains(needle));
    for (source, servers) in SOURCES.iter().zip(&servers) {
        let shown = servers[2].requests().iter().any(|asked| has(asked.header("authorization")));
        let given =
            servers[4].requests().iter().any(|asked| has(asked.header("authorization")) || has(&String::from_utf8_lossy(&asked.body)));
        assert_eq!(shown || given, *source != "failing helper", "{source}");
    }

    let mut written = vec![("stdout".to_owned(), output.stdout), ("stderr".to_owned(), output.stderr)];
    for file in files(&folder.join("state")).into_iter().chain(files(&folder.join("tmp"))) {
        written.push((file.display().to_string(), std::fs::read(file).unwrap()));
    }
    assert!(written.len() > 2, "the state has been written");
    for (what, bytes) in written {
        let text = String::from_utf8_lossy(&bytes);
        for line in text.lines() {
            assert!(!has(line), "{what}: {}", line.chars().take(2000).collect::<String>());
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_search_finds_a_credential_in_every_encoding() {
    let needles = needles();
    for before in ["", "u", "us", "use", "user:", "refit:", r#"{"password":""#] {
        for after in ["", "\"", "\"}", "x"] {
            let text = format!("{before}{SECRET}{after}");
            for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                assert!(needles.iter().any(|needle| encoded.contains(needle)), "{text}");
            }
        }
    }
}
