#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use serde_json::json;

use super::super::{EngineFacts, Surroundings};
use super::*;

fn old_image() -> Value {
    json!({"Id": "sha256:1", "Config": {"Env": ["A=1"], "Cmd": ["loop"], "WorkingDir": "/w1/", "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}}})
}

fn new_image() -> Value {
    json!({"Id": "sha256:2", "Config": {"Env": ["A=2", "C=new"], "Cmd": ["loop2"], "WorkingDir": "/w2/", "Volumes": {"/data2/": {}}}})
}

fn old() -> Value {
    json!({
        "Id": "0123456789abcdef", "Name": "/x", "Image": "sha256:1",
        "Config": {
            "Image": "app:t", "Hostname": "0123456789ab", "Env": ["MINE=1", "A=1"], "Cmd": ["loop"], "WorkingDir": "/w1", "Labels": {},
            "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "Tty": true,
        },
        "HostConfig": {
            "NetworkMode": "n1", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}, "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
            "MaskedPaths": ["/proc/kcore"], "Memory": 64, "Runtime": "", "Links": ["/db:/x/database"], "MemorySwappiness": null,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "PidsLimit": 100, "OomKillDisable": true,
        },
        "Mounts": [{"Type": "volume", "Name": "v", "Destination": "/data", "Mode": "", "RW": true, "Propagation": ""}],
        "NetworkSettings": {"Networks": {"n1": {
            "IPAMConfig": {"IPv4Address": "10.71.0.50"}, "Aliases": ["al", "0123456789ab"], "NetworkID": "11", "IPAddress": "10.71.0.50",
        }}},
    })
}

/// As the engine shows the replacement before its first start.
fn new() -> Value {
    json!({
        "Id": "fedcba9876543210", "Name": "/x.refit-new", "Image": "sha256:2",
        "Config": {
            "Image": "app:t", "Hostname": "fedcba987654", "Env": ["MINE=1", "A=2", "C=new"], "Cmd": ["loop2"], "WorkingDir": "/w2", "Labels": null,
            "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data2/": {}}, "Tty": true,
        },
        "HostConfig": {
            "NetworkMode": "n1", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}, "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
            "MaskedPaths": ["/proc/kcore"], "Memory": 64, "Runtime": "runc", "Links": ["/db:/x.refit-new/database"], "MemorySwappiness": -1,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "PidsLimit": 100, "OomKillDisable": true,
            "Mounts": [{"Type": "volume", "Source": "v", "Target": "/data"}],
        },
        "Mounts": [
            {"Type": "volume", "Name": "v", "Destination": "/data", "Mode": "z", "RW": true, "Propagation": ""},
            {"Type": "volume", "Name": "w", "Destination": "/data2", "Mode": "", "RW": true, "Propagation": ""},
        ],
        "NetworkSettings": {"Networks": {"n1": {"IPAMConfig": {"IPv4Address": "10.71.0.50"}, "Aliases": ["al"], "NetworkID": ""}}},
    })
}

fn differences(old: &Value, new: &Value) -> Vec<String> {
    let facts = EngineFacts { api_version: (1, 41), ..EngineFacts::default() };
    let around = Surroundings { networks: vec![json!({"Name": "ov", "Id": "0f", "Scope": "swarm"})], ..Surroundings::default() };
    let (old_image, new_image) = (old_image(), new_image());
    let subject = Subject { container: old, old_image: &old_image, new_image: Some(&new_image), facts: &facts, around: &around };
    verify(&subject, new).err().unwrap_or_default().into_iter().map(|difference| difference.field).collect()
}

fn with(mut inspect: Value, pointer: &str, value: Value) -> Value {
    *inspect.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    inspect
}

#[test]
fn what_the_rules_explain_is_no_difference() {
    assert_eq!(differences(&old(), &new()), Vec::<String>::new());
}

