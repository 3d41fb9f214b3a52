//! Recreations that something gets in the way of: other processes, other people, a faulty connection.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recreation;

use std::sync::Mutex;
use std::time::Duration;

use recreation::child::{Work, ended};
use recreation::{Case, LIMIT, Scenario, failed, in_parallel, quick, recover, recreate, recreate_through};
use refit::Code;
use refit::container::RecreationResult;
use refit_lab::{Canned, Fault, Image, Proxy, When};
use serde_json::{Value, json};

#[test]
fn of_two_processes_one_wins() {
    let prepared = Scenario::new("two").prepare();
    let case = &prepared.case;
    let work = Work::recreate(&case.name);
    let proxy = Proxy::engine(case.lab);
    let gate = proxy.hold(When::first("POST */stop"));
    let first = work.start(&proxy.host);
    let held = gate.wait(LIMIT);
    assert_eq!(ended(work.start(&case.lab.engine.host())), Some(Code::Busy));
    held.release();
    assert_eq!(ended(first), None);
    prepared.assert_whole("one has won");
}

/// Both have looked before either has made its container: each sees the other's, and gives way.
#[test]
fn two_processes_that_see_each_other_give_way() {
    let prepared = Scenario::new("both").prepare();
    let case = &prepared.case;
    let proxies = [Proxy::engine(case.lab), Proxy::engine(case.lab)];
    let work = Work::recreate(&case.name);
    let gates = proxies.each_ref().map(|proxy| proxy.hold(When::first("POST /containers/create")));
    let answers = proxies.each_ref().map(|proxy| proxy.hold_answer(When::first("POST /containers/create")));
    let first = work.start(&proxies[0].host);
    let held = gates[0].wait(LIMIT);
    std::thread::sleep(Duration::from_millis(1100)); // another second, another name
    let second = work.start(&proxies[1].host);
    let held = [held, gates[1].wait(LIMIT)];
    held.into_iter().for_each(refit_lab::Held::release);
    let made = answers.each_ref().map(|gate| gate.try_wait(LIMIT));
    made.into_iter().flatten().for_each(refit_lab::Held::release);
    assert_eq!([ended(first), ended(second)], [Some(Code::Busy), Some(Code::Busy)]);
    prepared.assert_whole("both gave way");
    assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], prepared.before["State"]["StartedAt"]);
}

#[test]
fn who_starts_the_stopped_container_keeps_it() {
    for pattern in ["POST */stop", "POST */rename"] {
        let prepared = Scenario::new("started").prepare();
        let case = &prepared.case;
        let proxy = Proxy::engine(case.lab);
        let gate = proxy.hold_answer(When::first(pattern));
        let outcome = recreate_through(&proxy, case, quick(), || {
            let held = gate.wait(LIMIT);
            let id = prepared.before["Id"].as_str().unwrap();
            case.lab.engine.post(&format!("/containers/{id}/start"), &Value::Null);
            held.release();
        });
        // Between the renames it is seen by the start of the new one alone, since it has the address.
        let expected = if pattern == "POST */stop" { Code::Conflict } else { Code::RolledBack };
        let (error, _) = failed(outcome);
        assert_eq!(error.code(), expected, "{error}");
        assert_eq!(case.inspect(&case.name)["Id"], prepared.before["Id"]);
        prepared.assert_whole(pattern);
    }
}

#[test]
fn who_starts_a_container_that_did_not_run_keeps_it() {
    let prepared = Scenario { runs: false, ..Scenario::new("meant") }.prepare();
    let case = &prepared.case;
    let proxy = Proxy::engine(case.lab);
    let gate = proxy.hold_answer(When::nth_of("POST */rename", 2));
    let outcome = recreate_through(&proxy, case, quick(), || {
        let held = gate.wait(LIMIT);
        let id = prepared.before["Id"].as_str().unwrap();
        case.lab.engine.post(&format!("/containers/{id}/start"), &Value::Null);
        held.release();
    });
    let (error, report) = failed(outcome);
    assert_eq!((error.code(), report.result), (Code::Conflict, RecreationResult::Failed), "{error}");
    let after = case.inspect(&case.name);
    assert_eq!((&after["Id"], &after["State"]["Status"]), (&prepared.before["Id"], &json!("running")));
    case.assert_files();
    case.assert_alone();
}

