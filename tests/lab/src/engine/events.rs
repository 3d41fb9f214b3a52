//! The engine's events: as a stream while something happens, or of a span of time that has passed.

use std::io::{BufRead, BufReader};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::Engine;
use crate::http::{self, Request};

/// A stream of events, read by a thread of its own until this is dropped.
pub struct Events {
    incoming: Receiver<Value>,
    close: Box<dyn Fn() + Send + Sync>,
}

impl Engine {
    /// Listens to every event from now on.
    pub fn events(&self) -> Events {
        let request = Request { method: "GET", path: "/events", headers: &[], body: b"", timeout: Duration::from_secs(3600) };
        let (sender, incoming) = channel();
        let open = http::open(&self.address, &request).unwrap();
        let close = Box::new(open.closer());
        std::thread::spawn(move || {
            for line in BufReader::new(open.body).lines().map_while(Result::ok) {
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Events { incoming, close }
    }

    /// The time in seconds and nanoseconds, as the engine wants it; it runs on this machine and has the same clock.
    pub fn now(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        format!("{}.{:09}", now.as_secs(), now.subsec_nanos())
    }

    /// All events since a time that `now` returned, for one container, image, … or for all with an empty name.
    /// Docker remembers 256 of them, whoever caused them: ask soon.
    pub fn events_since(&self, since: &str, of: &str) -> Vec<Value> {
        let answer = self.ask("GET", &format!("/events?since={since}&until={}", self.now()), &Value::Null);
        let all = answer.text();
        let events = all.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| of.is_empty() || event["Actor"].to_string().contains(of)).collect()
    }
}

impl Events {
    /// The next event, if one comes in time.
    pub fn next(&self, limit: Duration) -> Option<Value> {
        self.incoming.recv_timeout(limit).ok()
    }

    /// Waits for an event and answers all up to and with it.
    pub fn until(&self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let end = Instant::now() + limit;
        let mut seen = Vec::new();
        loop {
            let Some(event) = self.next(end.saturating_duration_since(Instant::now())) else {
                panic!("the event did not come within {limit:?}; seen: {seen:#?}");
            };
            let last = wanted(&event);
            seen.push(event);
            if last {
                return seen;
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        (self.close)();
    }
}
