//! Which images an update has replaced: a store that strips the repository from an untagged image does not report it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::reference::Reference;

/// Ids by repository, for the life of the handle.
#[derive(Debug, Default)]
pub(crate) struct Replaced(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Replaced {
    pub(crate) fn remember(&self, reference: &Reference, id: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(reference.name()).or_default().insert(id.to_owned());
    }

    pub(crate) fn of(&self, reference: &Reference) -> BTreeSet<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&reference.name()).cloned().unwrap_or_default()
    }
}
