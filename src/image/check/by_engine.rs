//! The questions of a verdict, asked through the engine's `/distribution`, which reaches what only the engine reaches.
//!
//! It costs the registry three to five requests, of which one is counted as a pull, and knows the index alone.
//!
//! Rules: docs/check.md, section 6.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine::api::distribution;
use crate::engine::{Engine, phrases};
use crate::image::check::verdict::{CheckFailure, Manifest, Remote};
use crate::json::{list, optional_text};
use crate::platform::Platform;
use crate::reference::{Reference, is_digest};
use crate::registry::{RegistryError, RetryAfter, Session, Trace, UnreachableReason};
use crate::{Code, Error};

/// The endpoint has no timeout of its own.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The pause after a 429: the engine does not pass on `Retry-After`.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(60);

/// One image's questions.
pub(super) struct ByEngine<'a> {
    engine: &'a Engine,
    session: &'a Session,
    reference: &'a Reference,
    trace: &'a Trace,
    podman: bool,
    platforms: Mutex<Vec<Platform>>,
}

impl<'a> ByEngine<'a> {
    pub(super) fn new(engine: &'a Engine, session: &'a Session, reference: &'a Reference, trace: &'a Trace, podman: bool) -> Self {
        Self { engine, session, reference, trace, podman, platforms: Mutex::default() }
    }
}

impl Remote for ByEngine<'_> {
    async fn digest(&self, name: &str) -> Result<Option<String>, CheckFailure> {
        if self.podman {
            // Its 404 would read like a missing image.
            return Err(Code::Unsupported.error("Podman cannot ask a registry for a digest: check_via must be registry or auto").into());
        }
        let separator = if is_digest(name) { '@' } else { ':' };
        let image = format!("{}{separator}{name}", self.reference.name());
        let auth = self.session.registry_auth(self.reference, self.trace).await;
        let answer = match distribution::inspect(self.engine, &image, auth.as_deref(), TIMEOUT).await {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                let message = format!("from the engine: the registry has not answered it within {} s", TIMEOUT.as_secs());
                return Err(RegistryError::unreachable(UnreachableReason::Timeout, message).into());
            }
            Err(error) => return refused(self.reference, error),
        };
        let digest = optional_text(&answer, "/Descriptor/digest").filter(|digest| is_digest(digest));
        *self.platforms.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            list(&answer, "/Platforms").iter().filter_map(Platform::of).collect();
        match digest {
            Some(digest) => Ok(Some(digest)),
            None => Err(RegistryError::InvalidResponse("the engine's answer holds no digest".into()).into()),
        }
    }

    async fn manifest(&self, _digest: &str) -> Result<Manifest, CheckFailure> {
        let mut platforms = self.platforms.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Those of attestations.
        platforms.retain(|platform| platform.architecture != "unknown");
        Ok(Manifest::Platforms(platforms.clone()))
    }

    async fn config(&self, _digest: &str) -> Result<Value, CheckFailure> {
        Err(RegistryError::InvalidResponse("the engine shows no configuration".into()).into())
    }
}

/// What the engine's refusal says about the registry.
fn refused(reference: &Reference, error: Error) -> Result<Option<String>, CheckFailure> {
    let Some(status) = error.context().http_status else { return Err(CheckFailure::Engine(error)) };
    let words = reference.removed_from(error.message()).to_lowercase();
    let has = |phrases: &[&str]| phrases::has(&words, phrases);
    Err(CheckFailure::Registry(match status {
        // A proxy in front of the engine's socket answers so too, to a path that it does not let through.
        404 if has(phrases::NOT_IN_REGISTRY) => return Ok(None),
        401 if has(phrases::LOGIN_WANTED) => RegistryError::Unauthorized,
        403 if has(phrases::LOGIN_WANTED) => RegistryError::Denied,
        401 | 403 | 404 | 405 => {
            let words = error.message();
            let message = format!(
                "from the engine, which is not a registry's word: {words}; does a proxy in front of the engine let /distribution through?"
            );
            RegistryError::Status { status, message }
        }
        429 => limited(),
        _ if has(phrases::RATE_LIMITED) => limited(),
        500.. => match unreachable_reason(&words) {
            Some(why) => RegistryError::unreachable(why, format!("from the engine: {}", error.message())),
            None => RegistryError::Status { status, message: error.message().to_owned() },
        },
        _ => RegistryError::Status { status, message: error.message().to_owned() },
    }))
}

