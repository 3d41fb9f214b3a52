//! Hostnames, and namespaces of the machine or of another container.

use refit::Code;
use serde_json::{Value, json};

use super::case::{Moving, assert_has, options, plain};

#[test]
fn r19_a_default_hostname_is_generated_again_and_aliases_do_not_grow() {
    let moving = Moving::plain("r19");
    let network = moving.case.scope.network("n1");
    moving.run(
        json!({"HostConfig": {"NetworkMode": network}, "NetworkingConfig": {"EndpointsConfig": {network.as_str(): {"Aliases": ["al"]}}}}),
    );
    let mut ids = vec![moving.inspect()["Id"].as_str().unwrap()[..12].to_owned()];
    for image in [plain("2"), plain("1")] {
        moving.move_to(&image);
        let after = moving.recreate_as_it_is(options());
        let id = after["Id"].as_str().unwrap()[..12].to_owned();
        assert_eq!(after["Config"]["Hostname"], id.as_str());
        let aliases = after["NetworkSettings"]["Networks"][&network]["Aliases"].to_string();
        assert!(aliases.contains("al") && ids.iter().all(|old| !aliases.contains(old)), "{aliases}");
        ids.push(id);
    }
}

#[test]
fn r20_a_hostname_of_the_user_stays() {
    let moving = Moving::plain("r20");
    let network = moving.case.scope.network("n1");
    let before = moving.run(json!({"Hostname": "web", "Domainname": "ex.org", "HostConfig": {"NetworkMode": network}}));
    // Podman leaves a domain name aside from the first.
    let domain = before["Config"]["Domainname"].clone();
    assert!(domain == "ex.org" || moving.is_podman());
    let names = |moving: &Moving| moving.exec("hostname; cat /proc/sys/kernel/domainname");
    let had = names(&moving);
    assert_has(&moving.recreate(), json!({"Config": {"Hostname": "web", "Domainname": domain}}));
    assert_eq!(names(&moving), had);
    let moving = Moving::plain("r20-digits");
    moving.run(json!({"Hostname": "0123456789ab"}));
    assert_eq!(moving.recreate()["Config"]["Hostname"], "0123456789ab");
}

#[test]
fn r21_r22_r23_the_hosts_namespaces_and_none_stay() {
    for (what, body) in [
        ("r21", json!({"HostConfig": {"NetworkMode": "host"}})),
        ("r21-name", json!({"Hostname": "hh", "HostConfig": {"NetworkMode": "host"}})),
        ("r22", json!({"HostConfig": {"UTSMode": "host"}})),
        ("r23", json!({"HostConfig": {"NetworkMode": "none"}})),
    ] {
        let moving = Moving::versions(what);
        let before = moving.run(body.clone());
        let after = moving.recreate();
        assert_has(&after, json!({"HostConfig": body["HostConfig"]}));
        let names = |container: &Value| container["NetworkSettings"]["Networks"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&after), names(&before));
        if let Some(hostname) = body["Hostname"].as_str() {
            assert_eq!(after["Config"]["Hostname"], hostname);
        }
    }
}

#[test]
fn r24_another_containers_namespaces_stay_and_its_absence_is_an_error() {
    let moving = Moving::versions("r24");
    let provider = moving.run_other("provider", json!({"Hostname": "ph", "HostConfig": {"IpcMode": "shareable"}}));
    let mode = format!("container:{}", provider["Id"].as_str().unwrap());
    moving.run(json!({"HostConfig": {"NetworkMode": mode, "PidMode": mode, "IpcMode": mode}}));
    let after = moving.recreate();
    // Podman gives it one of its own.
    let hostname = if moving.is_podman() { &after["Id"].as_str().unwrap()[..12] } else { "ph" };
    assert_eq!(moving.exec("hostname"), format!("{hostname}\n"));
    assert_has(&after, json!({"Config": {"Hostname": hostname}, "HostConfig": {"NetworkMode": mode, "PidMode": mode, "IpcMode": mode}}));

    let path = format!("/containers/{}", moving.other("provider"));
    moving.engine().post(&format!("{path}/stop?t=0"), &Value::Null);
    let error = moving.refused(options());
    assert_eq!(error.code(), Code::Conflict);
    assert!(error.message().contains("does not run"), "{error}");
    if moving.is_podman() {
        return; // it removes no provider that another container uses
    }
    moving.engine().delete(&format!("{path}?force=1"));
    let error = moving.refused(options());
    assert_eq!(error.code(), Code::Conflict);
    assert!(error.message().contains("gone"), "{error}");
}

/// Only a network that is another's brings its hostname along.
#[test]
fn r25_namespaces_of_another_container_stay_beside_a_network_of_its_own() {
    let moving = Moving::plain("r25");
    let provider = moving.run_other("provider", json!({"HostConfig": {"IpcMode": "shareable"}}));
    let mode = format!("container:{}", provider["Id"].as_str().unwrap());
    let network = moving.case.scope.network("n1");
    moving.run(json!({"HostConfig": {"NetworkMode": network, "PidMode": mode, "IpcMode": mode}}));
    let after = moving.recreate();
    let id = &after["Id"].as_str().unwrap()[..12];
    assert_has(
        &after,
        json!({"Config": {"Hostname": id}, "HostConfig": {"NetworkMode": moving.mode_of(&network), "PidMode": mode, "IpcMode": mode}}),
    );
    assert!(after["NetworkSettings"]["Networks"].get(&network).is_some());
}
