//! The volumes that this process restores: one restore for each, whichever handle began it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// By engine and name. Two handles of one process may be of one engine.
static IN_PROGRESS: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());

/// The right to restore a volume, until it is dropped.
#[derive(Debug)]
pub(super) struct RestoreGuard((String, String));

impl RestoreGuard {
    /// `None` when this process already restores it.
    pub(super) fn take(engine: &str, volume: &str) -> Option<Self> {
        let key = (engine.to_owned(), volume.to_owned());
        let is_new = IN_PROGRESS.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        is_new.then_some(Self(key))
    }
}

impl Drop for RestoreGuard {
    fn drop(&mut self) {
        IN_PROGRESS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_of_an_engine_is_restored_once_at_a_time() {
        let first = RestoreGuard::take("unix:///a", "guarded-data").unwrap();
        assert!(RestoreGuard::take("unix:///a", "guarded-data").is_none());
        assert!(RestoreGuard::take("unix:///b", "guarded-data").is_some());
        drop(first);
        assert!(RestoreGuard::take("unix:///a", "guarded-data").is_some());
    }
}
