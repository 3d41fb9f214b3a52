//! Raw JSON in and out of the engine: typed models lose fields that they do not know.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::Engine;
use super::stream::ByteStream;
use super::transport::{self, Transport};
use crate::{Code, Error, Result};

/// What the engine answered, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The engine's words: the `message` of its JSON, else the body itself.
    pub(crate) fn text(&self) -> String {
        let message = serde_json::from_slice::<Value>(&self.body).ok().and_then(|value| Some(value.get("message")?.as_str()?.to_owned()));
        message.unwrap_or_else(|| String::from_utf8_lossy(&self.body[..self.body.len().min(512)]).into_owned())
    }

    /// The body as JSON; an empty one is `null`.
    pub(crate) fn json(&self, what: &str) -> Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Code::Engine.error(format!("{what}: the engine's answer is not JSON")).caused_by(&error))
    }

    /// Seconds since 1970 by the engine's clock.
    pub(crate) fn engine_time(&self) -> Option<i64> {
        let date = self.headers.get(http::header::DATE)?.to_str().ok()?;
        jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp().as_second())
    }
}

/// Podman 5.8's words for what is a 409 of Docker's: at a create, at a rename, and at a removal.
const CONFLICTS: [&str; 3] = [
    "that name is already in use",
    "UNIQUE constraint failed: ContainerConfig.Name",
    "running or paused containers cannot be removed without force",
];

/// Podman 5.8's words about a container that is removed while it is inspected.
const GONE_MEANWHILE: &str = "found in database: no such container";

/// An answer of 400 or more as an error. The caller maps the statuses that mean more to it.
pub(super) fn refused(what: &str, status: u16, message: &str) -> Error {
    let code = match status {
        404 => Code::NotFound,
        409 => Code::Conflict,
        500 if CONFLICTS.iter().any(|words| message.contains(words)) => Code::Conflict,
        500 if message.ends_with(GONE_MEANWHILE) => Code::NotFound,
        _ => Code::Engine,
    };
    let message = if message.trim().is_empty() { "no reason given" } else { message.trim() };
    code.error(format!("{what}: {message}")).with_http_status(status)
}

/// A name as a segment of a path: a container's name may hold what a URL gives a meaning.
pub(crate) fn escape(segment: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(segment, KEPT).to_string()
}

impl Engine {
    /// `GET` of a path below the version, with its query; JSON of a success, an error of everything else.
    pub(crate) async fn get(&self, what: &str, path: &str) -> Result<Value> {
        self.call(what, Method::GET, path, None, self.timeout()).await?.json(what)
    }

    /// `GET` with headers and a patience of its own.
    pub(crate) async fn get_with(&self, what: &str, path: &str, headers: &HeaderMap, timeout: Duration) -> Result<Value> {
        let response = self.send(what, Method::GET, path, headers, None, timeout).await?;
        let answer = collect(&self.transport, response, timeout).await?;
        if answer.status.as_u16() < 400 { answer.json(what) } else { Err(refused(what, answer.status.as_u16(), &answer.text())) }
    }

    /// `POST` of JSON, or of nothing.
    pub(crate) async fn post(&self, what: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call(what, Method::POST, path, body, self.timeout()).await?.json(what)
    }

    /// `DELETE`.
    pub(crate) async fn delete(&self, what: &str, path: &str) -> Result<Value> {
        self.call(what, Method::DELETE, path, None, self.timeout()).await?.json(what)
    }

    /// Any request, with its own patience; an answer of 400 or more is an error with the engine's words.
    pub(crate) async fn call(&self, what: &str, method: Method, path: &str, body: Option<&Value>, timeout: Duration) -> Result<Answer> {
        let response = self.send(what, method, path, &HeaderMap::new(), body, timeout).await?;
        let answer = match collect(&self.transport, response, timeout).await {
            Ok(answer) => answer,
            Err(error) => {
                self.forget_if_lost(&error).await;
                return Err(error);
            }
        };
        if answer.status.as_u16() < 400 { Ok(answer) } else { Err(refused(what, answer.status.as_u16(), &answer.text())) }
    }

