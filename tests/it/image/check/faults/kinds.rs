//! Twelve kinds of registry in their shapes, in one batch: tests/fixtures/registries has the challenge, tokens, headers and errors of each, which
//! images are asked for, and what is made of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use refit::RegistryOptions;
use refit::image::CheckState;
use refit_lab::{Answer, Artifact, Asked, Image, Lab, LyingRegistry};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{check_all, connect};

const KINDS: [(&str, &str); 12] = [
    ("acr", include_str!("../../../../fixtures/registries/acr.json")),
    ("artifact-registry", include_str!("../../../../fixtures/registries/artifact-registry.json")),
    ("artifactory", include_str!("../../../../fixtures/registries/artifactory.json")),
    ("ecr", include_str!("../../../../fixtures/registries/ecr.json")),
    ("ghcr", include_str!("../../../../fixtures/registries/ghcr.json")),
    ("gitlab", include_str!("../../../../fixtures/registries/gitlab.json")),
    ("harbor", include_str!("../../../../fixtures/registries/harbor.json")),
    ("hub", include_str!("../../../../fixtures/registries/hub.json")),
    ("lscr", include_str!("../../../../fixtures/registries/lscr.json")),
    ("nexus", include_str!("../../../../fixtures/registries/nexus.json")),
    ("proxy", include_str!("../../../../fixtures/registries/proxy.json")),
    ("quay", include_str!("../../../../fixtures/registries/quay.json")),
];

/// A file of tests/fixtures/registries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    /// What is peculiar to it.
    #[serde(rename = "kind")]
    _about: String,
    /// What the caller has for it.
    login: Option<Login>,
    /// The first that fits answers.
    rules: Vec<Rule>,
    images: Vec<Expected>,
    /// How many requests these images take together.
    requests: u32,
}

#[derive(Clone, Deserialize)]
struct Login {
    username: String,
    password: String,
}

/// All that is named must fit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// `METHOD PATH` with `*` for anything.
    asked: String,
    /// `nobody`: without authorization; `poor token`: with a token that is not for the repository.
    by: Option<String>,
    /// A part of `repository:tag`.
    image: Option<String>,
    /// A part of one of the scopes.
    scope: Option<String>,
    /// It fits once.
    #[serde(default)]
    once: bool,
    /// The repositories, by a part of their names, that the tokens of this answer are not for.
    #[serde(default)]
    withholds: Vec<String>,
    answer: Say,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Say {
    #[serde(default)]
    status: u16,
    /// The image's manifest, as a registry answers it.
    #[serde(default)]
    manifest: bool,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    without: Vec<String>,
    /// JSON, or a text.
    body: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    image: String,
    state: CheckState,
    has_update: Option<bool>,
}

/// The tokens of these registries are the names of their repositories.
fn scopes(asked: &Asked) -> Vec<String> {
    let scopes = asked.query.split('&').filter_map(|pair| pair.strip_prefix("scope=repository:")?.strip_suffix(":pull"));
    scopes.map(str::to_owned).collect()
}

fn signed(names: &[String]) -> String {
    let access: Vec<Value> = names.iter().map(|name| json!({"type": "repository", "name": name, "actions": ["pull"]})).collect();
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(json!({ "access": access }).to_string()))
}

fn opaque(names: &[String]) -> String {
    URL_SAFE_NO_PAD.encode(format!("for {}", names.join(" ")))
}

fn is_for(token: &str, repository: &str) -> bool {
    let part = token.split('.').nth(1).unwrap_or(token);
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    text.split([' ', '"']).any(|name| name == repository)
}

impl Rule {
    fn fits(&self, asked: &Asked, login: Option<&Login>) -> bool {
        let sent = asked.header("authorization");
        let image = format!("{}:{}", asked.repository(), asked.reference());
        let by = match self.by.as_deref() {
            None => true,
            Some("nobody") => sent.is_empty() || (sent.starts_with("Basic ") && !login.is_some_and(|login| login.sends(sent))),
            Some("poor token") => asked.bearer().is_some_and(|token| !is_for(token, asked.repository())),
            Some(other) => panic!("{other}"),
        };
        let has = |wanted: &Option<String>, found: &[String]| wanted.as_ref().is_none_or(|part| found.iter().any(|all| all.contains(part)));
        by && asked.is(&self.asked) && has(&self.image, &[image]) && has(&self.scope, &scopes(asked))
    }