#[test]
fn each_loss_is_seen() {
    for (pointer, value, field) in [
        ("/Image", json!("sha256:3"), "Image"),
        ("/Config/Image", json!("app:u"), "Config.Image"),
        ("/Config/Env", json!(["A=2", "C=new"]), "Config.Env"),
        ("/Config/Env", json!(["MINE=1", "A=1", "C=new"]), "Config.Env"),
        ("/Config/Cmd", json!(["other"]), "Config.Cmd"),
        ("/Config/Hostname", json!("other"), "Config.Hostname"),
        ("/Config/Labels", json!({"l": "x"}), "Config.Labels"),
        ("/Config/ExposedPorts", json!({}), "Config.ExposedPorts"),
        ("/Config/Tty", json!(false), "Config.Tty"),
        ("/HostConfig/Memory", json!(0), "HostConfig.Memory"),
        ("/HostConfig/PortBindings", json!({}), "HostConfig.PortBindings"),
        ("/HostConfig/RestartPolicy/Name", json!(""), "HostConfig.RestartPolicy"),
        ("/HostConfig/MaskedPaths", json!([]), "HostConfig.MaskedPaths"),
        ("/HostConfig/MaskedPaths", json!(null), "HostConfig.MaskedPaths"),
        ("/HostConfig/LogConfig", json!({"Type": "json-file", "Config": {"max-size": "9m"}}), "HostConfig.LogConfig"),
        ("/HostConfig/LogConfig", json!({"Type": "json-file", "Config": {}}), "HostConfig.LogConfig"),
        ("/HostConfig/LogConfig", json!({"Type": "local", "Config": {"max-size": "1m"}}), "HostConfig.LogConfig"),
        ("/HostConfig/PidsLimit", json!(null), "HostConfig.PidsLimit"),
        ("/HostConfig/OomKillDisable", json!(null), "HostConfig.OomKillDisable"),
        ("/HostConfig/Links", json!([]), "HostConfig.Links"),
        ("/HostConfig/NetworkMode", json!("n2"), "HostConfig.NetworkMode"),
        ("/HostConfig/MemorySwappiness", json!(60), "HostConfig.MemorySwappiness"),
        ("/Mounts/0/Name", json!("another"), "Mounts[/data]"),
        ("/Mounts/0/RW", json!(false), "Mounts[/data]"),
        ("/Mounts/1/Destination", json!("/undeclared"), "Mounts[/undeclared]"),
        ("/NetworkSettings/Networks", json!({}), "NetworkSettings.Networks.n1"),
        ("/NetworkSettings/Networks/n1/IPAMConfig", json!(null), "NetworkSettings.Networks.n1"),
        ("/NetworkSettings/Networks/n1/Aliases", json!(["al", "0123456789ab"]), "NetworkSettings.Networks.n1"),
        ("/NetworkSettings/Networks/n1/Aliases", json!([]), "NetworkSettings.Networks.n1"),
    ] {
        let found = differences(&old(), &with(new(), pointer, value.clone()));
        assert_eq!(found, [field], "{pointer} {value}");
    }
    let mut more = new();
    more["NetworkSettings"]["Networks"]["bridge"] = json!({});
    assert_eq!(differences(&old(), &more), ["NetworkSettings.Networks.bridge"]);
    let configured = with(old(), "/Config", {
        let mut config = old()["Config"].clone();
        config["MacAddress"] = json!("02:00:00:00:00:29");
        config
    });
    assert_eq!(differences(&configured, &new()), ["Config.MacAddress"]);
    let unheard = with(old(), "/HostConfig", {
        let mut host_config = old()["HostConfig"].clone();
        host_config["Fancy"] = json!({"a": 1});
        host_config
    });
    assert_eq!(differences(&unheard, &new()), ["HostConfig.Fancy"]);
}

#[test]
fn a_value_that_the_new_image_has_as_its_default_is_no_difference() {
    let mut old = old();
    old["Config"]["Env"] = json!(["MINE=1", "A=2"]);
    assert_eq!(differences(&old, &new()), Vec::<String>::new());
}

