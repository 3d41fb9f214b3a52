//! A recreation, or its recovery, is killed at every call that it makes to the engine, and another process recovers.

use std::time::{Duration, Instant};

use crate::recreation;
use crate::recreation::child::Work;
use crate::recreation::{
    Case, LIMIT, Prepared, Run, Sample, Scenario, Side, assert_auto_removed, auto_removed, in_parallel, kill_at, recover, recover_gently,
    stubborn,
};
use refit::Code;
use refit::container::{RecoveryAction, RecreateOptions};
use refit::image::UpdateOptions;
use refit_lab::Image;
use serde_json::json;

fn every_kill(scenario: &Scenario, sample: Sample) {
    let work = |prepared: &Prepared| Work::recreate(&prepared.case.name);
    let run = if scenario.succeeds { Run::Replaces } else { Run::RollsBack };
    recreation::every_kill(
        scenario.name,
        run,
        sample,
        || scenario.prepare(),
        |prepared| (&prepared.case, work(prepared)),
        Prepared::assert_whole,
    );
}

#[test]
fn a_container_with_a_restart_policy_survives_kills() {
    every_kill(&Scenario::new("always"), Sample::EveryChange);
}

#[test]
fn a_container_with_two_networks_survives_kills() {
    // From API 1.44 on the create takes all networks, and nothing is connected.
    every_kill(
        &Scenario { networks: 2, neighbour: true, policy: "no", ..Scenario::new("networks") },
        Sample::Changes(&["connect", "/create"]),
    );
}

#[test]
fn a_container_without_a_restart_policy_survives_kills() {
    every_kill(&Scenario { policy: "no", ..Scenario::new("no") }, Sample::Changes(&["/rename"]));
}

#[test]
fn a_stopped_container_survives_kills() {
    every_kill(&Scenario { runs: false, ..Scenario::new("stopped") }, Sample::Changes(&["/create", "DELETE"]));
}

#[test]
fn a_container_survives_kills_during_the_rollback_of_one_that_ends() {
    every_kill(&Scenario { new: |image| image.cmd(["sh", "-c", "exit 3"]), succeeds: false, ..Scenario::new("exits") }, Sample::FromStart);
}

#[test]
fn a_container_survives_kills_during_the_rollback_of_one_that_cannot_start() {
    every_kill(
        &Scenario { new: |image| image.entrypoint(["/no/such/file"]), succeeds: false, policy: "no", ..Scenario::new("nocmd") },
        Sample::Changes(&["/start"]),
    );
}

#[test]
fn an_auto_removed_container_survives_kills() {
    let prepare = || {
        let case = Case::new("rm");
        let before = auto_removed(&case);
        case.moves_to(&case.newer());
        (case, before)
    };
    let work = |case: &Case| Work::recreate(&case.name).option("allow_auto_remove", true);
    recreation::every_kill(
        "rm",
        Run::Replaces,
        Sample::EveryChange,
        prepare,
        |(case, _)| (case, work(case)),
        |(case, before), when| assert_auto_removed(case, before, when),
    );
}

/// The recovery itself is killed, after a kill in the middle of a run that must be rolled back.
fn every_kill_of_a_recovery(name: &'static str, after: &str, sample: Sample) {
    let scenario = Scenario { new: |image| image.cmd(["sh", "-c", "exit 3"]), succeeds: false, ..Scenario::new(name) };
    let prepare = || {
        let prepared = scenario.prepare();
        assert!(kill_at(&prepared.case, &Work::recreate(&prepared.case.name), after, 1, Side::After), "{name}");
        prepared
    };
    recreation::every_kill(
        name,
        Run::Recovers,
        sample,
        prepare,
        |prepared| (&prepared.case, Work::recover(&prepared.case.name)),
        Prepared::assert_whole,
    );
}

#[test]
fn a_container_survives_kills_during_a_recovery_before_the_start() {
    every_kill_of_a_recovery("again", "POST */update", Sample::EveryChange);
}

#[test]
fn a_container_survives_kills_during_a_recovery_after_the_start() {
    every_kill_of_a_recovery("twice", "POST */start", Sample::Changes(&["/start", "DELETE"]));
}

#[test]
fn a_recovery_without_force_waits_until_the_lease_has_expired() {
    let points = [
        ("POST /containers/create", Side::After, RecoveryAction::Undone),
        ("POST */stop", Side::Before, RecoveryAction::Undone),
        ("POST */rename", Side::After, RecoveryAction::Undone),
        ("POST */start", Side::After, RecoveryAction::RemovedOld),
    ];
    in_parallel(points.to_vec(), |(pattern, side, expected)| {
        let prepared = Scenario::new("lease").prepare();
        let case = &prepared.case;
        assert!(kill_at(case, &Work::recreate(&case.name), pattern, 1, side));
        let killed = Instant::now();
        let found = recover_gently(case).unwrap().found;
        assert_eq!(found.iter().map(|found| found.action).collect::<Vec<_>>(), [RecoveryAction::Busy], "{pattern}");
        let error = recreation::recreate(case, recreation::quick()).unwrap_err().error;
        assert_eq!(error.code(), Code::Busy, "{pattern}: {error}");
        loop {
            let found = recover_gently(case).unwrap().found;
            let action = found.first().map(|found| found.action);
            if action != Some(RecoveryAction::Busy) {
                assert_eq!(action, Some(expected), "{pattern}: {found:?}");
                break;
            }
            assert!(killed.elapsed() < LIMIT, "{pattern}: the lease does not end");
            std::thread::sleep(Duration::from_millis(500));
        }
        prepared.assert_whole(&format!("{pattern}: after the lease"));
        assert!(recover_gently(case).unwrap().found.is_empty());
    });
}