    fn answer(&self, asked: &Asked, artifact: &Artifact, ghcr: &OnceLock<String>) -> Answer {
        let mut names = scopes(asked);
        names.retain(|name| !self.withholds.iter().any(|part| name.contains(part)));
        let filled = |text: &str| {
            [
                ("{host}", asked.header("host")),
                ("{ghcr}", ghcr.get().unwrap()),
                ("{path}", asked.path.trim_start_matches("/v2/")),
                ("{repository}", asked.repository()),
                ("{digest}", &artifact.digest),
                ("{jwt}", &signed(&names)),
                ("{opaque}", &opaque(&names)),
            ]
            .iter()
            .fold(text.to_owned(), |text, (hole, filling)| text.replace(hole, filling))
        };
        let mut answer = match &self.answer {
            Say { manifest: true, .. } => Answer::manifest(artifact),
            Say { status, body: Some(Value::String(text)), .. } => Answer::status(*status).body(text.as_bytes()),
            Say { status, body: Some(body), .. } => Answer::typed(*status, "application/json", filled(&body.to_string()).as_bytes()),
            Say { status, .. } => Answer::status(*status),
        };
        for name in &self.answer.without {
            answer = answer.without(name);
        }
        self.answer.headers.iter().fold(answer, |answer, (name, value)| answer.header(name, &filled(value)))
    }
}

impl Login {
    fn sends(&self, authorization: &str) -> bool {
        authorization == format!("Basic {}", STANDARD.encode(format!("{}:{}", self.username, self.password)))
    }
}

fn start(kind: &Arc<Kind>, artifact: &Artifact, ghcr: &Arc<OnceLock<String>>) -> LyingRegistry {
    let (kind, artifact, ghcr, used) = (kind.clone(), artifact.clone(), ghcr.clone(), Mutex::new(HashSet::new()));
    LyingRegistry::start(move |asked| {
        let mut used = used.lock().unwrap();
        let fitting = kind.rules.iter().enumerate().find(|(number, rule)| rule.fits(asked, kind.login.as_ref()) && !used.contains(number));
        let Some((number, rule)) = fitting else { return Answer::status(599) };
        if rule.once {
            used.insert(number);
        }
        rule.answer(asked, &artifact, &ghcr)
    })
}

#[tokio::test]
async fn twelve_kinds_of_registry_are_understood_in_one_batch() {
    let (artifact, ghcr) = (Image::scratch().build(), Arc::new(OnceLock::new()));
    let kinds =
        KINDS.map(|(name, text)| (name, Arc::new(serde_json::from_str::<Kind>(text).unwrap_or_else(|error| panic!("{name}: {error}")))));
    let registries: Vec<LyingRegistry> = kinds.iter().map(|(_, kind)| start(kind, &artifact, &ghcr)).collect();
    let host =
        |wanted: &str| kinds.iter().zip(&registries).find(|((name, _), _)| *name == wanted).map(|(_, registry)| registry.host.clone());
    ghcr.set(host("ghcr").unwrap()).unwrap();
    let options = kinds.iter().zip(&registries).filter_map(|((_, kind), registry)| {
        let Login { username, password } = kind.login.clone()?;
        Some((registry.host.clone(), RegistryOptions { username: Some(username), password: Some(password), ..RegistryOptions::default() }))
    });
    let refit = connect(options.collect()).await;
    let images = kinds
        .iter()
        .zip(&registries)
        .flat_map(|((_, kind), registry)| kind.images.iter().map(|expected| format!("{}/{}", registry.host, expected.image)));
    let list = check_all(&refit, images.collect()).await;

    let (mut checks, mut wrong) = (list.images.iter(), Vec::new());
    for (name, kind) in &kinds {
        let mut requests = 0;
        for expected in &kind.images {
            let check = checks.next().unwrap();
            if (check.state, check.has_update) != (expected.state, expected.has_update) {
                let why = check.error.as_ref().map(refit::Error::message).unwrap_or_default();
                wrong.push(format!("{name}: {} is {:?}, {:?}: {why}", expected.image, check.state, check.has_update));
            }
            requests += check.requests;
        }
        // With containerd's store each name is inspected before its turn, and so any of them may be the first.
        if requests != kind.requests && !Lab::get().engine.has_containerd_store() {
            wrong.push(format!("{name}: {requests} requests, not {}", kind.requests));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all: Vec<Asked> = registries.iter().flat_map(LyingRegistry::requests).collect();
    assert_eq!(list.requests, all.len() as u64, "every request is counted");
    for (number, (name, kind)) in kinds.iter().enumerate() {
        let sent = registries[number].requests();
        let logins = sent.iter().filter(|asked| asked.header("authorization").starts_with("Basic ")).count();
        assert!(kind.login.is_some() || logins == 0, "{name} gets no credential of another registry");
    }
}
