//! Access tokens: one a repository, fetched once however many ask, kept until shortly before they expire.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use serde_json::Value;

use super::challenge::Challenge;
use super::credential::{Credential, bearer};
use super::trouble::Trouble;

/// The lifetime of a token that does not say, as the specification has it.
const LIFETIME: u64 = 60;
const SHORTEST: u64 = 30;
const LONGEST: u64 = 60 * 60;
/// So much earlier a token is renewed.
const MARGIN: Duration = Duration::from_secs(10);
/// Above this number those that have expired are dropped.
const MANY: usize = 1024;

/// For whom and for what a token was given.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TokenKey {
    pub(super) authority: String,
    /// With its scope.
    pub(super) challenge: Challenge,
    pub(super) credential: Option<Credential>,
}

/// A token as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    expires: Instant,
}

type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

/// The tokens of a handle.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<TokenKey, Slot>>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(***)")
    }
}

impl Tokens {
    /// A token, and whether it was there already. Who comes second waits for the first one's request.
    pub(super) async fn get<F>(&self, key: &TokenKey, fetch: impl FnOnce() -> F) -> Result<(HeaderValue, bool), Trouble>
    where
        F: Future<Output = Result<Token, Trouble>>,
    {
        let slot = self.slot(key);
        let mut token = slot.lock().await;
        if let Some(token) = token.as_ref().filter(|token| token.expires > Instant::now()) {
            return Ok((token.header.clone(), true));
        }
        let fetched = fetch().await?;
        let header = fetched.header.clone();
        *token = Some(fetched);
        Ok((header, false))
    }

    /// Forgets a token that was refused, unless another has taken its place.
    pub(super) async fn forget(&self, key: &TokenKey, refused: &HeaderValue) {
        let slot = self.slot(key);
        let mut token = slot.lock().await;
        if token.as_ref().is_some_and(|token| token.header == *refused) {
            *token = None;
        }
    }

    fn slot(&self, key: &TokenKey) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MANY && !slots.contains_key(key) {
            let now = Instant::now();
            slots.retain(|_, slot| slot.try_lock().is_ok_and(|token| token.as_ref().is_some_and(|token| token.expires > now)));
        }
        slots.entry(key.clone()).or_default().clone()
    }
}

impl Token {
    /// From a token server's answer.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Trouble> {
        let bad = |why: &str| Trouble::bad_answer(format!("the token server's answer {why}"));
        let answer: Value = serde_json::from_slice(body).map_err(|_| bad("is not JSON"))?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let token = text("token").or_else(|| text("access_token")).ok_or_else(|| bad("holds no token"))?;
        let header = bearer(token).ok_or_else(|| bad("holds a token that is none"))?;
        let lifetime = match answer.get("expires_in") {
            None | Some(Value::Null) => LIFETIME,
            Some(given) => given.as_f64().map_or(LIFETIME, |seconds| seconds as u64).clamp(SHORTEST, LONGEST),
        };
        Ok(Self { header, expires: Instant::now() + Duration::from_secs(lifetime).saturating_sub(MARGIN) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn answers_of_token_servers() {
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
            let found =
                token.as_ref().ok().map(|token| (token.header.to_str().unwrap(), (token.expires + MARGIN - Instant::now()).as_secs() + 1));
            assert_eq!(found, expected, "{body}");
        }
    }

    #[tokio::test]
    async fn one_request_for_many() {
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
