//! One request and its response, with limits on time and size.

use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, PROXY_AUTHORIZATION, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use super::connect::Connector;
use super::dial::{ConnectError, chain, io_kind};
use super::network::Network;
use super::window::{Way, Window};
use crate::net::request_log::RequestLog;
use crate::registry::error::{RegistryError, UnreachableReason};
use crate::registry::trace::Trace;

/// The largest status line and headers of a response.
const HEADERS_LIMIT: usize = 64 * 1024;
/// How much of an error's body is read for its message.
const ERROR_LIMIT: usize = 64 * 1024;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("refit/", env!("CARGO_PKG_VERSION")));
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// A request.
#[derive(Debug, Clone)]
pub(in crate::registry) struct Request {
    pub(in crate::registry) method: Method,
    pub(in crate::registry) url: Uri,
    /// A header line each.
    pub(in crate::registry) accept: &'static [HeaderValue],
    pub(in crate::registry) authorization: Option<HeaderValue>,
    /// A form, for a token server.
    pub(in crate::registry) form: Option<Bytes>,
    /// The largest body of a success.
    pub(in crate::registry) body_limit: usize,
    /// Whether it is repeated after an answer or a failure that may be of the moment.
    pub(in crate::registry) repeated: bool,
    /// Opened as soon as there is a connection.
    pub(in crate::registry) opens: Option<Arc<Window>>,
}

impl Request {
    pub(in crate::registry) fn get(url: Uri, body_limit: usize) -> Self {
        Self { method: Method::GET, url, accept: &[], authorization: None, form: None, body_limit, repeated: true, opens: None }
    }
}

/// A whole response.
#[derive(Debug)]
pub(in crate::registry) struct Response {
    pub(in crate::registry) status: StatusCode,
    /// Where it came from: a redirect may have led to another host.
    pub(in crate::registry) url: Uri,
    pub(in crate::registry) headers: HeaderMap,
    pub(in crate::registry) body: Bytes,
    pub(in crate::registry) http2: bool,
}

impl Response {
    pub(in crate::registry) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The type without its parameters, in lower case.
    pub(in crate::registry) fn content_type(&self) -> String {
        let whole = self.header(CONTENT_TYPE).unwrap_or_default();
        whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// The client of all registries.
#[derive(Debug, Clone)]
pub(in crate::registry) struct Http {
    client: Client<Connector, Full<Bytes>>,
    pub(in crate::registry) connector: Connector,
    network: Arc<Network>,
}

impl Http {
    pub(in crate::registry) fn new(network: Arc<Network>) -> Self {
        let connector = Connector::new(network.clone());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(15))
            .pool_max_idle_per_host(16)
            .http1_max_buf_size(HEADERS_LIMIT)
            .http2_max_header_list_size(HEADERS_LIMIT as u32)
            .build(connector.clone());
        Self { client, connector, network }
    }

    /// Sends a request and reads the whole answer. Dropping the future closes its connection.
    pub(in crate::registry) async fn send(&self, request: &Request, trace: &Trace) -> Result<Response, RegistryError> {
        let mut outgoing = self.outgoing(request)?;
        let connection = capture_connection(&mut outgoing);
        let begin = Instant::now();
        let log = RequestLog::to_registry(&request.method, &request.url);
        let mut sending = pin!(timeout_at(begin + self.network.limits.headers, self.client.request(outgoing)));
        let result = match &request.opens {
            None => sending.await,
            Some(window) => tokio::select! {
                biased;
                way = way_of(connection.clone()) => {
                    window.open(way);
                    sending.await
                }
                result = &mut sending => result,
            },
        };
        if connection.connection_metadata().is_some() {
            trace.count_request();
        }
        let response = match result {
            Ok(Ok(response)) => {
                log.answered(response.status());
                response
            }
            Ok(Err(error)) => {
                let error = failed(&error);
                log.failed(&error);
                return Err(error);
            }
            Err(_) => return Err(RegistryError::unreachable(UnreachableReason::Timeout, "no answer came in time")),
        };
        let (head, body) = response.into_parts();
        trace.rate(rate(&head.headers, "ratelimit-limit"), rate(&head.headers, "ratelimit-remaining"));
        if head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(RegistryError::unreachable(UnreachableReason::Proxy, "the proxy wants a user name and password"));
        }
        let body = if request.method == Method::HEAD {
            Bytes::new()
        } else {
            let success = head.status.is_success();
            let read = read(body, length(&head.headers), if success { request.body_limit } else { ERROR_LIMIT });
            match timeout_at(begin + self.network.limits.request, read).await {
                Ok(Ok(body)) => body,
                // The message of an error is optional.
                _ if !success => Bytes::new(),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(RegistryError::unreachable(UnreachableReason::Timeout, "the answer did not end in time")),
            }
        };
        if head.status.is_success() && encoded(&head.headers) {
            return Err(RegistryError::invalid_response("the answer is compressed, and the request asked for identity"));
        }
        Ok(Response { status: head.status, url: request.url.clone(), headers: head.headers, body, http2: head.version == Version::HTTP_2 })
    }

