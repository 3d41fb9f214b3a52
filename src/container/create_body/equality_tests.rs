#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use serde_json::json;

use super::super::{EngineFacts, EngineInventory};
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
    let inventory = EngineInventory { networks: vec![json!({"Name": "ov", "Id": "0f", "Scope": "swarm"})], ..EngineInventory::default() };
    let (old_image, new_image) = (old_image(), new_image());
    let input = CreateInput { container: old, old_image: &old_image, new_image: Some(&new_image), facts: &facts, inventory: &inventory };
    verify(&input, new).err().unwrap_or_default().into_iter().map(|difference| difference.field).collect()
}

fn with(mut inspect: Value, pointer: &str, value: Value) -> Value {
    *inspect.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    inspect
}

#[test]
fn a_change_that_a_rule_explains_is_no_difference() {
    assert_eq!(differences(&old(), &new()), Vec::<String>::new());
}

#[test]
fn each_lost_setting_is_a_difference() {
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
        ("/Mounts/0/Name", json!("another"), "Mounts./data"),
        ("/Mounts/0/RW", json!(false), "Mounts./data"),
        ("/Mounts/1/Destination", json!("/undeclared"), "Mounts./undeclared"),
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
fn two_forms_of_a_setting_are_equal() {
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
fn a_network_that_shares_its_name_is_compared_by_its_id() {
    let other = with(new(), "/NetworkSettings/Networks/n1/NetworkID", json!("22"));
    assert_eq!(differences(&old(), &other), Vec::<String>::new(), "the name says which one it is");
    let facts = EngineFacts { api_version: (1, 41), ..EngineFacts::default() };
    let networks = vec![json!({"Name": "n1", "Id": "11"}), json!({"Name": "n1", "Id": "22"})];
    let inventory = EngineInventory { networks, ..EngineInventory::default() };
    let (old, old_image, new_image) = (old(), old_image(), new_image());
    let input = CreateInput { container: &old, old_image: &old_image, new_image: Some(&new_image), facts: &facts, inventory: &inventory };
    let fields = |new: &Value| -> Vec<String> {
        verify(&input, new).err().unwrap_or_default().into_iter().map(|difference| difference.field).collect()
    };
    assert_eq!(fields(&other), ["NetworkSettings.Networks.n1"]);
    assert_eq!(fields(&new()), ["NetworkSettings.Networks.n1"], "which one is not known");
    assert_eq!(fields(&with(new(), "/NetworkSettings/Networks/n1/NetworkID", json!("11"))), Vec::<String>::new());
}

#[test]
fn a_volume_without_a_name_is_compared_by_its_path() {
    let unnamed = |source: &str| json!({"Type": "volume", "Source": source, "Destination": "/data", "Driver": "local", "RW": true, "Propagation": ""});
    let (old, new) = (with(old(), "/Mounts/0", unnamed("/lib/volumes/v/_data")), new());
    assert_eq!(differences(&old, &new), Vec::<String>::new(), "named by its folder");
    assert_eq!(differences(&old, &with(new, "/Mounts/0", unnamed("/lib/volumes/w/_data"))), ["Mounts./data"]);
}

#[test]
fn a_mounted_image_is_compared_by_its_reference() {
    let mount = |reference: &str, layer: &str| json!({"Type": "image", "Name": reference, "Source": layer, "Destination": "/data", "RW": false, "Propagation": ""});
    let old = with(old(), "/Mounts/0", mount("tool:1", "/layers/old"));
    assert_eq!(differences(&old, &with(new(), "/Mounts/0", mount("tool:1", "/layers/new"))), Vec::<String>::new());
    assert_eq!(differences(&old, &with(new(), "/Mounts/0", mount("tool:2", "/layers/new"))), ["Mounts./data"]);
}

#[test]
fn a_port_that_an_image_exposes_without_a_protocol_is_tcp() {
    let image = json!({"Id": "sha256:2", "Config": {"ExposedPorts": {"8080": {}}}});
    let container = |id: &str| json!({"Id": id, "Name": "/x", "Image": "sha256:2", "Config": {"ExposedPorts": {"8080/tcp": {}}}});
    let (facts, inventory) = (EngineFacts::default(), EngineInventory::default());
    let old = container("0123456789abcdef");
    let input = CreateInput { container: &old, old_image: &image, new_image: Some(&image), facts: &facts, inventory: &inventory };
    assert_eq!(verify(&input, &container("fedcba9876543210")), Ok(()));
}

#[test]
fn podman_publishes_the_new_images_ports_beside_the_old_ones() {
    let facts = EngineFacts { podman: true, api_version: (1, 44), ..EngineFacts::default() };
    let shown = |all: bool, ports: Value| json!({"Id": "ab", "Config": {}, "HostConfig": {"PublishAllPorts": all, "PortBindings": ports}, "NetworkSettings": {"Networks": {}}});
    let (one, both) = (json!({"80/tcp": [{"HostPort": "8080"}]}), json!({"80/tcp": [{"HostPort": "8080"}], "90/tcp": [{"HostPort": "9"}]}));
    let (old_image, new_image) = (json!({}), json!({"Config": {"ExposedPorts": {"90/tcp": {}}}}));
    let differ = |all: bool, before: &Value, after: &Value| {
        let (container, inventory) = (shown(all, before.clone()), EngineInventory::default());
        let input =
            CreateInput { container: &container, old_image: &old_image, new_image: Some(&new_image), facts: &facts, inventory: &inventory };
        let differences = verify(&input, &shown(all, after.clone())).err().unwrap_or_default();
        differences.iter().any(|difference| difference.field == "HostConfig.PortBindings")
    };
    assert!(!differ(true, &one, &both));
    assert!(differ(false, &one, &both), "it was not requested");
    assert!(differ(true, &both, &one), "one is lost");
}

#[test]
fn podman_shows_a_name_in_the_place_of_a_digest() {
    let differ = |podman: bool, reference: &str, id: &str| {
        let facts = EngineFacts { podman, api_version: (1, 44), ..EngineFacts::default() };
        let shown = |reference: &str, id: &str| json!({"Id": "ab", "Image": id, "Config": {"Image": reference}, "HostConfig": {}});
        let (container, image, inventory) = (shown(reference, "sha256:1"), json!({"Id": "sha256:1"}), EngineInventory::default());
        let input = CreateInput { container: &container, old_image: &image, new_image: Some(&image), facts: &facts, inventory: &inventory };
        let differences = verify(&input, &shown("app:kept", id)).err().unwrap_or_default();
        differences.into_iter().map(|difference| difference.field).collect::<Vec<_>>()
    };
    assert!(differ(true, "app@sha256:00", "sha256:1").is_empty());
    assert_eq!(differ(true, "app@sha256:00", "sha256:2"), ["Image"]);
    assert_eq!(differ(true, "app:t", "sha256:1"), ["Config.Image"]);
    assert_eq!(differ(false, "app@sha256:00", "sha256:1"), ["Config.Image"]);
}

fn changed(now: &Value) -> Vec<String> {
    let facts = EngineFacts { api_version: (1, 41), ..EngineFacts::default() };
    let inventory = EngineInventory { networks: vec![json!({"Name": "ov", "Id": "0f", "Scope": "swarm"})], ..EngineInventory::default() };
    let (old, old_image) = (with_state(old(), true), old_image());
    let input = CreateInput { container: &old, old_image: &old_image, new_image: None, facts: &facts, inventory: &inventory };
    changed_fields(&input, now)
}

fn with_state(mut inspect: Value, running: bool) -> Value {
    inspect["State"] = json!({"Running": running});
    inspect
}

#[test]
fn what_somebody_changes_in_a_container_is_found_and_its_stop_is_no_change() {
    let mut stopped = with_state(old(), false);
    stopped["NetworkSettings"]["Networks"]["n1"]["IPAddress"] = json!("");
    stopped["HostConfig"]["Memory"] = json!(64);
    assert_eq!(changed(&with_state(old(), true)), Vec::<String>::new());
    assert_eq!(changed(&stopped), Vec::<String>::new());
    for (pointer, value, field) in [
        ("/HostConfig/Memory", json!(128), "HostConfig.Memory"),
        ("/HostConfig/PidsLimit", json!(0), "HostConfig.PidsLimit"),
        ("/HostConfig/RestartPolicy/Name", json!("unless-stopped"), "HostConfig.RestartPolicy"),
        ("/Config/Labels", json!({"l": "x"}), "Config.Labels"),
        ("/Mounts/0/Name", json!("another"), "Mounts./data"),
        ("/NetworkSettings/Networks", json!({}), "NetworkSettings.Networks.n1"),
        ("/NetworkSettings/Networks/n1/IPAMConfig", json!({"IPv4Address": "10.71.0.51"}), "NetworkSettings.Networks.n1"),
        ("/NetworkSettings/Networks/n1/Aliases", json!(["al", "another"]), "NetworkSettings.Networks.n1"),
    ] {
        for state in [true, false] {
            assert_eq!(changed(&with_state(with(old(), pointer, value.clone()), state)), [field], "{pointer} {value}, running: {state}");
        }
    }
    let mut joined = with_state(old(), true);
    joined["NetworkSettings"]["Networks"]["n2"] = json!({"NetworkID": "22"});
    joined["HostConfig"]["NanoCpus"] = json!(500_000_000);
    assert_eq!(changed(&joined), ["HostConfig.NanoCpus", "NetworkSettings.Networks.n2"]);
}