#[test]
fn forms_of_the_same_setting() {
    for (pointer, before, after) in [
        ("/HostConfig/RestartPolicy", json!({"Name": "", "MaximumRetryCount": 0}), json!({"Name": "no"})),
        ("/HostConfig/NetworkMode", json!("11"), json!("n1")),
        ("/HostConfig/MemorySwappiness", json!(-1), json!(null)),
        ("/HostConfig/PortBindings", json!(null), json!({})),
        ("/HostConfig/PortBindings", json!({"80/tcp": []}), json!({})),
        // The daemon has got log-opts since.
        ("/HostConfig/LogConfig", json!({"Type": "json-file", "Config": {}}), json!({"Type": "json-file", "Config": {"max-size": "10m"}})),
        (
            "/HostConfig/LogConfig",
            json!({"Type": "json-file", "Config": null}),
            json!({"Type": "json-file", "Config": {"max-size": "10m"}}),
        ),
        // An update to "none", and a create with none.
        ("/HostConfig/PidsLimit", json!(0), json!(null)),
        ("/HostConfig/PidsLimit", json!(-1), json!(null)),
        // From cgroup v1 to v2.
        ("/HostConfig/OomKillDisable", json!(false), json!(null)),
        ("/HostConfig/MaskedPaths", json!(null), json!(["/proc/kcore"])),
    ] {
        let publishes_nothing = pointer.ends_with("PortBindings") && before.is_null();
        let (mut old, mut new) = (with(old(), pointer, before), with(new(), pointer, after));
        if publishes_nothing {
            old["Config"]["ExposedPorts"] = json!({});
            new["Config"]["ExposedPorts"] = json!({});
        }
        assert_eq!(differences(&old, &new), Vec::<String>::new(), "{pointer}");
    }
    let older: Vec<&str> = "/proc/asound /proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/timer_stats \
                            /proc/sched_debug /proc/scsi /sys/firmware"
        .split_whitespace()
        .collect();
    let masked = with(old(), "/HostConfig/MaskedPaths", json!(older));
    assert_eq!(differences(&masked, &with(new(), "/HostConfig/MaskedPaths", json!(["/proc/interrupts"]))), Vec::<String>::new());
    assert_eq!(differences(&masked, &with(new(), "/HostConfig/MaskedPaths", json!([]))), ["HostConfig.MaskedPaths"]);
    let default = with(old(), "/HostConfig/MaskedPaths", json!(null));
    assert_eq!(differences(&default, &with(new(), "/HostConfig/MaskedPaths", json!([]))), ["HostConfig.MaskedPaths"], "unmasked");
}

#[test]
fn a_swarms_address_and_moved_sysctls_are_explained() {
    let mut old = old();
    let mut new = new();
    old["State"] = json!({"Running": true});
    old["NetworkSettings"]["Networks"]["ov"] = json!({"IPAMConfig": {"IPv4Address": "10.0.1.5"}, "NetworkID": "0f"});
    new["NetworkSettings"]["Networks"]["ov"] = json!({"IPAMConfig": null});
    old["HostConfig"]["Sysctls"] = json!({"net.ipv4.conf.eth0.log_martians": "1", "net.core.somaxconn": "99"});
    new["HostConfig"]["Sysctls"] = json!({"net.core.somaxconn": "99"});
    assert_eq!(differences(&old, &new), ["HostConfig.Sysctls"], "one is lost");
    new["NetworkSettings"]["Networks"]["n1"]["DriverOpts"] =
        json!({"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1"});
    assert_eq!(differences(&old, &new), Vec::<String>::new());
    old["State"] = json!({"Running": false});
    assert_eq!(differences(&old, &new), ["NetworkSettings.Networks.ov"], "a stopped one shows what was configured");
}

#[test]
fn a_volume_that_nothing_names_is_told_by_its_place() {
    let unnamed = |source: &str| json!({"Type": "volume", "Source": source, "Destination": "/data", "Driver": "local", "RW": true, "Propagation": ""});
    let (old, new) = (with(old(), "/Mounts/0", unnamed("/lib/volumes/v/_data")), new());
    assert_eq!(differences(&old, &new), Vec::<String>::new(), "named by its folder");
    assert_eq!(differences(&old, &with(new, "/Mounts/0", unnamed("/lib/volumes/w/_data"))), ["Mounts[/data]"]);
}

