#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// What a real engine showed of a container, its images, and the replacement that this mapping made, before its first start.
struct Seen {
    inspects: Value,
    facts: EngineFacts,
    around: Surroundings,
}

impl Seen {
    fn on(engine: &str) -> Self {
        let path = format!("{}/tests/fixtures/inspects/{engine}.json", env!("CARGO_MANIFEST_DIR"));
        let inspects: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let minor = inspects["api"].as_str().unwrap().split_once('.').unwrap().1.parse().unwrap();
        let facts = EngineFacts {
            podman: engine.starts_with("podman"),
            api_version: (1, minor),
            name: "machine".into(),
            platform: ("linux".into(), "amd64".into()),
            own_container: OwnContainer::default(),
        };
        let networks = inspects["networks"].as_array().unwrap().clone();
        let around = Surroundings { containers: vec![inspects["container"].clone()], networks };
        Self { inspects, facts, around }
    }

    fn subject<'a>(&'a self, container: &'a Value, old_image: &'a Value, new_image: &'a Value) -> Subject<'a> {
        Subject { container, old_image, new_image: Some(new_image), facts: &self.facts, around: &self.around }
    }

    fn old(&self) -> Subject<'_> {
        self.subject(&self.inspects["container"], &self.inspects["old_image"], &self.inspects["new_image"])
    }
}

const ENGINES: [&str; 2] = ["docker-20.10", "podman-4.3"];

#[test]
fn a_real_replacement_is_the_old_container_made_again() {
    for engine in ENGINES {
        let seen = Seen::on(engine);
        let differences = verify(&seen.old(), &seen.inspects["created"]).err().unwrap_or_default();
        assert!(differences.is_empty(), "{engine}: {differences:?}");
        let lost = changes(
            &seen.inspects["container"],
            &seen.inspects["created"],
            &seen.inspects["old_image"],
            &seen.inspects["new_image"],
            &seen.facts,
        );
        assert!(lost.iter().any(|change| change.field == "Config.Env"), "{engine}");
    }
}

#[test]
fn the_mapping_of_a_real_replacement_is_the_same_again() {
    for engine in ENGINES {
        let seen = Seen::on(engine);
        let first = seen.old().spec().unwrap();
        let image = &seen.inspects["new_image"];
        let second = seen.subject(&seen.inspects["created"], image, image).spec().unwrap();
        let (before, after) = (without_new_volumes(&first.body, &first.body), without_new_volumes(&second.body, &first.body));
        for (key, value) in value::entries(&before, "HostConfig") {
            assert_eq!(&after["HostConfig"][key], value, "{engine}: HostConfig.{key}");
        }
        assert_eq!(after, before, "{engine}");
        assert_eq!(second.connects, first.connects, "{engine}");
    }
}

/// Without the mounts that only the new image's volumes have brought, and with lists in the order of the first.
fn without_new_volumes(body: &Value, first: &Value) -> Value {
    let mut body = body.clone();
    for key in ["Mounts", "Binds"] {
        if let Some(Value::Array(mounts)) = body["HostConfig"].get_mut(key) {
            mounts.retain(|mount| value::list(&first["HostConfig"], key).contains(mount));
            mounts.sort_by_key(|mount| value::text(mount, "Target").to_owned());
        }
    }
    body
}

#[test]
fn a_real_request_says_what_the_user_said_and_no_more() {
    let seen = Seen::on("docker-20.10");
    let spec = seen.old().spec().unwrap();
    let body = &spec.body;
    assert_eq!(body["Env"], json!(["A=9", "MINE=1"]));
    assert_eq!(body["Labels"], json!({"own": "1"}));
    assert_eq!((&body["User"], &body["WorkingDir"], &body["StopSignal"]), (&json!("7:8"), &json!(""), &json!("")));
    assert_eq!((&body["Entrypoint"], &body["Cmd"], &body["Hostname"]), (&json!(null), &json!(null), &json!("web")));
    assert_eq!(body["Healthcheck"], json!({"Interval": 7_000_000_000_u64}));
    assert_eq!(body["ExposedPorts"], json!({"80/tcp": {}, "90/tcp": {}}));
    assert_eq!(body["Volumes"], json!({"/anon": {}}));
    assert_eq!(body["Image"], "app:t");
    assert_eq!(
        body["NetworkingConfig"]["EndpointsConfig"],
        json!({"n1": {
            "IPAMConfig": {"IPv4Address": "10.71.0.50"}, "Links": null, "DriverOpts": null, "Aliases": ["al"],
        }})
    );
    assert_eq!(spec.connects.len(), 1);
    assert_eq!((spec.connects[0].network.as_str(), &spec.connects[0].endpoint["Aliases"]), ("n2", &json!(["x2"])));
    assert_eq!((spec.platform, spec.overlay, spec.warnings), (None, false, vec![]));

    let kept = seen.old().spec_from_old_image().unwrap();
    assert_eq!(kept.body["Image"], seen.inspects["container"]["Image"]);
    assert_eq!(kept.body["Env"], body["Env"]);
}

