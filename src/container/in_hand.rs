//! The containers that this process works on: one run each, whichever handle began it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// By engine and name. Two handles of one process may mean one engine.
static IN_HAND: Mutex<BTreeMap<(String, String), Current>> = Mutex::new(BTreeMap::new());

/// What is being done with a container now.
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
pub(crate) struct InHand {
    key: (String, String),
}

impl InHand {
    /// `None` when this process works on the container already.
    pub(crate) fn take(engine: &str, container: &str, kind: &'static str) -> Option<Self> {
        let key = (engine.to_owned(), container.to_owned());
        let mut all = lock();
        if all.contains_key(&key) {
            return None;
        }
        all.insert(key.clone(), Current { kind, phase: "checking", permille: 0, started_at: Timestamp::now() });
        Some(Self { key })
    }

    /// Notes how far the work is.
    pub(crate) fn phase(&self, phase: &'static str, permille: u32) {
        if let Some(current) = lock().get_mut(&self.key) {
            current.phase = phase;
            current.permille = current.permille.max(permille);
        }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        lock().remove(&self.key);
    }
}

/// What this process does with a container, if anything.
pub(crate) fn current(engine: &str, container: &str) -> Option<Current> {
    lock().get(&(engine.to_owned(), container.to_owned())).cloned()
}

fn lock() -> MutexGuard<'static, BTreeMap<(String, String), Current>> {
    IN_HAND.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_run_a_container_and_engine() {
        let first = InHand::take("unix:///a", "in-hand-web", "recreate").unwrap();
        assert!(InHand::take("unix:///a", "in-hand-web", "recover").is_none());
        assert!(InHand::take("unix:///b", "in-hand-web", "recover").is_some());
        first.phase("stopping", 300);
        first.phase("rolling_back", 200);
        let now = current("unix:///a", "in-hand-web").unwrap();
        assert_eq!((now.kind, now.phase, now.permille), ("recreate", "rolling_back", 300));
        drop(first);
        assert_eq!(current("unix:///a", "in-hand-web"), None);
    }
}
