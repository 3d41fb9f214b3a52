#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use super::*;

#[test]
fn what_podman_adds_and_respells_is_taken_back() {
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
            "PortBindings": {"80/tcp": null, "81/tcp": [{"HostPort": "8081"}]}, "Devices": [{"PathOnHost": "/dev/null"}],
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
                "PortBindings": {"81/tcp": [{"HostPort": "8081"}]}, "Devices": [{"PathOnHost": "/dev/null", "CgroupPermissions": "rwm"}],
            },
            "NetworkSettings": {"Networks": {"n1": {}}},
        })
    );
}

#[test]
fn a_stop_signal_is_told_by_its_number() {
    let signal = |shown: &str, of_image: Value| {
        let shown = json!({"Config": {"StopSignal": shown}});
        normalise(&shown, &json!({"Config": {"StopSignal": of_image}}))["Config"]["StopSignal"].clone()
    };
    assert_eq!(signal("15", json!(null)), "", "what Podman takes where nobody asks");
    assert_eq!(signal("15", json!("SIGUSR1")), "SIGTERM");
    assert_eq!(signal("12", json!("USR2")), "USR2");
    assert_eq!(signal("37", json!(null)), "37");
    assert_eq!(signal("37", json!("SIGRTMIN+3")), "SIGRTMIN+3");
    assert_eq!(signal("3", json!("3")), "3");
    assert_eq!(signal("1", json!(null)), "SIGHUP");
    assert_eq!(signal("SIGUSR2", json!(null)), "SIGUSR2");
}

#[test]
fn no_network_is_the_network_none() {
    let container = json!({"HostConfig": {"NetworkMode": "none"}, "NetworkSettings": {"Networks": {}}});
    assert_eq!(normalise(&container, &json!({}))["NetworkSettings"]["Networks"], json!({"none": {}}));
}

#[test]
fn the_losses_name_what_this_container_could_lose() {
    let plain = losses(&json!({"NetworkSettings": {"Networks": {"podman": {}}}}));
    let always = ["a domain name", "that it was created from an image id, and not from the name"];
    assert_eq!(plain, [&always[..], &["a configured MAC address", "a static address on podman"]].concat());
    let home = losses(&json!({"Config": {"Env": ["HOME=/data"]}}));
    assert_eq!(home, [&always[..], &["a variable HOME of its own"]].concat());
    let checked = losses(&json!({"Config": {"Healthcheck": {"Test": ["CMD", "true"]}}, "NetworkSettings": {"Networks": {}}}));
    assert!(checked.iter().any(|loss| loss.contains("healthcheck")), "{checked:?}");
    let own = losses(&json!({
        "NetworkSettings": {"Networks": {"n1": {}, "n2": {}}}, "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}, "Links": ["a:b"]},
    }));
    assert!(own.iter().any(|loss| loss.contains("n1, n2")) && own.iter().any(|loss| loss.contains("host port")), "{own:?}");
}
