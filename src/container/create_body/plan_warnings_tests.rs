#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use serde_json::json;

use super::*;

fn codes(old: Value, new: Value, container: Value) -> Vec<(String, bool)> {
    let image = |config: Value| json!({"Os": "linux", "Architecture": "amd64", "Config": config});
    let mut container = container;
    container["Name"] = json!("/x");
    plan_warnings(&image(old), &image(new), &[container]).into_iter().map(|warning| (warning.code, warning.container.is_some())).collect()
}

#[test]
fn each_warning_has_its_code_and_its_container() {
    let of_container = |code: &str| vec![(code.to_owned(), true)];
    let of_image = |code: &str| vec![(code.to_owned(), false)];
    for (case, old, new, container, expected) in [
        ("nothing", json!({"Env": ["A=1"]}), json!({"Env": ["A=2"]}), json!({"Config": {"Env": ["A=1"]}}), vec![]),
        (
            "a published port that is exposed no longer",
            json!({"ExposedPorts": {"80/tcp": {}}}),
            json!({"ExposedPorts": {"90/tcp": {}}}),
            json!({"HostConfig": {"PortBindings": {"80/tcp": [], "90/tcp": []}}}),
            of_container("port_not_exposed"),
        ),
        ("a port that the image never exposed", json!({}), json!({}), json!({"HostConfig": {"PortBindings": {"80/tcp": []}}}), vec![]),
        (
            "a volume that is declared no longer",
            json!({"Volumes": {"/data/": {}}}),
            json!({}),
            json!({"Mounts": [{"Type": "volume", "Destination": "/data"}, {"Type": "volume", "Destination": "/mine"}]}),
            of_container("volume_gone"),
        ),
        (
            "a volume that is new, below a mount",
            json!({}),
            json!({"Volumes": {"/data/cache/": {}}}),
            json!({"Mounts": [{"Type": "bind", "Source": "/srv", "Destination": "/data"}, {"Type": "volume", "Destination": "/dat"}]}),
            vec![("volume_new".to_owned(), false), ("volume_new".to_owned(), true)],
        ),
        (
            "a volume that is new, where the container mounts something",
            json!({}),
            json!({"Volumes": {"/data/cache": {}}}),
            json!({"Mounts": [{"Type": "bind", "Destination": "/data"}, {"Type": "volume", "Destination": "/data/cache"}]}),
            of_image("volume_new"),
        ),
        ("a volume that is new", json!({}), json!({"Volumes": {"/new": {}}}), json!({}), of_image("volume_new")),
        (
            "another entrypoint under the container's own command",
            json!({"Entrypoint": ["a"], "Cmd": ["c"]}),
            json!({"Entrypoint": ["b"], "Cmd": ["c"]}),
            json!({"Config": {"Entrypoint": ["a"], "Cmd": ["mine"]}}),
            of_container("entrypoint"),
        ),
        (
            "another user under the container's own working directory",
            json!({"User": "1", "WorkingDir": "/w/"}),
            json!({"User": "2", "WorkingDir": "/w"}),
            json!({"Config": {"User": "1", "WorkingDir": "/mine"}}),
            of_container("user"),
        ),
        (
            "another command, and the container overrides nothing",
            json!({"Cmd": ["a"], "WorkingDir": "/w/"}),
            json!({"Cmd": ["b"], "WorkingDir": "/w/"}),
            json!({"Config": {"Cmd": ["a"], "WorkingDir": "/w"}}),
            vec![],
        ),
        (
            "a default that the container pins",
            json!({"Env": ["A=1", "B=1"]}),
            json!({"Env": ["A=2", "B=1"]}),
            json!({"Config": {"Env": ["A=9", "B=9"]}}),
            of_container("environment_pinned"),
        ),
        (
            "a healthcheck that appears",
            json!({"Healthcheck": {"Test": ["NONE"]}}),
            json!({"Healthcheck": {"Test": ["CMD", "x"]}}),
            json!({}),
            of_image("healthcheck_new"),
        ),
        ("a healthcheck that goes", json!({"Healthcheck": {"Test": ["CMD", "x"]}}), json!({}), json!({}), of_image("healthcheck_gone")),
        (
            "a label that other tools read",
            json!({"Labels": {"traefik.enable": "true", "mine": "1"}}),
            json!({"Labels": {"mine": "2"}}),
            json!({}),
            of_image("label"),
        ),
    ] {
        assert_eq!(codes(old, new, container), expected, "{case}");
    }
}

#[test]
fn another_architecture_has_a_warning() {
    let warnings = plan_warnings(&json!({"Os": "linux", "Architecture": "amd64"}), &json!({"Os": "linux", "Architecture": "arm64"}), &[]);
    assert_eq!((warnings[0].code.as_str(), warnings.len()), ("architecture", 1));
}

#[test]
fn a_warning_has_no_value_that_may_be_secret() {
    let image = |env: &str| json!({"Config": {"Env": [env]}});
    let warnings = plan_warnings(&image("KEY=old"), &image("KEY=new"), &[json!({"Config": {"Env": ["KEY=hunter2"]}})]);
    assert!(warnings[0].message.contains("KEY") && !warnings[0].message.contains("hunter2"));
}

#[test]
fn less_free_disk_than_the_download_has_a_warning_where_the_engine_reports_it() {
    let info = |key: &str, free: &str| json!({"DriverStatus": [["Pool", "p"], [key, free]]});
    for (info, warned) in [
        (info("Space Available", "999"), true),
        (info("Space Available", "1000"), false),
        (info("Data Space Available", "0.5 kB"), true),
        (info("Data Space Available", "12.3GB"), false),
        (info("Data Space Available", "nonsense"), false),
        (info("Backing Filesystem", "extfs"), false),
        (json!({"DriverStatus": null}), false),
    ] {
        assert_eq!(disk_warning(&info, 1000).is_some(), warned, "{info}");
    }
}