#[test]
fn the_mount_of_an_image_is_told_by_its_reference() {
    let mount = |reference: &str, layer: &str| json!({"Type": "image", "Name": reference, "Source": layer, "Destination": "/data", "RW": false, "Propagation": ""});
    let old = with(old(), "/Mounts/0", mount("tool:1", "/layers/old"));
    assert_eq!(differences(&old, &with(new(), "/Mounts/0", mount("tool:1", "/layers/new"))), Vec::<String>::new());
    assert_eq!(differences(&old, &with(new(), "/Mounts/0", mount("tool:2", "/layers/new"))), ["Mounts[/data]"]);
}

#[test]
fn a_port_that_an_image_exposes_without_a_protocol_is_tcp() {
    let image = json!({"Id": "sha256:2", "Config": {"ExposedPorts": {"8080": {}}}});
    let container = |id: &str| json!({"Id": id, "Name": "/x", "Image": "sha256:2", "Config": {"ExposedPorts": {"8080/tcp": {}}}});
    let (facts, around) = (EngineFacts::default(), Surroundings::default());
    let old = container("0123456789abcdef");
    let subject = Subject { container: &old, old_image: &image, new_image: Some(&image), facts: &facts, around: &around };
    assert_eq!(verify(&subject, &container("fedcba9876543210")), Ok(()));
}

#[test]
fn podman_publishes_the_new_images_ports_beside_the_old_ones() {
    let facts = EngineFacts { podman: true, api_version: (1, 44), ..EngineFacts::default() };
    let shown = |all: bool, ports: Value| json!({"Id": "ab", "Config": {}, "HostConfig": {"PublishAllPorts": all, "PortBindings": ports}, "NetworkSettings": {"Networks": {}}});
    let (one, both) = (json!({"80/tcp": [{"HostPort": "8080"}]}), json!({"80/tcp": [{"HostPort": "8080"}], "90/tcp": [{"HostPort": "9"}]}));
    let (old_image, new_image) = (json!({}), json!({"Config": {"ExposedPorts": {"90/tcp": {}}}}));
    let differ = |all: bool, before: &Value, after: &Value| {
        let (container, around) = (shown(all, before.clone()), Surroundings::default());
        let subject = Subject { container: &container, old_image: &old_image, new_image: Some(&new_image), facts: &facts, around: &around };
        let differences = verify(&subject, &shown(all, after.clone())).err().unwrap_or_default();
        differences.iter().any(|difference| difference.field == "HostConfig.PortBindings")
    };
    assert!(!differ(true, &one, &both));
    assert!(differ(false, &one, &both), "nobody asked for that");
    assert!(differ(true, &both, &one), "one is lost");
}

#[test]
fn podman_shows_a_name_in_the_place_of_a_digest() {
    let differ = |podman: bool, reference: &str, id: &str| {
        let facts = EngineFacts { podman, api_version: (1, 44), ..EngineFacts::default() };
        let shown = |reference: &str, id: &str| json!({"Id": "ab", "Image": id, "Config": {"Image": reference}, "HostConfig": {}});
        let (container, image, around) = (shown(reference, "sha256:1"), json!({"Id": "sha256:1"}), Surroundings::default());
        let subject = Subject { container: &container, old_image: &image, new_image: Some(&image), facts: &facts, around: &around };
        let differences = verify(&subject, &shown("app:kept", id)).err().unwrap_or_default();
        differences.into_iter().map(|difference| difference.field).collect::<Vec<_>>()
    };
    assert!(differ(true, "app@sha256:00", "sha256:1").is_empty());
    assert_eq!(differ(true, "app@sha256:00", "sha256:2"), ["Image"]);
    assert_eq!(differ(true, "app:t", "sha256:1"), ["Config.Image"]);
    assert_eq!(differ(false, "app@sha256:00", "sha256:1"), ["Config.Image"]);
}
