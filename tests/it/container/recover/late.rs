//! Recoveries long after the crash, in a world that people and reboots have changed since.

use std::time::{Duration, Instant};

use crate::recreation;
use crate::recreation::child::Work;
use crate::recreation::{Case, LIMIT, Scenario, Side, in_parallel, kill_at, kill_in_stop, recover, recover_gently};
use refit::Code;
use refit::container::{RecoverOptions, Recovery, RecoveryAction};
use refit_lab::{Canned, Fault, Image, Proxy, When};
use serde_json::{Value, json};

fn actions(recovery: &Recovery) -> Vec<RecoveryAction> {
    recovery.found.iter().map(|found| found.action).collect()
}

/// What a container does that nobody may roll back.
fn state(container: &Value) -> Value {
    json!([container["Id"], container["State"]["Status"], container["State"]["StartedAt"], container["State"]["ExitCode"]])
}

/// A run is killed when only the removal of the old container is left. Since then the new one has served for longer than it had to settle.
#[test]
fn a_container_that_has_served_is_kept_in_the_state_that_it_is_in() {
    let happened = ["stopped", "killed", "restarted", "crashed"];
    in_parallel(happened.to_vec(), |what| {
        let case = Case::new("served");
        let body = json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}}});
        let old = case.lab.engine.run(&case.name, &body);
        let command = "trap 'exit 0' TERM; while [ ! -e /crash ]; do sleep 0.1; done; rm /crash; exit 3";
        let image = Image::new().version("2").cmd(["sh", "-c", command]);
        case.moves_to(&image);
        assert!(kill_at(&case, &Work::recreate(&case.name), "DELETE *", 1, Side::Before), "{what}");
        std::thread::sleep(Duration::from_secs(5));
        let name = &case.name;
        match what {
            "stopped" => drop(case.lab.engine.post(&format!("/containers/{name}/stop"), &Value::Null)),
            "killed" => drop(case.lab.engine.post(&format!("/containers/{name}/kill"), &Value::Null)),
            "restarted" => drop(case.lab.engine.post(&format!("/containers/{name}/restart"), &Value::Null)),
            "crashed" => {
                // Its policy restarts it.
                case.lab.engine.exec(name, &["touch", "/crash"]);
                let end = Instant::now() + LIMIT;
                while case.inspect(name)["RestartCount"].as_u64().unwrap_or_default() == 0
                    || case.inspect(name)["State"]["Status"] != "running"
                {
                    assert!(Instant::now() < end, "it is not restarted");
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            _ => {}
        }
        case.let_an_hour_pass();
        let before = state(&case.inspect(name));
        let recovery = recover_gently(&case).unwrap_or_else(|failure| panic!("{what}: {failure:?}"));
        let kept = [RecoveryAction::RemovedOld, RecoveryAction::Finished];
        assert!(matches!(actions(&recovery).as_slice(), [action] if kept.contains(action)), "{what}: {recovery:?}");
        assert_eq!(state(&case.inspect(name)), before, "{what}");
        assert_ne!(before[0], json!(old), "{what}");
        case.assert_alone();
    });
}

/// A run that was killed right after the start of a broken image: that has never served.
#[test]
fn a_container_that_never_served_is_rolled_back_however_late() {
    for policy in ["no", "always"] {
        let scenario = Scenario { new: |image| image.cmd(["sh", "-c", "exit 3"]), succeeds: false, policy, ..Scenario::new("never") };
        let prepared = scenario.prepare();
        let case = &prepared.case;
        assert!(kill_at(case, &Work::recreate(&case.name), "POST */start", 1, Side::After), "{policy}");
        std::thread::sleep(Duration::from_secs(2));
        case.let_an_hour_pass();
        assert_eq!(actions(&recover_gently(case).unwrap()), [RecoveryAction::Undone], "{policy}");
        prepared.assert_whole(policy);
    }
}

/// Two containers of one recreation would run on the same volumes.
#[test]
fn nothing_is_started_beside_a_container_that_somebody_has_renamed() {
    let points = [("POST */stop", Side::Before, RecoveryAction::Undone), ("DELETE *", Side::Before, RecoveryAction::RemovedOld)];
    for (pattern, side, then) in points {
        let prepared = Scenario::new("aside").prepare();
        let case = &prepared.case;
        assert!(kill_at(case, &Work::recreate(&case.name).option("settle_s", 3), pattern, 1, side), "{pattern}");
        let aside = format!("{}x", case.name);
        case.lab.engine.post(&format!("/containers/{}/rename?name={aside}", case.name), &Value::Null);
        let before = case.containers();
        let recovery = recover(case).unwrap();
        assert_eq!(actions(&recovery), [RecoveryAction::Foreign], "{pattern}: {recovery:?}");
        assert_eq!(case.containers(), before, "{pattern}");
        let situation = &recovery.found[0].situation;
        assert!(situation.contains(&aside) && situation.contains("docker rename"), "{pattern}: {situation}");
        case.lab.engine.post(&format!("/containers/{aside}/rename?name={}", case.name), &Value::Null);
        case.let_an_hour_pass();
        assert_eq!(actions(&recover(case).unwrap()), [then], "{pattern}");
        prepared.assert_whole(pattern);
    }
}

