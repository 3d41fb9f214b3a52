#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use serde_json::json;

use super::*;

fn container(name: &str, host_config: Value) -> Value {
    json!({"Id": id(name), "Name": format!("/{name}"), "HostConfig": host_config})
}

/// 64 digits of a name.
fn id(name: &str) -> String {
    let digits: Vec<String> = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    let digits = digits.concat();
    format!("{digits:0<64}")
}

#[test]
fn r44_all_ways_to_hold_a_container() {
    let held = container("x", json!({}));
    let mode = format!("container:{}", id("x"));
    let containers = [
        held.clone(),
        container("net", json!({"NetworkMode": mode, "PidMode": mode, "IpcMode": mode})),
        container("link", json!({"Links": ["/x:/link/z"]})),
        container("volumes", json!({"VolumesFrom": ["x:ro"]})),
        container("volumes-by-id", json!({"VolumesFrom": [&id("x")[..12]]})),
        container("other", json!({"NetworkMode": format!("container:{}", id("y")), "VolumesFrom": ["y"], "Links": ["/y:/other/x"]})),
    ];
    let found: Vec<(String, Vec<Hold>)> = dependents(&held, &containers).into_iter().map(|one| (one.name, one.holds)).collect();
    assert_eq!(
        found,
        [
            ("net".into(), vec![Hold::Network, Hold::Pid, Hold::Ipc]),
            ("link".into(), vec![Hold::Link]),
            ("volumes".into(), vec![Hold::Volumes]),
            ("volumes-by-id".into(), vec![Hold::Volumes]),
        ]
    );
    assert_eq!(dependents(&held, &containers)[0].to_string(), "net uses its network and processes and memory");
}

#[test]
fn those_that_hold_a_dependent_come_after_it() {
    let held = container("x", json!({}));
    let containers = [
        container("c", json!({"VolumesFrom": ["a", "b"]})),
        container("b", json!({"NetworkMode": format!("container:{}", id("a"))})),
        container("a", json!({"NetworkMode": format!("container:{}", id("x"))})),
        held.clone(),
    ];
    let found = dependents(&held, &containers);
    assert_eq!(found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(found[1].of, id("a"));
}

#[test]
fn a_circle_of_names_ends() {
    let held = container("x", json!({"VolumesFrom": ["b"]}));
    let containers = [held.clone(), container("a", json!({"VolumesFrom": ["x", "b"]})), container("b", json!({"VolumesFrom": ["a"]}))];
    assert_eq!(dependents(&held, &containers).len(), 2);
}

#[test]
fn a_name_that_looks_like_the_beginning_of_an_id_is_a_name() {
    let held = container("x", json!({}));
    let db = &id("x")[..2];
    let containers = [held.clone(), container(db, json!({})), container("user", json!({"VolumesFrom": [db]}))];
    assert_eq!(dependents(&held, &containers), []);
}

#[test]
fn a_dependent_follows_the_replacement() {
    let old = id("x");
    let dependent = container(
        "d",
        json!({
            "NetworkMode": format!("container:{old}"), "PidMode": "host", "IpcMode": format!("container:{}", id("y")),
            "VolumesFrom": [format!("{}:ro", &old[..12]), old, "x:rw", "other"],
        }),
    );
    assert_eq!(
        follow(&dependent, &old, "new")["HostConfig"],
        json!({
            "NetworkMode": "container:new", "PidMode": "host", "IpcMode": format!("container:{}", id("y")),
            "VolumesFrom": ["new:ro", "new", "x:rw", "other"],
        })
    );
}
