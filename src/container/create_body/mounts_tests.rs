#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use super::*;

fn rewritten(container: &Value, containers: &[Value]) -> Value {
    rewritten_on(&EngineFacts::default(), container, containers)
}

fn rewritten_on(facts: &EngineFacts, container: &Value, containers: &[Value]) -> Value {
    let mut host_config = container["HostConfig"].as_object().cloned().unwrap_or_default();
    rewrite(&mut host_config, container, containers, facts);
    Value::Object(host_config)
}

fn volume(name: &str, destination: &str) -> Value {
    json!({"Type": "volume", "Name": name, "Source": format!("/var/lib/{name}"), "Destination": destination, "RW": true})
}

fn by_name(name: &str, target: &str) -> Value {
    json!({"Type": "volume", "Source": name, "Target": target, "VolumeOptions": {"NoCopy": true}})
}

#[test]
fn each_kind_of_mount_keeps_its_volume() {
    for (case, host_config, mounts, expected) in [
        ("R38 -v /x", json!({"Binds": null}), json!([volume("a", "/x")]), json!({"Binds": null, "Mounts": [by_name("a", "/x")]})),
        (
            "R39 a volume of the image, read-only",
            json!({}),
            json!([{"Type": "volume", "Name": "a", "Destination": "/x", "RW": false}]),
            json!({"Mounts": [{
                "Type": "volume", "Source": "a", "Target": "/x", "VolumeOptions": {"NoCopy": true}, "ReadOnly": true,
            }]}),
        ),
        (
            "R40 binds verbatim, a slash at the end included",
            json!({"Binds": ["named:/n", "ro:/r:ro", "/usr:/h:ro,rprivate", "sl:/sl/"]}),
            json!([volume("named", "/n"), volume("ro", "/r"), {"Type": "bind", "Source": "/usr", "Destination": "/h"}, volume("sl", "/sl")]),
            json!({"Binds": ["named:/n", "ro:/r:ro", "/usr:/h:ro,rprivate", "sl:/sl/"]}),
        ),
        (
            "a bind that is a path alone",
            json!({"Binds": ["/only", "nn:/n"]}),
            json!([volume("a", "/only"), volume("nn", "/n")]),
            json!({"Binds": ["nn:/n"], "Mounts": [by_name("a", "/only")]}),
        ),
        (
            "a bind that is a path alone, whose volume 28 does not name",
            json!({"Binds": ["/only"]}),
            json!([{"Type": "volume", "Source": "/var/lib/docker/volumes/a/_data", "Destination": "/only", "Driver": "local", "RW": true}]),
            json!({"Binds": [], "Mounts": [by_name("a", "/only")]}),
        ),
        (
            "R41 a mount without source, beside others",
            json!({"Mounts": [
                {"Type": "volume", "Target": "/m1/", "VolumeOptions": {"Labels": {"a": "b"}}}, {"Type": "volume", "Source": "v3", "Target": "/m3"},
                {"Type": "tmpfs", "Target": "/t"}, {"Type": "bind", "Source": "/usr", "Target": "/b"}, {"Type": "image", "Source": "i", "Target": "/i"},
            ], "Tmpfs": {"/t2": "size=2m"}}),
            json!([volume("a", "/m1"), volume("v3", "/m3"), {"Type": "tmpfs", "Destination": "/t"}]),
            json!({"Mounts": [
                {"Type": "volume", "Target": "/m1/", "VolumeOptions": {"Labels": {"a": "b"}, "NoCopy": true}, "Source": "a"},
                {"Type": "volume", "Source": "v3", "Target": "/m3"},
                {"Type": "tmpfs", "Target": "/t"}, {"Type": "bind", "Source": "/usr", "Target": "/b"}, {"Type": "image", "Source": "i", "Target": "/i"},
            ], "Tmpfs": {"/t2": "size=2m"}}),
        ),
        ("R42 a tmpfs over a volume", json!({"Tmpfs": {"/data/": ""}}), json!([]), json!({"Tmpfs": {"/data/": ""}})),
        (
            "the same destination is not sent twice",
            json!({"Binds": ["x:/a/"], "Tmpfs": {"/b//": ""}, "Mounts": [{"Type": "bind", "Source": "/", "Target": "/c/."}]}),
            json!([volume("x", "/a"), volume("y", "/b"), volume("z", "/c")]),
            json!({"Binds": ["x:/a/"], "Tmpfs": {"/b//": ""}, "Mounts": [{"Type": "bind", "Source": "/", "Target": "/c/."}]}),
        ),
        ("a bind that nothing explains", json!({}), json!([{"Type": "bind", "Source": "/s", "Destination": "/d", "RW": true}]), json!({})),
    ] {
        assert_eq!(rewritten(&json!({"HostConfig": host_config, "Mounts": mounts}), &[]), expected, "{case}");
    }
}

