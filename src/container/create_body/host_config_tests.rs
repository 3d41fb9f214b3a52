#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use serde_json::json;

use super::*;

fn rewritten(host_config: &Value, minor: u32) -> (Value, Vec<Warning>) {
    let facts = EngineFacts { api_version: (1, minor), ..EngineFacts::default() };
    let mut warnings = Vec::new();
    let container = json!({"Name": "/x", "HostConfig": host_config});
    let rewritten = rewrite(&container, &facts, &EngineInventory::default(), &mut warnings);
    (Value::Object(rewritten), warnings)
}

#[test]
fn host_config_is_verbatim_with_its_unknown_fields() {
    let host_config = json!({
        "Memory": 67_108_864, "MemorySwap": -1, "NanoCpus": 500_000_000, "PidsLimit": null, "OomKillDisable": false, "CapAdd": [],
        "Devices": [{"PathOnHost": "/dev/null"}], "SecurityOpt": ["label=disable"], "MaskedPaths": [], "ReadonlyPaths": null, "Privileged": true,
        "Ulimits": [{"Name": "nofile", "Hard": 2000, "Soft": 1000}], "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5},
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}], "82/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]},
        "KernelMemory": 8, "Fancy": {"New": [1, null]}, "VolumesFrom": null, "Links": null, "NetworkMode": "host", "ContainerIDFile": "f",
        "IpcMode": "container:abc", "LogConfig": {"Type": "json-file", "Config": {"tag": "{{.Name}}"}}, "Sysctls": {"net.core.somaxconn": "99"},
    });
    let (sent, warnings) = rewritten(&host_config, 41);
    assert_eq!(sent, host_config);
    assert!(warnings.is_empty());
}

#[test]
fn a_port_that_is_bound_to_no_host_port_is_left_out() {
    let bindings = json!({"80/tcp": [{"HostPort": "80"}], "81/tcp": [], "82/tcp": null});
    assert_eq!(rewritten(&json!({"PortBindings": bindings}), 51).0["PortBindings"], json!({"80/tcp": [{"HostPort": "80"}]}));
    assert_eq!(rewritten(&json!({"PortBindings": null}), 51).0["PortBindings"], json!(null));
}

#[test]
fn options_of_another_type_of_mount_are_left_out_since_1_42() {
    let mount = |more: Value| {
        let mut mount = json!({"Type": "volume", "Source": "v", "Target": "/v", "VolumeOptions": {"NoCopy": true}});
        mount.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"Mounts": [mount]})
    };
    let foreign = mount(json!({"BindOptions": {"Propagation": "private"}, "TmpfsOptions": {"SizeBytes": 1}}));
    assert_eq!(rewritten(&foreign, 41).0["Mounts"], foreign["Mounts"]);
    assert_eq!(rewritten(&foreign, 42).0["Mounts"], mount(json!({}))["Mounts"]);
}

#[test]
fn r35_links_lose_the_parents_name() {
    let (sent, _) = rewritten(&json!({"Links": ["/db:/x.refit-new-1/database", "/a:/x/a", "c:d", 7]}), 41);
    assert_eq!(sent["Links"], json!(["db:database", "a:a", "c:d", 7]));
}

#[test]
fn r46_an_older_default_of_masked_paths_gives_way_and_an_empty_list_stays() {
    let older = ["/proc/asound"].into_iter().chain(MASKED[0].iter().copied()).collect::<Vec<_>>();
    for (paths, sent) in [
        (json!(older.clone()), json!(null)),
        (json!(MASKED[1]), json!(null)),
        (json!([]), json!([])),
        (json!(null), json!(null)),
        (json!(["/proc/kcore"]), json!(["/proc/kcore"])),
        (json!([older.clone(), vec!["/mine"]].concat()), json!([older, vec!["/mine"]].concat())),
    ] {
        assert_eq!(rewritten(&json!({"MaskedPaths": paths}), 45).0["MaskedPaths"], sent, "{paths}");
    }
}

#[test]
fn a_limit_of_kernel_memory_is_reported_when_it_is_lost() {
    assert_eq!(rewritten(&json!({"KernelMemory": 8}), 41).0["KernelMemory"], 8);
    let (sent, warnings) = rewritten(&json!({"KernelMemory": 8}), 42);
    assert_eq!(sent.get("KernelMemory"), None);
    assert_eq!(warnings[0].code, "kernel_memory_dropped");
    assert!(rewritten(&json!({"KernelMemory": 0}), 42).1.is_empty());
}

#[test]
fn r15_published_ports_are_exposed_and_r24_another_containers_network_has_none() {
    let exposed = |mode: &str, exposed: Value, bindings: Value| {
        let mut config = Map::from_iter([("ExposedPorts".into(), exposed)]);
        expose_published(&mut config, &json!({"HostConfig": {"NetworkMode": mode, "PortBindings": bindings}}));
        config["ExposedPorts"].clone()
    };
    assert_eq!(
        exposed("n1", json!({"9/tcp": {}}), json!({"80/tcp": [], "81/udp": null})),
        json!({"9/tcp": {}, "80/tcp": {}, "81/udp": {}})
    );
    assert_eq!(exposed("bridge", json!(null), json!({"80/tcp": []})), json!({"80/tcp": {}}));
    assert_eq!(exposed("container:x", json!({"9/tcp": {}}), json!(null)), json!({}));
}
