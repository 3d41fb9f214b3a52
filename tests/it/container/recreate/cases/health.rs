//! A container with a healthcheck is waited for.

use std::time::{Duration, Instant};

use refit::Code;
use refit::container::{RecreateOptions, RecreationResult};
use refit::image::UpdateOptions;
use refit_lab::{Image, not_here};
use serde_json::{Value, json};

use super::case::{LOOP, Moving, options, plain};
use crate::recreation::{LIMIT, connect, failed, runtime};

/// The image of the second version, whose health a script tells every 200 ms; it is `starting` for so long at first.
fn probed(script: &str, start_period: Duration) -> Image {
    let check = json!({"Test": ["CMD-SHELL", script], "Interval": 200_000_000, "Timeout": 2_000_000_000_u64, "Retries": 1,
        "StartPeriod": u64::try_from(start_period.as_nanos()).unwrap()});
    Image::new().env("P", "2").cmd(["sh", "-c", &format!("echo last words; {LOOP}")]).healthcheck(check)
}

fn waiting(limit: Duration) -> RecreateOptions {
    let mut options = options();
    options.health_timeout = Some(limit);
    options
}

const LONG: Duration = Duration::from_secs(60);

/// Podman leaves healthchecks to systemd, and has cgroups of its own where there is none.
fn nobody_checks(moving: &Moving) -> bool {
    let nobody = moving.is_podman() && moving.engine().get("/info")["CgroupDriver"] != "systemd";
    if nobody {
        not_here("this Podman has no systemd, which would run the healthchecks");
    }
    nobody
}

#[test]
fn an_unhealthy_new_container_is_rolled_back() {
    let moving = Moving::new("unhealthy", plain("1"), probed("echo no route to the database; exit 1", Duration::ZERO));
    if nobody_checks(&moving) {
        return;
    }
    let before = moving.run(json!({}));
    moving.move_on();
    let (error, report) = failed(moving.try_recreate(waiting(LONG)));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    for words in ["is unhealthy", "no route to the database", "last words"] {
        assert!(error.message().contains(words), "{words}: {error}");
    }
    assert!(report.logs_tail.is_some_and(|tail| tail.contains("last words")));
    let after = moving.inspect();
    assert_eq!((&after["Id"], after["State"]["Status"].as_str()), (&before["Id"], Some("running")));
    moving.case.assert_alone();
}

#[test]
fn a_recreation_waits_for_a_container_that_becomes_healthy_late() {
    let moving = Moving::new("late", plain("1"), probed("test -e /up || { sleep 1; touch /up; exit 1; }", Duration::from_secs(30)));
    if nobody_checks(&moving) {
        return;
    }
    moving.run(json!({}));
    moving.move_on();
    let report = moving.try_recreate(waiting(LONG)).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.result, RecreationResult::Recreated);
    assert_eq!(moving.inspect()["State"]["Health"]["Status"], "healthy");
}

#[test]
fn a_container_that_stays_starting_is_rolled_back_unless_the_limit_is_zero() {
    let moving = Moving::new("starting", plain("1"), probed("echo still loading; exit 1", Duration::ZERO));
    // Podman takes no part of a healthcheck, and without systemd never runs it.
    let script = if moving.is_podman() { json!(["CMD-SHELL", "exit 1"]) } else { Value::Null };
    let before = moving.run(json!({"Healthcheck": {"Test": script, "Retries": 1000}}));
    moving.move_on();
    let (error, report) = failed(moving.try_recreate(waiting(Duration::from_secs(1))));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert!(error.message().contains("was still starting after"), "{error}");
    assert!(error.message().contains("still loading") || moving.is_podman(), "{error}");
    assert_eq!(moving.inspect()["Id"], before["Id"]);
    let report = moving.try_recreate(waiting(Duration::ZERO)).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.result, RecreationResult::Recreated);
    assert_eq!(moving.inspect()["State"]["Health"]["Status"], "starting");
    moving.case.assert_alone();
}

#[test]
fn a_chosen_health_timeout_is_taken_as_it_is_and_warned_of() {
    let moving = Moving::new("chosen", plain("1"), probed("echo still loading; exit 1", Duration::from_secs(600)));
    if nobody_checks(&moving) {
        return;
    }
    let before = moving.run(json!({}));
    moving.move_on();
    let (error, report) = failed(moving.try_recreate(waiting(Duration::from_secs(1))));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert!(error.message().contains("was still starting after"), "{error}");
    let warning = report.warnings.iter().find(|warning| warning.code == "health_timeout_short");
    assert!(warning.is_some_and(|warning| warning.message.contains("602.2 s")), "{:?}", report.warnings);
    assert_eq!(moving.inspect()["Id"], before["Id"]);
    moving.case.assert_alone();
}

