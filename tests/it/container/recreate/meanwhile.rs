//! Somebody changes the container while its replacement is being made: nothing of it is lost.

use crate::recreation::{Case, LIMIT, failed, in_parallel, quick, recreate_through};
use refit::Code;
use refit::container::{RecreateOptions, RecreationResult};
use refit_lab::{Gate, Image, Proxy, When};
use serde_json::{Value, json};

/// What people do to a container that runs.
const CHANGES: [&str; 6] = ["memory", "cpus", "restart", "connect", "disconnect", "rename"];

/// Makes a change, by the container's id.
fn change(case: &Case, id: &str, what: &str, other: &str) {
    let engine = &case.lab.engine;
    let update = |body: Value| engine.post(&format!("/containers/{id}/update"), &body);
    let _ = match what {
        "memory" => update(json!({"Memory": 83_886_080, "MemorySwap": 104_857_600})),
        "cpus" => update(json!({"CpuShares": 512})),
        "restart" => update(json!({"RestartPolicy": {"Name": "unless-stopped"}})),
        "connect" => engine.post(&format!("/networks/{other}/connect"), &json!({"Container": id, "EndpointConfig": {"Aliases": ["more"]}})),
        "disconnect" => engine.post("/networks/bridge/disconnect", &json!({"Container": id})),
        _ => engine.post(&format!("/containers/{id}/rename?name={other}"), &Value::Null),
    };
}

/// The change is there, and the container has the networks that it has.
fn is_there(case: &Case, id: &str, what: &str, other: &str) -> bool {
    let now = case.inspect(id);
    let host = &now["HostConfig"];
    let networks = &now["NetworkSettings"]["Networks"];
    match what {
        "memory" => host["Memory"] == 83_886_080,
        "cpus" => host["CpuShares"] == 512,
        "restart" => host["RestartPolicy"]["Name"] == "unless-stopped",
        "connect" => networks[other].is_object() && networks["bridge"].is_object(),
        "disconnect" => networks["bridge"].is_null(),
        _ => now["Name"] == format!("/{other}"),
    }
}

/// Recreates a container and changes it when a request comes to the gate: the change stays, and the container runs.
fn changed_at(what: &str, at: &str, options: RecreateOptions, gate: impl FnOnce(&Proxy) -> Gate) -> (Code, RecreationResult) {
    let case = Case::new(&format!("meanwhile-{what}"));
    let other = if what == "rename" { case.scope.name("renamed") } else { case.subnet("other").name };
    let body = json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"RestartPolicy": {"Name": "always"}}});
    let id = case.lab.engine.run(&case.name, &body);
    let before = case.inspect(&id);
    case.moves_to(&Image::new().version("2"));
    let proxy = Proxy::engine(case.lab);
    let gate = gate(&proxy);
    let outcome = recreate_through(&proxy, &case, options, || {
        let held = gate.wait(LIMIT);
        change(&case, &id, what, &other);
        held.release();
    });
    let (error, report) = failed(outcome);
    assert!(is_there(&case, &id, what, &other), "{what} {at}: the change is lost: {error}");
    let after = case.inspect(&id);
    assert_eq!(after["State"]["Running"], true, "{what} {at}: {error}");
    if report.result == RecreationResult::Failed {
        assert_eq!(after["State"]["StartedAt"], before["State"]["StartedAt"], "{what} {at}");
    }
    if what != "restart" {
        assert_eq!(after["HostConfig"]["RestartPolicy"]["Name"], "always", "{what} {at}");
    }
    let words = if what == "rename" { "was renamed" } else { "was changed" };
    assert!(error.message().contains(words), "{what} {at}: {error}");
    let names: Vec<String> = case.containers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 1, "{what} {at}: {names:?}");
    assert!(!names[0].contains(".refit-"), "{what} {at}: {names:?}");
    (error.code(), report.result)
}

/// The hooks of the old container take their time, and so do the containers that a dependent waits for.
#[test]
fn a_change_between_the_create_and_the_stop_is_a_conflict_and_nothing_is_stopped() {
    in_parallel(CHANGES.to_vec(), |what| {
        let mut options = quick();
        options.hooks.before = vec![vec!["true".into()]];
        let found = changed_at(what, "before the stop", options, |proxy| proxy.hold(When::first("POST /containers/*/exec")));
        assert_eq!(found, (Code::Conflict, RecreationResult::Failed), "{what}");
    });
}

#[test]
fn a_change_during_the_stop_is_a_conflict_and_stays_in_the_rollback() {
    in_parallel(CHANGES.to_vec(), |what| {
        let found = changed_at(what, "during the stop", quick(), |proxy| proxy.hold_answer(When::first("POST /containers/*/stop")));
        assert_eq!(found, (Code::Conflict, RecreationResult::RolledBack), "{what}");
    });
}
