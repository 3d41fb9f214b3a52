//! Limits, devices, logs, policies: everything that is the machine's matter.

use serde_json::{Value, json};

use super::case::{LOOP, Moving, assert_has, options, plain};
use super::podman::assert_same;
use refit_lab::{Image, not_here};

/// Each field of the body is there afterwards.
fn stays(what: &str, body: Value, runs: bool) -> Value {
    let moving = Moving::plain(what);
    let before = if runs { moving.run(body.clone()) } else { moving.create(body.clone()) };
    let after = moving.recreate();
    if moving.is_podman() {
        assert_same(&before["HostConfig"], &after["HostConfig"], &body["HostConfig"]);
    } else {
        assert_has(&after, json!({"HostConfig": body["HostConfig"]}));
    }
    after
}

#[test]
fn r45_limits_stay() {
    stays(
        "r45",
        json!({"HostConfig": {
            "Memory": 67_108_864, "MemorySwap": -1, "MemoryReservation": 33_554_432, "NanoCpus": 500_000_000, "PidsLimit": 100,
            "Ulimits": [{"Name": "nofile", "Soft": 1000, "Hard": 2000}, {"Name": "core", "Soft": 0, "Hard": 0}], "ShmSize": 83_886_080,
            "OomScoreAdj": 200, "CpusetCpus": "0", "CpuShares": 512,
        }}),
        true,
    );
}

#[test]
fn r45_limits_that_were_updated_stay() {
    let moving = Moving::plain("r45-update");
    moving.run(json!({"HostConfig": {"CpuQuota": 50000, "CpuPeriod": 100_000}}));
    let policy = json!({"Name": "on-failure", "MaximumRetryCount": 2});
    let update = json!({"Memory": 83_886_080, "MemorySwap": 104_857_600, "RestartPolicy": policy});
    moving.engine().post(&format!("/containers/{}/update", moving.name()), &update);
    let after = moving.recreate();
    assert_has(
        &after,
        json!({"HostConfig": {"CpuQuota": 50000, "Memory": 83_886_080, "MemorySwap": 104_857_600, "RestartPolicy": policy}}),
    );
}

/// The update stores no limit as 0, a create stores none at all.
#[test]
fn r45_a_removed_limit_of_processes_stays_removed() {
    let moving = Moving::plain("r45-pids");
    moving.run(json!({"HostConfig": {"PidsLimit": 100}}));
    moving.engine().post(&format!("/containers/{}/update", moving.name()), &json!({"PidsLimit": -1}));
    let after = moving.recreate();
    assert!(after["HostConfig"]["PidsLimit"].as_i64().is_none_or(|limit| limit <= 0), "{}", after["HostConfig"]["PidsLimit"]);
}

#[test]
fn r45_a_limit_that_was_set_to_unlimited_stays_unlimited() {
    let moving = Moving::plain("r45-unlimited");
    moving.run(json!({"HostConfig": {"PidsLimit": 100}}));
    moving.engine().post(&format!("/containers/{}/update", moving.name()), &json!({"PidsLimit": -1}));
    moving.move_on();
    moving.try_recreate(options()).unwrap_or_else(|failure| panic!("{failure}"));
    let limit = moving.inspect()["HostConfig"]["PidsLimit"].clone();
    assert!(limit.as_i64().unwrap_or_default() <= 0, "{limit}");
}

#[test]
fn r48_annotations_stay() {
    let moving = Moving::plain("r48-annotations");
    if moving.api() < (1, 43) {
        return not_here("annotations are said since API 1.43");
    }
    moving.run(json!({"HostConfig": {"Annotations": {"k": "v"}}}));
    assert_eq!(moving.recreate()["HostConfig"]["Annotations"]["k"], "v");
}

#[test]
fn r46_empty_lists_and_absent_lists_stay_different() {
    // Podman leaves the two lists aside, and has a word of its own for no masks at all.
    if refit_lab::Lab::get().engine.is_podman() {
        stays("r46", json!({"HostConfig": {"SecurityOpt": ["unmask=all"]}}), true);
    } else {
        let after = stays("r46", json!({"HostConfig": {"MaskedPaths": [], "ReadonlyPaths": ["/proc/bus"]}}), true);
        assert_eq!(after["HostConfig"]["MaskedPaths"], json!([]));
    }
    stays(
        "r46-caps",
        json!({"HostConfig": {
            "CapAdd": ["CAP_NET_ADMIN"], "CapDrop": ["CAP_SETFCAP"], "SecurityOpt": ["no-new-privileges"], "ReadonlyRootfs": true, "GroupAdd": ["7"],
        }}),
        true,
    );
}

