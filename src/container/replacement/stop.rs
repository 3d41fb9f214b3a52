//! The stop of the old container, whose result may be unknown while it is in progress in the engine.
//!
//! Rules: docs/recreate.md, section 4.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::lease::Lease;
use super::removal::await_removal;
use crate::container::state;
use crate::engine::Engine;
use crate::engine::api::containers;
use crate::operation::call::Call;
use crate::{Code, Error, Result};

/// What the engine adds to the grace before it gives up killing.
pub(crate) const AFTER_GRACE: Duration = Duration::from_secs(15);

/// The grace of a container that configures none.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// The grace of a container that the engine waits for without end.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How a stop ended that the engine did not answer with success.
#[derive(Debug)]
pub(crate) enum StopFailure {
    /// The container has exited all the same, or the engine did not answer.
    Exited(Error),
    /// It still runs, after the time in which a stop in progress would have ended it.
    StillRunning(Error),
}

impl StopFailure {
    /// The error of the stop.
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Exited(error) | Self::StillRunning(error) => error,
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

/// Stops the container. A refusal within the grace is an answer: no stop is in progress, and the container is inspected once. Otherwise the
/// stop that may be in progress is waited for: one whose request was ended after 1 s of a grace of 6 s killed the container 8 s later, and a
/// start in between was answered with "is running" (20.10).
pub(crate) async fn stop(
    engine: &Engine,
    container: &Value,
    chosen: Option<Duration>,
    engine_wait: Duration,
) -> std::result::Result<(), StopFailure> {
    let (grace, begun) = (grace(container, chosen), Instant::now());
    let stopping = containers::stop(engine, state::id(container), chosen, grace + AFTER_GRACE + engine.timeout());
    let Err(error) = stopping.await else { return Ok(()) };
    // An error after the grace may be that of a kill whose end the engine has not seen yet: the container may still exit.
    let refused = is_refusal(&error) && begun.elapsed() < grace;
    let end = if refused { begun } else { begun + grace + AFTER_GRACE };
    match exited_by(engine, container, end, engine_wait).await {
        Some(false) => Err(StopFailure::StillRunning(error)),
        _ => Err(StopFailure::Exited(error)),
    }
}

/// Whether the engine, or a proxy that decides for it, has answered. A gateway's 502 and 504 say that the engine's answer was lost.
fn is_refusal(error: &Error) -> bool {
    error.context().http_status.is_some_and(|status| !matches!(status, 502 | 504))
}

/// A stop that a dead run had requested and that may still be in progress in the engine; until it has ended, a start would be answered with "is
/// running".
pub(crate) struct PendingStop<'a> {
    call: &'a Call,
    /// The container's inspect while it ran.
    container: Value,
    /// When such a stop has ended at the latest.
    end: Instant,
}

impl<'a> PendingStop<'a> {
    pub(crate) fn new(call: &'a Call, container: &Value, left: Duration) -> Self {
        Self { call, container: container.clone(), end: Instant::now() + left }
    }

    /// Whether the call has ended that waits for it.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.call.interrupt().is_some()
    }

    /// Waits until the container has exited, or no stop can be going on any more; whether the engine has then removed it by its `--rm` option.
    pub(crate) async fn wait(&self, lease: &mut Lease<'_>, engine: &Engine, engine_wait: Duration) -> Result<bool> {
        let container = &self.container;
        let waiting = async {
            match exited_by(engine, container, self.end, engine_wait).await {
                Some(true) if state::is_auto_remove(container) => await_removal(engine, state::id(container)).await.map(|()| true),
                Some(_) => Ok(false),
                // An `--rm` container that ends later would be lost with the new one.
                None => {
                    Err(Code::Unreachable.error("the engine does not answer while a stop may be in progress: recover again once it does"))
                }
            }
        };
        lease.during(self.call.run(waiting)).await
    }
}

/// Waits until the container has exited; `Some(false)` when it still runs at the end, or runs again since a restart of the engine has ended
/// the stop; `None` when the engine does not answer, at the end or for so long as `engine_wait`.
async fn exited_by(engine: &Engine, container: &Value, end: Instant, engine_wait: Duration) -> Option<bool> {
    let mut answered = Instant::now();
    loop {
        let now = containers::inspect(engine, state::id(container)).await.ok();
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
    fn only_an_answer_of_the_engine_is_a_refusal() {
        let error = Code::Engine.error("stopping container web");
        for (status, expected) in [(403, true), (404, true), (409, true), (500, true), (503, true), (502, false), (504, false)] {
            assert_eq!(is_refusal(&error.clone().with_http_status(status)), expected, "{status}");
        }
        assert!(!is_refusal(&Code::Unreachable.error("the connection was closed")));
    }

    #[test]
    fn the_grace_is_the_callers_or_the_containers_or_the_engines() {
        let container = |timeout: Value| json!({"Config": {"StopTimeout": timeout}});
        assert_eq!(grace(&container(json!(3)), Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(grace(&container(json!(3)), None), Duration::from_secs(3));
        assert_eq!(grace(&container(Value::Null), None), DEFAULT_GRACE);
        assert_eq!(grace(&container(json!(-1)), None), FOR_EVER);
    }
}
