//! How long the health of a new container is waited for.
//!
//! Rules: docs/recreate.md, section 4.1.

use std::time::Duration;

use serde_json::Value;

use crate::container::create_body::Warning;

/// The shortest wait of a caller that names none.
const SHORTEST_DEFAULT: Duration = Duration::from_secs(60);

/// The healthcheck's own times where it names none.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;

/// The wait: the caller's, taken as it is, else as long as the engine may take to say `unhealthy`, at least a minute.
pub(crate) fn health_wait(chosen: Option<Duration>, healthcheck: &Value) -> Duration {
    chosen.unwrap_or_else(|| until_unhealthy(healthcheck).max(SHORTEST_DEFAULT))
}

/// When the engine says `unhealthy` at the latest: after the start period, and as many failures as `Retries`, each an interval and the
/// probe's own timeout. Zero and absent fields are the engine's defaults.
fn until_unhealthy(healthcheck: &Value) -> Duration {
    let time = |name: &str| healthcheck.get(name).and_then(Value::as_u64).filter(|nanos| *nanos > 0).map(Duration::from_nanos);
    let retries = healthcheck.get("Retries").and_then(Value::as_u64).filter(|count| *count > 0);
    let retries = retries.map_or(RETRIES, |count| u32::try_from(count).unwrap_or(u32::MAX));
    let probe = time("Interval").unwrap_or(INTERVAL).saturating_add(time("Timeout").unwrap_or(TIMEOUT));
    time("StartPeriod").unwrap_or_default().saturating_add(probe.saturating_mul(retries))
}

/// A caller's wait that ends before the engine would say `unhealthy`.
pub(crate) fn short_wait_warning(name: &str, chosen: Option<Duration>, healthcheck: &Value) -> Option<Warning> {
    let is_disabled =
        healthcheck.get("Test").is_none_or(|test| test.is_null() || test.as_array().is_some_and(Vec::is_empty) || test[0] == "NONE");
    let needed = until_unhealthy(healthcheck);
    let chosen = chosen.filter(|chosen| !chosen.is_zero() && *chosen < needed && !is_disabled)?;
    let message = format!(
        "health_timeout_s is {} s, and by its healthcheck the engine may take {} s to say whether the container is healthy: one that is \
         still starting then is rolled back",
        chosen.as_secs_f64(),
        needed.as_secs_f64()
    );
    Some(Warning { code: "health_timeout_short".into(), container: Some(name.into()), message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_wait_is_the_callers_or_that_of_the_healthcheck() {
        let check = |start: u64, interval: u64, timeout: u64, retries: u64| {
            json!({"Test": ["CMD", "true"], "StartPeriod": start * SECOND, "Interval": interval * SECOND, "Timeout": timeout * SECOND,
                "Retries": retries})
        };
        let secs = Duration::from_secs;
        for (chosen, healthcheck, expected, warned) in [
            (None, check(0, 1, 1, 1), secs(60), false),
            (None, check(70, 10, 5, 4), secs(130), false),
            (None, check(0, 0, 0, 0), secs(180), false),
            (None, json!({"Test": ["CMD", "true"]}), secs(180), false),
            (Some(secs(5)), check(70, 10, 5, 4), secs(5), true),
            (Some(secs(5)), check(0, 1, 1, 2), secs(5), false),
            (Some(secs(600)), check(70, 10, 5, 4), secs(600), false),
            (Some(secs(5)), json!({"Test": ["NONE"]}), secs(5), false),
            (Some(secs(5)), Value::Null, secs(5), false),
            (Some(Duration::ZERO), check(70, 10, 5, 4), Duration::ZERO, false),
        ] {
            assert_eq!(health_wait(chosen, &healthcheck), expected, "{chosen:?} {healthcheck}");
            let warning = short_wait_warning("web", chosen, &healthcheck);
            assert_eq!(warning.is_some(), warned, "{chosen:?} {healthcheck}: {warning:?}");
        }
        let endless = json!({"Test": ["CMD", "true"], "Interval": u64::MAX, "Retries": u64::MAX});
        assert!(health_wait(None, &endless) > secs(1_000_000));
    }
}
