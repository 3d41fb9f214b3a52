//! Whether a container that was just started is there to stay.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::container::{requests, state};
use crate::engine::Engine;
use crate::{Code, Error, Result};

/// How long a container is watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    /// It must keep running so long.
    pub(crate) settle: Duration,
    /// It may be `starting` so long; zero does not wait.
    pub(crate) health_timeout: Duration,
}

/// Waits until the container has settled and is healthy; its inspect then. One that ends well under a policy that lets it has settled.
pub(crate) async fn settle(engine: &Engine, id: &str, watch: Watch) -> Result<Value> {
    let begun = Instant::now();
    let pause = (watch.settle / 4).clamp(Duration::from_millis(50), Duration::from_millis(250));
    loop {
        // What the engine tells may be from when it was asked: a busy one has answered 2 s later [measured on 28 with containerd's store].
        let asked = begun.elapsed();
        let container = requests::inspect(engine, id).await?;
        let container = container.ok_or_else(|| Code::NotFound.error(format!("the new container {id} is gone")))?;
        match verdict(&container, asked, watch)? {
            Verdict::Settled => return Ok(container),
            Verdict::Wait => {
                tokio::time::sleep(pause.min(watch.settle.saturating_sub(begun.elapsed()).max(Duration::from_millis(20)))).await;
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Settled,
    Wait,
}

fn verdict(container: &Value, elapsed: Duration, watch: Watch) -> Result<Verdict> {
    let name = state::name(container);
    let fails = |what: String| -> Result<Verdict> { Err(failure(format!("the new container {name} {what}"))) };
    if container.get("RestartCount").and_then(Value::as_i64).unwrap_or_default() > 0 || state::status(container) == "restarting" {
        return fails(format!("ended with exit code {} and was restarted by its policy", state::exit_code(container)));
    }
    if !state::is_running(container) {
        let ended_well = state::status(container) == "exited" && state::exit_code(container) == 0;
        if ended_well && matches!(state::restart_policy(container), "no" | "on-failure") {
            return Ok(Verdict::Settled);
        }
        return fails(format!("ended with exit code {}{}", state::exit_code(container), engines_words(container)));
    }
    let health = if watch.health_timeout.is_zero() { "" } else { health(container) };
    match health {
        "unhealthy" => fails(format!("is unhealthy{}", last_probe(container))),
        "starting" if elapsed >= watch.health_timeout.max(shortest_health_timeout(container)) => {
            fails(format!("was still starting after {:.1} s, by its healthcheck{}", elapsed.as_secs_f64(), last_probe(container)))
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

/// Before so long the engine cannot have said anything: the start period, an interval, and the probe's own time.
fn shortest_health_timeout(container: &Value) -> Duration {
    let field = |name: &str, default: u64| {
        let set = container.pointer(&format!("/Config/Healthcheck/{name}")).and_then(Value::as_u64).filter(|nanos| *nanos > 0);
        set.map_or(Duration::from_secs(default), Duration::from_nanos)
    };
    field("StartPeriod", 0) + field("Interval", 30) + field("Timeout", 30)
}

fn last_probe(container: &Value) -> String {
    let log = container.pointer("/State/Health/Log").and_then(Value::as_array);
    let output = log.and_then(|log| log.last()).and_then(|probe| probe.get("Output")).and_then(Value::as_str).unwrap_or_default().trim();
    if output.is_empty() { String::new() } else { format!(": {output}") }
}

fn engines_words(container: &Value) -> String {
    let error = container.pointer("/State/Error").and_then(Value::as_str).unwrap_or_default();
    if error.is_empty() { String::new() } else { format!(": {error}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    const WATCH: Watch = Watch { settle: Duration::from_secs(3), health_timeout: Duration::from_secs(60) };

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
            (container(running("starting"), "no", 0), 71, Ok(Verdict::Wait)),
            (container(running("starting"), "no", 0), 72, Err("was still starting after 72.0 s, by its healthcheck: no route")),
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
                (Ok(told), Ok(expected)) => assert_eq!(told, expected, "{container} after {seconds} s"),
                (Err(error), Err(words)) => assert!(error.message().contains(words), "{}: {words}", error.message()),
                (told, expected) => panic!("{container} after {seconds} s: {told:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn health_is_ignored_when_nobody_waits_for_it() {
        let watch = Watch { health_timeout: Duration::ZERO, ..WATCH };
        assert_eq!(verdict(&container(running("unhealthy"), "no", 0), Duration::from_secs(3), watch).unwrap(), Verdict::Settled);
    }
}
