//! A recreation waits for the new image's healthcheck.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recreation;

use std::time::{Duration, Instant};

use recreation::{Case, failed, quick, recreate};
use refit::Code;
use refit::container::{RecreateOptions, RecreationResult};
use refit_lab::{Image, Lab, not_here};
use serde_json::{Value, json};

const SECOND: u64 = 1_000_000_000;

/// A second version with this probe, that writes a line and runs on.
fn probed(probe: &str, start_period: u64, retries: u64) -> Image {
    let loops = "echo cannot open the database; trap 'exit 0' TERM; sleep 3; touch /late; sleep 1000000 & wait";
    Image::new().version("2").cmd(["sh", "-c", loops]).healthcheck(json!({
        "Test": ["CMD-SHELL", probe], "Interval": SECOND, "Timeout": 2 * SECOND, "StartPeriod": start_period, "Retries": retries,
    }))
}

fn health_timeout(seconds: u64) -> RecreateOptions {
    let mut options = quick();
    options.health_timeout = Duration::from_secs(seconds);
    options
}

/// A running container whose tag has moved on to this image, and its inspect.
fn moved(what: &str, image: &Image) -> Option<(Case<'static>, Value)> {
    if Lab::get().engine.is_podman() {
        not_here("Podman has its probes run by systemd's timers, and there is no systemd here");
        return None;
    }
    let case = Case::new(what);
    let before = case.run_full("always");
    case.moves_to(image);
    Some((case, before))
}

fn assert_as_before(case: &Case, before: &Value) {
    let after = case.inspect(&case.name);
    for part in ["Id", "Config", "HostConfig"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    assert_eq!(after["State"]["Status"], "running");
    case.assert_files();
    case.assert_alone();
}

#[test]
fn one_that_is_unhealthy_is_rolled_back_with_the_probes_words() {
    let Some((case, before)) = moved("unhealthy", &probed("echo no route; exit 1", 0, 1)) else { return };
    let (error, report) = failed(recreate(&case, health_timeout(60)));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert!(error.message().contains("is unhealthy: no route"), "{error}");
    assert!(error.message().contains("cannot open the database"), "{error}");
    assert!(report.logs_tail.is_some_and(|tail| tail.starts_with("cannot open the database")));
    assert_as_before(&case, &before);
}

#[test]
fn one_that_becomes_healthy_late_is_waited_for() {
    let Some((case, _)) = moved("late", &probed("test -f /late", 0, 60)) else { return };
    let begun = Instant::now();
    let report = recreate(&case, health_timeout(60)).unwrap();
    assert_eq!(report.result, RecreationResult::Recreated);
    assert!(begun.elapsed() >= Duration::from_secs(3), "it was healthy before it could be");
    assert_eq!(case.inspect(&case.name)["State"]["Health"]["Status"], "healthy");
    case.assert_files();
    case.assert_alone();
}

/// Never sooner than the engine can have said anything: the start period, an interval and the probe's own time, here 4 s.
#[test]
fn one_that_is_still_starting_at_the_end_is_rolled_back() {
    let Some((case, before)) = moved("starting", &probed("echo not yet; exit 1", SECOND, 1000)) else { return };
    let begun = Instant::now();
    let (error, report) = failed(recreate(&case, health_timeout(1)));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert!(error.message().contains("was still starting after") && error.message().contains("not yet"), "{error}");
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_as_before(&case, &before);
}

#[test]
fn nobody_waits_for_health_without_a_time_to_wait() {
    let Some((case, _)) = moved("unwaited", &probed("exit 1", 0, 1000)) else { return };
    let report = recreate(&case, health_timeout(0)).unwrap();
    assert_eq!(report.result, RecreationResult::Recreated);
    assert_ne!(case.inspect(&case.name)["State"]["Health"]["Status"], "healthy");
    case.assert_alone();
}
