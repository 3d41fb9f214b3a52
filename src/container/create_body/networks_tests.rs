#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use super::*;

const ID: &str = "aaaabbbbccccddddeeeeffff";

fn facts(minor: u32) -> EngineFacts {
    EngineFacts { api_version: (1, minor), ..EngineFacts::default() }
}

fn container(mode: &str, networks: Value) -> Value {
    json!({"Id": ID, "Config": {"Hostname": "web"}, "HostConfig": {"NetworkMode": mode}, "NetworkSettings": {"Networks": networks}})
}

fn inventory(networks: &[Value]) -> EngineInventory {
    EngineInventory { networks: networks.to_vec(), ..EngineInventory::default() }
}

fn planned(container: &Value, minor: u32) -> Plan {
    plan(container, &facts(minor), &EngineInventory::default())
}

/// At create, by connect, left.
type Names<'a> = (Vec<&'a str>, Vec<&'a str>, Vec<&'a str>);

fn names(plan: &Plan) -> Names<'_> {
    (
        plan.at_create.keys().map(String::as_str).collect(),
        plan.connects.iter().map(|connect| connect.network.as_str()).collect(),
        plan.disconnects.iter().map(String::as_str).collect(),
    )
}

#[test]
fn each_network_is_joined_at_create_or_by_connect_or_left() {
    let (n1, n2) = (json!({"NetworkID": "1111aaaa"}), json!({"NetworkID": "2222bbbb"}));
    let both = json!({"n1": n1, "n2": n2});
    let cases: [(&str, &str, Value, Names, Names); 15] = [
        (
            "R27 the mode's network is the main one",
            "n2",
            both.clone(),
            (vec!["n2"], vec!["n1"], vec![]),
            (vec!["n1", "n2"], vec![], vec![]),
        ),
        ("R33 by the beginning of its id", "2222", both.clone(), (vec!["n2"], vec!["n1"], vec![]), (vec!["n1", "n2"], vec![], vec![])),
        (
            "a name that is also the beginning of another's id",
            "1111",
            json!({"n1": n1, "1111": n2}),
            (vec!["1111"], vec!["n1"], vec![]),
            (vec!["n1", "1111"], vec![], vec![]),
        ),
        (
            "the default bridge",
            "default",
            json!({"bridge": {}, "n1": n1}),
            (vec!["bridge"], vec!["n1"], vec![]),
            (vec!["bridge", "n1"], vec![], vec![]),
        ),
        (
            "no mode at all",
            "",
            json!({"n1": n1, "bridge": {}}),
            (vec!["bridge"], vec!["n1"], vec![]),
            (vec!["n1", "bridge"], vec![], vec![]),
        ),
        ("R31 the mode's network was left", "n9", both, (vec!["n1"], vec!["n2"], vec![]), (vec!["n1", "n2"], vec![], vec![])),
        ("R32 all were left", "bridge", json!({}), (vec![], vec![], vec!["bridge"]), (vec![], vec![], vec!["bridge"])),
        ("R32 all were left, of the default", "default", json!({}), (vec![], vec![], vec!["bridge"]), (vec![], vec![], vec!["bridge"])),
        ("R32 all were left, of the user's", "n1", json!({}), (vec![], vec![], vec!["n1"]), (vec![], vec![], vec!["n1"])),
        ("R21 host", "host", json!({"host": {}}), (vec![], vec![], vec![]), (vec![], vec![], vec![])),
        ("R23 none", "none", json!({"none": {}}), (vec![], vec![], vec![]), (vec![], vec![], vec![])),
        ("R24 another container's", "container:x", json!({}), (vec![], vec![], vec![]), (vec![], vec![], vec![])),
        ("none was left for another", "none", json!({"n1": n1}), (vec![], vec!["n1"], vec!["none"]), (vec![], vec!["n1"], vec!["none"])),
        ("none was left", "none", json!({}), (vec![], vec![], vec!["none"]), (vec![], vec![], vec!["none"])),
        (
            "R33 one network under its name and its id",
            "2222",
            json!({"2222": n2, "n2": n2}),
            (vec!["n2"], vec![], vec![]),
            (vec!["n2"], vec![], vec![]),
        ),
    ];
    for (case, mode, networks, below, since) in cases {
        let container = container(mode, networks);
        assert_eq!(names(&planned(&container, 43)), below, "{case}, below 1.44");
        assert_eq!(names(&planned(&container, 44)), since, "{case}, since 1.44");
    }
}

