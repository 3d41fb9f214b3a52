//! Recreation of containers on a real engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recreation;

use std::time::{Duration, Instant};

use recreation::{
    Case, LIMIT, connect, failed, quick, recreate, recreate_cancelled_after, recreate_cancelled_in, recreate_named, runtime, slow,
};
use refit::container::RecreationResult;
use refit::{Code, Failure};
use refit_lab::{Image, Lab, not_here};
use serde_json::{Value, json};

#[test]
fn a_running_container_gets_the_new_image_and_keeps_the_rest() {
    let case = Case::new("plain");
    let before = case.run_full("always");
    let new = case.moves_to(&Image::new().version("2"));
    let report = recreate(&case, quick()).unwrap();
    let after = case.inspect(&case.name);
    assert_eq!(report.result, RecreationResult::Recreated, "{report:?}");
    assert_eq!(report.new_id.as_deref(), after["Id"].as_str());
    assert_eq!(after["Image"].as_str(), report.new_image_id.as_deref());
    assert_eq!(case.lab.engine.image(&new.reference).unwrap()["Id"], after["Image"]);
    assert_eq!(report.state.as_deref(), Some("running"));
    assert!(report.downtime_ms.is_some_and(|ms| ms < 10_000), "{report:?}");
    assert!(case.lab.engine.container(&report.old_id).is_none());
    case.assert_kept(&before, &after);
    case.assert_files();
    case.assert_alone();
}

#[test]
fn a_broken_image_leaves_the_same_container_running() {
    let case = Case::new("broken");
    let before = case.run_full("always");
    case.moves_to(&Image::new().version("2").cmd(["sh", "-c", "echo cannot open the database; exit 3"]));
    let (error, report) = failed(recreate(&case, quick()));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert!(error.message().contains("cannot open the database"), "{error}");
    assert!(report.logs_tail.is_some_and(|tail| tail.starts_with("cannot open the database")));
    let after = case.inspect(&case.name);
    for part in ["Id", "Config", "HostConfig"] {
        assert_eq!(after[part].to_string(), before[part].to_string(), "{part}");
    }
    assert_eq!(after["State"]["Status"], "running");
    case.assert_kept(&before, &after);
    case.assert_files();
    case.assert_alone();
}

#[test]
fn a_stopped_container_is_replaced_and_not_started() {
    let case = Case::new("stopped");
    case.run_full("always");
    case.lab.engine.post(&format!("/containers/{}/stop", case.name), &Value::Null);
    let before = case.inspect(&case.name);
    let new = case.moves_to(&Image::new().version("2"));
    let report = recreate(&case, quick()).unwrap();
    let after = case.inspect(&case.name);
    assert_eq!((report.result, report.downtime_ms), (RecreationResult::Recreated, None));
    assert_eq!((after["State"]["Status"].as_str(), report.state.as_deref()), (Some("created"), Some("created")));
    assert_eq!(after["Image"], case.lab.engine.image(&new.reference).unwrap()["Id"]);
    case.assert_kept(&before, &after);
    case.lab.engine.post(&format!("/containers/{}/start", case.name), &Value::Null);
    case.assert_files();
    case.assert_alone();
}

#[test]
fn every_restart_policy_is_kept_and_put_back() {
    let case = Case::new("policies");
    let policies = [("no", 0), ("unless-stopped", 0), ("on-failure", 5), ("always", 0)];
    let names: Vec<String> = policies.iter().map(|(policy, _)| case.scope.name(policy)).collect();
    let mut before = Vec::new();
    for ((policy, count), name) in policies.iter().zip(&names) {
        let policy = json!({"Name": policy, "MaximumRetryCount": count});
        case.lab.engine.run(name, &json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"RestartPolicy": policy}}));
        before.push(case.inspect(name));
    }
    case.moves_to(&Image::new().cmd(["sh", "-c", "exit 3"]));
    for (name, before) in names.iter().zip(&before) {
        let (error, _) = failed(recreate_named(&case, name, quick()));
        assert_eq!(error.code(), Code::RolledBack, "{error}");
        let after = case.inspect(name);
        assert_eq!((&after["Id"], after["HostConfig"].to_string()), (&before["Id"], before["HostConfig"].to_string()));
        assert_eq!(after["State"]["Status"], "running");
    }
    case.moves_to(&Image::new().version("2"));
    for (name, before) in names.iter().zip(&before) {
        recreate_named(&case, name, quick()).unwrap();
        assert_eq!(case.inspect(name)["HostConfig"]["RestartPolicy"], before["HostConfig"]["RestartPolicy"]);
    }
    assert_eq!(case.containers().len(), names.len());
}

