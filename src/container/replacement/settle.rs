//! Whether a container that was just started keeps running.
//!
//! Rules: docs/recreate.md, section 1.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::health_wait::health_wait;
use super::old_troubles::OldTroubles;
use crate::container::state;
use crate::engine::Engine;
use crate::engine::api::containers;
use crate::{Code, Error, Result};

/// The pauses before a container is inspected again that an inspect has failed for.
const INSPECTED_AGAIN_AFTER: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// How long a container is watched.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Watch {
    /// It must keep running so long; zero: it is enough that it was started.
    pub(crate) settle: Duration,
    /// It may be `starting` so long; zero does not wait. `None`: as long as its healthcheck needs.
    pub(crate) health_timeout: Option<Duration>,
    /// What the container did that it replaces.
    pub(crate) old: OldTroubles,
}

impl Default for Watch {
    fn default() -> Self {
        Self { settle: Duration::from_secs(3), health_timeout: None, old: OldTroubles::default() }
    }
}

/// Waits until the container has settled and is healthy; its inspect then. One that ends well under a policy that lets it has settled.
pub(crate) async fn settle(engine: &Engine, id: &str, watch: Watch) -> Result<Value> {
    let begun = Instant::now();
    let pause = (watch.settle / 4).clamp(Duration::from_millis(50), Duration::from_millis(250));
    loop {
        // The answer may be as old as the request: a busy engine has answered 2 s later [measured on 28 with containerd's store].
        let asked = begun.elapsed();
        let (container, was_unreachable) = inspect_until_answered(engine, id).await?;
        let container = container.ok_or_else(|| Code::NotFound.error(format!("the new container {id} is gone")))?;
        // An engine that ends takes its containers with it, and one without a policy does not come back.
        if was_unreachable && !state::is_running(&container) && !watch.settle.is_zero() {
            return Err(failure(format!("the new container {} ended while the engine did not answer", state::name(&container))));
        }
        match verdict(&container, asked, watch)? {
            Verdict::Settled => return Ok(container),
            Verdict::Wait => {
                tokio::time::sleep(pause.min(watch.settle.saturating_sub(begun.elapsed()).max(Duration::from_millis(20)))).await;
            }
        }
    }
}

/// Inspects it, and again after a failure: one answer that is lost says nothing of the container.
pub(crate) async fn inspect_again(engine: &Engine, id: &str) -> Result<Option<Value>> {
    inspect_until_answered(engine, id).await.map(|(container, _)| container)
}

/// The same, and whether the engine was unreachable before.
async fn inspect_until_answered(engine: &Engine, id: &str) -> Result<(Option<Value>, bool)> {
    let mut was_unreachable = false;
    for pause in INSPECTED_AGAIN_AFTER {
        match containers::inspect(engine, id).await {
            Ok(container) => return Ok((container, was_unreachable)),
            Err(error) => was_unreachable |= error.code() == Code::Unreachable,
        }
        tokio::time::sleep(pause).await;
    }
    Ok((containers::inspect(engine, id).await?, was_unreachable))
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Settled,
    Wait,
}

fn verdict(container: &Value, elapsed: Duration, watch: Watch) -> Result<Verdict> {
    let name = state::name(container);
    let fails =
        |what: String, as_the_old: &str| -> Result<Verdict> { Err(failure(format!("the new container {name} {what}{as_the_old}"))) };
    let was_restarted = container.get("RestartCount").and_then(Value::as_i64).unwrap_or_default() > 0;
    let may_end = watch.settle.is_zero() && state::started_at(container).is_some();
    if (was_restarted || state::status(container) == "restarting") && !may_end {
        let what = format!("ended with exit code {} and was restarted by its policy", state::exit_code(container));
        return fails(what, &watch.old.also_ended());
    }
    if !state::is_running(container) || state::status(container) == "restarting" {
        let ended_well = state::status(container) == "exited" && state::exit_code(container) == 0;
        if may_end || ended_well && matches!(state::restart_policy(container), "no" | "on-failure") {
            return Ok(Verdict::Settled);
        }
        let what = format!("ended with exit code {}{}", state::exit_code(container), engine_error(container));
        return fails(what, &watch.old.also_ended());
    }
    let wait = health_wait(watch.health_timeout, container.pointer("/Config/Healthcheck").unwrap_or(&Value::Null));
    let health = if wait.is_zero() { "" } else { health(container) };
    match health {
        "unhealthy" => fails(format!("is unhealthy{}", last_probe(container)), watch.old.also_unhealthy()),
        "starting" if elapsed >= wait => {
            let what = format!("was still starting after {:.1} s, by its healthcheck{}", elapsed.as_secs_f64(), last_probe(container));
            fails(what, watch.old.also_unhealthy())
        }
        "starting" => Ok(Verdict::Wait),
        _ if elapsed < watch.settle => Ok(Verdict::Wait),
        _ => Ok(Verdict::Settled),
    }
}