#[test]
fn r47_a_privileged_container_stays_privileged() {
    let body = json!({"HostConfig": {"Privileged": true, "IpcMode": "host", "PidMode": "host", "CgroupnsMode": "host"}});
    let moving = Moving::plain("r47");
    let before = moving.create(body);
    let after = moving.recreate();
    assert_eq!(after["HostConfig"]["MaskedPaths"], Value::Null);
    assert_eq!(after["HostConfig"]["SecurityOpt"], before["HostConfig"]["SecurityOpt"]);
}

#[test]
fn r48_terminal_logs_names_and_devices_stay() {
    let moving = Moving::plain("r48");
    if moving.is_podman() {
        return on_podman(&moving);
    }
    let config = json!({"Tty": true, "OpenStdin": true, "StopTimeout": 3});
    let host_config = json!({
        "Init": true, "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "tag": "{{.Name}}"}}, "Dns": ["9.9.9.9"],
        "DnsSearch": ["ex.org"], "DnsOptions": ["ndots:2"], "ExtraHosts": ["h:1.2.3.4", "gw:host-gateway"], "ContainerIDFile": "f", "Runtime": "runc",
        "CgroupParent": "/rcp", "Sysctls": {"net.core.somaxconn": "99"}, "DeviceCgroupRules": ["c 1:3 r"], "Tmpfs": {"/run": ""},
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/xnull", "CgroupPermissions": "rw"}],
    });
    let mut body = config.clone();
    body["HostConfig"] = host_config.clone();
    moving.run(body);
    let after = moving.recreate();
    assert_has(&after, json!({"Config": config, "HostConfig": host_config}));
    // The driver freezes the name at start: the name of the container must be its own by then.
    let log = std::fs::read_to_string(after["LogPath"].as_str().unwrap());
    assert!(log.is_ok() || !moving.case.lab.own_engine, "{log:?}");
    if let Ok(log) = log {
        assert!(log.contains(&format!(r#""tag":"{}""#, moving.name())) && !log.contains(".refit-"), "{log}");
    }
}

/// What Podman takes of that, by what the container sees; the rest it does not show, and so tells of it.
fn on_podman(moving: &Moving) {
    let host_config = json!({
        "Init": true, "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "Dns": ["9.9.9.9"], "DnsSearch": ["ex.org"],
        "DnsOptions": ["ndots:2"], "ExtraHosts": ["h:1.2.3.4", "gw:host-gateway"], "ContainerIDFile": "f", "CgroupParent": "/rcp",
        "Tmpfs": {"/run": ""}, "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/xnull", "CgroupPermissions": "rwm"}],
    });
    let mut body = json!({"Tty": true, "OpenStdin": true, "StopTimeout": 3, "HostConfig": host_config});
    for (key, hidden) in [("Sysctls", json!({"net.core.somaxconn": "99"})), ("DeviceCgroupRules", json!(["c 1:3 r"]))] {
        body["HostConfig"][key] = hidden;
    }
    let before = moving.run(body);
    let seen = || {
        moving.exec(
            "tr '\\0' ' ' < /proc/1/cmdline; cat /etc/resolv.conf; grep -E 'h|gw' /etc/hosts | grep -v refit; grep ' /run ' /proc/mounts; \
             ls -l /dev/xnull | cut -c1-10; grep -o /rcp /proc/1/cgroup | head -1",
        )
    };
    let had = seen();
    for word in ["podman-init", "9.9.9.9", "ex.org", "ndots:2", "1.2.3.4", "tmpfs", "crw", "/rcp"] {
        assert!(had.contains(word), "{word}: {had}");
    }
    let after = moving.recreate();
    assert_same(&before["HostConfig"], &after["HostConfig"], &host_config);
    assert_eq!(seen(), had);
    for loss in ["sysctls", "rules for devices", "that a device may only be read"] {
        moving.assert_reported(loss);
    }
}

#[test]
fn r49_a_good_image_ends_a_crash_loop() {
    if refit_lab::Lab::get().engine.is_podman() {
        return not_here("Podman has no state `restarting`");
    }
    let moving = Moving::new("r49", Image::new().cmd(["sh", "-c", "exit 3"]), plain("2"));
    moving.run(json!({"HostConfig": {"RestartPolicy": {"Name": "always"}}}));
    moving.engine().wait_status(moving.name(), "restarting", crate::recreation::LIMIT);
    moving.move_on();
    moving.try_recreate(options()).unwrap();
    let after = moving.inspect();
    assert_has(&after, json!({"RestartCount": 0, "State": {"Status": "running"}, "HostConfig": {"RestartPolicy": {"Name": "always"}}}));
}

#[test]
fn r50_a_stopped_container_and_one_that_never_ran_are_not_started() {
    for runs in [true, false] {
        let moving = Moving::plain(if runs { "r50-stopped" } else { "r50-created" });
        let body = json!({"Cmd": ["sh", "-c", LOOP], "Volumes": {"/anon": {}}});
        if runs {
            moving.run(body);
            moving.stop();
        } else {
            moving.create(body);
        }
        assert_eq!(moving.recreate()["State"]["Status"], "created");
    }
}
