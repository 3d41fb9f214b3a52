//! Recreations that something gets in the way of: other processes, other people, time.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::recreation;
use crate::recreation::child::{Work, ended};
use crate::recreation::{Case, LIMIT, Scenario, failed, in_parallel, quick, recreate, recreate_through, stubborn};
use refit::Code;
use refit::container::RecreationResult;
use refit_lab::{Address, Canned, Fault, Image, Proxy, When};
use serde_json::{Value, json};

#[test]
fn one_of_two_concurrent_recreations_wins() {
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
fn two_recreations_that_see_each_other_both_give_up() {
    let prepared = Scenario::new("both").prepare();
    let case = &prepared.case;
    // One holds the request, the other behind it the answer: of two rules for one request the first wins.
    let behind = [Proxy::engine(case.lab), Proxy::engine(case.lab)];
    let proxies = behind.each_ref().map(|behind| Proxy::to_engine(&Address::parse(&behind.host)));
    let work = Work::recreate(&case.name);
    let gates = proxies.each_ref().map(|proxy| proxy.hold(When::first("POST /containers/create")));
    let answers = behind.each_ref().map(|proxy| proxy.hold_answer(When::first("POST /containers/create")));
    // Neither gives way before the other has seen it: the first list is read before the create.
    let lists = behind.each_ref().map(|proxy| proxy.hold_answer(When::nth_of("GET /containers/json", 2)));
    let first = work.start(&proxies[0].host);
    let held = gates[0].wait(LIMIT);
    // Another second, another name: the clocks that two processes read from the engine are up to a second apart.
    std::thread::sleep(Duration::from_millis(2100));
    let second = work.start(&proxies[1].host);
    let held = [held, gates[1].wait(LIMIT)];
    held.into_iter().for_each(refit_lab::Held::release);
    let made = answers.each_ref().map(|gate| gate.wait(LIMIT));
    made.into_iter().for_each(refit_lab::Held::release);
    let seen = lists.each_ref().map(|gate| gate.wait(LIMIT));
    seen.into_iter().for_each(refit_lab::Held::release);
    assert_eq!([ended(first), ended(second)], [Some(Code::Busy), Some(Code::Busy)]);
    prepared.assert_whole("both gave way");
    assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], prepared.before["State"]["StartedAt"]);
}

/// It was thought dead, and wakes up while another process is at the repair.
#[test]
fn a_run_that_lost_its_lease_stops() {
    let prepared = Scenario::new("lost").prepare();
    let case = &prepared.case;
    let [asleep, repairing] = [Proxy::engine(case.lab), Proxy::engine(case.lab)];
    let second_rename = asleep.hold(When::nth_of("POST */rename", 2));
    let run = Work::recreate(&case.name).start(&asleep.host);
    let held = second_rename.wait(LIMIT);
    let taken_over = repairing.hold_answer(When::nth_of("POST */rename", 2));
    let repair = Work::recover(&case.name).start(&repairing.host);
    let in_the_middle = taken_over.wait(LIMIT);
    let changes = asleep.count("POST *") + asleep.count("DELETE *");
    held.release();
    assert_eq!(ended(run), Some(Code::Conflict));
    // The rename by a name that it has no more was the last that it tried.
    assert_eq!(asleep.count("POST *") + asleep.count("DELETE *"), changes);
    in_the_middle.release();
    assert_eq!(ended(repair), None);
    prepared.assert_whole("repaired");
    assert_eq!(case.inspect(&case.name)["Id"], prepared.before["Id"]);
}

#[test]
fn an_old_container_that_somebody_starts_during_the_run_stays() {
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

/// The container's grace is ten minutes, which only a lost answer would have to be waited for.
#[test]
fn a_refused_stop_ends_the_run_at_once_with_the_container_as_it_was() {
    let case = Case::new("refused");
    let body = json!({"Image": case.image(), "StopTimeout": 600, "HostConfig": {"RestartPolicy": {"Name": "always"}}});
    let before = case.inspect(&case.lab.engine.run(&case.name, &body));
    case.moves_to(&Image::new().version("2"));
    for status in [403, 500] {
        let proxy = Proxy::engine(case.lab);
        proxy.on(When::first("POST */stop"), Fault::Answer(Canned::message(status, "forbidden by a rule")));
        let begun = Instant::now();
        let (error, report) = failed(recreate_through(&proxy, &case, quick(), || ()));
        assert!(begun.elapsed() < Duration::from_secs(120), "{status}: {:?}", begun.elapsed());
        assert_eq!((error.code(), report.result), (Code::Engine, RecreationResult::Failed), "{status}: {error}");
        assert!(error.message().contains("forbidden by a rule"), "{status}: {error}");
        let after = case.inspect(&case.name);
        for part in ["/Id", "/State/StartedAt", "/Config", "/HostConfig"] {
            assert_eq!(after.pointer(part), before.pointer(part), "{status}: {part}");
        }
        case.assert_alone();
    }
}

#[test]
fn a_stopped_container_that_somebody_starts_during_the_run_stays() {
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
fn a_prune_at_any_step_loses_nothing_but_the_writable_layer() {
    let points: Vec<usize> = (1..=7).collect();
    in_parallel(points, |n| {
        let prepared = Scenario::new("prune").prepare();
        let case = &prepared.case;
        let proxy = Proxy::engine(case.lab);
        let gate = proxy.hold_answer(When::nth_of("POST *", n));
        let outcome = recreate_through(&proxy, case, quick(), || {
            let held = gate.wait(LIMIT);
            case.prune();
            held.release();
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

#[test]
fn leases_are_renewed_while_a_container_takes_long_to_stop() {
    let case = Case::of("long", &stubborn());
    case.lab.engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 24}));
    case.moves_to(&Image::new());
    let proxy = Proxy::engine(case.lab);
    let leases = Mutex::new(BTreeSet::new());
    let report = recreate_through(&proxy, &case, quick(), || {
        let end = Instant::now() + LIMIT;
        while leases.lock().unwrap().len() < 3 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(500));
            let names = case.containers().into_iter().map(|(name, _)| name);
            leases.lock().unwrap().extend(names.filter(|name| name.contains(".refit-new-")));
        }
    });
    assert_eq!(report.unwrap().result, RecreationResult::Recreated);
    let leases = leases.into_inner().unwrap();
    assert!(leases.len() >= 3, "{leases:?}");
    case.assert_alone();
    recreate(&case, quick()).unwrap();
}
