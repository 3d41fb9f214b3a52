//! What the engine has answered, whole: a success, or an error that says whether it is the engine's or that of something before it.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use super::phrases;
use crate::{Code, Error, Result};

/// What the engine answered, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The engine's words: the `message` of its JSON. An error without is not the engine's.
    pub(super) fn message(&self) -> Option<String> {
        serde_json::from_slice::<Value>(&self.body).ok().and_then(|value| Some(value.get("message")?.as_str()?.to_owned()))
    }

    /// The engine's words, else what else the body says in plain text.
    pub(super) fn text(&self) -> String {
        self.message().unwrap_or_else(|| plain_text(&self.body))
    }

    /// This answer, which is no success, as an error.
    pub(super) fn refusal(&self, what: &str, method: &Method, path: &str) -> Error {
        let status = self.status.as_u16();
        let request = format!("{method} {}", path.split('?').next().unwrap_or_default());
        match self.message() {
            Some(message) if is_forbidden(status) => {
                refused(what, status, &format!("{} (the answer to {request} is {status})", message.trim()))
            }
            Some(message) => refused(what, status, &message),
            None if self.status.is_redirection() => refused(what, status, ""),
            None => foreign(what, status, &request, &plain_text(&self.body)),
        }
    }

    /// Why a proxy, or an authorization plugin, keeps this request from the engine, if so. The engine itself answers, in its own JSON, that
    /// there is nothing of that name.
    pub(super) fn forbids(&self, what: &str, method: &Method, path: &str) -> Option<Error> {
        let status = self.status.as_u16();
        let allowed = is_success(self.status) || self.message().is_some() && !is_forbidden(status);
        (!allowed).then(|| self.refusal(what, method, path))
    }

    /// The body as JSON; an empty one is `null`.
    pub(super) fn json(&self, what: &str) -> Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Code::Engine.error(format!("{what}: the engine's answer is not JSON")).caused_by(&error))
    }

    /// Seconds since 1970 by the engine's clock.
    pub(super) fn engine_time(&self) -> Option<i64> {
        let date = self.headers.get(http::header::DATE)?.to_str().ok()?;
        jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp().as_second())
    }
}

/// 304 says that a container was started or stopped already. Any other 3xx is none: the engine redirects a path that it does not take as it
/// is, and what it would answer there is about something else.
pub(super) fn is_success(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_MODIFIED
}

/// An answer that is no success as an error. The caller maps the statuses that mean more to it.
pub(super) fn refused(what: &str, status: u16, message: &str) -> Error {
    let code = phrases::code(status, message);
    let message = match message.trim() {
        _ if (300..400).contains(&status) => "the engine answered with a redirection, which is not followed",
        "" => "no reason given",
        message => message,
    };
    code.error(format!("{what}: {message}")).with_http_status(status)
}

/// What an engine does not answer about a request that it takes; 403 it does, but not about what does not exist.
fn is_forbidden(status: u16) -> bool {
    matches!(status, 401 | 403 | 405 | 407 | 501)
}

/// An error that is not in the engine's form: what has answered is something before it.
fn foreign(what: &str, status: u16, request: &str, text: &str) -> Error {
    let next = match status {
        401 | 403 | 404 | 405 | 407 | 501 => {
            "a proxy before it forbids this request: allow it there (refit's README lists what each call needs)"
        }
        _ => "a proxy before it did not reach it, or it is no engine",
    };
    let text = if text.is_empty() { String::new() } else { format!(" ({text})") };
    Code::Engine
        .error(format!("{what}: {request} was answered with {status}{text}, and not by the engine: {next}"))
        .with_http_status(status)
}

/// The first line of a body that is plain text; a page of HTML says nothing.
fn plain_text(body: &[u8]) -> String {
    const LONGEST: usize = 512;
    let text = String::from_utf8_lossy(&body[..body.len().min(LONGEST)]).into_owned();
    let text = text.trim();
    if text.starts_with('<') { String::new() } else { text.lines().next().unwrap_or_default().trim().to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_is_an_error_and_not_modified_is_none() {
        for status in [200, 201, 204, 304] {
            assert!(is_success(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [301, 302, 307, 308] {
            assert!(!is_success(StatusCode::from_u16(status).unwrap()), "{status}");
            let error = refused("inspecting x", status, "<a href=\"/b/json\">Moved Permanently</a>.");
            assert_eq!((error.code(), error.context().http_status), (Code::Engine, Some(status)));
            assert_eq!(error.message(), "inspecting x: the engine answered with a redirection, which is not followed");
        }
    }

    #[test]
    fn an_answer_that_is_not_the_engines_says_so_with_the_request_and_without_html() {
        let answer = |status: u16, body: &'static str| Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        };
        let error = |status, body| answer(status, body).refusal("starting x", &Method::POST, "/x/y?q=1");
        let html = "<html><body><h1>403 Forbidden</h1></body></html>";
        for (status, body) in [(403, html), (404, "<!DOCTYPE html>"), (403, ""), (502, html), (403, "Forbidden by rule 7\nmore")] {
            let error = error(status, body);
            assert_eq!((error.code(), error.context().http_status), (Code::Engine, Some(status)), "{body}");
            assert!(error.message().starts_with(&format!("starting x: POST /x/y was answered with {status}")), "{error}");
            assert!(error.message().contains("not by the engine") && !error.message().contains('<'), "{error}");
            assert_eq!(error.message().contains("rule 7"), body.contains("rule 7"), "{error}");
        }
        assert_eq!(error(404, r#"{"message":"no such x"}"#).message(), "starting x: no such x");
        assert_eq!(error(403, r#"{"message":"denied"}"#).message(), "starting x: denied (the answer to POST /x/y is 403)");
    }

    #[test]
    fn only_what_something_before_the_engine_answers_forbids() {
        let forbids = |status: u16, body: &'static str| {
            let answer = Answer {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: Bytes::from_static(body.as_bytes()),
            };
            answer.forbids("x", &Method::POST, "/x").is_some()
        };
        let message = r#"{"message":"no such container"}"#;
        let cases = [
            (404, message, false),
            (400, message, false),
            (409, message, false),
            (500, message, false),
            (204, "", false),
            (403, message, true),
            (405, message, true),
            (404, "<html>", true),
            (403, "<html>", true),
            (502, "", true),
        ];
        for (status, body, expected) in cases {
            assert_eq!(forbids(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn refusals_have_their_code_and_the_engines_words() {
        let cases = [(404, "NOT_FOUND"), (409, "CONFLICT"), (400, "ENGINE"), (500, "ENGINE")];
        for (status, name) in cases {
            let error = refused("removing x", status, "its words\n");
            assert_eq!((error.code().name(), error.message(), error.context().http_status), (name, "removing x: its words", Some(status)));
        }
    }
}
