#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Map;

use super::*;
use crate::Error;
use crate::platform::Platform;

/// Inspects of a real engine: a container, its images, and the new container that was created with this mapping, before its first start.
struct Seen {
    inspects: Value,
    facts: EngineFacts,
    inventory: EngineInventory,
}

impl Seen {
    fn on(engine: &str) -> Self {
        let path = format!("{}/tests/fixtures/inspects/{engine}.json", env!("CARGO_MANIFEST_DIR"));
        let inspects: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let minor = inspects["api"].as_str().unwrap().split_once('.').unwrap().1.parse().unwrap();
        let facts = EngineFacts {
            version: String::new(),
            podman: engine.starts_with("podman"),
            api_version: (1, minor),
            name: "machine".into(),
            platform: Some(Platform::new("linux", "amd64", "")),
            ..EngineFacts::default()
        };
        let networks = inspects["networks"].as_array().unwrap().clone();
        let inventory = EngineInventory { containers: vec![inspects["container"].clone()], networks };
        Self { inspects, facts, inventory }
    }

    fn input<'a>(&'a self, container: &'a Value, old_image: &'a Value, new_image: &'a Value) -> CreateInput<'a> {
        CreateInput { container, old_image, new_image: Some(new_image), facts: &self.facts, inventory: &self.inventory }
    }

    fn old(&self) -> CreateInput<'_> {
        self.input(&self.inspects["container"], &self.inspects["old_image"], &self.inspects["new_image"])
    }
}

const ENGINES: [&str; 2] = ["docker-20.10", "podman-4.3"];