#[test]
fn a_crash_loop_is_replaced_by_a_good_image() {
    if Lab::get().engine.is_podman() {
        return not_here("Podman has no state `restarting`; between two starts such a container is exited, and is not started then");
    }
    let case = Case::of("loop", &Image::new().cmd(["sh", "-c", "exit 3"]));
    case.lab.engine.run(&case.name, &json!({"Image": case.image(), "HostConfig": {"RestartPolicy": {"Name": "always"}}}));
    case.lab.engine.wait_status(&case.name, "restarting", LIMIT);
    case.moves_to(&Image::new());
    recreate(&case, quick()).unwrap();
    let after = case.inspect(&case.name);
    assert_eq!((&after["State"]["Status"], &after["RestartCount"]), (&json!("running"), &json!(0)));
    case.assert_alone();
}

#[test]
fn cancelled_before_the_stop_nothing_has_happened() {
    for phase in ["checking", "creating", "verifying"] {
        let case = Case::new("early");
        let before = case.run_full("always");
        case.moves_to(&Image::new());
        let Failure { error, report } = *recreate_cancelled_in(&case, quick(), phase).unwrap_err();
        assert_eq!(error.code(), Code::Cancelled, "{phase}: {error}");
        assert!(report.is_none_or(|report| matches!(report.result, RecreationResult::Failed | RecreationResult::Refused)), "{phase}");
        let after = case.inspect(&case.name);
        assert_eq!((&after["Id"], &after["State"]["StartedAt"]), (&before["Id"], &before["State"]["StartedAt"]), "{phase}");
        case.assert_alone();
    }
}

#[test]
fn cancelled_from_the_stop_on_it_is_undone() {
    for phase in ["renaming", "starting", "waiting"] {
        let case = Case::new("late");
        let before = case.run_full("always");
        case.moves_to(&Image::new());
        let (error, report) = failed(recreate_cancelled_in(&case, slow(), phase));
        assert_eq!((error.code(), report.result), (Code::Cancelled, RecreationResult::RolledBack), "{phase}: {error}");
        let after = case.inspect(&case.name);
        assert_eq!((&after["Id"], after["HostConfig"].to_string()), (&before["Id"], before["HostConfig"].to_string()), "{phase}");
        assert_eq!(after["State"]["Status"], "running", "{phase}");
        case.assert_alone();
    }
}

#[test]
fn cancelled_once_it_is_settled_it_is_finished() {
    let case = Case::new("settled");
    case.run_full("always");
    case.moves_to(&Image::new());
    let report = recreate_cancelled_in(&case, quick(), "removing").unwrap();
    assert_eq!(report.result, RecreationResult::Recreated);
    case.assert_alone();
}

#[test]
fn a_stop_under_way_goes_on_after_a_cancel_and_is_then_undone() {
    let stubborn = Image::new().cmd(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.2; done"]);
    let case = Case::of("grace", &stubborn);
    let id = case.lab.engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 6}));
    let before = case.inspect(&id);
    case.moves_to(&Image::new());
    let begun = Instant::now();
    let (error, report) = failed(recreate_cancelled_after(&case, quick(), "stopping", Duration::from_secs(1)));
    assert_eq!((error.code(), report.result), (Code::Cancelled, RecreationResult::RolledBack), "{error}");
    assert!(begun.elapsed() >= Duration::from_secs(6), "an accepted stop cannot be shortened");
    let after = case.inspect(&case.name);
    assert_eq!((&after["Id"], after["State"]["Status"].as_str()), (&before["Id"], Some("running")));
    case.assert_alone();
}

#[test]
fn a_time_limit_is_a_cancel() {
    let case = Case::new("limit");
    case.run_full("no");
    case.moves_to(&Image::new());
    let host = case.lab.engine.host();
    let outcome = runtime()
        .block_on(async { connect(&host).await.recreate_container(case.name.clone(), slow()).timeout(Duration::from_secs(5)).await });
    let (error, report) = failed(outcome);
    assert_eq!((error.code(), report.result), (Code::Timeout, RecreationResult::RolledBack), "{error}");
    case.assert_alone();
}
