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
pub(crate) const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How a stop ended that did not answer with success.
#[derive(Debug)]
pub(crate) enum Unstopped {
    /// It has exited all the same, or nobody could be asked.
    Exited(Error),
    /// It still runs, after any stop under way would have ended it.
    Runs(Error),
}

impl Unstopped {
    /// Why, however it stands.
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Exited(error) | Self::Runs(error) => error,
        }
    }
}

/// The grace that a stop gives the container.
pub(crate) fn grace(container: &Value, chosen: Option<Duration>) -> Duration {
    if let Some(chosen) = chosen {
        return chosen.min(FOR_EVER);
    }
    match container.pointer("/Config/StopTimeout").and_then(Value::as_i64) {
        None => DEFAULT_GRACE,
        Some(seconds) => u64::try_from(seconds).map_or(FOR_EVER, Duration::from_secs).min(FOR_EVER),
    }
}

/// Stops the container, and after an answer that does not say so waits until any stop under way has ended: a stop that was given up after
/// 1 s of a grace of 6 s killed the container 8 s later, and a start in between was answered with "is running" (20.10).
pub(crate) async fn stop(engine: &Engine, container: &Value, chosen: Option<Duration>, engine_wait: Duration) -> Result<(), Unstopped> {
    let (grace, begun) = (grace(container, chosen), Instant::now());
    let stopping = requests::stop(engine, state::id(container), chosen, grace + AFTER_GRACE + engine.timeout());
    let Err(error) = stopping.await else { return Ok(()) };
    match exited_by(engine, container, begun + grace + AFTER_GRACE, engine_wait).await {
        Some(false) => Err(Unstopped::Runs(error)),
        _ => Err(Unstopped::Exited(error)),
    }
}

/// Waits until the container has exited; `Some(false)` when it still runs at the end, or runs again since a restart of the engine has ended
/// the stop; `None` when the engine does not answer, at the end or for so long as `engine_wait`.
pub(crate) async fn exited_by(engine: &Engine, container: &Value, end: Instant, engine_wait: Duration) -> Option<bool> {
    let mut answered = Instant::now();
    loop {
        let now = requests::inspect(engine, state::id(container)).await.ok();
        let exited = match &now {
            Some(Some(now)) if state::is_running(now) && state::started_at(now) != state::started_at(container) => return Some(false),
            Some(now) => Some(!now.as_ref().is_some_and(state::is_running)),
            None if answered.elapsed() > engine_wait => return None,
            None => None,
        };
        if exited == Some(true) || Instant::now() >= end {
            return exited;
        }
        if exited.is_some() {
            answered = Instant::now();
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
