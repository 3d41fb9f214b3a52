//! The stop of the old container, whose result may stay unknown while it goes on in the engine.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Error;
use crate::container::{requests, state};
use crate::engine::Engine;

/// What the engine adds to the grace before it gives up killing.
const AFTER_GRACE: Duration = Duration::from_secs(15);

/// The grace of a container that says nothing.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// For a container that is to be waited for without end.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How a stop ended that did not answer with success.
#[derive(Debug)]
pub(crate) enum Unstopped {
    /// It has exited all the same, or nobody could be asked.
    Exited(Error),
    /// It still runs, after any stop under way would have ended it.
    Runs(Error),
}

/// The grace that a stop gives the container.
pub(crate) fn grace(container: &Value, chosen: Option<Duration>) -> Duration {
    if let Some(chosen) = chosen {
        return chosen;
    }
    match container.pointer("/Config/StopTimeout").and_then(Value::as_i64) {
        None => DEFAULT_GRACE,
        Some(seconds) => u64::try_from(seconds).map_or(FOR_EVER, Duration::from_secs),
    }
}

/// Stops the container, and after an answer that does not say so waits until any stop under way has ended: a stop that was given up after
/// 1 s of a grace of 6 s killed the container 8 s later, and a start in between was answered with "is running" (20.10).
pub(crate) async fn stop(engine: &Engine, container: &Value, chosen: Option<Duration>) -> Result<(), Unstopped> {
    let (id, grace, begun) = (state::id(container), grace(container, chosen), Instant::now());
    let Err(error) = requests::stop(engine, id, chosen, grace + AFTER_GRACE + engine.timeout()).await else { return Ok(()) };
    match exited_by(engine, id, begun + grace + AFTER_GRACE).await {
        Some(false) => Err(Unstopped::Runs(error)),
        _ => Err(Unstopped::Exited(error)),
    }
}

/// Waits until the container has exited; `Some(false)` when it still runs at the end, `None` when the engine did not answer then.
pub(crate) async fn exited_by(engine: &Engine, id: &str, end: Instant) -> Option<bool> {
    loop {
        let exited =
            requests::inspect(engine, id).await.ok().map(|container| !container.is_some_and(|container| state::is_running(&container)));
        if exited == Some(true) || Instant::now() >= end {
            return exited;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_grace_is_the_callers_or_the_containers_or_the_engines() {
        let container = |timeout: Value| json!({"Config": {"StopTimeout": timeout}});
        assert_eq!(grace(&container(json!(3)), Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(grace(&container(json!(3)), None), Duration::from_secs(3));
        assert_eq!(grace(&container(Value::Null), None), DEFAULT_GRACE);
        assert_eq!(grace(&container(json!(-1)), None), FOR_EVER);
    }
}
