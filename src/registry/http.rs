//! One request and its answer, with a limit on everything.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use super::connect::{ConnectError, Connector, chain, io_kind};
use super::network::Network;
use super::trace::Trace;
use super::trouble::{Obstacle, Trouble};

/// The largest head of an answer.
const HEAD_CAP: usize = 64 * 1024;
/// How much of an error's body is read for its words.
const ERROR_CAP: usize = 64 * 1024;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("refit/", env!("CARGO_PKG_VERSION")));
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// What is sent.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Uri,
    pub(super) accept: Option<HeaderValue>,
    pub(super) authorization: Option<HeaderValue>,
    /// A form, for a token server.
    pub(super) form: Option<Bytes>,
    /// The largest body of a success.
    pub(super) cap: usize,
}

impl Request {
    pub(super) fn get(url: Uri, cap: usize) -> Self {
        Self { method: Method::GET, url, accept: None, authorization: None, form: None, cap }
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) http2: bool,
}

impl Answer {
    pub(super) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The type without its parameters, in lower case.
    pub(super) fn content_type(&self) -> String {
        let whole = self.header(CONTENT_TYPE).unwrap_or_default();
        whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// The client of all registries.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client<Connector, Full<Bytes>>,
    pub(super) connector: Connector,
    network: Arc<Network>,
}

impl Http {
    pub(super) fn new(network: Arc<Network>) -> Self {
        let connector = Connector::new(network.clone());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(15))
            .pool_max_idle_per_host(16)
            .http1_max_buf_size(HEAD_CAP)
            .http2_max_header_list_size(HEAD_CAP as u32)
            .build(connector.clone());
        Self { client, connector, network }
    }

    /// Sends a request and reads the whole answer. Dropping the future closes its connection.
    pub(super) async fn send(&self, request: &Request, trace: &Trace) -> Result<Answer, Trouble> {
        let mut outgoing = self.outgoing(request)?;
        let connection = capture_connection(&mut outgoing);
        let begin = Instant::now();
        let result = timeout_at(begin + self.network.limits.headers, self.client.request(outgoing)).await;
        if connection.connection_metadata().is_some() {
            trace.count_request();
        }
        let response = match result {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(failed(&error)),
            Err(_) => return Err(Trouble::unreachable(Obstacle::Timeout, "no answer came in time")),
        };
        let (head, body) = response.into_parts();
        trace.rate(rate(&head.headers, "ratelimit-limit"), rate(&head.headers, "ratelimit-remaining"));
        if head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(Trouble::unreachable(Obstacle::Proxy, "the proxy wants a user name and password"));
        }
        let body = if request.method == Method::HEAD {
            Bytes::new()
        } else {
            let success = head.status.is_success();
            let read = read(body, if success { request.cap } else { ERROR_CAP });
            match timeout_at(begin + self.network.limits.request, read).await {
                Ok(Ok(body)) => body,
                // The words of an error are a courtesy.
                _ if !success => Bytes::new(),
                Ok(Err(trouble)) => return Err(trouble),
                Err(_) => return Err(Trouble::unreachable(Obstacle::Timeout, "the answer did not end in time")),
            }
        };
        if head.status.is_success() && encoded(&head.headers) {
            return Err(Trouble::bad_answer("the answer is compressed, though it was asked for as it is"));
        }
        Ok(Answer { status: head.status, headers: head.headers, body, http2: head.version == Version::HTTP_2 })
    }

    fn outgoing(&self, request: &Request) -> Result<http::Request<Full<Bytes>>, Trouble> {
        let body = Full::new(request.form.clone().unwrap_or_default());
        let mut outgoing = http::Request::new(body);
        *outgoing.method_mut() = request.method.clone();
        *outgoing.uri_mut() = request.url.clone();
        let headers = outgoing.headers_mut();
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT_ENCODING, IDENTITY);
        if let Some(accept) = &request.accept {
            headers.insert(ACCEPT, accept.clone());
        }
        if let Some(authorization) = &request.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if request.form.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        if request.url.scheme_str() == Some("http") {
            let proxy = self.network.proxy(&request.url);
            if let Some(authorization) = proxy.as_ref().and_then(|proxy| proxy.basic_auth()) {
                headers.insert(PROXY_AUTHORIZATION, authorization.clone());
            }
        }
        if request.url.host().is_none() {
            return Err(Trouble::bad_answer("an address without a host"));
        }
        Ok(outgoing)
    }
}

async fn read(mut body: Incoming, cap: usize) -> Result<Bytes, Trouble> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > cap {
                return Err(Trouble::bad_answer(format!("the answer is larger than {} KiB", cap / 1024)));
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes.freeze())
}

/// Closed in good order before the length that was promised is a lie; anything else is the network's.
fn broken_off(error: &hyper::Error) -> Trouble {
    if io_kind(error).is_none_or(|kind| kind == std::io::ErrorKind::UnexpectedEof) {
        return Trouble::bad_answer(format!("the answer is not whole: {}", chain(error)));
    }
    Trouble::unreachable(Obstacle::Reset, format!("the answer broke off: {}", chain(error)))
}

fn encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity") && !value.is_empty())
}

/// `100;w=21600`
fn rate(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.split(';').next()?.trim().parse().ok()
}

fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inside.and_then(|inside| inside.downcast_ref::<rustls::Error>()).is_some()
}

fn failed(error: &hyper_util::client::legacy::Error) -> Trouble {
    let below = || std::iter::successors(Some(error as &(dyn StdError + 'static)), |error| (*error).source());
    if let Some(ConnectError(unreachable)) = below().find_map(|error| error.downcast_ref()) {
        return Trouble::Unreachable(unreachable.clone());
    }
    match below().find_map(|error| error.downcast_ref::<hyper::Error>()) {
        Some(error) if error.is_parse() => Trouble::bad_answer(format!("the answer is not HTTP: {error}")),
        // TLS 1.3 hears of a client certificate that is wanted only after the handshake.
        _ if below().any(is_tls) => Trouble::unreachable(Obstacle::Tls, chain(error)),
        _ if io_kind(error) == Some(std::io::ErrorKind::TimedOut) => Trouble::unreachable(Obstacle::Timeout, chain(error)),
        _ => Trouble::unreachable(Obstacle::Reset, chain(error)),
    }
}
