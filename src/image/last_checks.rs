//! What the last check of each image found; with a `state_dir` also for the next process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::{Check, CheckState};
use crate::Result;
use crate::json::{is_empty, optional_text};
use crate::reference::Reference;
use crate::state_dir::StateDir;

const FILE: &str = "checks.json";

/// Documents by normalised reference.
type Documents = BTreeMap<String, Value>;

/// The last checks that this handle knows.
#[derive(Debug, Default)]
pub(crate) struct LastChecks {
    state_dir: Option<StateDir>,
    known: Mutex<Documents>,
}

impl LastChecks {
    /// Reads what an earlier process has left. A file that cannot be read, or is not whole, counts as absent.
    pub(crate) async fn read(state_dir: Option<StateDir>) -> Self {
        let known = match &state_dir {
            Some(state_dir) => read(state_dir).await,
            None => Documents::new(),
        };
        Self { state_dir, known: Mutex::new(known) }
    }

    /// The last check of an image, unless its reference names another local image now than it did then. `id`: of the one that it names.
    pub(crate) fn of(&self, image: &str, id: Option<&str>) -> Option<Value> {
        let key = Reference::parse(image).ok()?.normalised();
        let check = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()?;
        let was = optional_text(&check, "/local/id");
        (was.as_deref() == id || !says_something(&check)).then_some(check)
    }

    /// Forgets the check of an image that was pulled, updated or rolled back since.
    pub(crate) async fn forget(&self, reference: &Reference) {
        let key = reference.normalised();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        if let Some(state_dir) = &self.state_dir {
            let _ = change(state_dir, |all| all.remove(&key).is_some()).await;
        }
    }

    /// Records checks. What cannot be written is known to this process alone: a check is right without its record.
    pub(crate) async fn record(&self, checks: &[Check]) {
        let mut new = Documents::new();
        // A check that was cancelled has found nothing.
        for check in checks.iter().filter(|check| check.state != CheckState::Cancelled) {
            if let (Ok(reference), Ok(document)) = (Reference::parse(&check.image), serde_json::to_value(check)) {
                new.insert(reference.normalised(), document);
            }
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).extend(new.clone());
        if let Some(state_dir) = self.state_dir.as_ref().filter(|_| !new.is_empty()) {
            let added = |all: &mut Documents| {
                all.extend(new);
                true
            };
            let _ = change(state_dir, added).await;
        }
    }
}

async fn read(state_dir: &StateDir) -> Documents {
    let content = state_dir.read(FILE).await.ok().flatten();
    content.and_then(|content| serde_json::from_slice(&content).ok()).unwrap_or_default()
}

/// Whether a check tells about the local image: one that failed tells about the registry.
fn says_something(check: &Value) -> bool {
    is_empty(check.get("error").unwrap_or(&Value::Null))
}

/// Changes the file, which other calls and other processes change as well.
async fn change(state_dir: &StateDir, change: impl FnOnce(&mut Documents) -> bool) -> Result<()> {
    let _lock = state_dir.lock(FILE).await?;
    let mut all = read(state_dir).await;
    if change(&mut all) { state_dir.write(FILE, serde_json::to_vec(&all).unwrap_or_default()).await } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn records_of_two_handles_stay_and_a_torn_file_counts_as_absent() {
        let folder = std::env::temp_dir().join(format!("refit-checks-{}", std::process::id()));
        let state_dir = StateDir::open(&folder).await.unwrap();
        state_dir.write(FILE, b"{\"docker.io/li".to_vec()).await.unwrap();
        let one = LastChecks::read(Some(state_dir.clone())).await;
        let two = LastChecks::read(Some(state_dir.clone())).await;
        assert_eq!(one.of("a", None), None);
        let (a, b) = ([Check::new("a", CheckState::UpToDate)], [Check::new("b", CheckState::Pinned)]);
        tokio::join!(one.record(&a), two.record(&b));
        let third = LastChecks::read(Some(state_dir)).await;
        assert_eq!(third.of("docker.io/library/a:latest", None).unwrap()["state"], "up_to_date");
        assert_eq!(third.of("b", None).unwrap()["state"], "pinned");
        assert_eq!(third.of("b", Some("sha256:1")), None, "it is local since");
        third.forget(&Reference::parse("b").unwrap()).await;
        let fourth = LastChecks::read(third.state_dir.clone()).await;
        assert_eq!((third.of("b", None), fourth.of("b", None)), (None, None), "in the file too");
        assert!(fourth.of("a", None).is_some());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
