#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use super::*;

#[test]
fn podmans_own_additions_and_spellings_are_removed() {
    let image = json!({"Config": {"Env": ["A=1", "TERM=xterm"], "StopSignal": "SIGUSR1"}});
    let shown = json!({
        "Id": "0123456789abcdef",
        "Config": {
            "Hostname": "0123456789ab", "StopSignal": "10", "Entrypoint": [""], "Cmd": [], "WorkingDir": "/",
            "Env": ["A=1", "TERM=xterm", "container=podman", "HOSTNAME=0123456789ab", "HOME=/root", "MINE=2",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "HostConfig": {
            "NetworkMode": "bridge", "NanoCpus": 500_000_000, "CpuQuota": 50000, "CpuPeriod": 100_000, "Runtime": "oci", "UTSMode": "private",
            "PidMode": "private", "CgroupnsMode": "private", "MemorySwappiness": 0,
            "Ulimits": [{"Name": "RLIMIT_NOFILE", "Hard": 2, "Soft": 1}],
            "Annotations": {"io.podman.annotations.x": "1", "io.container.manager": "libpod", "org.systemd.property.KillSignal": "10",
                "com.x.stopSignal": "10", "mine": "2"},
            "Binds": ["v:/v", "/usr:/u"], "PortBindings": {"80/tcp": null, "81/tcp": [{"HostPort": "8081"}]}, "Devices": [{"PathOnHost": "/dev/null"}],
        },
        "NetworkSettings": {"Networks": {"n1": {}}},
    });
    assert_eq!(
        normalise(&shown, &image),
        json!({
            "Id": "0123456789abcdef",
            "Config": {
                "Hostname": "0123456789ab", "StopSignal": "SIGUSR1", "Entrypoint": null, "Cmd": null, "WorkingDir": "",
                "Env": ["A=1", "MINE=2", "TERM=xterm"],
            },
            "HostConfig": {
                "NetworkMode": "n1", "NanoCpus": 0, "CpuQuota": 50000, "CpuPeriod": 100_000, "Runtime": "", "UTSMode": "", "PidMode": "",
                "CgroupnsMode": "", "MemorySwappiness": null, "Ulimits": [{"Name": "nofile", "Hard": 2, "Soft": 1}], "Annotations": {"mine": "2"},
                "Binds": ["/usr:/u", "v:/v"], "PortBindings": {"81/tcp": [{"HostPort": "8081"}]}, "Devices": [{"PathOnHost": "/dev/null", "CgroupPermissions": "rwm"}],
            },
            "NetworkSettings": {"Networks": {"n1": {}}},
        })
    );
}

#[test]
fn a_stop_signal_is_read_from_its_number() {
    let signal = |shown: &str, of_image: Value| {
        let shown = json!({"Config": {"StopSignal": shown}});
        normalise(&shown, &json!({"Config": {"StopSignal": of_image}}))["Config"]["StopSignal"].clone()
    };
    assert_eq!(signal("15", json!(null)), "", "Podman's default");
    assert_eq!(signal("15", json!("SIGUSR1")), "SIGTERM");
    assert_eq!(signal("12", json!("USR2")), "USR2");
    assert_eq!(signal("37", json!(null)), "37");
    assert_eq!(signal("37", json!("SIGRTMIN+3")), "SIGRTMIN+3");
    assert_eq!(signal("3", json!("3")), "3");
    assert_eq!(signal("1", json!(null)), "SIGHUP");
    assert_eq!(signal("SIGUSR2", json!(null)), "SIGUSR2");
}

#[test]
fn a_network_mode_that_podman_lists_as_a_network_is_removed() {
    let networks = |networks: Value| {
        let container = json!({"HostConfig": {"NetworkMode": "bridge"}, "NetworkSettings": {"Networks": networks}});
        normalise(&container, &json!({}))["NetworkSettings"]["Networks"].clone()
    };
    assert_eq!(networks(json!({"bridge": {"NetworkID": "bridge"}})), json!({}));
    let users = json!({"bridge": {"NetworkID": "2f259bab93aa"}});
    assert_eq!(networks(users.clone()), users);
}

#[test]
fn a_providers_endpoint_is_not_its_own() {
    let endpoint = json!({"n1": {"Aliases": ["0123456789ab"], "IPAddress": "10.1.2.3"}});
    let container = json!({"HostConfig": {"NetworkMode": "container:abc"}, "NetworkSettings": {"Networks": endpoint}});
    assert_eq!(normalise(&container, &json!({}))["NetworkSettings"]["Networks"], json!({}));
}

#[test]
fn a_container_without_networks_has_the_network_none() {
    let container = json!({"HostConfig": {"NetworkMode": "none"}, "NetworkSettings": {"Networks": {}}});
    assert_eq!(normalise(&container, &json!({}))["NetworkSettings"]["Networks"], json!({"none": {}}));
}

#[test]
fn fields_of_podmans_own_inspect_are_copied_to_where_docker_shows_them() {
    let id = "0123456789abcdef";
    let shown = |own: Value| {
        let host_config = json!({"Runtime": "oci", "LogConfig": {"Type": "k8s-file", "Config": null}});
        let container = json!({"Id": id, "HostConfig": host_config, libpod::KEY: own});
        normalise(&container, &json!({}))["HostConfig"].clone()
    };
    let log = |path: &str, size: &str, tag: &str| {
        let log = json!({"Path": path, "Size": size, "Tag": tag});
        shown(json!({"Id": id, "OCIRuntime": "crun", "HostConfig": {"LogConfig": log}}))
    };
    let chosen = log(&format!("/var/lib/containers/{id}/ctr.log"), "-1B", "");
    assert_eq!(chosen, json!({"Runtime": "crun", "LogConfig": {"Type": "k8s-file", "Config": null}}));
    let users = log("/var/log/web", "1MB", "web");
    assert_eq!(users["LogConfig"]["Config"], json!({"max-size": "1MB", "path": "/var/log/web", "tag": "web"}));
}

#[test]
fn a_shared_memory_that_is_not_its_own_has_no_size() {
    let size = |mode: &str| {
        let shown = json!({"HostConfig": {"IpcMode": mode, "ShmSize": 65_536_000}});
        normalise(&shown, &json!({}))["HostConfig"]["ShmSize"].clone()
    };
    for mode in ["host", "none", "container:abc"] {
        assert_eq!(size(mode), 0, "{mode}");
    }
    assert_eq!([size("private"), size("shareable"), size("")], [65_536_000, 65_536_000, 65_536_000]);
}

#[test]
fn a_healthcheck_is_the_images_or_the_users_as_a_whole() {
    let of_image = json!({"Test": ["CMD", "true"], "Interval": 2_000_000_000});
    let sent = |shown: Value, image: &Value| {
        let container = json!({"Config": {"Healthcheck": shown}});
        let mut config = container["Config"].as_object().cloned().unwrap();
        subtract_healthcheck(&mut config, &container, &json!({"Healthcheck": image}));
        config["Healthcheck"].clone()
    };
    let filled = json!({"Test": ["CMD", "true"], "Interval": 2_000_000_000, "Timeout": 30_000_000_000_u64, "Retries": 3});
    assert_eq!(sent(filled.clone(), &of_image), Value::Null, "the image's, with Podman's defaults");
    for users in [
        json!({"Test": ["CMD", "true"], "Interval": 7_000_000_000_u64, "Timeout": 30_000_000_000_u64, "Retries": 3}),
        json!({"Test": ["NONE"], "Interval": 30_000_000_000_u64, "Timeout": 30_000_000_000_u64, "Retries": 3}),
    ] {
        assert_eq!(sent(users.clone(), &of_image), users);
    }
    assert_eq!(sent(filled.clone(), &Value::Null), filled);
    assert_eq!(sent(Value::Null, &of_image), Value::Null);
}