/// The engine's DNS and log drivers take the name that a container has at its start.
#[test]
fn a_container_that_takes_the_place_of_one_that_is_gone_is_started_under_its_name() {
    let prepared = Scenario::new("gone").prepare();
    let case = &prepared.case;
    assert!(kill_at(case, &Work::recreate(&case.name), "POST */stop", 1, Side::Before));
    case.lab.engine.delete(&format!("/containers/{}?force=1", case.name));
    let proxy = Proxy::engine(case.lab);
    let renamed_to = format!("name={}", case.name);
    let recovery = recreation::recover_at(&proxy.host, &case.name).unwrap();
    assert_eq!(actions(&recovery), [RecoveryAction::Finished], "{recovery:?}");
    let requests: Vec<String> = proxy.requests().iter().map(|request| request.path.clone()).collect();
    let at = |part: &str| requests.iter().position(|path| path.ends_with(part)).unwrap_or_else(|| panic!("{part}: {requests:?}"));
    assert!(at(&renamed_to) < at("/start"), "{requests:?}");
    prepared.assert_whole("finished");
}

/// A restart policy that somebody has set since stays; where nothing tells what it was, the report says so.
#[test]
fn only_the_policy_that_the_run_has_changed_is_restored() {
    for policy in [Some("unless-stopped"), None] {
        let prepared = Scenario::new("policy").prepare();
        let case = &prepared.case;
        assert!(kill_at(case, &Work::recreate(&case.name), "POST */start", 1, Side::Before), "{policy:?}");
        let old = case.left("old");
        assert_eq!(case.inspect(&old)["HostConfig"]["RestartPolicy"]["Name"], "no");
        if let Some(policy) = policy {
            case.lab.engine.post(&format!("/containers/{old}/update"), &json!({"RestartPolicy": {"Name": policy}}));
        } else {
            case.lab.engine.delete(&format!("/containers/{}?v=1", case.name));
        }
        let recovery = if policy.is_some() {
            // The new container has not been started, and is made to fail.
            let proxy = Proxy::engine(case.lab);
            proxy.on(When::first("POST */start"), Fault::Answer(Canned::message(500, "no start")));
            recreation::recover_at(&proxy.host, &case.name).unwrap()
        } else {
            recover(case).unwrap()
        };
        assert_eq!(actions(&recovery), [RecoveryAction::Undone], "{recovery:?}");
        let after = case.inspect(&case.name);
        assert_eq!(after["Id"], prepared.before["Id"]);
        assert_eq!(after["HostConfig"]["RestartPolicy"]["Name"], policy.unwrap_or("no"), "{recovery:?}");
        assert_eq!(recovery.found[0].situation.contains("restart policy"), policy.is_none(), "{recovery:?}");
        case.assert_alone();
    }
}

/// The container was given up: another one has its name, or had it.
#[test]
fn a_snapshot_is_stale_once_another_container_has_had_the_name() {
    for is_there in [true, false] {
        let prepared = Scenario::new("stale").prepare();
        let case = &prepared.case;
        let state_dir = std::env::temp_dir().join(format!("{}-{is_there}", case.scope.name));
        let work = Work::recreate(&case.name).state_dir(&state_dir);
        assert!(kill_at(case, &work, "POST */rename", 1, Side::After));
        case.prune();
        let another = case.lab.engine.run(&case.name, &json!({"Image": case.image()}));
        if !is_there {
            case.lab.engine.delete(&format!("/containers/{another}?force=1&v=1"));
            if case.lab.engine.is_podman() {
                continue;
            }
        }
        let before = case.containers();
        let recovery = recreation::recover_with_state(case, &state_dir);
        assert!(recovery.found.is_empty(), "{is_there}: {recovery:?}");
        assert_eq!(case.containers(), before, "{is_there}");
        let files: Vec<_> = std::fs::read_dir(state_dir.join("recreations")).unwrap().collect();
        assert!(files.is_empty(), "{is_there}: {files:?}");
        std::fs::remove_dir_all(state_dir).unwrap();
    }
}