fn failure(message: String) -> Error {
    Code::Engine.error(message)
}

/// `starting`, `healthy`, `unhealthy`; `none` or empty without a healthcheck.
fn health(container: &Value) -> &str {
    container.pointer("/State/Health/Status").and_then(Value::as_str).unwrap_or_default()
}

fn last_probe(container: &Value) -> String {
    let log = container.pointer("/State/Health/Log").and_then(Value::as_array);
    let output = log.and_then(|log| log.last()).and_then(|probe| probe.get("Output")).and_then(Value::as_str).unwrap_or_default().trim();
    if output.is_empty() { String::new() } else { format!(": {output}") }
}

fn engine_error(container: &Value) -> String {
    let error = container.pointer("/State/Error").and_then(Value::as_str).unwrap_or_default();
    if error.is_empty() { String::new() } else { format!(": {error}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    const WATCH: Watch = Watch { settle: Duration::from_secs(3), health_timeout: None, old: OldTroubles { unhealthy: false, restarts: 0 } };

    fn container(state: Value, policy: &str, restarts: u64) -> Value {
        json!({"Name": "/web", "State": state, "RestartCount": restarts, "HostConfig": {"RestartPolicy": {"Name": policy}},
            "Config": {"Healthcheck": {"StartPeriod": 70_000_000_000_u64, "Interval": 1_000_000_000, "Timeout": 1_000_000_000}}})
    }

    fn running(health: &str) -> Value {
        json!({"Status": "running", "Running": true, "Health": {"Status": health, "Log": [{"Output": "first"}, {"Output": "no route\n"}]}})
    }

    #[test]
    fn a_container_settles_or_fails() {
        let exited = |code: i64| json!({"Status": "exited", "Running": false, "ExitCode": code});
        let cases = [
            (container(running("none"), "always", 0), 2, Ok(Verdict::Wait)),
            (container(running("none"), "always", 0), 3, Ok(Verdict::Settled)),
            (container(running("healthy"), "no", 0), 3, Ok(Verdict::Settled)),
            (container(running("starting"), "no", 0), 75, Ok(Verdict::Wait)),
            (container(running("starting"), "no", 0), 76, Err("was still starting after 76.0 s, by its healthcheck: no route")),
            (container(running("unhealthy"), "no", 0), 0, Err("is unhealthy: no route")),
            (container(running("none"), "always", 1), 9, Err("was restarted by its policy")),
            (container(json!({"Status": "restarting", "Running": true, "ExitCode": 3}), "always", 0), 0, Err("exit code 3")),
            (container(exited(0), "no", 0), 0, Ok(Verdict::Settled)),
            (container(exited(0), "", 0), 0, Ok(Verdict::Settled)),
            (container(exited(0), "on-failure", 0), 0, Ok(Verdict::Settled)),
            (container(exited(0), "always", 0), 0, Err("ended with exit code 0")),
            (container(exited(3), "no", 0), 0, Err("ended with exit code 3")),
            (
                container(json!({"Status": "created", "Running": false, "ExitCode": 0, "Error": "no such file"}), "no", 0),
                0,
                Err("no such file"),
            ),
        ];
        for (container, seconds, expected) in cases {
            match (verdict(&container, Duration::from_secs(seconds), WATCH), expected) {
                (Ok(actual), Ok(expected)) => assert_eq!(actual, expected, "{container} after {seconds} s"),
                (Err(error), Err(words)) => assert!(error.message().contains(words), "{}: {words}", error.message()),
                (actual, expected) => panic!("{container} after {seconds} s: {actual:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_health_timeout_of_zero_ignores_the_health() {
        let watch = Watch { health_timeout: Some(Duration::ZERO), ..WATCH };
        assert_eq!(verdict(&container(running("unhealthy"), "no", 0), Duration::from_secs(3), watch).unwrap(), Verdict::Settled);
    }
}