#[test]
fn a_spec_survives_a_file() {
    let spec = Seen::on("docker-20.10").old().spec().unwrap();
    assert_eq!(serde_json::from_str::<Spec>(&serde_json::to_string(&spec).unwrap()).unwrap(), spec);
}

#[test]
fn an_image_of_another_platform_is_asked_for_by_it() {
    let seen = Seen::on("docker-20.10");
    let mut image = seen.inspects["old_image"].clone();
    image["Architecture"] = json!("arm64");
    image["Variant"] = json!("v8");
    let spec = seen.subject(&seen.inspects["container"], &image, &image).spec().unwrap();
    assert_eq!(spec.platform.as_deref(), Some("linux/arm64/v8"));
    // The containerd store shows the variant for the engine's own platform.
    let mut container = seen.inspects["container"].clone();
    let image = &seen.inspects["old_image"];
    for (architecture, expected) in [("arm64", Some("linux/arm64")), ("amd64", None)] {
        container["ImageManifestDescriptor"] = json!({"platform": {"os": "linux", "architecture": architecture}});
        assert_eq!(seen.subject(&container, image, image).spec().unwrap().platform.as_deref(), expected);
    }
}

#[test]
fn an_answer_without_a_config_is_an_error() {
    let seen = Seen::on("docker-20.10");
    let error = seen.subject(&json!({"Name": "/x"}), &json!({}), &json!({})).spec().unwrap_err();
    assert_eq!((error.code(), error.context().container.as_deref()), (Code::Engine, Some("x")));
}

#[test]
fn a_client_in_the_foreground_is_warned_of_unless_it_is_compose() {
    let seen = Seen::on("docker-20.10");
    let mut container = seen.inspects["container"].clone();
    container["Config"]["AttachStdout"] = json!(true);
    let warnings = |container: &Value| seen.subject(container, &json!({}), &json!({})).spec().unwrap().warnings;
    assert_eq!(warnings(&container)[0].code, "foreground");
    container["Config"]["Labels"]["com.docker.compose.project"] = json!("p");
    assert!(warnings(&container).is_empty());
}

/// Any word, and those that are read.
fn any_key() -> impl Strategy<Value = String> {
    let read = [
        "Id",
        "Name",
        "Image",
        "State",
        "Config",
        "HostConfig",
        "NetworkSettings",
        "Networks",
        "Mounts",
        "Env",
        "Labels",
        "Healthcheck",
        "Binds",
        "PortBindings",
        "NetworkMode",
        "IPAMConfig",
        "Aliases",
        "Links",
        "VolumesFrom",
        "LogConfig",
        "Sysctls",
        "DriverOpts",
    ];
    prop_oneof!["[A-Za-z/:]{0,8}".boxed(), prop::sample::select(read.map(str::to_owned).to_vec()).boxed()]
}

/// Any JSON.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z:/=.€ -]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any_key(), inner), 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// The pointers of every value in a document.
fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.into());
    let step = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| pointers(value, &step(key), found)),
        Value::Array(elements) => elements.iter().enumerate().for_each(|(index, value)| pointers(value, &step(&index.to_string()), found)),
        _ => {}
    }
}

