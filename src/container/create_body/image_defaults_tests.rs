#![allow(clippy::panic, clippy::needless_pass_by_value)]

use serde_json::json;

use super::*;

fn subtracted(config: Value, image: Value) -> Value {
    let Value::Object(mut config) = config else { panic!("a table entry is an object") };
    subtract(&mut config, &image);
    Value::Object(config)
}

#[test]
fn each_field_follows_the_image_or_the_user() {
    for (case, container, image, expected) in [
        (
            "R02 the user's variables stay",
            json!({"Env": ["A=9", "MINE=1", "COMMON=same", "EMPTY=", "B=old"]}),
            json!({"Env": ["A=1", "B=old", "COMMON=same"]}),
            json!({"Env": ["A=9", "MINE=1", "EMPTY="]}),
        ),
        ("R03 removals stay", json!({"Env": ["B", "A=7", "C"]}), json!({"Env": ["A=1", "B=old"]}), json!({"Env": ["B", "A=7", "C"]})),
        ("an empty value is not a removal", json!({"Env": ["K="]}), json!({"Env": ["K"]}), json!({"Env": ["K="]})),
        ("duplicates keep their order", json!({"Env": ["A=2", "A=3"]}), json!({"Env": ["A=1"]}), json!({"Env": ["A=2", "A=3"]})),
        (
            "R04 labels by key and value",
            json!({"Labels": {"l1": "mine", "own": "1", "lsame": "s", "lold": "x"}}),
            json!({"Labels": {"l1": "one", "lold": "x", "lsame": "s"}}),
            json!({"Labels": {"l1": "mine", "own": "1"}}),
        ),
        (
            "R05 the user's user, folder and signal",
            json!({"User": "7:8", "WorkingDir": "/zz", "StopSignal": "SIGTERM"}),
            json!({"User": "1000", "WorkingDir": "/w1/", "StopSignal": "SIGUSR1"}),
            json!({"User": "7:8", "WorkingDir": "/zz", "StopSignal": "SIGTERM"}),
        ),
        (
            "R06 the folder after cleaning",
            json!({"User": "1000", "WorkingDir": "/w1", "StopSignal": "SIGUSR1"}),
            json!({"User": "1000", "WorkingDir": "/w1/", "StopSignal": "SIGUSR1"}),
            json!({"User": "", "WorkingDir": "", "StopSignal": ""}),
        ),
        (
            "the image's ports, with and without protocol",
            json!({"ExposedPorts": {"80": {}, "81/udp": {}, "82/tcp": {}, "83/tcp": {}}}),
            json!({"ExposedPorts": {"80/tcp": {}, "81/udp": {}, "82": {}}}),
            json!({"ExposedPorts": {"83/tcp": {}}}),
        ),
        (
            "the image's volumes after cleaning",
            json!({"Volumes": {"/data": {}, "/anon": {}}}),
            json!({"Volumes": {"/data/": {}}}),
            json!({"Volumes": {"/anon": {}}}),
        ),
        ("no defaults", json!({"Env": null, "Labels": {}, "User": ""}), json!(null), json!({"Env": null, "Labels": {}, "User": ""})),
        ("what only images have", json!({"OnBuild": null, "ArgsEscaped": true, "Shell": ["sh"]}), json!(null), json!({"Shell": ["sh"]})),
        ("an unknown field", json!({"Fancy": {"a": [1]}}), json!({"Fancy": {"a": [1]}}), json!({"Fancy": {"a": [1]}})),
    ] {
        assert_eq!(subtracted(container, image), expected, "{case}");
    }
}

#[test]
fn the_healthcheck_follows_a_field_at_a_time() {
    let image = json!({"Test": ["CMD-SHELL", "/bin/true-v1"], "Interval": 1, "Timeout": 3, "Retries": 1});
    let with = |key: &str, value: Value| {
        let mut healthcheck = image.clone();
        healthcheck[key] = value;
        healthcheck
    };
    for (case, container, image, expected) in [
        ("all of the image", image.clone(), image.clone(), json!(null)),
        ("R12 the interval alone", with("Interval", json!(7)), image.clone(), json!({"Interval": 7})),
        ("R13 none", with("Test", json!(["NONE"])), image.clone(), json!({"Test": ["NONE"]})),
        ("zeros are inherited", json!({"Test": image["Test"], "StartPeriod": 0}), image.clone(), json!(null)),
        ("R14 an image without", json!({}), json!(null), json!({})),
        ("an image without, a container with", json!({"Test": ["CMD", "x"]}), json!(null), json!({"Test": ["CMD", "x"]})),
        ("neither", json!(null), json!(null), json!(null)),
    ] {
        assert_eq!(subtracted(json!({"Healthcheck": container}), json!({"Healthcheck": image}))["Healthcheck"], expected, "{case}");
    }
}

#[test]
fn merge_does_what_the_engine_does() {
    let image = json!({
        "User": "1001", "WorkingDir": "/w2", "StopSignal": "SIGUSR2", "Env": ["A=2", "B=x", "C=new"], "Labels": {"l1": "two", "lnew": "y"},
        "ExposedPorts": {"90/tcp": {}}, "Volumes": {"/data": {}}, "Healthcheck": {"Test": ["CMD", "t"], "Retries": 4},
        "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["loop"],
    });
    let Value::Object(mut config) = json!({
        "User": "", "WorkingDir": "/zz", "Env": ["A=9", "B"], "Labels": {"l1": "mine"}, "ExposedPorts": {"80/tcp": {}}, "Volumes": null,
        "Healthcheck": {"Retries": 9}, "Entrypoint": null, "Cmd": null,
    }) else {
        panic!("an object")
    };
    merge(&mut config, &image);
    assert_eq!(
        Value::Object(config),
        json!({
            "User": "1001", "WorkingDir": "/zz", "Env": ["A=9", "B", "C=new"], "Labels": {"l1": "mine", "lnew": "y"},
            "ExposedPorts": {"80/tcp": {}, "90/tcp": {}}, "Volumes": {"/data": {}},
            "Healthcheck": {"Retries": 9, "Test": ["CMD", "t"]}, "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["loop"], "StopSignal": "SIGUSR2",
        })
    );
}