#[test]
fn an_interrupted_run_is_reported_and_recovered_only_on_request() {
    let prepared = Scenario::new("asked").prepare();
    let case = &prepared.case;
    assert!(kill_at(case, &Work::recreate(&case.name), "POST */rename", 1, Side::After));
    case.let_an_hour_pass();
    let error = recreation::recreate(case, recreation::quick()).unwrap_err().error;
    assert_eq!(error.code(), Code::Conflict, "{error}");
    assert!(error.message().contains("container_recover") && error.message().contains("recover_first"), "{error}");
    let before = case.containers();
    let dry = recreation::recover_dry(case);
    assert_eq!(dry.found.iter().map(|found| found.action).collect::<Vec<_>>(), [RecoveryAction::WouldUndo]);
    assert_eq!(case.containers(), before, "a dry run changes nothing");
    let mut options = recreation::quick();
    options.recover_first = true;
    recreation::recreate(case, options).unwrap();
    prepared.assert_whole("recovered first");
}

/// An update repairs those that it is about, and no others of the same image.
#[test]
fn an_update_recovers_only_the_containers_that_it_updates() {
    let prepared = Scenario::new("about").prepare();
    let case = &prepared.case;
    let (other, reference) = (case.scope.name("other"), case.scope.reference("u"));
    case.lab.engine.tag(case.image(), &reference);
    case.lab.engine.run(&other, &json!({"Image": reference, "StopTimeout": 1}));
    for name in [&case.name, &other] {
        assert!(kill_at(case, &Work::recreate(name), "POST */rename", 1, Side::After), "{name}");
    }
    case.let_an_hour_pass();
    let of_other = || case.containers().into_iter().filter(|(name, _)| name.starts_with(&other)).collect::<Vec<_>>();
    let before = of_other();
    assert_eq!(before.len(), 2, "{before:?}");
    let recreate = RecreateOptions { recover_first: true, ..recreation::quick() };
    let options = UpdateOptions { recreate, ..UpdateOptions::default() };
    let (host, image) = (case.lab.engine.host(), case.image().to_owned());
    let update = recreation::runtime().block_on(async { recreation::connect(&host).await.update(image, options).await });
    let report = update.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(of_other(), before, "{report:?}");
    assert_ne!(case.inspect(&case.name)["Image"], prepared.before["Image"], "{report:?}");
    recreation::recover_at(&host, &other).unwrap();
    assert_eq!(of_other(), [(other.clone(), "running".to_owned())]);
    case.lab.engine.delete(&format!("/containers/{other}?force=1&v=1"));
    prepared.assert_whole("updated");
}

#[test]
fn a_recovery_does_not_touch_a_foreign_container_with_the_name() {
    let prepared = Scenario::new("foreign").prepare();
    let case = &prepared.case;
    assert!(kill_at(case, &Work::recreate(&case.name), "POST */rename", 1, Side::After));
    let foreign = case.lab.engine.run(&case.name, &json!({"Image": case.image()}));
    let before = case.containers();
    let found = recover(case).unwrap().found;
    assert_eq!(found.iter().map(|found| found.action).collect::<Vec<_>>(), [RecoveryAction::Foreign], "{found:?}");
    for (name, _) in before.iter().filter(|(name, _)| name.contains(".refit-")) {
        assert!(found[0].situation.contains(name.as_str()) && found[0].situation.contains("docker rm"), "{found:?}");
    }
    assert_eq!(case.containers(), before);
    case.lab.engine.delete(&format!("/containers/{foreign}?force=1&v=1"));
    recover(case).unwrap();
    prepared.assert_whole("once the foreign one is gone");
}

/// A stop that the dead process had asked for goes on: the container is started again after it, not before.
#[test]
fn a_recovery_waits_for_a_running_stop_even_with_force() {
    let case = Case::of("underway", &stubborn());
    let id = case.lab.engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 6}));
    case.moves_to(&Image::new());
    recreation::kill_in_stop(&case, &Work::recreate(&case.name));
    let found = recover(&case).unwrap().found;
    assert_eq!(found.iter().map(|found| found.action).collect::<Vec<_>>(), [RecoveryAction::Undone], "{found:?}");
    std::thread::sleep(Duration::from_secs(1));
    let after = case.inspect(&case.name);
    assert_eq!((after["Id"].as_str(), after["State"]["Status"].as_str()), (Some(id.as_str()), Some("running")));
    case.assert_alone();
}

/// `docker container prune` takes both containers; the configuration is in the state folder.
#[test]
fn a_pruned_container_is_recovered_from_the_state_folder() {
    let prepared = Scenario::new("pruned").prepare();
    let case = &prepared.case;
    let state_dir = std::env::temp_dir().join(&case.scope.name);
    let work = Work::recreate(&case.name).state_dir(&state_dir);
    assert!(kill_at(case, &work, "POST */rename", 1, Side::After));
    case.prune();
    assert!(case.containers().is_empty());
    let recovery = recreation::recover_with_state(case, &state_dir);
    assert_eq!(recovery.found.iter().map(|found| found.action).collect::<Vec<_>>(), [RecoveryAction::Undone]);
    let after = case.inspect(&case.name);
    assert_eq!((&after["Image"], &after["State"]["Status"]), (&prepared.before["Image"], &json!("running")));
    case.assert_files();
    case.assert_alone();
    assert!(recreation::recover_with_state(case, &state_dir).found.is_empty());
    std::fs::remove_dir_all(state_dir).unwrap();
}
