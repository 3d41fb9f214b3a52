#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::super::{EngineFacts, EngineInventory};
use super::*;

fn through_of(container: &Value, listener: Listener, others: &[Value], own: &[&str]) -> Option<String> {
    let own_containers = own.iter().map(|id| (*id).to_owned()).collect();
    let facts = EngineFacts { own_containers, listener, ..EngineFacts::default() };
    let inventory = EngineInventory { containers: others.iter().chain([container]).cloned().collect(), ..EngineInventory::default() };
    through(&CreateInput { container, old_image: &Value::Null, new_image: None, facts: &facts, inventory: &inventory })
}

fn tcp(host: &str, port: u16, addresses: &[&str]) -> Listener {
    Listener::Tcp { host: host.into(), port, addresses: addresses.iter().map(|address| address.parse().unwrap()).collect() }
}

fn container(fields: Value) -> Value {
    let mut container = json!({"Id": "c1", "Name": "/proxy", "State": {"Running": true}, "HostConfig": {"NetworkMode": "bridge"}});
    for (key, value) in fields.as_object().unwrap() {
        container[key] = value.clone();
    }
    container
}

fn publishing(ip: &str, port: &str) -> Value {
    container(json!({"NetworkSettings": {"Ports": {"2375/tcp": [{"HostIp": ip, "HostPort": port}]}}}))
}

#[test]
fn a_published_port_or_address_of_the_container_is_the_connection() {
    let local = || tcp("localhost", 2375, &["127.0.0.1", "::1"]);
    let on = |address: &str| container(json!({"NetworkSettings": {"Networks": {"n": {"IPAddress": address}}}}));
    let host = container(json!({"HostConfig": {"NetworkMode": "host"}, "Config": {"ExposedPorts": {"2375/tcp": {}}}}));
    let udp = container(json!({"NetworkSettings": {"Ports": {"2375/udp": [{"HostIp": "0.0.0.0", "HostPort": "2375"}]}}}));
    let bound = container(json!({"HostConfig": {"NetworkMode": "n", "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "2375"}]}}}));
    let mut stopped = publishing("0.0.0.0", "2375");
    stopped["State"]["Running"] = json!(false);
    let cases = [
        ("every address", publishing("0.0.0.0", "2375"), local(), true),
        ("every IPv6 address", publishing("::", "2375"), local(), true),
        ("the same address", publishing("127.0.0.1", "2375"), local(), true),
        ("another address", publishing("10.0.0.5", "2375"), local(), false),
        ("another machine's name for it", publishing("10.0.0.5", "2375"), tcp("nas", 2375, &["10.0.0.5"]), true),
        ("an unknown address", publishing("10.0.0.5", "2375"), tcp("nas", 2375, &[]), true),
        ("another port", publishing("0.0.0.0", "2376"), local(), false),
        ("udp", udp, local(), false),
        ("as configured", bound, local(), true),
        ("stopped", stopped, local(), false),
        ("its own address", on("172.18.0.2"), tcp("proxy", 2375, &["172.18.0.2"]), true),
        ("another's address", on("172.18.0.2"), tcp("proxy", 2375, &["172.18.0.3"]), false),
        ("its name", on("172.18.0.2"), tcp("proxy", 2375, &[]), true),
        ("on the machine's network", host.clone(), local(), true),
        ("on the machine's network, another port", host, tcp("localhost", 1, &["127.0.0.1"]), false),
        ("the engine itself", publishing("0.0.0.0", "2375"), Listener::Engine, false),
    ];
    for (case, container, listener, expected) in cases {
        assert_eq!(through_of(&container, listener, &[], &[]).is_some(), expected, "{case}");
    }
}

#[test]
fn a_container_in_the_network_of_the_one_that_publishes_is_the_connection_where_it_exposes_the_port() {
    let provider =
        json!({"Id": "p1", "Name": "/vpn", "NetworkSettings": {"Ports": {"8000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "2375"}]}}});
    let inside = |port: &str| {
        container(json!({"HostConfig": {"NetworkMode": "container:p1"}, "Config": {"ExposedPorts": {format!("{port}/tcp"): {}}}}))
    };
    for (port, expected) in [("8000", true), ("80", false)] {
        let found = through_of(&inside(port), tcp("localhost", 2375, &["127.0.0.1"]), std::slice::from_ref(&provider), &[]);
        assert_eq!(found.is_some(), expected, "{port}");
    }
}

#[test]
fn a_socket_in_a_folder_that_the_container_writes_to_is_the_connection() {
    let at = |path: &str| Listener::Socket { paths: vec![path.into()], container: None };
    let mounting =
        |source: &str, writes: bool| container(json!({"Mounts": [{"Type": "bind", "Source": source, "RW": writes, "Destination": "/x"}]}));
    let cases = [
        ("the folder", mounting("/srv/proxy", true), at("/srv/proxy/docker.sock"), true),
        ("a folder above", mounting("/srv", true), at("/srv/proxy/docker.sock"), true),
        ("everything", mounting("/", true), at("/srv/proxy/docker.sock"), true),
        ("to read", mounting("/srv/proxy", false), at("/srv/proxy/docker.sock"), false),
        ("the socket alone", mounting("/var/run/docker.sock", true), at("/var/run/docker.sock"), false),
        ("a name that begins so", mounting("/srv/pro", true), at("/srv/proxy/docker.sock"), false),
        ("another name of the folder", mounting("/var/run/proxy", true), at("/run/proxy/docker.sock"), true),
        ("a mount without a source", mounting("", true), at("/srv/proxy/docker.sock"), false),
        ("another folder", mounting("/data", true), at("/srv/proxy/docker.sock"), false),
    ];
    for (case, container, listener, expected) in cases {
        assert_eq!(through_of(&container, listener, &[], &[]).is_some(), expected, "{case}");
    }
    let known = |id: &str| Listener::Socket { paths: vec!["/srv/docker.sock".into()], container: Some(id.into()) };
    let other = json!({"Id": "c2", "Name": "/other"});
    let folder = mounting("/srv", true);
    assert!(through_of(&container(json!({})), known("c1"), &[], &[]).is_some(), "its process listens");
    assert!(through_of(&folder, known("c2"), std::slice::from_ref(&other), &[]).is_none(), "another one's process listens");
    assert!(through_of(&folder, known("elsewhere"), &[other], &[]).is_some(), "a container of another engine");
}

#[test]
fn in_a_container_the_socket_is_where_its_mount_is_on_the_machine() {
    let own = json!({"Id": "own", "Name": "/refit", "Mounts": [
        {"Type": "volume", "Name": "sockets", "Source": "/var/lib/docker/volumes/sockets/_data", "Destination": "/sockets", "RW": true},
        {"Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/engine.sock", "RW": true},
    ]});
    let proxy = container(json!({"Mounts": [
        {"Type": "volume", "Name": "sockets", "Source": "/var/lib/docker/volumes/sockets/_data", "Destination": "/out", "RW": true},
    ]}));
    let at = |path: &str| Listener::Socket { paths: vec![path.into()], container: None };
    assert!(through_of(&proxy, at("/sockets/docker.sock"), std::slice::from_ref(&own), &["own"]).is_some());
    assert!(through_of(&proxy, at("/engine.sock"), &[own], &["own"]).is_none());
}
