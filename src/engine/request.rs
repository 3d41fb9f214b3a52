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

use super::answer::{Answer, is_success, refused};
use super::answer_body::AnswerBody;
use super::streams::ByteStream;
use super::transport::{self, Body, Transport};
use super::{Engine, Session, Versioned, phrases, silence};
use crate::{Code, Result};

/// How long the head of an answer is waited for.
#[derive(Debug, Clone, Copy)]
enum Patience {
    Limit(Duration),
    /// As long as the engine answers a ping after each silence of this length.
    WhileEngineAnswers(Duration),
    /// The same of an answer that is a stream: it has its connection to itself.
    OfStream(Duration),
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
}
