//! A recreation, or its recovery, is killed at every call that it makes to the engine, and another process recovers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recreation;

use std::time::{Duration, Instant};

use recreation::child::Work;
use recreation::{
    Case, Prepared, Run, Scenario, Side, assert_auto_removed, auto_removed, in_parallel, kill_at, recover, recover_gently, stubborn,
};
use refit::Code;
use refit::container::RecoveryAction;
use refit_lab::Image;
use serde_json::{Value, json};

fn every_kill(scenario: &Scenario) {
    let work = |prepared: &Prepared| Work::recreate(&prepared.case.name);
    let run = if scenario.succeeds { Run::Replaces } else { Run::RollsBack };
    recreation::every_kill(scenario.name, run, || scenario.prepare(), |prepared| (&prepared.case, work(prepared)), Prepared::assert_whole);
}

#[test]
fn killed_anywhere_with_a_policy() {
    every_kill(&Scenario::new("always"));
}

#[test]
fn killed_anywhere_with_two_networks() {
    every_kill(&Scenario { networks: 2, neighbour: true, policy: "no", ..Scenario::new("networks") });
}

#[test]
fn killed_anywhere_without_a_policy() {
    every_kill(&Scenario { policy: "no", ..Scenario::new("no") });
}

#[test]
fn killed_anywhere_with_a_stopped_container() {
    every_kill(&Scenario { runs: false, ..Scenario::new("stopped") });
}

#[test]
fn killed_anywhere_while_a_container_that_ends_is_rolled_back() {
    every_kill(&Scenario { new: |image| image.cmd(["sh", "-c", "exit 3"]), succeeds: false, ..Scenario::new("exits") });
}

#[test]
fn killed_anywhere_while_a_container_that_cannot_start_is_rolled_back() {
    every_kill(&Scenario { new: |image| image.entrypoint(["/no/such/file"]), succeeds: false, policy: "no", ..Scenario::new("nocmd") });
}

#[test]
fn killed_anywhere_with_an_auto_removed_container() {
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
        prepare,
        |(case, _)| (case, work(case)),
        |(case, before), when| assert_auto_removed(case, before, when),
    );
}

/// The recovery itself is killed, after a kill in the middle of a run that must be rolled back.
fn every_kill_of_a_recovery(name: &'static str, after: &str) {
    let scenario = Scenario { new: |image| image.cmd(["sh", "-c", "exit 3"]), succeeds: false, ..Scenario::new(name) };
    let prepare = || {
        let prepared = scenario.prepare();
        assert!(kill_at(&prepared.case, &Work::recreate(&prepared.case.name), after, 1, Side::After), "{name}");
        prepared
    };
    recreation::every_kill(
        name,
        Run::Recovers,
        prepare,
        |prepared| (&prepared.case, Work::recover(&prepared.case.name)),
        Prepared::assert_whole,
    );
}

#[test]
fn a_recovery_is_killed_anywhere_before_the_new_one_was_started() {
    every_kill_of_a_recovery("again", "POST */update");
}

#[test]
fn a_recovery_is_killed_anywhere_while_the_new_one_fails() {
    every_kill_of_a_recovery("twice", "POST */start");
}

#[test]
fn without_force_a_run_is_left_alone_until_its_lease_has_ended() {
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
            assert!(killed.elapsed() < Duration::from_secs(35), "{pattern}: the lease does not end");
            std::thread::sleep(Duration::from_millis(500));
        }
        prepared.assert_whole(&format!("{pattern}: after the lease"));
        assert!(recover_gently(case).unwrap().found.is_empty());
    });
}

#[test]
fn an_interrupted_run_is_told_and_repaired_only_when_asked() {
    let prepared = Scenario::new("asked").prepare();
    let case = &prepared.case;
    assert!(kill_at(case, &Work::recreate(&case.name), "POST */rename", 1, Side::After));
    expire_leases(case);
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
fn an_update_repairs_first_only_what_it_is_about() {
    let prepared = Scenario::new("about").prepare();
    let case = &prepared.case;
    let (other, reference) = (case.scope.name("other"), case.scope.reference("u"));
    case.lab.engine.tag(case.image(), &reference);
    case.lab.engine.run(&other, &json!({"Image": reference, "StopTimeout": 1}));
    for name in [&case.name, &other] {
        assert!(kill_at(case, &Work::recreate(name), "POST */rename", 1, Side::After), "{name}");
    }
    expire_leases(case);
    let of_other = || case.containers().into_iter().filter(|(name, _)| name.starts_with(&other)).collect::<Vec<_>>();
    let before = of_other();
    assert_eq!(before.len(), 2, "{before:?}");
    let mut options = refit::image::UpdateOptions::default();
    options.recreate = recreation::quick();
    options.recreate.recover_first = true;
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

/// Renames as if the run had been dead for long.
fn expire_leases(case: &Case) {
    for (name, _) in case.containers() {
        if let Some((rest, _)) = name.rsplit_once('-').filter(|_| name.contains(".refit-")) {
            case.lab.engine.post(&format!("/containers/{name}/rename?name={rest}-00000001"), &Value::Null);
        }
    }
}

#[test]
fn a_foreign_container_in_the_name_is_not_touched() {
    let prepared = Scenario::new("foreign").prepare();
    let case = &prepared.case;
    assert!(kill_at(case, &Work::recreate(&case.name), "POST */rename", 1, Side::After));
    let foreign = case.lab.engine.run(&case.name, &json!({"Image": case.image()}));
    let before = case.containers();
    let found = recover(case).unwrap().found;
    assert_eq!(found.iter().map(|found| found.action).collect::<Vec<_>>(), [RecoveryAction::Foreign], "{found:?}");
    assert_eq!(case.containers(), before);
    case.lab.engine.delete(&format!("/containers/{foreign}?force=1&v=1"));
    recover(case).unwrap();
    prepared.assert_whole("once the foreign one is gone");
}

/// A stop that the dead process had asked for goes on: the container is started again after it, not before.
#[test]
fn a_stop_under_way_is_waited_for_even_with_force() {
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
fn what_was_pruned_is_made_again_from_the_state_folder() {
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
