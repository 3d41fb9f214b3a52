//! A container with a healthcheck is waited for.

use std::time::Duration;

use refit::Code;
use refit::container::{RecreateOptions, RecreationResult};
use refit_lab::{Image, not_here};
use serde_json::{Value, json};

use crate::case::{LOOP, Moving, options, plain};
use crate::recreation::failed;

/// The image of the second version, whose health a script tells every 200 ms; it is `starting` for so long at first.
fn probed(script: &str, start_period: Duration) -> Image {
    let check = json!({"Test": ["CMD-SHELL", script], "Interval": 200_000_000, "Timeout": 2_000_000_000_u64, "Retries": 1,
        "StartPeriod": u64::try_from(start_period.as_nanos()).unwrap()});
    Image::new().env("P", "2").cmd(["sh", "-c", &format!("echo last words; {LOOP}")]).healthcheck(check)
}

fn waiting(limit: Duration) -> RecreateOptions {
    let mut options = options();
    options.health_timeout = limit;
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
fn an_unhealthy_one_gives_way_to_the_old_one() {
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
fn one_that_becomes_healthy_late_is_waited_for() {
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
fn one_that_stays_starting_gives_way_and_with_zero_nobody_waits() {
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
