//! The questions of a verdict, asked through the engine's `/distribution`, which reaches what only the engine reaches.
//!
//! It costs the registry three to five requests, of which one is counted as a pull, and knows the index alone.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use http::HeaderMap;
use serde_json::Value;

use crate::engine::Engine;
use crate::image::platform::Platform;
use crate::image::verdict::{Failed, Manifest, Remote};
use crate::reference::{Reference, is_digest};
use crate::registry::{LeftAlone, Obstacle, Session, Trace, Trouble};
use crate::{Code, Error};

/// The endpoint has no timeout of its own.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a registry is left alone that does not say for how long: the engine loses what it said.
const PAUSE: Duration = Duration::from_secs(60);

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
    async fn digest(&self, name: &str) -> Result<Option<String>, Failed> {
        if self.podman {
            // Its 404 would read like a missing image.
            return Err(Code::Unsupported.error("Podman cannot ask a registry for a digest: check_via must be registry or auto").into());
        }
        let separator = if is_digest(name) { '@' } else { ':' };
        let image = format!("{}{separator}{name}", self.reference.name());
        let mut headers = HeaderMap::new();
        if let Some(auth) = self.session.registry_auth(self.reference, self.trace).await
            && let Ok(mut value) = http::HeaderValue::from_str(&auth)
        {
            value.set_sensitive(true);
            headers.insert("x-registry-auth", value);
        }
        let what = format!("asking the engine about {image}");
        let answer = match self.engine.get_with(&what, &format!("/distribution/{image}/json"), &headers, PATIENCE).await {
            Ok(answer) => answer,
            Err(error) => return refused(self.reference, error),
        };
        let digest = answer.pointer("/Descriptor/digest").and_then(Value::as_str).filter(|digest| is_digest(digest));
        let platforms = answer.get("Platforms").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        *self.platforms.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = platforms.iter().filter_map(Platform::of).collect();
        match digest {
            Some(digest) => Ok(Some(digest.to_owned())),
            None => Err(Trouble::BadAnswer("the engine's answer holds no digest".into()).into()),
        }
    }

    async fn manifest(&self, _digest: &str) -> Result<Manifest, Failed> {
        let mut platforms = self.platforms.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Those of attestations.
        platforms.retain(|platform| platform.architecture != "unknown");
        Ok(Manifest::Platforms(platforms.clone()))
    }

    async fn config(&self, _digest: &str) -> Result<Value, Failed> {
        Err(Trouble::BadAnswer("the engine shows no configuration".into()).into())
    }
}

/// What the engine's refusal says about the registry.
fn refused(reference: &Reference, error: Error) -> Result<Option<String>, Failed> {
    let Some(status) = error.context().http_status else { return Err(Failed::Engine(error)) };
    let words = reference.left_out_of(error.message()).to_lowercase();
    let has = |list: &[&str]| list.iter().any(|part| words.contains(part));
    Err(Failed::Registry(match status {
        404 => return Ok(None),
        401 => Trouble::Unauthorized,
        403 => Trouble::Denied,
        _ if has(&["toomanyrequests", "too many requests"]) => {
            Trouble::RateLimited(LeftAlone { until: Instant::now() + PAUSE, retry_at: None })
        }
        500.. => match obstacle(&has) {
            Some(why) => Trouble::unreachable(why, format!("from the engine: {}", error.message())),
            None => Trouble::Refused { status, words: error.message().to_owned() },
        },
        _ => Trouble::Refused { status, words: error.message().to_owned() },
    }))
}

fn obstacle(has: &dyn Fn(&[&str]) -> bool) -> Option<Obstacle> {
    let kinds: [(Obstacle, &[&str]); 6] = [
        (Obstacle::Proxy, &["proxyconnect", "proxy error"]),
        (Obstacle::Dns, &["no such host", "server misbehaving", "lookup "]),
        (Obstacle::Refused, &["connection refused", "no route to host", "network is unreachable"]),
        (Obstacle::Tls, &["x509", "tls:", "certificate", "server gave http response to https client"]),
        (Obstacle::Timeout, &["timeout", "timed out", "deadline exceeded", "request canceled"]),
        (Obstacle::Reset, &["connection reset", "eof", "broken pipe"]),
    ];
    kinds.into_iter().find(|(_, words)| has(words)).map(|(kind, _)| kind)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
            let Err(Failed::Registry(trouble)) = refused(&reference, error) else { continue };
            assert_eq!(trouble.obstacle().map(Obstacle::name), expected, "{words}");
        }
        let status = |status: u16, words: &str| refused(&reference, Code::Engine.error(words).with_http_status(status));
        assert_eq!(status(404, "manifest unknown"), Ok(None));
        assert_eq!(status(401, ""), Err(Failed::Registry(Trouble::Unauthorized)));
        assert_eq!(status(403, ""), Err(Failed::Registry(Trouble::Denied)));
        assert!(matches!(status(500, "toomanyrequests: You have reached"), Err(Failed::Registry(Trouble::RateLimited(_)))));
        assert!(matches!(refused(&reference, Code::Unreachable.error("gone")), Err(Failed::Engine(_))));
    }
}
