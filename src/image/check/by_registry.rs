//! The questions of a verdict, asked at the registry.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::image::check::verdict::{CheckFailure, Manifest, Remote};
use crate::reference::Reference;
use crate::registry::{Session, Trace};

/// One image's questions; what a tag names is asked once.
pub(super) struct ByRegistry<'a> {
    session: &'a Session,
    reference: &'a Reference,
    trace: &'a Trace,
    /// The name is sent to the registry alone, not to its mirrors.
    without_mirrors: bool,
    named: Mutex<Option<(String, Option<String>)>>,
}

impl<'a> ByRegistry<'a> {
    pub(super) fn new(session: &'a Session, reference: &'a Reference, trace: &'a Trace, without_mirrors: bool) -> Self {
        Self { session, reference, trace, without_mirrors, named: Mutex::new(None) }
    }
}

impl Remote for ByRegistry<'_> {
    async fn digest(&self, name: &str) -> Result<Option<String>, CheckFailure> {
        if let Some((_, digest)) = self.named.lock().unwrap_or_else(PoisonError::into_inner).as_ref().filter(|(known, _)| known == name) {
            return Ok(digest.clone());
        }
        let digest = if self.without_mirrors {
            self.session.digest_at_registry(self.reference, name, self.trace).await?
        } else {
            self.session.digest(self.reference, name, self.trace).await?
        };
        *self.named.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.to_owned(), digest.clone()));
        Ok(digest)
    }

    async fn manifest(&self, digest: &str) -> Result<Manifest, CheckFailure> {
        Ok(Manifest::Document(self.session.manifest(self.reference, digest, self.trace).await?))
    }

    async fn config(&self, digest: &str) -> Result<Value, CheckFailure> {
        Ok(self.session.config(self.reference, digest, self.trace).await?)
    }
}
