#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use serde_json::json;

use super::super::{EngineFacts, EngineInventory};
use super::*;

const OLD: &str = "sha256:aaaabbbbccccddddaaaabbbbccccddddaaaabbbbccccddddaaaabbbbccccdddd";

/// A running container with these fields in place of the plain ones.
fn container(fields: &Value) -> Value {
    let mut container = json!({
        "Id": "0123456789abcdef", "Name": "/x", "Image": OLD, "State": {"Status": "running", "Running": true},
        "Config": {"Image": "app:t", "Labels": {}}, "HostConfig": {"NetworkMode": "bridge"}, "NetworkSettings": {"Networks": {"bridge": {}}},
    });
    for (key, value) in fields.as_object().unwrap() {
        for (inner, value) in value.as_object().unwrap() {
            container[key][inner] = value.clone();
        }
    }
    container
}

fn refused(container: &Value, others: &[Value], allowed: Allowed, facts: &EngineFacts, new_image: &Value) -> Option<(Code, String)> {
    let inventory = EngineInventory { containers: others.iter().chain([container]).cloned().collect(), ..EngineInventory::default() };
    let old_image = json!({"Id": OLD, "Os": "linux", "Architecture": "amd64", "RepoTags": ["face:latest"]});
    let input = CreateInput { container, old_image: &old_image, new_image: Some(new_image), facts, inventory: &inventory };
    let error = refuse(&input, allowed).err()?;
    assert_eq!(error.context().container.as_deref(), Some("x"));
    Some((error.code(), error.message().into()))
}

/// The code without and with an option, and what the message has to name.
fn check(case: &str, container: &Value, others: &[Value], allowed: Allowed, expected: (Code, &str), with_option: Option<Code>) {
    let facts = EngineFacts::default();
    let (code, message) =
        refused(container, others, Allowed::default(), &facts, &json!({})).unwrap_or_else(|| panic!("{case}: not refused"));
    assert_eq!(code, expected.0, "{case}");
    assert!(message.contains(expected.1), "{case}: {message}");
    assert_eq!(refused(container, others, allowed, &facts, &json!({})).map(|(code, _)| code), with_option, "{case}, with the option");
}

#[test]
fn a_plain_container_is_not_refused() {
    let facts = EngineFacts::default();
    assert_eq!(refused(&container(&json!({})), &[], Allowed::default(), &facts, &json!({"Os": "linux", "Architecture": "amd64"})), None);
    assert_eq!(refused(&container(&json!({"Config": {"Image": "app@sha256:00"}})), &[], Allowed::default(), &facts, &json!({})), None);
    let restarting = container(&json!({"State": {"Status": "restarting", "Restarting": true}}));
    assert_eq!(refused(&restarting, &[], Allowed::default(), &facts, &json!({})), None);
}

#[test]
fn each_option_allows_its_refusal() {
    let paused = container(&json!({"State": {"Status": "paused", "Paused": true}}));
    check("R51", &paused, &[], Allowed { paused: true, ..Allowed::default() }, (Code::Conflict, "allow_paused"), None);
    let removed = container(&json!({"HostConfig": {"AutoRemove": true}}));
    check("R52", &removed, &[], Allowed { auto_remove: true, ..Allowed::default() }, (Code::Conflict, "allow_auto_remove"), None);
    for reference in [OLD, &OLD[7..], &OLD[7..19], "aaaa"] {
        let pinned = container(&json!({"Config": {"Image": reference}}));
        check("R59", &pinned, &[], Allowed { pinned: true, ..Allowed::default() }, (Code::Unsupported, "allow_pinned"), None);
    }
    let dependent = json!({"Id": "ff", "Name": "/d", "HostConfig": {"PidMode": "container:0123456789abcdef"}});
    let allowed = Allowed { dependents: true, ..Allowed::default() };
    check("R44", &container(&json!({})), std::slice::from_ref(&dependent), allowed, (Code::Conflict, "recreate_dependents"), None);
    let linked = json!({"Id": "fe", "Name": "/l", "HostConfig": {"Links": ["/x:/l/alias"]}});
    check(
        "R44 a link",
        &container(&json!({})),
        &[dependent, linked],
        allowed,
        (Code::Conflict, "d uses its processes, l links to it (--link) (recreate_dependents"),
        None,
    );
}

#[test]
fn a_name_of_hexadecimal_digits_is_a_name() {
    let facts = EngineFacts::default();
    let named = container(&json!({"Config": {"Image": "face"}}));
    assert_eq!(refused(&named, &[], Allowed::default(), &facts, &json!({})), None);
    let mut also_an_id = named;
    also_an_id["Image"] = json!("sha256:face0000");
    assert_eq!(refused(&also_an_id, &[], Allowed::default(), &facts, &json!({})), None);
}

#[test]
fn some_refusals_have_no_option() {
    let all = Allowed { pinned: true, lossy: true, paused: true, auto_remove: true, own_connection: true, dependents: true };
    for (case, fields, expected, others) in [
        ("removing", json!({"State": {"Status": "removing"}}), (Code::Conflict, "being removed"), vec![]),
        ("dead", json!({"State": {"Dead": true}}), (Code::Conflict, "being removed"), vec![]),
        (
            "an exited --rm container",
            json!({"State": {"Status": "exited"}, "HostConfig": {"AutoRemove": true}}),
            (Code::NotFound, "--rm"),
            vec![],
        ),
        (
            "R57 managed",
            json!({"Config": {"Labels": {"com.docker.swarm.task.id": "t"}}}),
            (Code::Unsupported, "com.docker.swarm.task.id"),
            vec![],
        ),
        ("R24 a provider that is gone", json!({"HostConfig": {"IpcMode": "container:ff00"}}), (Code::Conflict, "gone"), vec![]),
        (
            "R24 a provider that has stopped",
            json!({"HostConfig": {"NetworkMode": "container:ff00"}}),
            (Code::Conflict, "does not run"),
            vec![json!({"Id": "ff00aa", "Name": "/p", "State": {"Running": false}})],
        ),
    ] {
        check(case, &container(&fields), &others, all, expected, Some(expected.0));
    }
    let used = container(&json!({"HostConfig": {"NetworkMode": "container:ff00"}}));
    let provider = json!({"Id": "ff00aa", "Name": "/p", "State": {"Running": true}});
    assert_eq!(refused(&used, &[provider], all, &EngineFacts::default(), &json!({})), None);
}

#[test]
fn another_platform_is_refused_and_an_unknown_one_is_not() {
    let facts = EngineFacts::default();
    let refused = |new_image: Value| refused(&container(&json!({})), &[], Allowed::default(), &facts, &new_image).map(|(code, _)| code);
    assert_eq!(refused(json!({"Os": "linux", "Architecture": "arm64"})), Some(Code::Unsupported));
    assert_eq!(refused(json!({"Os": "windows", "Architecture": "amd64"})), Some(Code::Unsupported));
    assert_eq!(refused(json!({"Os": "linux"})), None);
}

#[test]
fn a_refusal_on_podman_lists_the_losses() {
    let facts = EngineFacts { podman: true, ..EngineFacts::default() };
    let on_own_network = container(&json!({"NetworkSettings": {"Networks": {"n1": {}}}}));
    let (code, message) = refused(&on_own_network, &[], Allowed::default(), &facts, &json!({})).unwrap();
    assert_eq!(code, Code::Unsupported);
    assert!(message.contains("allow_lossy") && message.contains("a static address on n1"), "{message}");
    assert_eq!(refused(&on_own_network, &[], Allowed { lossy: true, ..Allowed::default() }, &facts, &json!({})), None);
}
