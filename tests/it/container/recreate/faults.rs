//! A fault at any call of a recreation or a recovery: the run is rolled back, or finished, or its failure is reported and recovered.

use std::time::Duration;

use crate::recreation;
use crate::recreation::child::Work;
use crate::recreation::family::Family;
use crate::recreation::fault::{self, Attempt, Faults};
use crate::recreation::{
    Case, LIMIT, Prepared, Scenario, Side, assert_auto_removed, auto_removed, failed, kill_at, quick, recover, recreate_through,
    slow_to_stop,
};
use refit::Code;
use refit::container::{RecoverOptions, RecoveryAction, RecreateOptions, Recreation, RecreationResult};
use refit_lab::{Fault, Image, Proxy, When};

/// Which of the two depends on how long the new container has been running.
fn is_done(action: RecoveryAction) -> bool {
    matches!(action, RecoveryAction::Finished | RecoveryAction::RemovedOld)
}

/// The report agrees with the container that is there; leftovers are recovered.
fn judge(prepared: &Prepared<'static>, attempt: &Attempt, options: RecreateOptions, when: &str) {
    let case = &prepared.case;
    let (before, name) = (case.inspect(&case.name), case.name.clone());
    let outcome = attempt.run(|_| {}, |refit| refit.recreate_container(name, options));
    let when = format!("{when}: {outcome:?}");
    let (error, report) = match outcome {
        Ok(report) => (None, Some(report)),
        Err(failure) => (Some(failure.error), failure.report),
    };
    let left = report.as_ref().is_some_and(|report| report.old_left);
    // What has no report was not begun.
    let result = report.as_ref().map_or(RecreationResult::Refused, |report| report.result);
    assert_eq!(error.is_none(), result == RecreationResult::Recreated, "{when}");
    assert_eq!(
        error.as_ref().is_some_and(|error| error.code() == Code::RollbackFailed),
        result == RecreationResult::RollbackFailed,
        "{when}"
    );
    if result == RecreationResult::RollbackFailed {
        let error = error.unwrap();
        assert!(error.message().contains("container_recover"), "{when}");
        recover(case).unwrap();
    } else {
        let (after, report) = (case.inspect(&case.name), report.as_ref());
        let reported = report.map_or(before["Id"].as_str(), |report| match result {
            RecreationResult::Recreated => report.new_id.as_deref(),
            _ => Some(&report.old_id),
        });
        assert_eq!(after["Id"].as_str(), reported, "{when}");
        if let Some(state) = report.and_then(|report| report.state.as_ref()) {
            assert_eq!(after["State"]["Status"], state.as_str(), "{when}");
        }
        if matches!(result, RecreationResult::Refused | RecreationResult::Failed) {
            assert_eq!(after["State"]["StartedAt"], before["State"]["StartedAt"], "{when}");
        }
        if left {
            let found = recover(case).unwrap().found;
            assert!(found.iter().all(|found| is_done(found.action)), "{when}: {found:?}");
        }
    }
    prepared.assert_whole(&when);
}

fn every_fault(scenario: &Scenario, of_a_change: Vec<Fault>, of_a_read: Vec<Fault>) {
    fault::every_fault(
        scenario.name,
        Faults { of_a_change, of_a_read, begins_anew: true },
        || scenario.prepare(),
        |prepared| &prepared.case,
        |prepared, attempt, when| judge(prepared, attempt, quick(), when),
    );
}

/// The change is not carried out, or it is and the answer is lost: the run is rolled back, or finished, or its failure is reported and recovered.
#[test]
fn a_fault_at_any_change_is_rolled_back_or_finished() {
    every_fault(&Scenario::new("change"), fault::faults_of_a_change(), Vec::new());
}

#[test]
fn a_fault_at_any_read_is_rolled_back_or_finished() {
    every_fault(&Scenario::new("read"), Vec::new(), vec![Fault::Answer(fault::made_up()), Fault::Hang]);
}

fn cannot_start() -> Scenario {
    Scenario { new: |image| image.entrypoint(["/no/such/file"]), succeeds: false, ..Scenario::new("faultback") }
}

#[test]
fn a_fault_at_any_call_of_a_rollback_is_recovered() {
    every_fault(&cannot_start(), vec![Fault::Answer(fault::made_up()), Fault::CutAnswer], vec![Fault::Cut]);
}

#[test]
fn a_fault_at_any_change_of_a_stopped_container_or_of_one_with_two_networks() {
    let faults = || vec![Fault::CutAnswer];
    every_fault(&Scenario { runs: false, ..Scenario::new("faultstopped") }, faults(), Vec::new());
    every_fault(&Scenario { networks: 2, neighbour: true, policy: "no", ..Scenario::new("faultnets") }, faults(), Vec::new());
}