    /// A request whose answer is a stream; dropping the stream closes its connection, and the engine ends the work.
    pub(crate) async fn stream(&self, what: &str, method: Method, path: &str, headers: &HeaderMap) -> Result<ByteStream> {
        let response = self.send(what, method, path, headers, None, self.timeout()).await?;
        if response.status().as_u16() < 400 {
            return Ok(ByteStream::new(response.into_body(), self.transport.clone(), self.timeout()));
        }
        let answer = collect(&self.transport, response, self.timeout()).await?;
        Err(refused(what, answer.status.as_u16(), &answer.text()))
    }

    /// The engine's clock, in seconds since 1970.
    pub(crate) async fn clock(&self) -> Result<i64> {
        let answer = self.call("asking the engine for its time", Method::GET, "/_ping", None, self.timeout()).await?;
        answer.engine_time().ok_or_else(|| Code::Engine.error("the engine's answer has no Date header"))
    }

    async fn send(
        &self,
        what: &str,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Option<&Value>,
        timeout: Duration,
    ) -> Result<Response<Incoming>> {
        let bytes = match body {
            Some(body) => serde_json::to_vec(body).map_err(|error| Code::Panic.error("a body is not JSON").caused_by(&error))?,
            None => Vec::new(),
        };
        let bytes = Bytes::from(bytes);
        let mut negotiated_again = false;
        loop {
            let session = self.session().await?;
            let mut request = Request::builder().method(&method).uri(format!("{}/v{}{path}", self.transport.base(), session.api));
            if body.is_some() {
                request = request.header(http::header::CONTENT_TYPE, "application/json");
            }
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let request = request
                .body(transport::body(bytes.clone()))
                .map_err(|error| Code::InvalidArgument.error(format!("{what}: no address can be made of it")).caused_by(&error))?;
            match self.transport.send(request, timeout).await {
                // An engine that was replaced by an older or a much newer one: it has done nothing, so agree anew and ask again.
                Ok(answer) if answer.status() == StatusCode::BAD_REQUEST && !negotiated_again => {
                    let (head, body) = answer.into_parts();
                    let peeked = body.collect().await.map_err(|error| self.transport.unreachable(&error))?.to_bytes();
                    if !is_version_error(&peeked) {
                        let answer = Answer { status: head.status, headers: head.headers, body: peeked };
                        return Err(refused(what, answer.status.as_u16(), &answer.text()));
                    }
                    self.forget().await;
                    negotiated_again = true;
                }
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    self.forget_if_lost(&error).await;
                    return Err(error);
                }
            }
        }
    }
}

/// "client version 1.51 is too new. Maximum supported API version is 1.41", and the same with "too old".
fn is_version_error(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("client version") && (text.contains("too new") || text.contains("too old"))
}

/// Reads an answer to its end; no part of it may be silent for longer than `timeout`.
pub(super) async fn collect(transport: &Transport, response: Response<Incoming>, timeout: Duration) -> Result<Answer> {
    let (head, body) = response.into_parts();
    let mut stream = ByteStream::new(body, transport.clone(), timeout);
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(Answer { status: head.status, headers: head.headers, body: bytes.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_segments() {
        assert_eq!(escape("127.0.0.1:5000/a b?c#d%"), "127.0.0.1%3A5000%2Fa%20b%3Fc%23d%25");
    }

    #[test]
    fn refusals_have_their_code_and_the_engines_words() {
        let cases = [(404, "NOT_FOUND"), (409, "CONFLICT"), (400, "ENGINE"), (500, "ENGINE")];
        for (status, name) in cases {
            let error = refused("removing x", status, "its words\n");
            assert_eq!((error.code().name(), error.message(), error.context().http_status), (name, "removing x: its words", Some(status)));
        }
        let words = "renaming container 9d40: updating container config table: UNIQUE constraint failed: ContainerConfig.Name";
        assert_eq!(refused("renaming x", 500, words).code(), Code::Conflict);
        let words = "no container with ID d8f8 found in database: no such container";
        assert_eq!(refused("inspecting x", 500, words).code(), Code::NotFound);
    }

    #[test]
    fn version_errors_are_known() {
        assert!(is_version_error(br#"{"message":"client version 1.51 is too new. Maximum supported API version is 1.41"}"#));
        assert!(!is_version_error(br#"{"message":"bad parameter"}"#));
    }
}