/// The engine was never asked for the stop. Each call of a caller who is not patient renews the lease.
#[test]
fn a_recovery_ends_its_wait_for_a_stop_that_was_never_requested() {
    in_parallel(vec![true, false], |events| {
        let case = Case::new("unasked");
        let grace = if events { 600 } else { 20 };
        let id = case.lab.engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": grace}));
        case.moves_to(&Image::new().version("2"));
        assert!(kill_at(&case, &Work::recreate(&case.name), "POST */stop", 1, Side::Before));
        let proxy = Proxy::engine(case.lab);
        if !events {
            proxy.on(When::each("GET */events*"), Fault::Answer(Canned::message(403, "forbidden")));
        }
        if events && case.lab.engine.is_podman() {
            return;
        }
        // With the engine's events the first call is enough; without them the grace and 15 s are over during the fourth.
        let limit = Duration::from_secs(if events { 120 } else { 12 });
        let calls = if events { 1 } else { 8 };
        let done = (0..calls).any(|_| {
            let options = RecoverOptions { force: true, ..RecoverOptions::default() };
            match recreation::recover_within(&proxy.host, &case.name, options, limit) {
                Ok(recovery) => actions(&recovery) == [RecoveryAction::Undone],
                Err(failure) => {
                    assert_eq!(failure.error.code(), Code::Timeout, "{failure:?}");
                    false
                }
            }
        });
        assert!(done, "events: {events}");
        let after = case.inspect(&case.name);
        assert_eq!((after["Id"].as_str(), &after["State"]["Running"]), (Some(id.as_str()), &json!(true)), "events: {events}");
        case.assert_alone();
    });
}

/// The grace that the caller chose is longer than the lease, and the name tells it.
#[test]
fn a_stop_with_a_chosen_grace_is_not_taken_for_ended_after_the_lease() {
    let case = Case::new("chosen");
    let id = recreation::slow_to_stop(&case, 20, false);
    case.moves_to(&Image::new().version("2"));
    kill_in_stop(&case, &Work::recreate(&case.name).option("stop_timeout_s", 60));
    assert!(case.left("new").contains("-rt60-"), "{:?}", case.containers());
    case.let_an_hour_pass();
    assert_eq!(actions(&recover_gently(&case).unwrap()), [RecoveryAction::Undone]);
    std::thread::sleep(Duration::from_secs(2));
    let after = case.inspect(&case.name);
    assert_eq!((after["Id"].as_str(), after["State"]["Status"].as_str()), (Some(id.as_str()), Some("running")));
    case.assert_alone();
}

/// The hooks travel with the snapshot: those that were to run after the start.
#[test]
fn a_recovery_runs_the_hooks_that_the_run_had_not_come_to() {
    let prepared = Scenario::new("hooked").prepare();
    let case = &prepared.case;
    let state_dir = std::env::temp_dir().join(&case.scope.name);
    let hooks = json!({"after": [["sh", "-c", "echo hooked >> /v/hook"]]});
    let work = Work::recreate(&case.name).option("hooks", hooks).state_dir(&state_dir);
    assert!(kill_at(case, &work, "POST */start", 1, Side::After));
    assert!(case.left("old").contains("-ra-"), "{:?}", case.containers());
    let dry = recreation::recover_dry(case);
    assert!(dry.found.iter().all(|found| found.action == RecoveryAction::Busy), "{dry:?}");
    let recovery = recreation::recover_with_state_by_force(case, &state_dir);
    assert!(recovery.found.iter().all(|found| found.error.is_none()), "{recovery:?}");
    let read = case.lab.engine.exec(&case.name, &["cat", "/v/hook"]);
    assert_eq!(read.output, "hooked\n", "{recovery:?}");
    prepared.assert_whole("recovered");
    std::fs::remove_dir_all(state_dir).unwrap();
}

/// dockerd finds a container by its name before it locks it: of two renames from one name both may be answered with success.
#[test]
fn a_rename_that_was_answered_and_not_done_takes_nothing_over() {
    let prepared = Scenario::new("twice").prepare();
    let case = &prepared.case;
    assert!(kill_at(case, &Work::recreate(&case.name), "POST */rename", 1, Side::After));
    case.let_an_hour_pass();
    let before = case.containers();
    let proxy = Proxy::engine(case.lab);
    proxy.on(When::first("POST */rename"), Fault::Answer(Canned::message(200, "renamed")));
    let recovery = recreation::recover_at(&proxy.host, &case.name).unwrap();
    assert_eq!(actions(&recovery), [RecoveryAction::Busy], "{recovery:?}");
    assert_eq!(proxy.count("POST *") + proxy.count("DELETE *"), 1, "{:?}", proxy.requests());
    assert_eq!(case.containers(), before);
    recover(case).unwrap();
    prepared.assert_whole("the next one");
}
