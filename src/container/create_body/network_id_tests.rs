use super::*;
use crate::container::create_body::networks::{self, plan};
use serde_json::json;

fn facts(minor: u32) -> EngineFacts {
    EngineFacts { api_version: (1, minor), ..EngineFacts::default() }
}

/// Two networks `n`, and one that has its name alone.
fn inventory(scope: &str) -> EngineInventory {
    let network = |id: &str, name: &str, scope: &str| json!({"Id": id, "Name": name, "Scope": scope});
    let networks = vec![network("aaaa", "n", "local"), network("bbbb", "n", scope), network("cccc", "alone", "local")];
    EngineInventory { networks, ..EngineInventory::default() }
}

fn container(mode: &str, networks: Value) -> Value {
    json!({"Id": "0123", "Config": {}, "HostConfig": {"NetworkMode": mode}, "NetworkSettings": {"Networks": networks}})
}

#[test]
fn a_network_that_shares_its_name_is_joined_by_its_id_at_create_and_by_connect() {
    let networks = json!({"n": {"NetworkID": "bbbb", "Aliases": ["a"]}, "alone": {"NetworkID": "cccc", "Aliases": ["b"]}});
    for mode in ["n", "bbbb"] {
        let plan = plan(&container(mode, networks.clone()), &facts(41), &inventory("local"));
        assert_eq!(Value::Object(plan.at_create)["n"], json!({"NetworkID": "bbbb", "Aliases": ["a"]}), "{mode}");
        assert_eq!((plan.connects.len(), plan.connects[0].network.as_str()), (1, "alone"), "{mode}");
        assert_eq!(plan.connects[0].endpoint, json!({"Aliases": ["b"]}), "{mode}");
    }
    let plan = plan(&container("alone", networks), &facts(41), &inventory("local"));
    assert_eq!(Value::Object(plan.at_create), json!({"alone": {"Aliases": ["b"]}}));
    assert_eq!((plan.connects.len(), plan.connects[0].network.as_str()), (1, "bbbb"));
    assert_eq!(plan.connects[0].endpoint, json!({"NetworkID": "bbbb", "Aliases": ["a"]}));
}

#[test]
fn which_network_it_is_must_be_known_and_the_engine_must_take_its_id() {
    let cases = [
        ("n", "aaaa", 41, "local", None),
        ("alone", "", 41, "local", None),
        ("n", "", 41, "local", Some("not started")),
        ("n", "dddd", 41, "local", Some("not started")),
        ("n", "aaaa", 41, "swarm", Some("swarm")),
        ("n", "aaaa", 44, "local", Some("too new")),
    ];
    for (name, id, minor, scope, expected) in cases {
        let container = container(name, json!({name: {"NetworkID": id}}));
        let [endpoint] = &networks::endpoints(&container)[..] else { unreachable!() };
        let (facts, inventory) = (facts(minor), inventory(scope));
        let why = ambiguous(endpoint, &facts, &inventory);
        assert_eq!(why.is_some(), expected.is_some(), "{name} {id} {minor} {scope}: {why:?}");
        if let (Some(why), Some(expected)) = (why, expected) {
            assert!(why.contains(expected) && why.contains("aaaa, bbbb") && why.contains("2 networks with the name n"), "{why}");
        }
        let by_id = network_id(endpoint, &facts, &inventory);
        assert_eq!(by_id, (name == "n" && expected.is_none()).then_some("aaaa"), "{name} {id} {minor} {scope}");
    }
}
