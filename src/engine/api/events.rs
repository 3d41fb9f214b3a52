//! `/events`: what the engine remembers.

use http::Method;
use serde_json::Value;

use crate::engine::{Engine, escape};
use crate::{Code, Result};

/// How many events Docker keeps, of all kinds; the oldest ones are dropped, and all of them when it restarts.
const KEPT: usize = 256;

/// The events from one time to another, in seconds since 1970 by the engine's clock, the oldest first. Podman names some of them differently.
#[derive(Debug)]
pub(crate) struct Events {
    /// `{"Type": "container", "Action": "kill", "Actor": {"ID": …, "Attributes": {"name": …}}, "time": …}`.
    pub(crate) events: Vec<Value>,
    /// Whether these are all events since then: none was dropped while the engine ran.
    pub(crate) are_complete: bool,
}

/// What the engine still knows since a time. The answer takes until `until`, so that nothing that has just happened is missed.
pub(crate) async fn read(engine: &Engine, since: i64, until: i64) -> Result<Events> {
    let path = format!("/events?since={since}&until={until}");
    let answer = engine.call("reading the events", Method::GET, &path, None, engine.timeout()).await?;
    Ok(parse(&answer.body))
}

fn parse(body: &[u8]) -> Events {
    let read = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let events: Vec<Value> = read.map_while(std::result::Result::ok).collect();
    let are_complete = events.len() < KEPT;
    Events { events, are_complete }
}

/// The events of a container between two times, in seconds since 1970, oldest first. Docker remembers the last 256 of all containers.
pub(crate) async fn of_container(engine: &Engine, id: &str, since: i64, until: i64) -> Result<Vec<Value>> {
    let what = format!("asking the engine for the events of container {id}");
    let filters = escape(&format!(r#"{{"type":["container"],"container":["{id}"]}}"#));
    let path = format!("/events?since={since}&until={until}&filters={filters}");
    let answer = engine.call(&what, Method::GET, &path, None, engine.timeout()).await?;
    let events = serde_json::Deserializer::from_slice(&answer.body).into_iter();
    events
        .collect::<serde_json::Result<_>>()
        .map_err(|error| Code::Engine.error(format!("{what}: the engine's answer is not JSON")).caused_by(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_events_as_the_engine_keeps_may_be_the_rest_of_more() {
        let some = parse(
            br#"{"Action":"create"}
{"Action":"kill"}
"#,
        );
        assert_eq!((some.events.len(), some.are_complete), (2, true));
        assert!(parse(b"").are_complete);
        assert!(!parse(b"{}\n".repeat(KEPT).as_slice()).are_complete);
    }
}
