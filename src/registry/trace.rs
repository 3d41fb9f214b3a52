//! What one check has done so far at registries and token servers.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;

/// Something worth knowing beside the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Note {
    /// `older`, `credential_rejected`, `helper_failed` and others: an open set.
    pub code: &'static str,
    /// The same in a sentence.
    pub message: String,
}

/// What became of the credential for the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
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

/// Counts and remarks of one check. Shared by the requests of the check, which follow one another.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    requests: AtomicU32,
    remarks: Mutex<Remarks>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Remarks {
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

    pub(crate) fn note(&self, code: &'static str, message: impl Into<String>) {
        let mut remarks = self.lock();
        if !remarks.notes.iter().any(|note| note.code == code) {
            remarks.notes.push(Note { code, message: message.into() });
        }
    }

    pub(crate) fn credential(&self, used: CredentialUse) {
        let mut remarks = self.lock();
        remarks.credential = remarks.credential.max(Some(used));
    }

    pub(crate) fn rate(&self, limit: Option<u64>, remaining: Option<u64>) {
        let mut remarks = self.lock();
        remarks.limit = limit.or(remarks.limit);
        remarks.remaining = remaining.or(remarks.remaining);
    }

    pub(crate) fn remarks(&self) -> Remarks {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Remarks> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