    fn outgoing(&self, request: &Request) -> Result<http::Request<Full<Bytes>>, RegistryError> {
        let body = Full::new(request.form.clone().unwrap_or_default());
        let mut outgoing = http::Request::new(body);
        *outgoing.method_mut() = request.method.clone();
        *outgoing.uri_mut() = request.url.clone();
        let headers = outgoing.headers_mut();
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT_ENCODING, IDENTITY);
        for accept in request.accept {
            headers.append(ACCEPT, accept.clone());
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
            return Err(RegistryError::invalid_response("an address without a host"));
        }
        Ok(outgoing)
    }
}

/// Waits for the connection of a request; without end where none comes.
async fn way_of(mut connection: CaptureConnection) -> Way {
    let is_http2 = connection.wait_for_connection_metadata().await.as_ref().map(Connected::is_negotiated_h2);
    match is_http2 {
        Some(http2) => Way::of(http2),
        None => std::future::pending().await,
    }
}

/// As announced.
fn length(headers: &HeaderMap) -> usize {
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

async fn read(mut body: Incoming, announced: usize, body_limit: usize) -> Result<Bytes, RegistryError> {
    // A buffer that grows by doubling would hold a large manifest three times.
    let mut bytes = BytesMut::with_capacity(announced.min(body_limit));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > body_limit {
                return Err(RegistryError::invalid_response(format!("the answer is larger than {} KiB", body_limit / 1024)));
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes.freeze())
}

/// A body that ends before its announced length is an invalid response; any other error is the network's.
fn broken_off(error: &hyper::Error) -> RegistryError {
    if io_kind(error).is_none_or(|kind| kind == std::io::ErrorKind::UnexpectedEof) {
        return RegistryError::invalid_response(format!("the answer is not whole: {}", chain(error)));
    }
    RegistryError::unreachable(UnreachableReason::Reset, format!("the answer broke off: {}", chain(error)))
}

fn encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity") && !value.is_empty())
}

/// `100;w=21600`
fn rate(headers: &HeaderMap, name: &str) -> Option<u64> {
    let number: u64 = headers.get(name)?.to_str().ok()?.split(';').next()?.trim().parse().ok()?;
    Some(number.min(i64::MAX as u64))
}

fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inside.and_then(|inside| inside.downcast_ref::<rustls::Error>()).is_some()
}

fn failed(error: &hyper_util::client::legacy::Error) -> RegistryError {
    let below = || std::iter::successors(Some(error as &(dyn StdError + 'static)), |error| (*error).source());
    if let Some(ConnectError(unreachable)) = below().find_map(|error| error.downcast_ref()) {
        return RegistryError::Unreachable(unreachable.clone());
    }
    match below().find_map(|error| error.downcast_ref::<hyper::Error>()) {
        Some(error) if error.is_parse() => RegistryError::invalid_response(format!("the answer is not HTTP: {error}")),
        // With TLS 1.3 the server asks for a client certificate after the handshake.
        _ if below().any(is_tls) => RegistryError::unreachable(UnreachableReason::Tls, chain(error)),
        _ if io_kind(error) == Some(std::io::ErrorKind::TimedOut) => RegistryError::unreachable(UnreachableReason::Timeout, chain(error)),
        _ => RegistryError::unreachable(UnreachableReason::Reset, chain(error)),
    }
}
