//! Runs that must be undone after something of theirs is gone already: the engine has removed an `--rm` container, or somebody has pruned.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recreation;

use std::time::Duration;

use recreation::child::{Work, ended};
use recreation::{Case, LIMIT, Run, Scenario, Side, assert_auto_removed, auto_removed, in_parallel, kill_at, recover};
use refit::Code;
use refit::container::RecoveryAction;
use refit_lab::{Image, Proxy, When};
use serde_json::{Value, json};

type AutoRemoved = (Case<'static>, Value);

fn auto_removed_before(name: &str, new: &Image) -> AutoRemoved {
    let case = Case::new(name);
    let before = auto_removed(&case);
    case.moves_to(new);
    (case, before)
}

fn recreation(case: &Case) -> Work {
    Work::recreate(&case.name).option("allow_auto_remove", true)
}

fn every_kill(name: &'static str, new: fn() -> Image) {
    let prepare = || auto_removed_before(name, &new());
    let work = |(case, _): &AutoRemoved| recreation(case);
    recreation::every_kill(
        name,
        Run::RollsBackToSpare,
        prepare,
        |one| (&one.0, work(one)),
        |(case, before), when| assert_auto_removed(case, before, when),
    );
}

#[test]
fn killed_anywhere_while_an_auto_removed_container_that_cannot_start_is_rolled_back() {
    every_kill("rmnocmd", || Image::new().entrypoint(["/no/such/file"]));
}

#[test]
fn killed_anywhere_while_an_auto_removed_container_that_ends_is_rolled_back() {
    every_kill("rmexits", || Image::new().cmd(["sh", "-c", "exit 3"]));
}

#[test]
fn a_recovery_of_an_auto_removed_container_is_killed_anywhere() {
    let prepare = || {
        let one = auto_removed_before("rmtwice", &Image::new().entrypoint(["/no/such/file"]));
        assert!(kill_at(&one.0, &recreation(&one.0), "POST */start", 1, Side::After));
        one
    };
    let work = |one: &AutoRemoved| Work::recover(&one.0.name);
    recreation::every_kill(
        "rmtwice",
        Run::Recovers,
        prepare,
        |one| (&one.0, work(one)),
        |(case, before), when| assert_auto_removed(case, before, when),
    );
}

/// A stop with a grace beyond the container's own goes on after the death of who asked for it.
#[test]
fn a_stop_with_a_longer_grace_is_waited_for() {
    in_parallel(vec![false, true], |auto_remove| {
        let case = Case::new(if auto_remove { "longrm" } else { "long" });
        let id = recreation::slow_to_stop(&case, 20, auto_remove);
        case.moves_to(&Image::new().version("2"));
        recreation::kill_in_stop(&case, &recreation(&case).option("stop_timeout_s", 60));
        let found = recover(&case).unwrap().found;
        let expected = if auto_remove { RecoveryAction::Finished } else { RecoveryAction::Undone };
        assert_eq!(found.iter().map(|found| found.action).collect::<Vec<_>>(), [expected], "{found:?}");
        std::thread::sleep(Duration::from_secs(2));
        let after = case.inspect(&case.name);
        assert_eq!((after["Id"] == id, after["State"]["Status"].as_str()), (!auto_remove, Some("running")));
        case.assert_alone();
    });
}

#[test]
fn a_grace_that_no_recovery_could_wait_for_is_refused_where_it_would_lose_the_container() {
    let (case, before) = auto_removed_before("longest", &Image::new().version("2"));
    let child = recreation(&case).option("stop_timeout_s", 600).start(&case.lab.engine.host());
    assert_eq!(ended(child), Some(Code::Unsupported));
    assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], before["State"]["StartedAt"]);
    case.assert_alone();
}

/// The old container is pruned while the new one settles, which then fails: it is made again, and the run is killed at any call of that.
#[test]
fn killed_anywhere_while_a_pruned_container_is_made_again() {
    let scenario =
        Scenario { new: |image| image.cmd(["sh", "-c", "sleep 2; exit 3"]), policy: "no", networks: 2, ..Scenario::new("remade") };
    let state_dir = std::env::temp_dir().join(format!("refit-remade-{}", std::process::id()));
    let prepare = |n: usize| {
        let prepared = scenario.prepare();
        let case = &prepared.case;
        let proxy = Proxy::engine(case.lab);
        let started = proxy.hold_answer(When::first("POST */start"));
        let work = Work::recreate(&case.name).option("settle_s", 5).state_dir(&state_dir.join(n.to_string()));
        let mut child = work.start(&proxy.host);
        let held = started.wait(LIMIT);
        case.prune();
        let undone = proxy.hold_answer(When::nth_of("POST *", n));
        held.release();
        let killed = loop {
            match undone.try_wait(Duration::from_millis(50)) {
                Some(held) => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    held.cut();
                    break true;
                }
                None if child.try_wait().unwrap().is_some() => break false,
                None => {}
            }
        };
        (prepared, killed)
    };
    let all: Vec<usize> = (1..=8).collect();
    let killed = std::sync::atomic::AtomicUsize::new(0);
    in_parallel(all, |n| {
        let (prepared, was_killed) = prepare(n);
        killed.fetch_add(usize::from(was_killed), std::sync::atomic::Ordering::SeqCst);
        let case = &prepared.case;
        for _ in 0..2 {
            // Until the lease of the dead run has ended it is taken over by force.
            recreation::recover_with_state_by_force(case, &state_dir.join(n.to_string()));
        }
        let after = case.inspect(&case.name);
        let point = format!("killed at {n}: {was_killed}, {after}");
        assert_eq!((&after["Image"], &after["State"]["Status"]), (&prepared.before["Image"], &json!("running")), "{point}");
        assert_eq!(recreation::mounts(&after), recreation::mounts(&prepared.before), "{point}");
        assert_eq!(recreation::endpoints(&after), recreation::endpoints(&prepared.before), "{point}");
        assert_eq!(after["HostConfig"]["RestartPolicy"], prepared.before["HostConfig"]["RestartPolicy"], "{point}");
        case.assert_files();
        case.assert_alone();
    });
    assert!(killed.into_inner() >= 4);
    std::fs::remove_dir_all(state_dir).unwrap();
}