fn limited() -> RegistryError {
    RegistryError::RateLimited(RetryAfter { until: Instant::now() + DEFAULT_RETRY_AFTER, retry_at: None })
}

/// The first that its words, in lower case, speak of: a proxy that refuses is no registry that does.
fn unreachable_reason(words: &str) -> Option<UnreachableReason> {
    let kinds = [
        (UnreachableReason::Proxy, phrases::PROXY_FAILED),
        (UnreachableReason::Dns, phrases::NAME_NOT_RESOLVED),
        (UnreachableReason::Refused, phrases::CONNECTION_REFUSED),
        (UnreachableReason::Tls, phrases::TLS_FAILED),
        (UnreachableReason::Timeout, phrases::TIMED_OUT),
        (UnreachableReason::Reset, phrases::CONNECTION_RESET),
    ];
    kinds.into_iter().find(|(_, phrases)| phrases::has(words, phrases)).map(|(kind, _)| kind)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_words() {
        let reference = Reference::parse("r/tls:timeout").unwrap();
        let table = [
            (500, "the registry of r/tls:timeout has answered with nonsense", None),
            (500, "Get \"https://r/v2/\": dial tcp: lookup r on 10.0.0.1:53: no such host", Some("dns")),
            (500, "Get \"https://r/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", Some("refused")),
            (500, "Get \"https://r/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority", Some("tls")),
            (
                500,
                "Get \"https://r/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded)",
                Some("timeout"),
            ),
            (500, "Get \"https://r/v2/\": EOF", Some("reset")),
            (500, "Get \"https://r/v2/\": proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused", Some("proxy")),
            (500, "received unexpected HTTP status: 500 Internal Server Error", None),
        ];
        for (status, words, expected) in table {
            let error = Code::Engine.error(format!("asking: {words}")).with_http_status(status);
            let Err(CheckFailure::Registry(error)) = refused(&reference, error) else { continue };
            assert_eq!(error.unreachable_reason().map(UnreachableReason::name), expected, "{words}");
        }
        let status = |status: u16, words: &str| refused(&reference, Code::Engine.error(words).with_http_status(status));
        let unauthorized = Err(CheckFailure::Registry(RegistryError::Unauthorized));
        let denied = Err(CheckFailure::Registry(RegistryError::Denied));
        for (number, words, expected) in [
            (404, "manifest unknown: manifest unknown", Ok(None)),
            (404, "errors:\nname unknown: repository name not known to registry\n", Ok(None)),
            (401, "unauthorized: authentication required", unauthorized.clone()),
            (401, "Get \"https://r/v2/\": no basic auth credentials", unauthorized),
            (403, "denied: requested access to the resource is denied", denied.clone()),
            (403, "pull access denied, repository does not exist or may require 'docker login'", denied),
        ] {
            assert_eq!(status(number, words), expected, "{words}");
        }
        // A socket proxy's own words say nothing about the image.
        for (number, words) in [
            (404, "page not found"),
            (404, "404 page not found"),
            (404, "<html><body><h1>Not Found</h1></body></html>"),
            (404, "no such image"),
            (403, "<html><body><h1>403 Forbidden</h1>Request forbidden by administrative rules.</body></html>"),
            (403, "Forbidden"),
            (401, "log in at the socket proxy"),
            (405, ""),
        ] {
            let Err(CheckFailure::Registry(RegistryError::Status { status, .. })) = status(number, words) else { panic!("{words}") };
            assert_eq!(status, number);
        }
        assert!(matches!(status(500, "toomanyrequests: You have reached"), Err(CheckFailure::Registry(RegistryError::RateLimited(_)))));
        assert!(matches!(refused(&reference, Code::Unreachable.error("gone")), Err(CheckFailure::Engine(_))));
    }
}
