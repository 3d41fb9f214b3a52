//! Networks, addresses, aliases and links.

use refit_lab::not_here;
use serde_json::{Value, json};

use super::case::{Moving, assert_has, free_ports, options};

fn endpoint<'a>(container: &'a Value, network: &str) -> &'a Value {
    &container["NetworkSettings"]["Networks"][network]
}

fn names(container: &Value) -> Vec<String> {
    container["NetworkSettings"]["Networks"].as_object().unwrap().keys().cloned().collect()
}

fn connect(moving: &Moving, network: &str, endpoint: Value) {
    moving.engine().post(&format!("/networks/{network}/connect"), &json!({"Container": moving.name(), "EndpointConfig": endpoint}));
}

fn disconnect(moving: &Moving, network: &str) {
    moving.engine().post(&format!("/networks/{network}/disconnect"), &json!({"Container": moving.name()}));
}

fn static_address(network: &str) -> String {
    format!("a static address on {network}")
}

#[test]
fn r26_address_aliases_and_port_stay() {
    let moving = Moving::plain("r26");
    let net = moving.case.subnet("n1");
    let [port] = free_ports().map(|port: u16| port.to_string());
    moving.run(json!({
        "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"NetworkMode": net.name, "PortBindings": {"80/tcp": [{"HostPort": port}]}},
        "NetworkingConfig": {"EndpointsConfig": {net.name.as_str(): {"IPAMConfig": {"IPv4Address": net.address}, "Aliases": ["a1", "a2"]}}},
    }));
    let after = moving.recreate();
    assert_eq!(after["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"], port.as_str());
    let aliases = endpoint(&after, &net.name)["Aliases"].as_array().unwrap();
    assert!(["a1", "a2"].iter().all(|alias| aliases.contains(&json!(alias))), "{aliases:?}");
    moving.assert_kept_or_reported(&endpoint(&after, &net.name)["IPAddress"], net.address.as_str(), &static_address(&net.name));
}

#[test]
fn r27_each_of_several_networks_keeps_its_settings() {
    let moving = Moving::plain("r27");
    let (net1, net2, net3) = (moving.case.subnet("n1"), moving.case.scope.network("n2"), moving.case.scope.network("n3"));
    moving.run(json!({"HostConfig": {"NetworkMode": net2}, "NetworkingConfig": {"EndpointsConfig": {net2.as_str(): {"Aliases": ["m"]}}}}));
    connect(&moving, &net1.name, json!({"IPAMConfig": {"IPv4Address": net1.address}, "Aliases": ["x1"]}));
    connect(&moving, &net3, json!({"Aliases": ["x3", "y3"]}));
    let after = moving.recreate();
    assert_eq!(after["HostConfig"]["NetworkMode"], moving.mode_of(&net2));
    moving.assert_kept_or_reported(&endpoint(&after, &net1.name)["IPAddress"], net1.address.as_str(), "a static address on ");
    for network in [&net1.name, &net2, &net3] {
        assert!(!endpoint(&after, network)["IPAddress"].as_str().unwrap().is_empty(), "{network}");
    }
}

#[test]
fn r28_ipv4_and_ipv6_addresses_stay() {
    let moving = Moving::plain("r28");
    let net = moving.other("n1");
    let part = (0..50).find_map(|_| {
        let [part] = free_ports::<1>().map(|port| port % 250);
        let ipam = json!({"Config": [{"Subnet": format!("10.84.{part}.0/24")}, {"Subnet": format!("fd00:84:{part}::/64")}]});
        let body = json!({"Name": net, "EnableIPv6": true, "IPAM": ipam, "Labels": {"refit-lab": "1"}});
        (moving.engine().ask("POST", "/networks/create", &body).status == 201).then_some(part)
    });
    let part = part.expect("a free subnet");
    let (v4, v6) = (format!("10.84.{part}.5"), format!("fd00:84:{part}::5"));
    let addresses = json!({"IPv4Address": v4, "IPv6Address": v6});
    moving.run(json!({
        "HostConfig": {"NetworkMode": net}, "NetworkingConfig": {"EndpointsConfig": {net.as_str(): {"IPAMConfig": addresses}}},
    }));
    let after = moving.recreate();
    for (key, address) in [("IPAddress", v4), ("GlobalIPv6Address", v6)] {
        moving.assert_kept_or_reported(&endpoint(&after, &net)[key], address, &static_address(&net));
    }
}

#[test]
fn r29_a_configured_mac_address_stays_running_or_stopped() {
    let moving = Moving::plain("r29");
    let net = moving.case.scope.network("n1");
    let mac = "02:00:00:00:00:29";
    let body = if moving.api() < (1, 44) {
        json!({"MacAddress": mac, "HostConfig": {"NetworkMode": net}})
    } else {
        json!({"HostConfig": {"NetworkMode": net}, "NetworkingConfig": {"EndpointsConfig": {net.as_str(): {"MacAddress": mac}}}})
    };
    moving.run(body);
    let loss = "a configured MAC address";
    moving.assert_kept_or_reported(&endpoint(&moving.recreate(), &net)["MacAddress"], mac, loss);
    moving.stop();
    moving.recreate_as_it_is(options());
    moving.assert_kept_or_reported(&endpoint(&moving.start(), &net)["MacAddress"], mac, loss);
}

#[test]
fn r30_an_address_of_the_engine_is_not_pinned() {
    let moving = Moving::plain("r30");
    let net = moving.case.subnet("n1");
    let before = moving.run(json!({"HostConfig": {"NetworkMode": net.name}}));
    let had = endpoint(&before, &net.name).clone();
    moving.stop();
    moving.run_other(
        "taker",
        json!({
            "HostConfig": {"NetworkMode": net.name},
            "NetworkingConfig": {"EndpointsConfig": {net.name.as_str(): {"IPAMConfig": {"IPv4Address": had["IPAddress"]}}}},
        }),
    );
    moving.recreate();
    let after = moving.start();
    assert_ne!(endpoint(&after, &net.name)["IPAddress"], had["IPAddress"]);
    assert_ne!(endpoint(&after, &net.name)["MacAddress"], had["MacAddress"]);
}