#[test]
fn an_endpoint_is_sent_as_the_user_configured_it() {
    let shown = json!({
        "IPAMConfig": {"IPv4Address": "10.71.0.50", "IPv6Address": "fd00:71::5", "LinkLocalIPs": ["169.254.1.1"]}, "Links": ["db:dd"],
        "Aliases": ["al", "aaaabbbbcccc", "web"], "NetworkID": "1111", "EndpointID": "e", "Gateway": "g", "IPAddress": "10.71.0.50",
        "IPPrefixLen": 24, "IPv6Gateway": "", "GlobalIPv6Address": "fd00:71::5", "GlobalIPv6PrefixLen": 64, "MacAddress": "02:42:0a:47:00:32",
        "DriverOpts": {"a": "b"}, "GwPriority": 7, "DNSNames": ["x"],
    });
    let container = container("n1", json!({"n1": shown}));
    let mut expected = json!({
        "IPAMConfig": {"IPv4Address": "10.71.0.50", "IPv6Address": "fd00:71::5", "LinkLocalIPs": ["169.254.1.1"]}, "Links": ["db:dd"],
        "DriverOpts": {"a": "b"}, "Aliases": ["al"],
    });
    assert_eq!(planned(&container, 44).at_create["n1"], expected, "still below 1.45");
    assert_eq!(planned(&container, 41).at_create["n1"], expected, "R19 R26 R28 R36 R37, the hostname is the engine's alias below 1.45");
    expected["Aliases"] = json!(["al", "web"]);
    assert_eq!(planned(&container, 45).at_create["n1"], expected, "an alias like the hostname is the user's since 1.45");
    assert_eq!(planned(&container, 47).at_create["n1"], expected, "no priority below 1.48");
    expected["GwPriority"] = json!(7);
    assert_eq!(planned(&container, 48).at_create["n1"], expected, "R37 the priority since 1.48");
}

#[test]
fn r30_an_address_of_the_engine_is_not_pinned() {
    let shown = json!({"IPAMConfig": null, "Aliases": ["aaaabbbbcccc"], "IPAddress": "10.71.0.2", "MacAddress": "02:42:0a:47:00:02"});
    let container = container("n1", json!({"n1": shown, "n2": shown}));
    for minor in [41, 44, 51] {
        for endpoint in planned(&container, minor).at_create.values() {
            assert_eq!(*endpoint, json!({"IPAMConfig": null, "Aliases": null}), "1.{minor}");
        }
    }
}

