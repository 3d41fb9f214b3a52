//! What one check has seen so far at registries and token servers.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::RegistryError;

/// Something worth knowing beside the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Note {
    /// `older`, `credential_rejected`, `helper_failed` and others: an open set.
    pub code: String,
    /// The same in a sentence.
    pub message: String,
}

/// What became of the credential for the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CredentialUse {
    /// There is none, or the registry asked for none.
    None,
    /// It was sent.
    Used,
    /// It was refused.
    Rejected,
}

/// Counts and observations of one check, shared by its requests.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    requests: Arc<AtomicU32>,
    observations: Mutex<Observations>,
    /// What came of asking for a token ahead of the check; a failure until the check has met it.
    ahead: Mutex<Option<Result<HeaderValue, RegistryError>>>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Observations {
    pub(crate) notes: Vec<Note>,
    pub(crate) credential: Option<CredentialUse>,
    /// From the registry's `ratelimit-limit` and `ratelimit-remaining`.
    pub(crate) limit: Option<u64>,
    pub(crate) remaining: Option<u64>,
}

impl Trace {
    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// For a mirror: what it says of credentials and rates is not the registry's word. Its requests count.
    pub(crate) fn aside(&self) -> Self {
        Self { requests: self.requests.clone(), observations: Mutex::default(), ahead: Mutex::default() }
    }

    pub(crate) fn note(&self, code: &'static str, message: impl Into<String>) {
        let mut observations = self.lock();
        if !observations.notes.iter().any(|note| note.code == code) {
            observations.notes.push(Note { code: code.into(), message: message.into() });
        }
    }

    pub(crate) fn credential(&self, used: CredentialUse) {
        let mut observations = self.lock();
        observations.credential = observations.credential.max(Some(used));
    }

    pub(crate) fn rate(&self, limit: Option<u64>, remaining: Option<u64>) {
        let mut observations = self.lock();
        observations.limit = limit.or(observations.limit);
        observations.remaining = remaining.or(observations.remaining);
    }

    /// A token was given for this check alone.
    pub(in crate::registry) fn set_new_token(&self, header: HeaderValue) {
        *self.ahead() = Some(Ok(header));
    }

    /// Whether that is this one: a registry that refuses it would refuse another one too.
    pub(in crate::registry) fn is_new_token(&self, header: &HeaderValue) -> bool {
        self.ahead().as_ref().is_some_and(|ahead| ahead.as_ref() == Ok(header))
    }

    /// No token was given ahead.
    pub(in crate::registry) fn set_failed_token(&self, error: RegistryError) {
        *self.ahead() = Some(Err(error));
    }

    /// Why not, once.
    pub(in crate::registry) fn take_failed_token(&self) -> Option<RegistryError> {
        self.ahead().take_if(|ahead| ahead.is_err()).and_then(Result::err)
    }

    fn ahead(&self) -> MutexGuard<'_, Option<Result<HeaderValue, RegistryError>>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn observations(&self) -> Observations {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Observations> {
        self.observations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
