#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use super::*;

#[test]
fn each_change_has_its_field_and_its_reason() {
    let old_image = json!({"Config": {"Env": ["A=1"], "ExposedPorts": {"80/tcp": {}}}});
    let new_image = json!({"Config": {"Env": ["A=2"], "ExposedPorts": {"90/tcp": {}}}});
    let old = json!({
        "Id": "a", "Created": "x", "Image": "sha256:1", "State": {"Running": true},
        "Config": {"Hostname": "a", "Env": ["A=1"], "ExposedPorts": {"80/tcp": {}}, "Cmd": null, "Labels": {"com.docker.compose.image": "1"}},
        "HostConfig": {"Binds": null, "Mounts": null, "RestartPolicy": {"Name": "always"}},
        "Mounts": [{"Type": "volume", "Name": "v", "Destination": "/d", "Mode": "", "RW": true}],
        "NetworkSettings": {
            "Ports": {"80/tcp": [{"HostPort": "32768"}]},
            "Networks": {"n1": {"IPAddress": "10.0.0.2", "Aliases": ["a", "al"], "NetworkID": "1", "EndpointID": "1"}},
        },
    });
    let new = json!({
        "Id": "b", "Created": "y", "Image": "sha256:2", "State": {"Running": true},
        "Config": {"Hostname": "b", "Env": ["A=2"], "ExposedPorts": {"90/tcp": {}}, "Cmd": [], "Labels": {"com.docker.compose.image": "2"}},
        "HostConfig": {"Binds": [], "Mounts": [{"Type": "volume"}], "RestartPolicy": {"Name": "always"}},
        "Mounts": [
            {"Type": "volume", "Name": "v", "Destination": "/d", "Mode": "z", "RW": true}, {"Type": "volume", "Name": "w", "Destination": "/e"},
        ],
        "NetworkSettings": {
            "Ports": {"80/tcp": [{"HostPort": "32769"}]},
            "Networks": {"n1": {"IPAddress": "10.0.0.3", "Aliases": ["b", "al"], "NetworkID": "1", "EndpointID": "2"}},
        },
    });
    let changes = changes(&old, &new, &old_image, &new_image, &EngineFacts { api_version: (1, 41), ..EngineFacts::default() });
    let fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "Config.Hostname",
            "Config.Env",
            "Config.ExposedPorts",
            "Config.Labels",
            "HostConfig.Mounts",
            "Mounts./e",
            "NetworkSettings.Networks.n1.IPAddress",
            "NetworkSettings.Ports.80/tcp",
        ]
    );
    assert_eq!((&changes[1].before, &changes[1].after), (&json!(["A=1"]), &json!(["A=2"])));
    assert!(changes[1].because.contains("new image's default"));
    assert!(changes[3].because.contains("compose"));
    assert!(changes[5].because.contains("declares a volume"));
}

#[test]
fn nothing_changes_between_equals() {
    let inspect = json!({"Config": {"Env": ["A=1"]}, "HostConfig": {}, "Mounts": [], "NetworkSettings": {"Networks": {"n1": {}}}});
    assert_eq!(changes(&inspect, &inspect, &json!({}), &json!({}), &EngineFacts::default()), []);
}

#[test]
fn images_differ_in_what_a_container_could_notice() {
    let image = |env: &str| {
        json!({
            "Id": env, "Created": env, "Size": env.len(), "Os": "linux", "Architecture": "amd64",
            "Config": {"Env": [env], "Hostname": env, "Image": env, "User": "1"},
        })
    };
    let changes = image_changes(&image("A=1"), &image("A=22"));
    assert_eq!(changes, [ImageChange { field: "Config.Env".into(), before: json!(["A=1"]), after: json!(["A=22"]) }]);
    let mut arm = image("A=1");
    arm["Architecture"] = json!("arm64");
    assert_eq!(image_changes(&image("A=1"), &arm)[0].field, "Architecture");
}