#[test]
fn r31_r32_disconnected_networks_are_not_joined_again() {
    let moving = Moving::plain("r31");
    let (net1, net2) = (moving.case.scope.network("n1"), moving.case.scope.network("n2"));
    moving.run(json!({"HostConfig": {"NetworkMode": net1}}));
    connect(&moving, &net2, json!({}));
    disconnect(&moving, &net1);
    let after = moving.recreate();
    assert_eq!((names(&after), &after["HostConfig"]["NetworkMode"]), (vec![net2], &moving.mode_of(&net1)));

    let moving = Moving::plain("r32");
    let default = names(&moving.run(json!({})));
    disconnect(&moving, &default[0]);
    assert!(names(&moving.recreate()).is_empty());

    let moving = Moving::plain("r32-none");
    if moving.is_podman() {
        return; // it connects no container that has none
    }
    let net = moving.case.scope.network("n1");
    moving.run(json!({"HostConfig": {"NetworkMode": "none"}}));
    disconnect(&moving, "none");
    connect(&moving, &net, json!({}));
    assert_eq!(names(&moving.recreate()), [net.as_str()]);
    disconnect(&moving, &net);
    assert!(names(&moving.recreate_as_it_is(options())).is_empty());
}

#[test]
fn r33_a_network_that_was_named_by_the_beginning_of_its_id_stays() {
    let moving = Moving::plain("r33");
    let net = moving.case.subnet("n1");
    let id = moving.engine().get(&format!("/networks/{}", net.name))["Id"].as_str().unwrap()[..12].to_owned();
    moving.run(json!({
        "HostConfig": {"NetworkMode": id},
        "NetworkingConfig": {"EndpointsConfig": {id.as_str(): {"IPAMConfig": {"IPv4Address": net.address}, "Aliases": ["al"]}}},
    }));
    for after in [moving.recreate(), moving.recreate_as_it_is(options())] {
        moving.assert_kept_or_reported(&endpoint(&after, &net.name)["IPAddress"], net.address.as_str(), &static_address(&net.name));
        assert!(endpoint(&after, &net.name)["Aliases"].to_string().contains("al"));
    }
}

#[test]
fn r34_a_network_that_was_created_again_is_joined() {
    let moving = Moving::plain("r34");
    if moving.is_podman() {
        return not_here("Podman removes no network that a stopped container has joined");
    }
    let net = moving.case.scope.network("n1");
    moving.run(json!({"HostConfig": {"NetworkMode": net}}));
    moving.stop();
    moving.engine().delete(&format!("/networks/{net}"));
    moving.case.scope.network("n1");
    let id = moving.engine().get(&format!("/networks/{net}"))["Id"].clone();
    moving.recreate();
    assert_eq!(endpoint(&moving.start(), &net)["NetworkID"], id);
}

#[test]
fn r35_a_link_of_the_default_bridge_keeps_its_alias_and_no_temporary_name() {
    let moving = Moving::plain("r35");
    if moving.is_podman() {
        return not_here("Podman takes no links");
    }
    moving.run_other("db", json!({}));
    moving.run(json!({"HostConfig": {"Links": [format!("{}:database", moving.other("db"))]}}));
    moving.recreate();
    moving.engine().post(&format!("/containers/{}/restart?t=0", moving.name()), &Value::Null);
    assert_eq!(moving.inspect()["HostConfig"]["Links"], json!([format!("/{}:/{}/database", moving.other("db"), moving.name())]));
}

#[test]
fn r37_the_priority_of_a_gateway_stays() {
    let moving = Moving::plain("r37-priority");
    if moving.api() < (1, 48) {
        return not_here("the priority of a gateway is said since API 1.48");
    }
    let (net1, net2) = (moving.case.scope.network("n1"), moving.case.scope.network("n2"));
    let endpoints = json!({net1.as_str(): {"GwPriority": 1}, net2.as_str(): {"GwPriority": 7}});
    moving.run(json!({"HostConfig": {"NetworkMode": net1}, "NetworkingConfig": {"EndpointsConfig": endpoints}}));
    let after = moving.recreate();
    assert_eq!((&endpoint(&after, &net1)["GwPriority"], &endpoint(&after, &net2)["GwPriority"]), (&json!(1), &json!(7)));
}

#[test]
fn r36_r37_links_and_options_of_an_endpoint_stay() {
    let moving = Moving::plain("r36");
    if moving.is_podman() {
        return not_here("Podman leaves links and options of an endpoint aside when it creates");
    }
    let (net1, net2) = (moving.case.scope.network("n1"), moving.case.scope.network("n2"));
    moving.run_other("db", json!({"HostConfig": {"NetworkMode": net1}}));
    let link = format!("{}:dd", moving.other("db"));
    moving.run(json!({
        "HostConfig": {"NetworkMode": net1},
        "NetworkingConfig": {"EndpointsConfig": {net1.as_str(): {"Links": [link], "DriverOpts": {"com.example.a": "b"}}}},
    }));
    connect(&moving, &net2, json!({"DriverOpts": {"com.example.c": "d"}}));
    let after = moving.recreate();
    assert_has(endpoint(&after, &net1), json!({"Links": [link], "DriverOpts": {"com.example.a": "b"}}));
    assert_has(endpoint(&after, &net2), json!({"DriverOpts": {"com.example.c": "d"}}));
}