#[test]
fn r29_a_configured_mac_address_goes_where_the_engine_takes_it() {
    let mut container = container(
        "n1",
        json!({
            "n1": {"MacAddress": "9e:00:00:00:00:01", "IPAddress": "10.71.0.2"},
            "n2": {"MacAddress": "02:00:00:00:00:30", "IPAddress": "10.72.0.3"},
            "n3": {"MacAddress": "02:42:0A:49:00:04", "IPAddress": "10.73.0.4"},
        }),
    );
    let mac = |container: &Value, minor: u32, network: &str| planned(container, minor).at_create[network]["MacAddress"].clone();
    assert_eq!(mac(&container, 44, "n1"), json!(null), "a generated one of the main network");
    assert_eq!(mac(&container, 44, "n2"), "02:00:00:00:00:30", "one of another network, which may be configured");
    assert_eq!(mac(&container, 44, "n3"), json!(null), "one that comes from the address");
    container["Config"]["MacAddress"] = json!("02:00:00:00:00:29");
    assert_eq!(mac(&container, 44, "n1"), "02:00:00:00:00:29");
    assert_eq!(planned(&container, 43).at_create["n1"]["MacAddress"], json!(null));

    let top = |container: &Value, minor: u32| {
        let mut config = container["Config"].as_object().cloned().unwrap();
        mac::at_the_top(&mut config, container, &facts(minor));
        config.get("MacAddress").cloned().unwrap_or_default()
    };
    assert_eq!(top(&container, 43), "02:00:00:00:00:29");
    assert_eq!(top(&container, 44), json!(null));
    container["HostConfig"]["NetworkMode"] = json!("host");
    assert_eq!(top(&container, 41), json!(null), "a 400 with the machine's network");
    container["HostConfig"]["NetworkMode"] = json!("n1");
    container["Config"]["MacAddress"] = json!("02:42:0a:47:00:02");
    assert_eq!(
        (top(&container, 43), mac(&container, 44, "n1")),
        ("02:42:0a:47:00:02".into(), "02:42:0a:47:00:02".into()),
        "it is configured"
    );
    for (version, expected) in
        [("25.0.0", None), ("25.0.2", None), ("25.0.3", Some("02:42:0a:47:00:02")), ("26.1.5", Some("02:42:0a:47:00:02"))]
    {
        let facts = EngineFacts { version: version.into(), ..facts(44) };
        let sent = plan(&container, &facts, &EngineInventory::default()).at_create["n1"]["MacAddress"].clone();
        assert_eq!(sent.as_str(), expected, "{version} shows a generated one as configured or does not");
    }
}

#[test]
fn a_mac_address_is_kept_where_the_mode_is_a_networks_id_and_a_random_one_is_not_pinned() {
    let id = "0123456789abcdef".repeat(4);
    let endpoint = |id: &str, mac: &str| json!({"NetworkID": id, "MacAddress": mac, "IPAddress": "10.71.0.2"});
    let container = |mode: &str, first: &str, second: &str| {
        container(mode, json!({"n1": endpoint(&id, first), "n2": endpoint("f".repeat(64).as_str(), second)}))
    };
    let mac = |container: &Value, minor: u32, network: &str| planned(container, minor).at_create[network]["MacAddress"].clone();
    for mode in [id.as_str(), &id[..12]] {
        let configured = container(mode, "02:00:00:00:00:29", "02:00:00:00:00:30");
        for minor in [44, 47, 48, 51] {
            assert_eq!(mac(&configured, minor, "n1"), "02:00:00:00:00:29", "1.{minor} {mode}");
            assert_eq!(mac(&configured, minor, "n2"), "02:00:00:00:00:30", "1.{minor} {mode}");
        }
        let generated = container(mode, "02:42:0a:47:00:02", "02:42:0a:47:00:02");
        let random = container(mode, "9e:1f:20:33:4a:51", "5a:77:20:33:4a:51");
        for network in ["n1", "n2"] {
            assert_eq!(mac(&generated, 44, network), json!(null));
            assert_eq!(mac(&random, 48, network), json!(null), "Docker 28 generates such a one");
            assert_eq!(mac(&random, 47, network), random["NetworkSettings"]["Networks"][network]["MacAddress"], "Docker 27 does not");
        }
    }
}

#[test]
fn where_no_inspect_tells_a_configured_mac_address_the_endpoints_is_judged_as_on_every_other_network() {
    let container = |address: &str| container("n1", json!({"n1": {"MacAddress": address, "IPAddress": "10.71.0.2"}}));
    let sent = |address: &str, inspect: u32| {
        let facts = EngineFacts { inspect_version: (1, inspect), ..facts(54) };
        plan(&container(address), &facts, &EngineInventory::default()).at_create["n1"]["MacAddress"].clone()
    };
    assert_eq!(sent("02:00:00:00:00:29", 52), "02:00:00:00:00:29");
    assert_eq!(sent("02:00:00:00:00:29", 51), json!(null), "1.51 would have shown it in Config");
    assert_eq!(sent("9e:1f:20:33:4a:51", 52), json!(null), "a generated one");
}