fn planned_warnings(moving: &Moving) -> Vec<String> {
    runtime().block_on(async {
        let refit = connect(&moving.engine().host()).await;
        let plan = refit.plan_update(moving.case.image(), UpdateOptions::default()).await.unwrap();
        plan.warnings.into_iter().map(|warning| warning.code).collect()
    })
}

#[test]
fn a_container_that_was_unhealthy_is_not_silently_rolled_back_for_being_so() {
    let sick = |version: &str| probed("exit 1", Duration::ZERO).env("V", version);
    let moving = Moving::new("sick", sick("1"), sick("2"));
    if nobody_checks(&moving) {
        return;
    }
    let before = moving.run(json!({}));
    let end = Instant::now() + LIMIT;
    while moving.inspect()["State"]["Health"]["Status"] != "unhealthy" {
        assert!(Instant::now() < end, "it stays {}", moving.inspect()["State"]["Health"]["Status"]);
        std::thread::sleep(Duration::from_millis(100));
    }
    moving.move_on();
    assert!(planned_warnings(&moving).contains(&"was_unhealthy".to_owned()));
    let (error, report) = failed(moving.try_recreate(waiting(LONG)));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    for words in ["the old container was unhealthy too", "health_timeout_s: 0"] {
        assert!(error.message().contains(words), "{words}: {error}");
    }
    assert!(report.warnings.iter().any(|warning| warning.code == "was_unhealthy"), "{:?}", report.warnings);
    assert_eq!(moving.inspect()["Id"], before["Id"]);
    let report = moving.try_recreate(waiting(Duration::ZERO)).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.result, RecreationResult::Recreated);
    moving.case.assert_alone();
}

#[test]
fn a_job_that_ends_under_always_is_not_silently_rolled_back_for_ending() {
    let job = |version: &str| Image::new().env("V", version).cmd(["sh", "-c", "sleep 0.1"]);
    let moving = Moving::new("job", job("1"), job("2"));
    if moving.is_podman() {
        return not_here("between two starts Podman shows such a container as exited, and it is not started then");
    }
    let before = moving.run(json!({"HostConfig": {"RestartPolicy": {"Name": "always"}}}));
    let end = Instant::now() + LIMIT;
    while moving.inspect()["RestartCount"] == 0 {
        assert!(Instant::now() < end, "it is not restarted");
        std::thread::sleep(Duration::from_millis(100));
    }
    moving.move_on();
    assert!(planned_warnings(&moving).contains(&"was_restarted".to_owned()));
    let long = RecreateOptions { settle: Duration::from_secs(5), ..options() };
    let (error, report) = failed(moving.try_recreate(long));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    for words in ["the old container did so too", "settle_s: 0"] {
        assert!(error.message().contains(words), "{words}: {error}");
    }
    assert_eq!(moving.inspect()["Id"], before["Id"]);
    let report = moving.try_recreate(RecreateOptions { settle: Duration::ZERO, ..options() });
    assert_eq!(report.unwrap_or_else(|failure| panic!("{failure}")).result, RecreationResult::Recreated);
    assert_ne!(moving.inspect()["Id"], before["Id"]);
    moving.case.assert_alone();
}

#[test]
fn a_rollback_stops_a_new_container_with_its_own_grace() {
    let saving = "trap 'sleep 4; echo saved > /v/saved; exit 0' TERM; echo last words; while :; do sleep 0.1; done";
    let check = json!({"Test": ["CMD-SHELL", "exit 1"], "Interval": 200_000_000, "Timeout": 2_000_000_000_u64, "Retries": 1});
    let moving = Moving::new("saving", plain("1"), Image::new().cmd(["sh", "-c", saving]).healthcheck(check));
    if nobody_checks(&moving) {
        return;
    }
    let volume = moving.case.scope.volume("v");
    let before = moving.run(json!({"StopTimeout": 60, "HostConfig": {"Binds": [format!("{volume}:/v")]}}));
    moving.move_on();
    let (error, _) = failed(moving.try_recreate(waiting(LONG)));
    assert_eq!(error.code(), Code::RolledBack, "{error}");
    assert_eq!(moving.inspect()["Id"], before["Id"]);
    assert_eq!(moving.exec("cat /v/saved"), "saved\n");
    moving.case.assert_alone();
}