#[test]
fn a_fault_at_any_change_of_a_run_with_dependents() {
    let faults = Faults { of_a_change: vec![Fault::CutAnswer], of_a_read: Vec::new(), begins_anew: true };
    let prepare = || {
        let family = Family::of("faultfamily", &["", "-net"]);
        family.case.moves_to(&family.case.newer());
        family
    };
    fault::every_fault(
        "dependents",
        faults,
        prepare,
        |family| &family.case,
        |family, attempt, when| {
            let mut options = quick();
            options.recreate_dependents = true;
            let (name, before) = (family.case.name.clone(), family.inspect(""));
            let outcome = attempt.run(|_| {}, |refit| refit.recreate_container(name, options));
            let when = format!("{when}: {outcome:?}");
            let Some(report) = outcome.map_or_else(|failure| failure.report, Some) else {
                // What has no report was not begun.
                assert_eq!(family.inspect("")["State"]["StartedAt"], before["State"]["StartedAt"], "{when}");
                return family.assert_all_or_none(&when);
            };
            let is_new = report.result == RecreationResult::Recreated;
            if report.result == RecreationResult::RollbackFailed || report.old_left || report.dependents.iter().any(|one| one.old_left) {
                recover(&family.case).unwrap();
            } else {
                let now = family.inspect("");
                assert_eq!(now["Id"].as_str(), if is_new { report.new_id.as_deref() } else { Some(report.old_id.as_str()) }, "{when}");
            }
            family.assert_all_or_none(&when);
        },
    );
}

#[test]
fn a_fault_at_any_change_of_an_auto_removed_container() {
    let faults = Faults { of_a_change: vec![Fault::Answer(fault::made_up()), Fault::CutAnswer], of_a_read: Vec::new(), begins_anew: true };
    let prepare = || {
        let case = Case::new("faultrm");
        let before = auto_removed(&case);
        case.moves_to(&case.newer());
        (case, before)
    };
    fault::every_fault(
        "rm",
        faults,
        prepare,
        |(case, _)| case,
        |(case, before), attempt, when| {
            let mut options = quick();
            options.allow_auto_remove = true;
            let name = case.name.clone();
            let outcome = attempt.run(|_| {}, |refit| refit.recreate_container(name, options));
            let when = format!("{when}: {outcome:?}");
            // What has no report was not begun.
            let report = outcome.map_or_else(|failure| failure.report, Some);
            if report.is_some_and(|report| report.result == RecreationResult::RollbackFailed || report.old_left) {
                recover(case).unwrap();
            }
            assert_auto_removed(case, before, &when);
        },
    );
}

/// A recovery that fails is run again.
#[test]
fn a_fault_at_any_call_of_a_recovery_is_recovered() {
    let scenario = cannot_start();
    let prepare = || {
        let prepared = scenario.prepare();
        assert!(kill_at(&prepared.case, &Work::recreate(&prepared.case.name), "POST */update", 2, Side::After));
        prepared
    };
    let of_a_change = vec![Fault::Answer(fault::made_up()), Fault::CutAnswer, Fault::Hang];
    let faults = Faults { of_a_change, of_a_read: vec![Fault::Answer(fault::made_up())], begins_anew: false };
    fault::every_fault(
        "recovery",
        faults,
        prepare,
        |prepared| &prepared.case,
        |prepared, attempt, when| {
            let (case, name) = (&prepared.case, prepared.case.name.clone());
            let options = RecoverOptions { force: true, ..RecoverOptions::default() };
            let first = attempt.run(|_| {}, move |refit| refit.recover(Some(&name), options));
            let when = format!("{when}: {first:?}");
            if first.is_err() {
                let again = recover(case).unwrap_or_else(|failure| panic!("{when}, then {failure:?}"));
                assert!(again.found.iter().all(|found| found.action == RecoveryAction::Undone), "{when}, then {again:?}");
            }
            assert!(recover(case).unwrap().found.is_empty(), "{when}");
            prepared.assert_whole(&when);
        },
    );
}

/// The message names both containers by their ids, and they have the names that it gives.
fn assert_reported(case: &Case, error: &refit::Error, report: &Recreation) {
    assert_eq!((error.code(), report.result, report.old_left), (Code::RollbackFailed, RecreationResult::RollbackFailed, false), "{error}");
    let ids = [report.old_id.as_str(), report.new_id.as_deref().unwrap()];
    for word in [&ids[0][..12], &ids[1][..12], "container_recover", &case.name] {
        assert!(error.message().contains(word), "{word}: {error}");
    }
    for id in ids {
        let name = case.inspect(id)["Name"].as_str().unwrap().trim_start_matches('/').to_owned();
        assert!(name == case.name || name.starts_with(&format!("{}.refit-", case.name)), "{name}");
    }
}

#[test]
fn a_rollback_that_fails_is_reported_and_recovered() {
    let prepared = Scenario::new("unstartable").prepare();
    let case = &prepared.case;
    let name = case.name.clone();
    let attempt = Attempt::new(case).engine_wait(Duration::from_secs(2));
    let (error, report) = failed(attempt.run(
        |proxy| {
            proxy.on(When::each("POST */start"), Fault::Answer(fault::made_up()));
        },
        |refit| refit.recreate_container(name, quick()),
    ));
    assert_reported(case, &error, &report);
    assert!(error.message().contains("made up"), "{error}");
    assert_ne!(case.inspect(&report.old_id)["State"]["Running"], true);
    let found = recover(case).unwrap().found;
    assert_eq!(found.iter().map(|found| found.action).collect::<Vec<_>>(), [RecoveryAction::Undone], "{found:?}");
    assert_eq!(case.inspect(&case.name)["Id"].as_str(), Some(report.old_id.as_str()));
    prepared.assert_whole("recovered");
}

