//! What one call knows about its credentials: which registries have been asked for their challenge, and which credentials are right.
//!
//! Rules: docs/check.md, section 5.2.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderValue, StatusCode};
use tokio::sync::OnceCell;

use crate::registry::Session;
use crate::registry::challenge::Challenge;
use crate::registry::trace::Trace;
use crate::registry::transport::endpoint::Endpoint;
use crate::registry::transport::http::Request;
use crate::registry::transport::url;

/// The largest answer of `/v2/`, which is `{}`.
const BASE_LIMIT: usize = 64 * 1024;

/// By host.
type Answers<T> = Mutex<HashMap<String, Arc<OnceCell<T>>>>;

/// What `/v2/` has answered in one call.
#[derive(Debug, Default)]
pub(in crate::registry) struct Login {
    asked: Answers<()>,
    right: Answers<bool>,
}

fn cell<T>(answers: &Answers<T>, authority: &str) -> Arc<OnceCell<T>> {
    answers.lock().unwrap_or_else(PoisonError::into_inner).entry(authority.to_owned()).or_default().clone()
}

impl Session {
    /// The challenge of a registry that announces its login at `/v2/` alone, which is asked once a call.
    pub(super) async fn announced_challenge(&self, endpoint: &Endpoint, trace: &Trace) -> Option<Challenge> {
        cell(&self.login.asked, &endpoint.host.authority).get_or_init(|| self.ask_for_challenge(endpoint, trace)).await;
        endpoint.host.challenge()
    }

    async fn ask_for_challenge(&self, endpoint: &Endpoint, trace: &Trace) {
        let Some((status, challenge)) = self.ask_base(endpoint, None, trace).await else { return };
        if let Some(challenge) = challenge.filter(|_| status == StatusCode::UNAUTHORIZED) {
            endpoint.host.set_challenge(challenge.for_any_repository());
        }
    }

    /// Whether user name and password are right, though the registry has refused them for one repository. It is asked once a call.
    pub(super) async fn is_password_right(&self, endpoint: &Endpoint, basic: &HeaderValue, trace: &Trace) -> bool {
        let ask = || async {
            let answer = self.ask_base(endpoint, Some(basic.clone()), trace).await;
            answer.is_none_or(|(status, _)| status != StatusCode::UNAUTHORIZED)
        };
        *cell(&self.login.right, &endpoint.host.authority).get_or_init(ask).await
    }

    /// The registry has taken user name and password.
    pub(super) fn password_was_taken(&self, endpoint: &Endpoint) {
        let _ = cell(&self.login.right, &endpoint.host.authority).set(true);
    }

    /// `None`: no answer of this host came.
    async fn ask_base(
        &self,
        endpoint: &Endpoint,
        authorization: Option<HeaderValue>,
        trace: &Trace,
    ) -> Option<(StatusCode, Option<Challenge>)> {
        let scheme = self.scheme_of(endpoint).await.ok()?;
        let request = Request { authorization, ..Request::get(endpoint.url(&scheme, "").ok()?, BASE_LIMIT) };
        let response = self.send(&endpoint.host, &request, trace).await.ok()?;
        // A challenge belongs to the host that gave it.
        url::same_host(&request.url, &response.url).then(|| (response.status, Challenge::of(&response.headers)))
    }
}
