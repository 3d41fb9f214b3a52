//! Ports.

use refit_lab::not_here;
use serde_json::{Value, json};

use super::case::{Moving, assert_has, free_ports};

fn published(container: &Value) -> Vec<String> {
    let ports = container["NetworkSettings"]["Ports"].as_object().unwrap();
    let mut published: Vec<String> = ports.iter().filter(|(_, hosts)| !hosts.is_null()).map(|(port, _)| port.clone()).collect();
    published.sort();
    published
}

#[test]
fn r15_a_port_stays_published_when_the_image_exposes_it_no_longer() {
    let moving = Moving::versions("r15");
    let ports: [String; 2] = free_ports().map(|port| port.to_string());
    let bindings = json!({"80/tcp": [{"HostPort": ports[0]}], "90/tcp": [{"HostPort": ports[1]}]});
    moving.run(json!({"ExposedPorts": {"80/tcp": {}, "90/tcp": {}}, "HostConfig": {"PortBindings": bindings}}));
    let after = moving.recreate();
    assert_has(&after["NetworkSettings"]["Ports"]["80/tcp"][0], json!({"HostPort": ports[0]}));
    assert_eq!(published(&after), ["80/tcp", "90/tcp"]);
    assert_eq!(after["Config"]["ExposedPorts"], json!({"80/tcp": {}, "90/tcp": {}}));
}

#[test]
fn r16_published_all_ports_are_those_of_the_new_image() {
    let moving = Moving::versions("r16");
    moving.run(json!({"HostConfig": {"PublishAllPorts": true}}));
    let after = moving.recreate();
    if moving.is_podman() {
        // It shows the ports that it chose as if each had been asked for: they stay, and the new image's join them.
        assert_eq!(published(&after), ["80/tcp", "81/udp", "90/tcp"]);
        return moving.assert_reported("that a host port was random");
    }
    assert_eq!(published(&after), ["90/tcp"]);
}

#[test]
fn r17_random_ports_stay_random() {
    let moving = Moving::versions("r17");
    let bindings = json!({"80/tcp": [{"HostPort": ""}], "81/udp": [{"HostIp": "127.0.0.1", "HostPort": ""}], "91/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]});
    let exposed = json!({"80/tcp": {}, "81/udp": {}, "91/tcp": {}});
    let before = moving.run(json!({"ExposedPorts": exposed, "HostConfig": {"PortBindings": bindings}}));
    let after = moving.recreate();
    assert_eq!(after["HostConfig"]["PortBindings"], before["HostConfig"]["PortBindings"]);
    assert_eq!(published(&after), ["80/tcp", "81/udp", "91/tcp"]);
    // Podman's are fixed from the first.
    if moving.is_podman() {
        moving.assert_reported("that a host port was random");
    }
}

#[test]
fn r18_a_range_of_ports_stays_a_range() {
    let moving = Moving::plain("r18");
    if moving.is_podman() {
        return not_here("Podman's compatible API takes no range of ports");
    }
    let ports: [u16; 11] = free_ports();
    let bindings = json!({"80/tcp": [{"HostPort": format!("{}-{}", ports[0], ports[10])}]});
    moving.run(json!({"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": bindings}}));
    let after = moving.recreate();
    let port: u16 = after["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"].as_str().unwrap().parse().unwrap();
    assert!(ports.contains(&port));
}
