//! Raw JSON in and out of the engine: typed models lose fields that they do not know.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::WriteHalf;

use super::answer_body::AnswerBody;
use super::streams::ByteStream;
use super::transport::{self, Body, Transport};
use super::{Engine, Session, Versioned, phrases, silence};
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
    fn refusal(&self, what: &str, method: &Method, path: &str) -> Error {
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

/// How long the head of an answer is waited for.
#[derive(Debug, Clone, Copy)]
enum Patience {
    Limit(Duration),
    /// As long as the engine answers a ping after each silence of this length.
    WhileEngineAnswers(Duration),
    /// The same of an answer that is a stream: it has its connection to itself.
    OfStream(Duration),
}

/// 304 says that a container was started or stopped already. Any other 3xx is none: the engine redirects a path that it does not take as it
/// is, and what it would answer there is about something else.
fn is_success(status: StatusCode) -> bool {
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

/// A name as a segment of a path: a container's name may hold what a URL gives a meaning.
pub(super) fn escape(segment: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(segment, KEPT).to_string()
}

/// Credentials for a registry, which no log may show.
pub(super) fn registry_auth(headers: &mut HeaderMap, auth: Option<&str>) -> Result<()> {
    if let Some(auth) = auth {
        let value = HeaderValue::from_str(auth);
        let mut value = value.map_err(|error| Code::InvalidArgument.error("these credentials cannot be sent").caused_by(&error))?;
        value.set_sensitive(true);
        headers.insert("x-registry-auth", value);
    }
    Ok(())
}

impl Engine {
    /// `GET` of a path below the version, with its query; JSON of a success, an error of everything else.
    pub(super) async fn get<'a>(&self, what: &str, path: impl Into<Versioned<'a>>) -> Result<Value> {
        self.call(what, Method::GET, path, None, self.timeout()).await?.json(what)
    }

    /// `GET` of what the engine asks somebody else for; `None`: that one has not answered in time, and the engine itself answers a ping.
    pub(super) async fn get_of_others(&self, what: &str, path: &str, headers: &HeaderMap, timeout: Duration) -> Result<Option<Value>> {
        let asked = async {
            let patience = Patience::WhileEngineAnswers(timeout);
            let (response, _) = self.send(what, Method::GET, path.into(), headers, None, patience).await?;
            let answer = collect(&self.transport, response, timeout).await?;
            if is_success(answer.status) { answer.json(what) } else { Err(answer.refusal(what, &Method::GET, path)) }
        };
        match tokio::time::timeout(timeout, asked).await {
            Ok(answer) => answer.map(Some),
            Err(_) => silence::ping(&self.transport, self.timeout()).await.map(|()| None),
        }
    }

    /// `POST` of JSON, or of nothing.
    pub(super) async fn post(&self, what: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call(what, Method::POST, path, body, self.timeout()).await?.json(what)
    }

    /// `DELETE`.
    pub(super) async fn delete(&self, what: &str, path: &str) -> Result<Value> {
        self.call(what, Method::DELETE, path, None, self.timeout()).await?.json(what)
    }

    /// Any request, with its own patience; an answer that is no success is an error with the engine's words.
    pub(super) async fn call<'a>(
        &self,
        what: &str,
        method: Method,
        path: impl Into<Versioned<'a>>,
        body: Option<&Value>,
        timeout: Duration,
    ) -> Result<Answer> {
        let path = path.into();
        let answer = self.answer(what, method.clone(), path, body, timeout).await?;
        if is_success(answer.status) { Ok(answer) } else { Err(answer.refusal(what, &method, path.path)) }
    }

    /// Any request, with whatever is answered.
    pub(super) async fn answer<'a>(
        &self,
        what: &str,
        method: Method,
        path: impl Into<Versioned<'a>>,
        body: Option<&Value>,
        timeout: Duration,
    ) -> Result<Answer> {
        let path = path.into();
        let (response, session) = self.send(what, method, path, &HeaderMap::new(), body, Patience::Limit(timeout)).await?;
        match collect(&self.transport, response, timeout).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.forget_if_lost(&session, &error);
                Err(error)
            }
        }
    }

    /// A request whose answer is a stream; dropping the stream closes its connection, and the engine ends the work.
    pub(super) async fn stream(&self, what: &str, method: Method, path: &str, headers: &HeaderMap) -> Result<ByteStream> {
        self.stream_of(what, method, path, headers, None).await
    }

    /// The same with a body. The head of the answer may come late too: a proxy cache fetches a blob before it sends a byte.
    pub(super) async fn stream_of(
        &self,
        what: &str,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Option<&Value>,
    ) -> Result<ByteStream> {
        let (response, _) = self.send(what, method.clone(), path.into(), headers, body, Patience::OfStream(self.timeout())).await?;
        if is_success(response.status()) {
            return Ok(ByteStream::new(response.into_body(), self.transport.clone(), self.timeout()));
        }
        let answer = collect(&self.transport, response, self.timeout()).await?;
        Err(answer.refusal(what, &method, path))
    }

    /// A `POST` after which both sides give up HTTP: what the engine sends, and where it reads.
    pub(super) async fn upgrade(&self, what: &str, path: &str, body: &Value) -> Result<(ByteStream, WriteHalf<TokioIo<Upgraded>>)> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(http::header::UPGRADE, HeaderValue::from_static("tcp"));
        let (response, _) =
            self.send(what, Method::POST, path.into(), &headers, Some(body), Patience::WhileEngineAnswers(self.timeout())).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgraded = hyper::upgrade::on(response).await.map_err(|error| self.transport.unreachable(&error))?;
            let (read, write) = tokio::io::split(TokioIo::new(upgraded));
            return Ok((ByteStream::of_connection(read, self.transport.clone(), self.timeout()), write));
        }
        if is_success(response.status()) {
            let message =
                format!("{what}: the engine, or a proxy before it, does not let the connection be upgraded, which an input needs");
            return Err(Code::Unsupported.error(message));
        }
        let answer = collect(&self.transport, response, self.timeout()).await?;
        Err(refused(what, answer.status.as_u16(), &answer.text()))
    }

    /// A request with a body that is no JSON, which may be a stream. An answer that comes before the body has ended is the answer.
    pub(super) async fn send_body(&self, what: &str, method: Method, path: &str, content_type: &str, body: Body) -> Result<Answer> {
        let session = self.session().await?;
        let address = format!("{}/v{}{path}", self.transport.base(), session.api);
        let request = Request::builder().method(&method).uri(address).header(http::header::CONTENT_TYPE, content_type).body(body);
        let request =
            request.map_err(|error| Code::InvalidArgument.error(format!("{what}: no address can be made of it")).caused_by(&error))?;
        let sending = self.transport.send_patiently(request);
        let sent = silence::while_engine_answers(&self.transport, self.timeout(), sending).await.and_then(|sent| sent);
        let answer = match sent {
            Ok(response) => collect(&self.transport, response, self.timeout()).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) if is_success(answer.status) => Ok(answer),
            Ok(answer) => Err(answer.refusal(what, &method, path)),
            Err(error) => {
                self.forget_if_lost(&session, &error);
                Err(error)
            }
        }
    }

    async fn send(
        &self,
        what: &str,
        method: Method,
        Versioned { path, newest }: Versioned<'_>,
        headers: &HeaderMap,
        body: Option<&Value>,
        patience: Patience,
    ) -> Result<(Response<AnswerBody>, Arc<Session>)> {
        let bytes = match body {
            Some(body) => serde_json::to_vec(body).map_err(|error| Code::Panic.error("a body is not JSON").caused_by(&error))?,
            None => Vec::new(),
        };
        let bytes = Bytes::from(bytes);
        let mut negotiated_again = false;
        loop {
            let session = self.session().await?;
            let version = session.agreed.version(newest);
            let mut request = Request::builder().method(&method).uri(format!("{}/v{version}{path}", self.transport.base()));
            if body.is_some() {
                request = request.header(http::header::CONTENT_TYPE, "application/json");
            }
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let request = request
                .body(transport::body(bytes.clone()))
                .map_err(|error| Code::InvalidArgument.error(format!("{what}: no address can be made of it")).caused_by(&error))?;
            let sent = match patience {
                Patience::Limit(timeout) => self.transport.send(request, timeout).await.map(shared),
                Patience::WhileEngineAnswers(silence) => {
                    let sending = self.transport.send_patiently(request);
                    silence::while_engine_answers(&self.transport, silence, sending).await.and_then(|sent| sent).map(shared)
                }
                Patience::OfStream(silence) => {
                    let sending = self.transport.send_alone(request);
                    silence::while_engine_answers(&self.transport, silence, sending).await.and_then(|sent| sent)
                }
            };
            match sent {
                // An engine that was replaced by an older or a much newer one: it has done nothing, so agree anew and ask again.
                Ok(answer) if answer.status() == StatusCode::BAD_REQUEST && !negotiated_again => {
                    let (head, body) = answer.into_parts();
                    let peeked = body.collect().await.map_err(|error| self.transport.unreachable(&error))?.to_bytes();
                    if !phrases::is_version_refused(&String::from_utf8_lossy(&peeked)) {
                        let answer = Answer { status: head.status, headers: head.headers, body: peeked };
                        return Err(answer.refusal(what, &method, path));
                    }
                    self.forget(&session);
                    negotiated_again = true;
                }
                Ok(answer) => return Ok((answer, session)),
                Err(error) => {
                    self.forget_if_lost(&session, &error);
                    return Err(error);
                }
            }
        }
    }
}

fn shared(answer: Response<Incoming>) -> Response<AnswerBody> {
    answer.map(AnswerBody::from)
}

/// Reads an answer to its end; no part of it may be silent for longer than `timeout`.
pub(super) async fn collect(transport: &Transport, response: Response<impl Into<AnswerBody>>, timeout: Duration) -> Result<Answer> {
    let (head, body) = response.into_parts();
    let mut stream = ByteStream::new(body.into(), transport.clone(), timeout);
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(Answer { status: head.status, headers: head.headers, body: bytes.into() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_segments() {
        assert_eq!(escape("127.0.0.1:5000/a b?c#d%"), "127.0.0.1%3A5000%2Fa%20b%3Fc%23d%25");
    }

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
