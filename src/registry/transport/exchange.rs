//! A request with its redirects, its retries, and the waiting that a registry asks for.
//!
//! Rules: docs/check.md, section 5.5.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use http::header::LOCATION;
use http::{Method, StatusCode};

use super::http::{Request, Response};
use super::limits::{Host, retry_after_of};
use super::url;
use crate::registry::Session;
use crate::registry::error::{RegistryError, UnreachableReason};
use crate::registry::trace::Trace;

const MAX_REDIRECTS: usize = 5;
const MAX_RETRIES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A longer `Retry-After` is an error instead of a wait.
const SHORT_WAIT: Duration = Duration::from_secs(5);
/// A shorter one says no more than none does.
const MOMENT: Duration = Duration::from_secs(1);

impl Session {
    /// Sends a request on behalf of a host, whose timeouts are counted and whose `Retry-After` is respected.
    pub(in crate::registry) async fn send(&self, host: &Host, request: &Request, trace: &Trace) -> Result<Response, RegistryError> {
        if let Some(retry_after) = host.retry_after() {
            return Err(RegistryError::RateLimited(retry_after));
        }
        self.circuit.check(&host.authority)?;
        let result = self.send_with_retries(host, request, trace).await;
        self.circuit.count(&host.authority, &result);
        result
    }

    async fn send_with_retries(&self, host: &Host, request: &Request, trace: &Trace) -> Result<Response, RegistryError> {
        let (mut retries, mut waited) = (0, false);
        loop {
            host.wait_for_turn().await;
            let sent = Instant::now();
            let result = self.follow_redirects(request.clone(), trace).await;
            if result.is_ok() && request.url.authority().is_some_and(|authority| authority.as_str() == host.authority) {
                host.checks.answered(sent.elapsed());
            }
            let retryable = match &result {
                Ok(response) if response.status == StatusCode::TOO_MANY_REQUESTS => {
                    let retry_after = retry_after_of(response);
                    // Registries that answer so for a moment name no time, or one of microseconds.
                    let momentary = retry_after.retry_at.is_none() || retry_after.wait() < MOMENT;
                    if waited || (!momentary && retry_after.wait() > SHORT_WAIT) {
                        host.set_retry_after(retry_after);
                        return Err(RegistryError::RateLimited(retry_after));
                    }
                    waited = true;
                    if momentary {
                        host.slow_down();
                    } else {
                        tokio::time::sleep(retry_after.wait()).await;
                    }
                    continue;
                }
                Ok(response) if response.status.is_success() => {
                    host.speed_up();
                    false
                }
                Ok(response) => matches!(response.status.as_u16(), 408 | 502 | 503 | 504),
                Err(error) => error.unreachable_reason() == Some(UnreachableReason::Reset),
            };
            if !retryable || !request.repeated || retries == MAX_RETRIES {
                return result;
            }
            tokio::time::sleep(with_jitter(FIRST_PAUSE * 2_u32.pow(retries))).await;
            retries += 1;
        }
    }

    /// Follows redirects; a credential is not sent to another host.
    async fn follow_redirects(&self, mut request: Request, trace: &Trace) -> Result<Response, RegistryError> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.shared.http.send(&request, trace).await?;
            if !matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let next = response.header(LOCATION).and_then(|location| url::resolve(&request.url, location));
            let next = next.ok_or_else(|| RegistryError::invalid_response("a redirect that leads nowhere"))?;
            if request.method == Method::POST {
                return Err(RegistryError::invalid_response("a token server that redirects a credential"));
            }
            if request.url.scheme_str() == Some("https") && next.scheme_str() == Some("http") {
                return Err(RegistryError::invalid_response(format!(
                    "a redirect from https to plain http ({})",
                    next.host().unwrap_or_default()
                )));
            }
            if !url::same_host(&request.url, &next) {
                request.authorization = None;
            }
            request.url = next;
        }
        Err(RegistryError::invalid_response("more than 5 redirects"))
    }
}

/// Between a half and the whole, so that requests that failed together are not repeated together.
fn with_jitter(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    pause / 2 + pause / 2 * (random as u32) / 1000
}