#[test]
fn a_swarm_address_is_known_only_once_the_container_has_stopped() {
    let networks =
        inventory(&[json!({"Name": "ov", "Id": "0f0f", "Scope": "swarm"}), json!({"Name": "n1", "Id": "1111", "Scope": "local"})]);
    let addressed = json!({"IPAMConfig": {"IPv4Address": "10.0.1.5"}, "Aliases": ["al", "aaaabbbbcccc"], "NetworkID": "0f0f"});
    let mut local = addressed.clone();
    local["NetworkID"] = json!("1111");
    let mut container = container("n1", json!({"n1": local, "ov": addressed}));
    container["State"] = json!({"Running": true});
    let running = plan(&container, &facts(41), &networks);
    assert!(running.overlay);
    assert_eq!(running.at_create["n1"]["IPAMConfig"]["IPv4Address"], "10.0.1.5");
    assert_eq!(running.connects[0].endpoint, json!({"Aliases": ["al"]}));
    container["State"] = json!({"Running": false});
    let stopped = plan(&container, &facts(41), &networks);
    assert_eq!((stopped.overlay, &stopped.connects[0].endpoint["IPAMConfig"]["IPv4Address"]), (false, &json!("10.0.1.5")));
    let connects = overlay_connects(&container, &facts(41), &networks);
    assert_eq!(connects.len(), 1);
    assert_eq!(connects[0].endpoint, json!({"IPAMConfig": {"IPv4Address": "10.0.1.5"}, "Aliases": ["al"]}));
    let mut stopped = container;
    stopped["NetworkSettings"]["Networks"]["ov"]["IPAMConfig"] = json!(null);
    assert_eq!(overlay_connects(&stopped, &facts(41), &networks), []);
}

#[test]
fn r33_a_mode_that_is_the_id_of_a_recreated_network_becomes_its_name() {
    let container = container("1111aaaa", json!({"n1": {"NetworkID": "1111aaaabbbb"}}));
    let listed = |id: &str| inventory(&[json!({"Name": "n1", "Id": id}), json!({"Name": "bridge", "Id": "b"})]);
    assert_eq!(mode(&container, &listed("1111aaaabbbb")), "1111aaaa");
    assert_eq!(mode(&container, &listed("3333")), "n1");
    assert_eq!(mode(&container, &EngineInventory::default()), "1111aaaa");
    let never_started = self::container("1111aaaa", json!({"n2": {"NetworkID": ""}, "n1": {"NetworkID": ""}}));
    let plan = plan(&never_started, &facts(41), &listed("1111aaaabbbb"));
    assert_eq!(names(&plan), (vec!["n1"], vec!["n2"], vec![]));
}

#[test]
fn settings_of_the_first_interface_go_to_the_network_of_the_mode_since_1_48() {
    let mut container = container("n1", json!({"n1": {"DriverOpts": {"a": "b"}}, "n2": {}}));
    container["HostConfig"]["Sysctls"] = json!({"net.ipv4.conf.eth0.log_martians": "1", "net.core.somaxconn": "99"});
    let planned_since = planned(&container, 48);
    assert_eq!(planned_since.at_create["n1"]["DriverOpts"], json!({"a": "b", (sysctls::OPTION): "net.ipv4.conf.IFNAME.log_martians=1"}));
    assert_eq!(planned_since.at_create["n2"]["DriverOpts"], json!(null));
    assert_eq!(planned(&container, 47).at_create["n1"]["DriverOpts"], json!({"a": "b"}));
    let mut said = container.clone();
    said["NetworkSettings"]["Networks"]["n1"]["DriverOpts"] = json!({(sysctls::OPTION): "net.ipv4.conf.IFNAME.log_martians=0"});
    let order = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.IFNAME.log_martians=0";
    assert_eq!(planned(&said, 48).at_create["n1"]["DriverOpts"][sysctls::OPTION], order, "what is said of the endpoint wins");
    let mut host_config = container["HostConfig"].as_object().cloned().unwrap();
    sysctls::remove_moved(&mut host_config);
    assert_eq!(host_config["Sysctls"], json!({"net.core.somaxconn": "99"}));
}
