//! Access tokens: one for a repository or for several, fetched once for all requests, cached until shortly before they expire.
//!
//! Rules: docs/check.md, section 5.2.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use serde_json::Value;

use super::credential::{Credential, bearer};
use super::granted::{Granted, granted};
use crate::json;
use crate::registry::bounded_json;
use crate::registry::challenge::Challenge;
use crate::registry::error::RegistryError;

/// The lifetime of a token that does not say, as the specification has it.
const DEFAULT_LIFETIME: u64 = 60;
const MIN_LIFETIME: u64 = 30;
const MAX_LIFETIME: u64 = 60 * 60;
/// How long before its expiry a token is renewed.
const RENEWAL_MARGIN: Duration = Duration::from_secs(10);
/// Above this number of tokens the expired ones are dropped.
const CLEANUP_THRESHOLD: usize = 1024;

/// For whom and for what a token was given.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::registry) struct TokenKey {
    pub(in crate::registry) authority: String,
    /// With its scope.
    pub(in crate::registry) challenge: Challenge,
    pub(in crate::registry) credential: Option<Credential>,
}

/// A token as it is sent.
#[derive(Debug, Clone)]
pub(in crate::registry) struct Token {
    pub(in crate::registry) header: HeaderValue,
    expires: Instant,
    granted: Granted,
}

type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

/// The tokens of a handle.
#[derive(Default)]
pub(in crate::registry) struct Tokens(Mutex<HashMap<TokenKey, Slot>>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(***)")
    }
}

impl Tokens {
    /// A token, and whether it was cached. Concurrent callers wait for one request.
    pub(in crate::registry) async fn get<F>(&self, key: &TokenKey, fetch: impl FnOnce() -> F) -> Result<(Token, bool), RegistryError>
    where
        F: Future<Output = Result<Token, RegistryError>>,
    {
        let slot = self.slot(key);
        let mut token = slot.lock().await;
        if let Some(token) = token.as_ref().filter(|token| token.expires > Instant::now()) {
            return Ok((token.clone(), true));
        }
        let fetched = fetch().await?;
        *token = Some(fetched.clone());
        Ok((fetched, false))
    }

    /// Drops a token that was refused, unless another one has replaced it.
    pub(in crate::registry) async fn forget(&self, key: &TokenKey, refused: &HeaderValue) {
        let slot = self.slot(key);
        let mut token = slot.lock().await;
        if token.as_ref().is_some_and(|token| token.header == *refused) {
            *token = None;
        }
    }

    fn slot(&self, key: &TokenKey) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= CLEANUP_THRESHOLD && !slots.contains_key(key) {
            let now = Instant::now();
            slots.retain(|_, slot| slot.try_lock().is_ok_and(|token| token.as_ref().is_some_and(|token| token.expires > now)));
        }
        slots.entry(key.clone()).or_default().clone()
    }
}

impl Token {
    /// From a token server's answer.
    pub(in crate::registry) fn parse(body: &[u8]) -> Result<Self, RegistryError> {
        let bad = |why: &str| RegistryError::invalid_response(format!("the token server's answer {why}"));
        let answer: Value = bounded_json::parse(body).map_err(|_| bad("is not JSON"))?;
        let text = |name: &str| Some(json::text(&answer, name)).filter(|text| !text.is_empty());
        let token = text("token").or_else(|| text("access_token")).ok_or_else(|| bad("has no token"))?;
        let header = bearer(token).ok_or_else(|| bad("has a token that is not valid in a header"))?;
        let lifetime = match answer.get("expires_in") {
            None | Some(Value::Null) => DEFAULT_LIFETIME,
            Some(given) => given.as_f64().map_or(DEFAULT_LIFETIME, |seconds| seconds as u64).clamp(MIN_LIFETIME, MAX_LIFETIME),
        };
        let expires = Instant::now() + Duration::from_secs(lifetime).saturating_sub(RENEWAL_MARGIN);
        Ok(Self { header, expires, granted: granted(&answer, token) })
    }

    /// Whether it allows to pull from a repository; `None`: the token server did not tell.
    pub(super) fn allows(&self, repository: &str) -> Option<bool> {
        self.granted.as_ref().map(|names| names.iter().any(|name| name == repository))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_token_servers_answer_is_a_token_with_its_lifetime() {
        let table = [
            (r#"{"token":"a"}"#, Some(("Bearer a", 60))),
            (r#"{"access_token":"b","expires_in":300}"#, Some(("Bearer b", 300))),
            (r#"{"token":"a","access_token":"b","expires_in":1}"#, Some(("Bearer a", 30))),
            (r#"{"token":"","access_token":"b","expires_in":0}"#, Some(("Bearer b", 30))),
            (r#"{"token":"a","expires_in":-5}"#, Some(("Bearer a", 30))),
            (r#"{"token":"a","expires_in":1e300}"#, Some(("Bearer a", 3600))),
            (r#"{"token":"a","expires_in":"soon"}"#, Some(("Bearer a", 60))),
            (r#"{"token":"a","expires_in":null}"#, Some(("Bearer a", 60))),
            (r#"{"token":"a\r\nX: y"}"#, None),
            (r#"{"token":5}"#, None),
            ("{}", None),
            ("[]", None),
            ("", None),
            ("<html>", None),
        ];
        for (body, expected) in table {
            let token = Token::parse(body.as_bytes());
            let found = token
                .as_ref()
                .ok()
                .map(|token| (token.header.to_str().unwrap(), (token.expires + RENEWAL_MARGIN - Instant::now()).as_secs() + 1));
            assert_eq!(found, expected, "{body}");
        }
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_token_request() {
        let tokens = Tokens::default();
        let key = TokenKey { authority: "a".into(), challenge: Challenge::Basic, credential: None };
        let fetched = AtomicU32::new(0);
        let get = || {
            tokens.get(&key, || async {
                fetched.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
                Token::parse(br#"{"token":"t"}"#)
            })
        };
        let (one, two, three) = tokio::join!(get(), get(), get());
        assert_eq!((one.unwrap().1, two.unwrap().1, three.unwrap().1), (false, true, true));
        tokens.forget(&key, &HeaderValue::from_static("Bearer other")).await;
        assert!(get().await.unwrap().1);
        tokens.forget(&key, &HeaderValue::from_static("Bearer t")).await;
        assert!(!get().await.unwrap().1);
        assert_eq!(fetched.load(Ordering::Relaxed), 2);
    }
}
