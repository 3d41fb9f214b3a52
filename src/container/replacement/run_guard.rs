//! The containers that this process recreates or recovers: one run for each, whichever handle began it.
//!
//! Rules: docs/recreate.md, section 5.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// By engine and name. Two handles of one process may be of one engine.
static IN_PROGRESS: Mutex<BTreeMap<(String, String), Current>> = Mutex::new(BTreeMap::new());

/// The work on a container that is in progress.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Current {
    /// `recreate` or `recover`.
    pub(crate) kind: &'static str,
    pub(crate) phase: &'static str,
    pub(crate) permille: u32,
    pub(crate) started_at: Timestamp,
}

/// The right to work on a container, until it is dropped.
#[derive(Debug)]
pub(crate) struct RunGuard {
    key: (String, String),
}

impl RunGuard {
    /// `None` when this process already recreates or recovers the container.
    pub(crate) fn take(engine: &str, container: &str, kind: &'static str) -> Option<Self> {
        let key = (engine.to_owned(), container.to_owned());
        let mut all = lock();
        if all.contains_key(&key) {
            return None;
        }
        all.insert(key.clone(), Current { kind, phase: "checking", permille: 0, started_at: Timestamp::now() });
        Some(Self { key })
    }

    /// Notes the phase of the work.
    pub(crate) fn phase(&self, phase: &'static str, permille: u32) {
        if let Some(current) = lock().get_mut(&self.key) {
            current.phase = phase;
            current.permille = current.permille.max(permille);
        }
    }
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        lock().remove(&self.key);
    }
}

/// The work of this process on a container.
pub(crate) fn current(engine: &str, container: &str) -> Option<Current> {
    lock().get(&(engine.to_owned(), container.to_owned())).cloned()
}

fn lock() -> MutexGuard<'static, BTreeMap<(String, String), Current>> {
    IN_PROGRESS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_container_of_an_engine_has_one_run_at_a_time() {
        let first = RunGuard::take("unix:///a", "guarded-web", "recreate").unwrap();
        assert!(RunGuard::take("unix:///a", "guarded-web", "recover").is_none());
        assert!(RunGuard::take("unix:///b", "guarded-web", "recover").is_some());
        first.phase("stopping", 300);
        first.phase("rolling_back", 200);
        let now = current("unix:///a", "guarded-web").unwrap();
        assert_eq!((now.kind, now.phase, now.permille), ("recreate", "rolling_back", 300));
        drop(first);
        assert_eq!(current("unix:///a", "guarded-web"), None);
    }
}