/// Whoever cleans up at any moment costs at most the writable layer.
#[test]
fn a_prune_at_any_step_costs_nothing_that_is_kept() {
    let points: Vec<usize> = (1..=7).collect();
    in_parallel(points, |n| {
        let prepared = Scenario::new("prune").prepare();
        let case = &prepared.case;
        let proxy = Proxy::engine(case.lab);
        let gate = proxy.hold_answer(When::nth_of("POST *", n));
        let outcome = recreate_through(&proxy, case, quick(), || {
            if let Some(held) = gate.try_wait(Duration::from_secs(8)) {
                case.prune();
                held.release();
            }
        });
        let point = format!("pruned after POST {n}: {outcome:?}");
        let after = case.inspect(&case.name);
        assert_eq!(after["State"]["Status"], "running", "{point}");
        assert_eq!(recreation::mounts(&after), recreation::mounts(&prepared.before), "{point}");
        assert_eq!(after["HostConfig"]["RestartPolicy"], prepared.before["HostConfig"]["RestartPolicy"], "{point}");
        case.assert_files();
        case.assert_alone();
    });
}

/// A fault at every call that changes something: done all the same, undone, or told truthfully and recovered.
fn every_fault(name: &'static str, faults: &[Fault]) {
    let scenario = Scenario::new(name);
    let mut points = Vec::new();
    for fault in faults {
        points.extend((1..=6).map(|n| (fault.clone(), "POST *", n)));
        points.push((fault.clone(), "DELETE *", 1));
    }
    let results = Mutex::new(Vec::new());
    in_parallel(points, |(fault, pattern, n)| {
        let prepared = scenario.prepare();
        let proxy = Proxy::engine(prepared.case.lab);
        proxy.on(When::nth_of(pattern, n), fault.clone());
        let outcome = recreate_through(&proxy, &prepared.case, quick(), || {});
        let point = format!("{fault:?} at {pattern} {n}: {outcome:?}");
        let (result, left) = match outcome {
            Ok(report) => (report.result, report.old_left),
            Err(failure) => {
                let report = failure.report.unwrap();
                assert_eq!(failure.error.code() == Code::RollbackFailed, report.result == RecreationResult::RollbackFailed, "{point}");
                (report.result, report.result == RecreationResult::RollbackFailed)
            }
        };
        if left {
            recover(&prepared.case).unwrap();
        }
        prepared.assert_whole(&point);
        results.lock().unwrap().push(result);
    });
    let results = results.into_inner().unwrap();
    assert!(results.contains(&RecreationResult::RolledBack) && results.contains(&RecreationResult::Failed), "{results:?}");
}

#[test]
fn an_error_at_any_call_is_undone() {
    let error = Canned::message(500, "made up");
    every_fault("500", &[Fault::Answer(error.clone()), Fault::Pretend(error)]);
}

#[test]
fn a_connection_cut_at_any_call_is_undone() {
    every_fault("cut", &[Fault::Cut, Fault::CutAnswer]);
}

#[test]
fn a_silence_at_any_call_is_undone() {
    every_fault("hang", &[Fault::Hang, Fault::HangAnswer]);
}

#[test]
fn leases_are_renewed_while_a_container_takes_long_to_stop() {
    let stubborn = Image::new().cmd(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.2; done"]);
    let case = Case::of("long", &stubborn);
    case.lab.engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 24}));
    case.moves_to(&Image::new());
    let proxy = Proxy::engine(case.lab);
    let leases = Mutex::new(Vec::new());
    let report = recreate_through(&proxy, &case, quick(), || {
        for _ in 0..46 {
            std::thread::sleep(Duration::from_millis(500));
            let names = case.containers().into_iter().map(|(name, _)| name);
            leases.lock().unwrap().extend(names.filter(|name| name.contains(".refit-new-")));
        }
    });
    assert_eq!(report.unwrap().result, RecreationResult::Recreated);
    let mut leases = leases.into_inner().unwrap();
    leases.dedup();
    assert!(leases.len() >= 3, "{leases:?}");
    case.assert_alone();
    recreate(&case, quick()).unwrap();
}