#[test]
fn a_real_new_container_has_the_configuration_of_the_old_one() {
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
fn the_create_plan_of_a_real_new_container_equals_the_first_one() {
    for engine in ENGINES {
        let seen = Seen::on(engine);
        let first = seen.old().create_plan().unwrap();
        let image = &seen.inspects["new_image"];
        let second = seen.input(&seen.inspects["created"], image, image).create_plan().unwrap();
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
fn a_real_request_has_what_the_user_configured_and_no_more() {
    let seen = Seen::on("docker-20.10");
    let plan = seen.old().create_plan().unwrap();
    let body = &plan.body;
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
    assert_eq!(plan.connects.len(), 1);
    assert_eq!((plan.connects[0].network.as_str(), &plan.connects[0].endpoint["Aliases"]), ("n2", &json!(["x2"])));
    assert_eq!((plan.platform, plan.overlay, plan.warnings), (None, false, vec![]));

    let kept = seen.old().create_plan_from_old_image().unwrap();
    assert_eq!(kept.body["Image"], seen.inspects["container"]["Image"]);
    assert_eq!(kept.body["Env"], body["Env"]);
}

#[test]
fn a_create_plan_is_read_back_from_json_unchanged() {
    let plan = Seen::on("docker-20.10").old().create_plan().unwrap();
    assert_eq!(serde_json::from_str::<CreatePlan>(&serde_json::to_string(&plan).unwrap()).unwrap(), plan);
}

#[test]
fn a_request_names_the_platform_of_an_image_for_another_one() {
    let seen = Seen::on("docker-20.10");
    let mut image = seen.inspects["old_image"].clone();
    image["Architecture"] = json!("arm64");
    image["Variant"] = json!("v8");
    let plan = seen.input(&seen.inspects["container"], &image, &image).create_plan().unwrap();
    assert_eq!(plan.platform.as_deref(), Some("linux/arm64/v8"));
    // The containerd store shows the variant for the engine's own platform.
    let mut container = seen.inspects["container"].clone();
    let image = &seen.inspects["old_image"];
    for (architecture, expected) in [("arm64", Some("linux/arm64")), ("amd64", None)] {
        container["ImageManifestDescriptor"] = json!({"platform": {"os": "linux", "architecture": architecture}});
        assert_eq!(seen.input(&container, image, image).create_plan().unwrap().platform.as_deref(), expected);
    }
}

#[test]
fn an_answer_without_a_config_is_an_error() {
    let seen = Seen::on("docker-20.10");
    let error = seen.input(&json!({"Name": "/x"}), &json!({}), &json!({})).create_plan().unwrap_err();
    assert_eq!((error.code(), error.context().container.as_deref()), (Code::Engine, Some("x")));
}

#[test]
fn a_container_in_the_foreground_has_a_warning_unless_compose_started_it() {
    let seen = Seen::on("docker-20.10");
    let mut container = seen.inspects["container"].clone();
    container["Config"]["AttachStdout"] = json!(true);
    let warnings = |container: &Value| seen.input(container, &json!({}), &json!({})).create_plan().unwrap().warnings;
    assert_eq!(warnings(&container)[0].code, "foreground");
    container["Config"]["Labels"]["com.docker.compose.project"] = json!("p");
    assert!(warnings(&container).is_empty());
}

/// A key that the mapping reads, or any other.
fn any_key() -> impl Strategy<Value = String> {
    let known =
        ["Id", "Name", "Config", "HostConfig", "NetworkSettings", "Networks", "Mounts", "Env", "Labels", "NetworkMode", "Binds", "Type"];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), "[A-Za-z/:]{0,8}"]
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

/// Everything that reads documents: no panics, and errors that say something.
fn read_everything(seen: &Seen, container: &Value, image: &Value) {
    for minor in [41, 44, 48, 52] {
        for podman in [false, true] {
            read_once(seen, container, image, &EngineFacts { podman, api_version: (1, minor), ..seen.facts.clone() });
        }
    }
    let containers = [container.clone(), seen.inspects["container"].clone()];
    let _ = plan_warnings(image, &seen.inspects["new_image"], std::slice::from_ref(container));
    let _ = image_changes(image, &seen.inspects["new_image"]);
    let _ = dependents(container, &containers);
    let _ = redirect_references(container, &json!({"Id": "0123456789ab", "Name": "/x"}), "fedcba987654");
}

fn read_once(seen: &Seen, container: &Value, image: &Value, facts: &EngineFacts) {
    let inventory =
        EngineInventory { containers: vec![container.clone(), seen.inspects["container"].clone()], networks: vec![image.clone()] };
    let input = CreateInput { container, old_image: image, new_image: Some(image), facts, inventory: &inventory };
    let says = |error: Error| {
        let refusals = [Code::Engine, Code::Unsupported, Code::Conflict, Code::NotFound];
        assert!(refusals.contains(&error.code()) && !error.message().is_empty(), "{error:?}: {container}");
    };
    let _ = input.refuse(Allowed::default()).map_err(says);
    let _ = input.create_plan_from_old_image().map_err(says);
    let _ = input.overlay_connects(container);
    let _ = verify(&input, &seen.inspects["created"]);
    let _ = verify(&seen.old(), container);
    let _ = changes(container, &seen.inspects["created"], image, image, facts);
    match input.create_plan() {
        Ok(plan) => assert!(plan.body["HostConfig"].is_object(), "{container}"),
        Err(error) => says(error),
    }
}

/// Failures are reported and not written to the source tree.
fn without_files(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

static DOCKER: LazyLock<Seen> = LazyLock::new(|| Seen::on("docker-20.10"));

proptest! {
    #![proptest_config(without_files(64))]

    #[test]
    fn any_json_gives_an_answer_or_an_error(container in any_json(), image in any_json()) {
        read_everything(&DOCKER, &container, &image);
    }
}

/// Real inspects with each value in them replaced in turn: deeper than arbitrary JSON comes.
#[test]
fn any_value_anywhere_gives_an_answer_or_an_error() {
    let values = [json!(null), json!([]), json!("x"), json!({}), json!(""), json!(-1), json!(true)];
    for engine in ENGINES {
        let seen = Seen::on(engine);
        let values = if seen.facts.podman { &values[..3] } else { &values[..] };
        for document in ["container", "old_image"] {
            let mut all = Vec::new();
            pointers(&seen.inspects[document], "", &mut all);
            for (pointer, value) in all.iter().flat_map(|pointer| values.iter().map(move |value| (pointer, value))) {
                let mut broken = seen.inspects[document].clone();
                *broken.pointer_mut(pointer).unwrap() = value.clone();
                let (container, image) = match document {
                    "container" => (&broken, &seen.inspects["old_image"]),
                    _ => (&seen.inspects["container"], &broken),
                };
                read_once(&seen, container, image, &seen.facts);
            }
        }
    }
}

/// What an engine shows of a container that was made by this request from this image.
fn shown(body: &Value, image: &Value, minor: u32) -> Value {
    let mut config = body.as_object().unwrap().clone();
    let host_config = config.shift_remove("HostConfig").unwrap();
    let networking = config.shift_remove("NetworkingConfig").unwrap_or_default();
    image_defaults::merge(&mut config, &image["Config"]);
    let id = "fedcba9876543210fedcba9876543210";
    if value::text(body, "Hostname").is_empty() {
        config.insert("Hostname".into(), id[..12].into());
    }
    let mut mounts: Vec<Value> = value::list(&host_config, "Mounts")
        .iter()
        .map(|mount| json!({"Type": mount["Type"], "Name": mount["Source"], "Destination": mount["Target"], "RW": mount["ReadOnly"] != true}))
        .collect();
    mounts.extend(value::text_elements(&host_config, "Binds").map(|bind| {
        let (name, destination) = bind.split_once(':').unwrap();
        json!({"Type": "volume", "Name": name, "Destination": destination, "RW": true})
    }));
    let networks: Map<String, Value> = value::entries(&networking, "EndpointsConfig")
        .map(|(name, endpoint)| {
            let mut endpoint = endpoint.clone();
            endpoint["NetworkID"] = json!("00ff");
            endpoint["IPAddress"] = json!("10.9.9.9");
            if minor < 45 {
                let mut aliases = value::list(&endpoint, "Aliases").to_vec();
                aliases.push(id[..12].into());
                endpoint["Aliases"] = Value::Array(aliases);
            }
            (name.clone(), endpoint)
        })
        .collect();
    json!({
        "Id": id, "Name": "/x", "Image": image["Id"], "Config": config, "HostConfig": host_config, "Mounts": mounts,
        "NetworkSettings": {"Networks": networks},
    })
}

/// A container as a user could have made it.
fn any_container() -> impl Strategy<Value = Value> {
    let pick = |values: Vec<Value>| prop::sample::select(values);
    let settings = (
        prop::sample::subsequence(vec!["A=1", "A=9", "B", "C=", "MINE=1", "COMMON=same"], 0..=6),
        pick(vec![json!(null), json!([]), json!(["/bin/sh", "-c"]), json!(["/mine"])]),
        pick(vec![json!(["loop"]), json!(["mine"])]),
        pick(vec![json!(""), json!("1000"), json!("7:8")]),
        pick(vec![json!("/w1"), json!("/zz")]),
        pick(vec![
            json!(null),
            json!({"Test": ["CMD", "t"], "Retries": 1}),
            json!({"Test": ["NONE"]}),
            json!({"Test": ["CMD", "t"], "Retries": 9}),
        ]),
        pick(vec![json!("0123456789ab"), json!("web")]),
        pick(vec![json!(null), json!("02:00:00:00:00:29")]),
    );
    let places = (
        pick(vec![json!(null), json!({}), json!({"80/tcp": [{"HostPort": "8080"}]}), json!({"99/udp": []})]),
        prop::sample::subsequence(vec!["n1", "n2", "bridge"], 0..=3),
        pick(vec![json!("n1"), json!("bridge"), json!("default"), json!("none"), json!("host")]),
        pick(vec![json!(null), json!({"IPv4Address": "10.71.0.9"})]),
        pick(vec![json!(null), json!(["named:/n"])]),
        any::<bool>(),
    );
    (settings, places).prop_map(|((env, entrypoint, command, user, folder, healthcheck, hostname, mac), (ports, networks, mode, ipam, binds, anonymous))| {
        let endpoint = json!({"IPAMConfig": ipam, "Aliases": ["al", "0123456789ab"], "IPAddress": "10.71.0.9", "NetworkID": "00ff"});
        let networks: Map<String, Value> = match mode.as_str() {
            Some(alone @ ("none" | "host")) => Map::from_iter([(alone.to_owned(), json!({}))]),
            _ => networks.into_iter().map(|name| (name.to_owned(), endpoint.clone())).collect(),
        };
        let mut mounts: Vec<Value> = value::text_elements(&json!({"Binds": binds}), "Binds").map(|_| json!({"Type": "volume", "Name": "named", "Destination": "/n", "RW": true})).collect();
        if anonymous {
            mounts.push(json!({"Type": "volume", "Name": "0a0a", "Destination": "/anon", "RW": true}));
        }
        json!({
            "Id": "0123456789abcdef", "Name": "/x", "Image": "sha256:1",
            "Config": {
                "Image": "app:t", "Env": env, "Entrypoint": entrypoint, "Cmd": command, "User": user, "WorkingDir": folder, "Healthcheck": healthcheck,
                "Hostname": hostname, "MacAddress": mac, "Labels": {"l": "one"}, "StopSignal": "SIGUSR1",
                "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/anon": {}},
            },
            "HostConfig": {"NetworkMode": mode, "PortBindings": ports, "Binds": binds, "Mounts": null, "Tmpfs": {"/t": "size=2m"}, "Links": ["/db:/x/database"],
                "VolumesFrom": ["gone"], "MaskedPaths": [], "Unheard": {"Of": [1, null]}},
            "Mounts": mounts,
            "NetworkSettings": {"Networks": networks},
        })
    })
}

proptest! {
    #![proptest_config(without_files(256))]

    #[test]
    fn mapping_a_mapping_changes_nothing(container in any_container(), minor in prop::sample::select(vec![41_u32, 44, 45, 48])) {
        let old_image = json!({"Id": "sha256:1", "Config": {
            "Env": ["A=1", "COMMON=same"], "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["loop"], "User": "1000", "WorkingDir": "/w1/",
            "Healthcheck": {"Test": ["CMD", "t"], "Retries": 1}, "Labels": {"l": "one"}, "StopSignal": "SIGUSR1", "ExposedPorts": {"80/tcp": {}},
        }});
        let new_image = json!({"Id": "sha256:2", "Config": {
            "Env": ["A=2", "COMMON=same", "D=new"], "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["loop2"], "User": "1001", "WorkingDir": "/w2",
            "Healthcheck": {"Test": ["CMD", "t2"], "Retries": 4}, "Labels": {"l": "two"}, "StopSignal": "SIGUSR2", "ExposedPorts": {"90/tcp": {}},
        }});
        let facts = EngineFacts { api_version: (1, minor), ..EngineFacts::default() };
        let inventory = EngineInventory::default();
        let mut container = container;
        if minor >= 44 && !networks::endpoints(&container).iter().any(|endpoint| endpoint.is_mode) {
            // It would be that of a network that is not there.
            container["Config"]["MacAddress"] = Value::Null;
        }
        let old = CreateInput { container: &container, old_image: &old_image, new_image: Some(&new_image), facts: &facts, inventory: &inventory };
        let first = old.create_plan().unwrap();
        let mut replacement = shown(&first.body, &new_image, minor);
        if minor >= 44 {
            // Shown at the top, said of the endpoint.
            replacement["Config"]["MacAddress"] = container["Config"]["MacAddress"].clone();
        }
        // Networks that come by connect are shown like those of the create.
        for connect in &first.connects {
            let mut endpoint = connect.endpoint.clone();
            endpoint["IPAddress"] = json!("10.9.9.9");
            replacement["NetworkSettings"]["Networks"][&connect.network] = endpoint;
        }
        if let Some(alone @ ("none" | "host")) = container["HostConfig"]["NetworkMode"].as_str() {
            replacement["NetworkSettings"]["Networks"][alone] = json!({});
        }
        let again = CreateInput { container: &replacement, old_image: &new_image, new_image: Some(&new_image), facts: &facts, inventory: &inventory };
        let second = again.create_plan().unwrap();
        prop_assert_eq!(&second.body, &first.body);
        prop_assert_eq!(&second.disconnects, &first.disconnects);
        prop_assert_eq!(&second.connects, &first.connects);
        let verified = verify(&old, &replacement);
        prop_assert!(verified.is_ok(), "{:?}", verified);
    }
}
