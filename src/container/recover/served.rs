//! Whether the new container has served. What has happened to it since then, a stop, a crash or a failing healthcheck, is not the work of the
//! recreation, and the data may have been migrated: it is never rolled back.
//!
//! Rules: docs/recreate.md, section 7.1.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::container::replacement::Watch;
use crate::container::state;
use crate::json::{integer, list, text};

/// The longest pause that the engine makes before it restarts a container by its policy, and what the start itself may take.
const RESTART: f64 = 62.0;

/// The run starts the new container within seconds of the old one's end. What was started later than this was started again by somebody else.
const FIRST_START: f64 = 60.0;

/// Whether the new container has run for longer than it has to settle. `lease` is the end of the dead run's lease and `now` the time at which
/// the containers were listed, both by the engine's clock.
pub(super) fn has_served(new: &Value, old: &Value, lease: u32, now: i64, watch: Watch) -> bool {
    let Some(started) = state::started_at(new) else { return false };
    let settle = watch.settle.as_secs_f64();
    let is_late = is_late(lease, now, watch);
    let restarts = integer(new, "/RestartCount").unwrap_or_default();
    let was_healthy = is_late || watch.health_timeout == Some(Duration::ZERO) || has_been_healthy(new);
    if state::is_running(new) && state::status(new) != "restarting" {
        if now_since(now, started) > settle && was_healthy {
            return true;
        }
        if is_late && restarts == 0 {
            return true;
        }
    } else if state::finished_at(new).is_some_and(|finished| seconds(started, finished) > settle) && was_healthy {
        return true;
    }
    // Its last run was short. An earlier one was longer if the time since the old container's end is not explained by short ones.
    let (Some(finished), Some(end_of_old)) = (state::finished_at(new), state::finished_at(old).filter(|_| !state::is_running(old))) else {
        return false;
    };
    if restarts == 0 {
        return is_late && seconds(end_of_old, started) > FIRST_START;
    }
    #[allow(clippy::cast_precision_loss, reason = "a count of restarts")]
    let explained = (restarts as f64 + 1.0) * (settle + RESTART);
    is_late && seconds(end_of_old, finished) > explained
}

/// The run was alive until its lease ended, at the longest: what it had started has settled since, if it still ran.
pub(super) fn is_late(lease: u32, now: i64, watch: Watch) -> bool {
    seconds_since_lease(lease, now) > watch.settle.as_secs_f64()
}

/// Without a healthcheck it counts as healthy. An unhealthy container that once was healthy had settled.
fn has_been_healthy(container: &Value) -> bool {
    match text(container, "/State/Health/Status") {
        "unhealthy" | "starting" => list(container, "/State/Health/Log").iter().any(|probe| integer(probe, "/ExitCode") == Some(0)),
        _ => true,
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds since 1970")]
fn seconds_since_lease(lease: u32, now: i64) -> f64 {
    (now - i64::from(lease)) as f64
}

#[allow(clippy::cast_precision_loss, reason = "seconds since 1970")]
fn now_since(now: i64, then: Timestamp) -> f64 {
    now as f64 - then.as_millisecond() as f64 / 1000.0
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The old container ended at second 1000, and the lease of the run ended at 1030.
    const LEASE: u32 = 1030;
    const DAY: i64 = 86_400;

    fn at(second: i64) -> String {
        Timestamp::from_second(second).unwrap().to_string()
    }

    fn new(status: &str, started: i64, finished: i64, restarts: u64) -> Value {
        let running = matches!(status, "running" | "restarting" | "paused");
        json!({"RestartCount": restarts, "State": {"Status": status, "Running": running, "StartedAt": at(started), "FinishedAt": at(finished)}})
    }

    fn with_health(status: &str, exit_codes: &[i64]) -> Value {
        let mut container = new("running", 1001, 0, 0);
        let log: Vec<Value> = exit_codes.iter().map(|code| json!({"ExitCode": code})).collect();
        container["State"]["Health"] = json!({"Status": status, "Log": log});
        container
    }

    #[test]
    fn a_container_that_ran_longer_than_settle_has_served() {
        let old = json!({"State": {"Status": "exited", "Running": false, "StartedAt": at(500), "FinishedAt": at(1000)}});
        let cases = [
            ("it runs for longer than settle", new("running", 1001, 0, 0), 1010, true),
            ("it has just been started", new("running", 1001, 0, 0), 1003, false),
            ("it ended at once", new("exited", 1001, 1002, 0), 1010, false),
            ("it ended at once, a day ago", new("exited", 1001, 1002, 0), DAY, false),
            ("it ended after settle", new("exited", 1001, 1010, 0), 1010, true),
            ("somebody stopped it after hours", new("exited", 1001, 9000, 0), DAY, true),
            ("it was started again after a reboot", new("running", DAY - 1, 9000, 0), DAY, true),
            ("likewise, and paused", new("paused", DAY - 1, 9000, 0), DAY, true),
            ("it was started again and failed", new("exited", DAY - 2, DAY - 1, 0), DAY, true),
            ("it crashes again and again from the beginning", new("restarting", 1100, 1101, 8), 1102, false),
            ("likewise for a day", new("restarting", DAY - 2, DAY - 1, 1440), DAY, false),
            ("it crashes again and again after a day", new("restarting", DAY - 2, DAY - 1, 20), DAY, true),
            ("it was restarted by its policy and runs", new("running", DAY - 10, DAY - 11, 20), DAY, true),
            ("a crash in the beginning, and it runs", new("running", 1003, 1002, 1), 1004, false),
            ("unhealthy from the beginning", with_health("unhealthy", &[1, 1]), 1020, false),
            ("it has been healthy", with_health("unhealthy", &[0, 1]), 1020, true),
            ("unhealthy after a day", with_health("unhealthy", &[1, 1]), DAY, true),
            ("starting in the settle time of the run", with_health("starting", &[]), 1020, false),
            ("starting after a day", with_health("starting", &[]), DAY, true),
        ];
        for (case, container, now, expected) in cases {
            let watch = Watch { settle: Duration::from_secs(3), ..Watch::default() };
            assert_eq!(has_served(&container, &old, LEASE, now, watch), expected, "{case}");
        }
    }

    #[test]
    fn a_lease_of_another_clock_is_no_evidence() {
        let old = json!({"State": {"Status": "exited", "FinishedAt": at(1000)}});
        assert!(!has_served(&new("running", 1001, 0, 0), &old, u32::MAX, 1003, Watch::default()));
    }
}
