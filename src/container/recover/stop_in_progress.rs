//! Whether a stop that a dead run has requested may still be in progress in the engine, and until when.
//!
//! Rules: docs/recreate.md, section 7.2.

use std::time::Duration;

use serde_json::Value;

use super::table::Named;
use crate::container::replacement::lease::{Clock, latest_change};
use crate::container::replacement::{AFTER_GRACE, FOR_EVER, grace};
use crate::container::state;
use crate::engine::Engine;
use crate::engine::api::events::{self, Events};
use crate::json::{integer, text, timestamp};

/// How long a container is waited for that has no limit for its stop.
const ENDLESS_GRACE: Duration = Duration::from_secs(300);

/// By when such a stop has ended, in seconds since 1970 by the engine's clock; `None` where none is in progress. `holder` is the old container,
/// which runs, and `new` the new one under its temporary name.
pub(super) async fn latest_end(engine: &Engine, new: &Named, holder: &Value, chosen: Option<Duration>, clock: Clock) -> Option<i64> {
    let requested_by = new.name.marks.stop_before.map_or_else(|| latest_change(&new.name, clock.now()).into(), i64::from);
    // Whatever has started the container since then has ended the stop.
    let started = state::started_at(holder).map(jiff::Timestamp::as_second);
    if started.is_some_and(|started| started > requested_by) {
        return None;
    }
    let kill = last_kill(engine, new, holder, clock).await;
    let grace = match grace(holder, chosen) {
        FOR_EVER => ENDLESS_GRACE,
        grace => grace,
    };
    match kill {
        Kill::None => None,
        Kill::At(time) if started.is_some_and(|started| started > time) => None,
        Kill::At(time) => Some(time.saturating_add_unsigned((grace + AFTER_GRACE).as_secs())),
        Kill::Unknown => Some(requested_by.saturating_add_unsigned((grace + AFTER_GRACE).as_secs())),
    }
}

/// The last signal that the container was sent since the new one was created.
#[derive(Debug, PartialEq, Eq)]
enum Kill {
    None,
    At(i64),
    /// The engine does not tell.
    Unknown,
}

/// A stop begins with a signal, which Docker notes as the event `kill`. The run stops nothing before it has created the new container.
async fn last_kill(engine: &Engine, new: &Named, holder: &Value, clock: Clock) -> Kill {
    if engine.facts().await.is_ok_and(|facts| facts.podman()) {
        return Kill::Unknown;
    }
    let Some(created) = timestamp(&new.container, "/Created") else { return Kill::Unknown };
    match events::read(engine, created.as_second(), clock.now() + 1).await {
        Ok(events) => kill_in(&events, state::id(holder)),
        Err(_) => Kill::Unknown,
    }
}

fn kill_in(events: &Events, container: &str) -> Kill {
    let is_kill =
        |event: &&Value| text(event, "/Type") == "container" && text(event, "/Action") == "kill" && text(event, "/Actor/ID") == container;
    let kills = events.events.iter().filter(is_kill).filter_map(|event| integer(event, "/time"));
    match kills.max() {
        Some(time) => Kill::At(time),
        None if events.are_complete => Kill::None,
        None => Kill::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_signal_tells_whether_a_stop_is_in_progress() {
        let event = |id: &str, action: &str, time: i64| json!({"Type": "container", "Action": action, "Actor": {"ID": id}, "time": time});
        let network = json!({"Type": "network", "Action": "kill", "Actor": {"ID": "o"}, "time": 40});
        let cases = [
            ("a stop", vec![event("o", "kill", 10), event("o", "kill", 20)], true, Kill::At(20)),
            ("a stop, and older events were dropped", vec![event("o", "kill", 10)], false, Kill::At(10)),
            ("of another container", vec![event("x", "kill", 10), event("o", "start", 12), network], true, Kill::None),
            ("none, and older events were dropped", vec![event("o", "start", 12)], false, Kill::Unknown),
        ];
        for (case, events, are_complete, expected) in cases {
            assert_eq!(kill_in(&Events { events, are_complete }, "o"), expected, "{case}");
        }
    }
}