#[test]
fn r43_volumes_from_is_kept_while_the_source_has_the_same_volumes() {
    let source = |id: &str, volumes: Value| json!({"Id": id, "Name": "/src", "Mounts": volumes});
    let read_only = |name: &str, path: &str| {
        let mut mount = volume(name, path);
        mount["RW"] = json!(false);
        mount
    };
    let bind = json!({"Type": "bind", "Source": "/usr", "Destination": "/b", "RW": false, "Propagation": "rslave"});
    let container = json!({
        "HostConfig": {"VolumesFrom": ["src:rw,z"], "Binds": ["own:/own"]},
        "Mounts": [volume("a", "/va"), volume("own", "/own"), bind],
    });
    let kept = json!({"VolumesFrom": ["src:rw,z"], "Binds": ["own:/own"]});
    let explicit = json!({"VolumesFrom": [], "Binds": ["own:/own"], "Mounts": [
        by_name("a", "/va"),
        {"Type": "bind", "Source": "/usr", "Target": "/b", "ReadOnly": true, "BindOptions": {"Propagation": "rslave"}},
    ]});
    let same = source("0123456789ab", json!([volume("a", "/va"), volume("theirs", "/own/"), bind]));
    for (case, containers, expected) in [
        ("the same", vec![same.clone()], kept.clone()),
        ("gone", vec![], explicit.clone()),
        ("made again with another volume", vec![source("ff", json!([volume("other", "/va"), bind]))], explicit.clone()),
        ("with one more volume", vec![source("ff", json!([volume("a", "/va"), bind, volume("more", "/more")]))], explicit.clone()),
        ("that may not write any more", vec![source("ff", json!([read_only("a", "/va"), bind]))], explicit.clone()),
        ("with one less: only that is made explicit", vec![source("ff", json!([bind]))], {
            let mut one = kept.clone();
            one["Mounts"] = json!([by_name("a", "/va")]);
            one
        }),
    ] {
        assert_eq!(rewritten(&container, &containers), expected, "{case}");
    }
    let for_reading =
        json!({"HostConfig": {"VolumesFrom": ["src:ro"]}, "Mounts": [read_only("a", "/va"), read_only("theirs", "/own"), bind]});
    assert_eq!(rewritten(&for_reading, std::slice::from_ref(&same)), json!({"VolumesFrom": ["src:ro"]}));
    let by_id = json!({"HostConfig": {"VolumesFrom": ["0123"]}, "Mounts": [volume("a", "/va"), volume("theirs", "/own"), bind]});
    assert_eq!(rewritten(&by_id, &[same]), json!({"VolumesFrom": ["0123"]}));
}

#[test]
fn r43_a_folder_that_podman_does_not_show_keeps_its_source() {
    let podman = EngineFacts { podman: true, ..EngineFacts::default() };
    let bind = json!({"Type": "bind", "Source": "/usr", "Destination": "/b", "RW": true});
    let source = |more: Value| json!({"Id": "ff", "Name": "/src", "Mounts": [volume("a", "/va"), more]});
    // 5.8 shows the volumes that were taken among the binds too.
    let container = json!({"HostConfig": {"VolumesFrom": ["src"], "Binds": ["a:/va"]}, "Mounts": [volume("a", "/va")]});
    let sources = |more: Value, facts: &EngineFacts| rewritten_on(facts, &container, &[source(more)])["VolumesFrom"].clone();
    assert_eq!(sources(bind.clone(), &podman), json!(["src"]));
    assert_eq!(sources(bind, &EngineFacts::default()), json!([]));
    assert_eq!(sources(volume("more", "/more"), &podman), json!([]), "a volume would show");
}
