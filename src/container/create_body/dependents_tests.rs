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
fn r44_a_container_is_referenced_in_each_of_the_ways() {
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
    let found: Vec<(String, Vec<ReferenceKind>)> =
        dependents(&held, &containers).into_iter().map(|one| (one.name, one.references)).collect();
    assert_eq!(
        found,
        [
            ("net".into(), vec![ReferenceKind::Network, ReferenceKind::Pid, ReferenceKind::Ipc]),
            ("link".into(), vec![ReferenceKind::Link]),
            ("volumes".into(), vec![ReferenceKind::Volumes]),
            ("volumes-by-id".into(), vec![ReferenceKind::Volumes]),
        ]
    );
    assert_eq!(dependents(&held, &containers)[0].to_string(), "net uses its network and processes and memory");
    assert_eq!(dependents(&held, &containers)[1].to_string(), "link links to it (--link)");
}

#[test]
fn a_link_of_an_endpoint_by_id_is_a_reference_and_one_by_name_is_none() {
    let held = container("x", json!({}));
    let linking = |name: &str, link: String| {
        let mut container = container(name, json!({}));
        container["NetworkSettings"] = json!({"Networks": {"n": {"Links": [link]}, "m": {"Links": null}}});
        container
    };
    let (whole, short) = (linking("whole", format!("{}:db", id("x"))), linking("short", format!("{}:db", &id("x")[..12])));
    let containers =
        [held.clone(), whole.clone(), short.clone(), linking("name", "x:db".into()), linking("other", format!("{}:db", id("y")))];
    let found: Vec<String> = dependents(&held, &containers).into_iter().map(|one| one.name).collect();
    assert_eq!(found, ["whole", "short"]);
    let new = id("z");
    let links = |container: &Value| redirect_references(container, &held, &new)["NetworkSettings"]["Networks"]["n"]["Links"].clone();
    assert_eq!(links(&whole), json!([format!("{new}:db")]));
    assert_eq!(links(&short), json!([format!("{}:db", &new[..12])]));
    assert_eq!(links(&containers[3]), json!(["x:db"]));
}

#[test]
fn a_link_is_to_the_new_container_by_its_id() {
    let dependent = container("d", json!({"Links": ["/x:/d/db", "/y:/d/cache"]}));
    let redirected = redirect_references(&dependent, &container("x", json!({})), &id("z"));
    assert_eq!(redirected["HostConfig"]["Links"], json!([format!("{}:db", id("z")), "/y:/d/cache"]));
}

#[test]
fn what_is_related_are_dependents_and_what_they_and_the_container_reference() {
    let held = container("x", json!({"PidMode": format!("container:{}", id("provider"))}));
    let containers = [
        held.clone(),
        container("provider", json!({})),
        container("dependent", json!({"NetworkMode": format!("container:{}", id("x")), "VolumesFrom": ["source"]})),
        container("source", json!({})),
        container("other", json!({"VolumesFrom": ["source"]})),
    ];
    let names: Vec<String> = related(&held, &containers).iter().map(|one| name(one).to_owned()).collect();
    assert_eq!(names, ["x", "provider", "dependent", "source"]);
}

#[test]
fn a_dependent_comes_after_the_containers_that_it_references() {
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
fn a_dependent_references_the_new_container() {
    let old = id("x");
    let dependent = container(
        "d",
        json!({
            "NetworkMode": format!("container:{old}"), "PidMode": "host", "IpcMode": format!("container:{}", id("y")),
            "VolumesFrom": [format!("{}:ro", &old[..12]), old, "x:rw", "other"],
        }),
    );
    assert_eq!(
        redirect_references(&dependent, &container("x", json!({})), "new")["HostConfig"],
        json!({
            "NetworkMode": "container:new", "PidMode": "host", "IpcMode": format!("container:{}", id("y")),
            "VolumesFrom": ["new:ro", "new", "x:rw", "other"],
        })
    );
}