#[test]
fn a_rollback_without_an_engine_is_reported_and_recovered() {
    let prepared = Scenario::new("away").prepare();
    let case = &prepared.case;
    let (attempt, name) = (Attempt::new(case).engine_wait(Duration::from_secs(2)), case.name.clone());
    // From the start on nothing comes through.
    let cut = |proxy: &Proxy| {
        proxy.on(When::first("POST */start"), Fault::Cut);
        proxy.on(When::after("POST */start"), Fault::Cut);
    };
    let (error, report) = failed(attempt.run(cut, |refit| refit.recreate_container(name, quick())));
    assert_reported(case, &error, &report);
    assert_eq!(report.state, None, "nobody could be asked");
    let found = recover(case).unwrap().found;
    assert!(found.len() == 1 && found[0].error.is_none(), "{found:?}");
    prepared.assert_whole("recovered");
}

/// A stop may still be running, after which the engine removes an `--rm` container: while the engine cannot be read, the new one and the standby stay.
#[test]
fn a_recovery_that_cannot_see_the_end_of_a_stop_changes_nothing() {
    let case = Case::new("unseen");
    let id = slow_to_stop(&case, 8, true);
    case.moves_to(&case.newer());
    let work = Work::recreate(&case.name).option("allow_auto_remove", true).option("stop_timeout_s", 20);
    recreation::kill_in_stop(&case, &work);
    let (attempt, name) = (Attempt::new(&case).engine_wait(Duration::from_secs(2)), case.name.clone());
    let look = format!("GET */containers/{id}/json");
    // It is looked at twice before the lease is taken.
    let cut = |proxy: &Proxy| {
        for n in 3..100 {
            proxy.on(When::nth_of(&look, n), Fault::Cut);
        }
    };
    let options = RecoverOptions { force: true, ..RecoverOptions::default() };
    let failure = attempt.run(cut, move |refit| refit.recover(Some(&name), options)).unwrap_err();
    assert!(attempt.proxy.count(&look) > 3, "{failure:?}");
    assert_eq!(failure.error.code(), Code::Unreachable, "{failure:?}");
    assert!(failure.error.message().contains("recover again"), "{failure:?}");
    assert_eq!(failure.report.as_ref().unwrap().found[0].action, RecoveryAction::WouldUndo, "{failure:?}");
    assert_eq!(attempt.proxy.count("DELETE *") + attempt.proxy.count("POST */start"), 0, "{:?}", attempt.proxy.requests());
    let found = recover(&case).unwrap().found;
    assert!(found.len() == 1 && is_done(found[0].action), "{found:?}");
    let after = case.inspect(&case.name);
    assert_eq!((after["Id"] == id, &after["State"]["Running"]), (false, &true.into()));
    case.assert_alone();
}

/// A late answer shows the state at the time of the request: a new container that has ended meanwhile has not settled.
#[test]
fn a_late_answer_does_not_count_as_settled() {
    let case = Case::new("late");
    let before = case.run_full("no");
    case.moves_to(&Image::new().version("2").cmd(["sh", "-c", "sleep 0.5; exit 3"]));
    let mut options = quick();
    options.settle = Duration::from_secs(1);
    let proxy = Proxy::engine(case.lab);
    let gate = proxy.hold_answer(When::after("POST */start"));
    let outcome = recreate_through(&proxy, &case, options, || {
        let looked = gate.wait(LIMIT);
        assert_eq!(looked.request.method, "GET");
        std::thread::sleep(Duration::from_millis(1500));
        looked.release();
        drop(gate);
    });
    let (error, report) = failed(outcome);
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert_eq!(case.inspect(&case.name)["Id"], before["Id"]);
    case.assert_alone();
}

#[test]
fn an_old_container_that_cannot_be_removed_is_reported_and_removed_later() {
    let prepared = Scenario::new("left").prepare();
    let case = &prepared.case;
    let name = case.name.clone();
    let report = Attempt::new(case)
        .run(
            |proxy| {
                proxy.on(When::each("DELETE *"), Fault::Answer(fault::made_up()));
            },
            |refit| refit.recreate_container(name, quick()),
        )
        .unwrap();
    assert_eq!((report.result, report.old_left), (RecreationResult::Recreated, true));
    let warning = report.warnings.iter().find(|warning| warning.code == "old_left").unwrap();
    assert!(warning.message.contains("container_recover") && warning.message.contains("made up"), "{warning:?}");
    let old = case.inspect(&report.old_id);
    assert!(old["Name"].as_str().unwrap().contains(".refit-old-") && old["State"]["Running"] == false, "{}", old["Name"]);
    let found = recover(case).unwrap().found;
    assert!(found.len() == 1 && is_done(found[0].action), "{found:?}");
    assert_eq!(case.inspect(&case.name)["Id"].as_str(), report.new_id.as_deref());
    prepared.assert_whole("recovered");
}