/// An answer, or an error that says something.
fn answered<T>(result: crate::Result<T>) -> Option<T> {
    result
        .map_err(|error| {
            assert!(matches!(error.code(), Code::Engine | Code::Conflict | Code::Unsupported) && !error.message().is_empty(), "{error:?}")
        })
        .ok()
}

/// Everything that reads documents, for its panics and its errors.
fn read_everything(seen: &Seen, container: &Value, image: &Value, engines: &[(u32, bool)]) {
    let around = Surroundings { containers: vec![container.clone(), seen.inspects["container"].clone()], networks: vec![image.clone()] };
    for (minor, podman) in engines {
        let facts = EngineFacts { podman: *podman, api_version: (1, *minor), ..seen.facts.clone() };
        let subject = Subject { container, old_image: image, new_image: Some(image), facts: &facts, around: &around };
        answered(subject.refuse(Allowed::default()));
        answered(subject.spec_from_old_image());
        let _ = subject.overlay_connects(container);
        for differences in [verify(&subject, &seen.inspects["created"]), verify(&seen.old(), container)] {
            assert!(differences.err().is_none_or(|differences| !differences.is_empty()));
        }
        assert!(changes(container, &seen.inspects["created"], image, image, &facts).iter().all(|change| !change.because.is_empty()));
        if let Some(spec) = answered(subject.spec()) {
            assert!(spec.body.is_object());
        }
    }
    let _ = plan_warnings(image, &seen.inspects["new_image"], std::slice::from_ref(container));
    let _ = image_changes(image, &seen.inspects["new_image"]);
    let _ = dependents(container, &around.containers);
    let _ = follow(container, "0123456789ab", "fedcba987654");
}

const ALL_ENGINES: [(u32, bool); 8] = [(41, false), (44, false), (48, false), (52, false), (41, true), (44, true), (48, true), (52, true)];

/// Each value of a real inspect, replaced by one of each kind; the engines take turns.
#[test]
fn a_value_of_another_kind_anywhere_gives_an_answer_or_an_error() {
    let kinds = [json!(null), json!([]), json!({}), json!(""), json!(0), json!(-1), json!(true), json!("x")];
    let replaced = &|engine: &str, part: &str| {
        let seen = Seen::on(engine);
        let mut all = Vec::new();
        pointers(&seen.inspects[part], "", &mut all);
        for (turn, pointer) in all.iter().enumerate() {
            for (kind, value) in kinds.iter().enumerate() {
                let (mut container, mut image) = (seen.inspects["container"].clone(), seen.inspects["old_image"].clone());
                let broken = if part == "container" { &mut container } else { &mut image };
                *broken.pointer_mut(pointer).unwrap() = value.clone();
                read_everything(&seen, &container, &image, &[ALL_ENGINES[(turn + kind) % ALL_ENGINES.len()]]);
            }
        }
    };
    let parts = ENGINES.iter().flat_map(|engine| [(engine, "container"), (engine, "old_image")]);
    std::thread::scope(|scope| parts.for_each(|(engine, part)| drop(scope.spawn(move || replaced(engine, part)))));
}

/// Failures are told and not kept in the source tree.
fn without_files(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

static DOCKER: LazyLock<Seen> = LazyLock::new(|| Seen::on("docker-20.10"));

proptest! {
    #![proptest_config(without_files(64))]

    #[test]
    fn any_json_gives_an_answer_or_an_error(container in any_json(), image in any_json()) {
        read_everything(&DOCKER, &container, &image, &ALL_ENGINES);
    }

    /// Real inspects with one value in them replaced: deeper than arbitrary JSON comes.
    #[test]
    fn any_value_anywhere_gives_an_answer_or_an_error(seed in any::<prop::sample::Index>(), of_image in any::<bool>(), value in any_json()) {
        let seen = &*DOCKER;
        let (mut container, mut image) = (seen.inspects["container"].clone(), seen.inspects["old_image"].clone());
        let broken = if of_image { &mut image } else { &mut container };
        let mut all = Vec::new();
        pointers(broken, "", &mut all);
        let pointer: &String = seed.get(&all);
        *broken.pointer_mut(pointer).unwrap() = value;
        read_everything(seen, &container, &image, &ALL_ENGINES);
    }
}

#[path = "spec_again_tests.rs"]
mod again;
