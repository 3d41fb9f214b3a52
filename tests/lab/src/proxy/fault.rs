//! Which requests a fault is for, and what it does to them.

use std::sync::mpsc::Sender;
use std::time::Duration;

use super::gate::Held;
use crate::pattern::matches;

/// Which requests, counted from the start of the proxy or its last `reset`.
///
/// A pattern is `METHOD PATH`, where `*` stands for anything, the engine's `/v1.41` is left out, and a query counts only
/// when the pattern has one: `POST /containers/*/start`, `* /v2/*/manifests/*`, `POST /images/create?fromImage=*`.
#[derive(Debug, Clone)]
pub struct When {
    pattern: String,
    turn: Turn,
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    Each,
    At(usize),
    /// Every request that comes after one that matches, whatever it is.
    After,
}

impl When {
    /// The n-th request of all; the first is 1.
    pub fn nth(n: usize) -> Self {
        Self::nth_of("*", n)
    }

    /// The n-th that matches; the first is 1.
    pub fn nth_of(pattern: &str, n: usize) -> Self {
        Self { pattern: pattern.to_owned(), turn: Turn::At(n) }
    }

    /// The first that matches.
    pub fn first(pattern: &str) -> Self {
        Self::nth_of(pattern, 1)
    }

    /// Every one that matches.
    pub fn each(pattern: &str) -> Self {
        Self { pattern: pattern.to_owned(), turn: Turn::Each }
    }

    /// All that come after the first that matches, whatever they are.
    pub fn after(pattern: &str) -> Self {
        Self { pattern: pattern.to_owned(), turn: Turn::After }
    }
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection is closed; nothing was sent on.
    Cut,
    /// It is carried out, and the connection is closed instead of the answer.
    CutAnswer,
    /// The answer's head and so many bytes of its body (as they are on the wire), then the connection is closed.
    CutBody(u64),
    /// It is not sent on and never answered.
    Hang,
    /// It is carried out and never answered.
    HangAnswer,
    /// The answer's head and so many bytes of its body, then silence.
    HangBody(u64),
    /// It is not sent on; this is the answer.
    Answer(Canned),
    /// It is carried out, but this is the answer.
    Pretend(Canned),
    /// It waits before it is sent on.
    Delay(Duration),
    /// The head of the answer waits.
    DelayAnswer(Duration),
    #[doc(hidden)]
    Hold(Sender<Held>),
    #[doc(hidden)]
    HoldAnswer(Sender<Held>),
}

/// An answer made up.
#[derive(Debug, Clone)]
pub struct Canned {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Canned {
    /// A status with a body of JSON, as the engine and registries word their errors.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, headers: vec![("Content-Type".into(), "application/json".into())], body: body.to_string().into_bytes() }
    }

    /// A status with any body, as what is no engine answers.
    pub fn text(status: u16, content_type: &str, body: &str) -> Self {
        Self { status, headers: vec![("Content-Type".into(), content_type.into())], body: body.as_bytes().to_vec() }
    }

    /// A status with the engine's `{"message": …}`.
    pub fn message(status: u16, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "message": message }))
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As it is on the wire; an answer to HEAD has no body.
    pub(crate) fn bytes(&self, method: &str) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Made Up\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let mut bytes = (head + "\r\n").into_bytes();
        if method != "HEAD" {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }
}

/// Whether a request changes nothing and only asks whether a proxy lets it through: it is about what does not exist, or renames a container
/// to its own name. Such requests are not counted, so that the first start is that of a container.
pub fn is_probe(path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let own_name = || path.strip_suffix("/rename")?.rsplit_once('/').map(|(_, name)| query == format!("name={name}"));
    path.contains(&"0".repeat(64)) || own_name() == Some(true)
}

/// A rule and how often it has matched.
#[derive(Debug)]
pub(crate) struct Rule {
    when: When,
    fault: Fault,
    matched: usize,
}

impl Rule {
    pub(crate) fn new(when: When, fault: Fault) -> Self {
        Self { when, fault, matched: 0 }
    }

    /// The fault, if it is this request's turn.
    pub(crate) fn turn(&mut self, method: &str, path: &str) -> Option<Fault> {
        let before = self.matched;
        let counts = matches!(self.when.turn, Turn::Each) || !is_probe(path);
        let is_match = counts && matches(&self.when.pattern, method, path);
        self.matched += usize::from(is_match);
        let is_turn = match self.when.turn {
            Turn::Each => is_match,
            Turn::At(at) => is_match && at == self.matched,
            Turn::After => before > 0,
        };
        is_turn.then(|| self.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_request_is_counted_among_those_that_match() {
        let mut rule = Rule::new(When::nth_of("GET *", 2), Fault::Cut);
        assert!(rule.turn("GET", "/").is_none());
        assert!(rule.turn("POST", "/").is_none());
        assert!(rule.turn("GET", "/").is_some());
        assert!(rule.turn("GET", "/").is_none());
    }

    #[test]
    fn a_probe_is_not_counted_and_meets_a_rule_for_each_request() {
        let probes = [format!("/v1.41/containers/{}/start", "0".repeat(64)), "/containers/web.x/rename?name=web.x".to_owned()];
        let (mut first, mut each) = (Rule::new(When::first("POST *"), Fault::Cut), Rule::new(When::each("POST *"), Fault::Cut));
        for probe in &probes {
            assert!(first.turn("POST", probe).is_none() && each.turn("POST", probe).is_some(), "{probe}");
        }
        assert!(first.turn("POST", "/containers/web.x/rename?name=web").is_some());
    }

    #[test]
    fn after_the_first_match_every_request_has_its_turn() {
        let mut rule = Rule::new(When::after("POST *"), Fault::Cut);
        let turns = ["GET", "POST", "GET", "POST"].map(|method| rule.turn(method, "/").is_some());
        assert_eq!(turns, [false, false, true, true]);
    }
}
