//! A new image that cannot run: the same container runs again, as it was.

use refit::Code;
use refit::container::RecreationResult;
use refit_lab::Image;
use serde_json::json;

use super::case::{Moving, free_ports, options, plain, volume_at};
use crate::recreation::failed;

/// A container with a policy, an address, a port and an anonymous volume with a file survives a recreation from this image.
fn survives(what: &str, broken: Image) {
    let [port] = free_ports().map(|port: u16| port.to_string());
    let moving = Moving::new(what, plain("1"), broken);
    let net = moving.case.subnet("n1");
    let before = moving.run(json!({
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/anon": {}},
        "HostConfig": {
            "NetworkMode": net.name, "PortBindings": {"80/tcp": [{"HostPort": port}]}, "RestartPolicy": {"Name": "always"},
        },
        "NetworkingConfig": {"EndpointsConfig": {net.name.as_str(): {"IPAMConfig": {"IPv4Address": net.address}}}},
    }));
    moving.exec("echo kept > /anon/file");
    moving.move_on();
    let (error, report) = failed(moving.try_recreate(options()));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    let after = moving.inspect();
    for part in ["Id", "Config", "HostConfig"] {
        assert_eq!(after[part].to_string(), before[part].to_string(), "{part}");
    }
    assert_eq!(after["State"]["Status"], "running");
    assert_eq!(after["NetworkSettings"]["Networks"][&net.name]["IPAddress"], net.address.as_str());
    assert_eq!(after["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"], port);
    assert_eq!(volume_at(&after, "/anon"), volume_at(&before, "/anon"));
    assert_eq!(moving.exec("cat /anon/file"), "kept\n");
    moving.case.assert_alone();
}

#[test]
fn r53_a_new_container_without_its_entrypoint_is_rolled_back() {
    survives("r53", Image::new().entrypoint(["/nothere"]));
}

#[test]
fn r54_a_new_container_that_ends_at_once_is_rolled_back() {
    survives("r54", Image::new().cmd(["sh", "-c", "echo bad; exit 3"]));
}
