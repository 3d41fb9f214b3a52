//! Runs that must be rolled back although one of their containers is gone: the engine has removed an `--rm` container, or somebody has pruned.

use std::time::Duration;

use crate::recreation;
use crate::recreation::child::{Work, ended};
use crate::recreation::{Case, LIMIT, Run, Sample, Scenario, Side, assert_auto_removed, auto_removed, in_parallel, kill_at, recover};
use refit::Code;
use refit::container::{RecoveryAction, RecreationResult};
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

fn every_kill(name: &'static str, sample: Sample, new: fn() -> Image) {
    let prepare = || auto_removed_before(name, &new());
    let work = |(case, _): &AutoRemoved| recreation(case);
    recreation::every_kill(
        name,
        Run::RollsBackToStandby,
        sample,
        prepare,
        |one| (&one.0, work(one)),
        |(case, before), when| assert_auto_removed(case, before, when),
    );
}

#[test]
fn an_auto_removed_container_survives_kills_during_the_rollback_of_one_that_cannot_start() {
    every_kill("rmnocmd", Sample::FromStart, || Image::new().entrypoint(["/no/such/file"]));
}

#[test]
fn an_auto_removed_container_survives_kills_during_the_rollback_of_one_that_ends() {
    every_kill("rmexits", Sample::Changes(&["/start"]), || Image::new().cmd(["sh", "-c", "exit 3"]));
}

#[test]
fn an_auto_removed_container_survives_kills_during_its_recovery() {
    let prepare = || {
        let one = auto_removed_before("rmtwice", &Image::new().entrypoint(["/no/such/file"]));
        assert!(kill_at(&one.0, &recreation(&one.0), "POST */start", 1, Side::After));
        one
    };
    let work = |one: &AutoRemoved| Work::recover(&one.0.name);
    recreation::every_kill(
        "rmtwice",
        Run::Recovers,
        Sample::EveryChange,
        prepare,
        |one| (&one.0, work(one)),
        |(case, before), when| assert_auto_removed(case, before, when),
    );
}

/// A stop with a grace beyond the container's own goes on after the death of who asked for it.
#[test]
fn a_recovery_waits_for_a_stop_with_a_longer_grace() {
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
fn a_grace_that_is_too_long_for_a_recovery_is_refused_for_an_auto_removed_container() {
    let (case, before) = auto_removed_before("longest", &Image::new().version("2"));
    let child = recreation(&case).option("stop_timeout_s", 600).start(&case.lab.engine.host());
    assert_eq!(ended(child), Some(Code::Unsupported));
    assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], before["State"]["StartedAt"]);
    case.assert_alone();
}

/// The old container is pruned while the new one settles, which then fails: the rollback creates it again, and the run is killed at any call of that.
#[test]
fn a_pruned_container_survives_kills_during_its_rollback() {
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

/// `docker system prune` while the container stops: both containers go, and the old image, which has no tag any more.
#[test]
fn a_container_that_was_pruned_with_its_image_is_made_again_from_the_reference() {
    for new_image_is_left in [true, false] {
        let case = Case::of("system", &Image::new().version(&refit_lab::digest::unique()));
        let bind = format!("{}:/v", case.scope.volume("v"));
        let host = json!({"Binds": [bind]});
        let body = json!({"Image": case.image(), "Env": ["PASSWORD=hush-hush"], "StopTimeout": 1, "HostConfig": host});
        case.lab.engine.run(&case.name, &body);
        let old_image = case.inspect(&case.name)["Image"].as_str().unwrap().to_owned();
        case.moves_to(&Image::new().version(&refit_lab::digest::unique()));
        let proxy = Proxy::engine(case.lab);
        let stopped = proxy.hold_answer(When::first("POST */stop"));
        let outcome = recreation::recreate_through(&proxy, &case, recreation::quick(), || {
            let held = stopped.wait(LIMIT);
            case.prune();
            case.lab.engine.delete(&format!("/images/{old_image}?force=1"));
            if !new_image_is_left {
                case.lab.engine.delete(&format!("/images/{}?force=1", case.image()));
            }
            held.release();
        });
        let (error, report) = recreation::failed(outcome);
        if new_image_is_left {
            assert_eq!(report.result, RecreationResult::RolledBack, "{error}");
            assert!(report.warnings.iter().any(|warning| warning.message.contains("from its reference")), "{report:?}");
            let after = case.inspect(&case.name);
            assert_eq!((&after["State"]["Status"], &after["HostConfig"]["Binds"]), (&json!("running"), &json!([bind])));
            case.assert_alone();
        } else {
            assert_eq!((error.code(), report.result), (Code::RollbackFailed, RecreationResult::RollbackFailed), "{error}");
            let create = error.context().create_body.as_ref().expect("the request that makes it again");
            assert_eq!(create["HostConfig"]["Binds"], json!([bind]));
            assert!(create["Env"].to_string().contains("PASSWORD=hush-hush"), "{create}");
            assert!(!error.message().contains("hush-hush"), "{error}");
        }
    }
}
