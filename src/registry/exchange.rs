//! A request until its answer counts: redirects, retries, waiting when the registry asks for it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use http::header::LOCATION;
use http::{Method, StatusCode};

use super::http::{Answer, Request};
use super::limits::{Host, left_alone};
use super::trace::Trace;
use super::trouble::{Obstacle, Trouble};
use super::{Session, url};

const REDIRECTS: usize = 5;
const RETRIES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest wish to wait that is granted on the spot.
const SHORT_WAIT: Duration = Duration::from_secs(5);

impl Session {
    /// Sends a request on behalf of a host, which counts its timeouts and its wish to be left alone.
    pub(super) async fn send(&self, host: &Host, request: &Request, trace: &Trace) -> Result<Answer, Trouble> {
        if let Some(left_alone) = host.left_alone() {
            return Err(Trouble::RateLimited(left_alone));
        }
        self.circuit.check(&host.authority)?;
        let result = self.patiently(host, request, trace).await;
        self.circuit.count(&host.authority, &result);
        result
    }

    async fn patiently(&self, host: &Host, request: &Request, trace: &Trace) -> Result<Answer, Trouble> {
        let (mut retries, mut waited) = (0, false);
        loop {
            let result = self.follow(request.clone(), trace).await;
            let again = match &result {
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                    let left_alone = left_alone(answer);
                    if waited || left_alone.retry_at.is_none() || left_alone.wait() > SHORT_WAIT {
                        host.leave_alone(left_alone);
                        return Err(Trouble::RateLimited(left_alone));
                    }
                    waited = true;
                    tokio::time::sleep(left_alone.wait()).await;
                    continue;
                }
                Ok(answer) => matches!(answer.status.as_u16(), 408 | 502 | 503 | 504),
                Err(trouble) => trouble.obstacle() == Some(Obstacle::Reset),
            };
            if !again || retries == RETRIES {
                return result;
            }
            tokio::time::sleep(with_jitter(FIRST_PAUSE * 2_u32.pow(retries))).await;
            retries += 1;
        }
    }

    /// Goes where redirects lead; a credential stays with the host that it is for.
    async fn follow(&self, mut request: Request, trace: &Trace) -> Result<Answer, Trouble> {
        for _ in 0..=REDIRECTS {
            let answer = self.shared.http.send(&request, trace).await?;
            if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let next = answer.header(LOCATION).and_then(|location| url::resolve(&request.url, location));
            let next = next.ok_or_else(|| Trouble::bad_answer("a redirect that leads nowhere"))?;
            if request.method == Method::POST {
                return Err(Trouble::bad_answer("a token server that redirects a credential"));
            }
            if request.url.scheme_str() == Some("https") && next.scheme_str() == Some("http") {
                return Err(Trouble::bad_answer(format!("a redirect from https to plain http ({})", next.host().unwrap_or_default())));
            }
            if !url::same_host(&request.url, &next) {
                request.authorization = None;
            }
            request.url = next;
        }
        Err(Trouble::bad_answer("more than 5 redirects"))
    }
}

/// Between a half and the whole, so that those who failed together do not come back together.
fn with_jitter(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    pause / 2 + pause / 2 * (random as u32) / 1000
}
