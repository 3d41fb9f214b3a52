//! The list of all containers, read whole at most once a second during an update, and for a tenth of the time at most.
//!
//! Docker 20.10 needs 105 ms for a list of a thousand containers, as long as for a whole recreation. In between the engine is asked for what was
//! created since, and for what the update itself has changed. So a new container is seen at once, and what others rename, remove or connect
//! within a second, or ten times as long as the list takes: every recreation inspects its own container, its providers and its dependents besides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::container::replacement::lease::Clock;
use crate::engine::Engine;
use crate::engine::api::container_list::{self, ListedEntry};
use crate::volume::storage::name::StorageName;
use crate::{Code, Result};

/// How old a whole list may be, or so many times as old as it took to read.
const WHOLE_LIST_EVERY: Duration = Duration::from_secs(1);
const TIMES_ITS_OWN: u32 = 10;

/// The list, newest containers first, and the engine's clock at the time.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) entries: Arc<Vec<ListedEntry>>,
    pub(super) clock: Clock,
    /// When all of it has to be read again.
    whole_until: Instant,
}

/// The list as it is now. `changed` are the ids of containers that the caller has changed since it was read before.
pub(super) async fn read(engine: &Engine, before: Option<Arc<Listed>>, changed: &Mutex<BTreeSet<String>>) -> Result<Listed> {
    // One that changes while the list is read is asked about again the next time.
    let changed = std::mem::take(&mut *super::lock(changed));
    if let Some(before) = before.filter(|before| Instant::now() < before.whole_until)
        && let Some(newest) = before.entries.first()
        // Podman has no order among containers of one second.
        && !engine.facts().await?.podman()
    {
        match follow_up(engine, &before, &newest.id, changed).await {
            // The newest is gone, for example.
            Err(error) if !matches!(error.code(), Code::Unreachable | Code::Timeout | Code::Cancelled) => {}
            result => return result,
        }
    }
    let begun = Instant::now();
    let (mut entries, now) = container_list::list(engine).await?;
    entries.retain(is_of_a_user);
    let whole_until = begun + WHOLE_LIST_EVERY.max(begun.elapsed() * TIMES_ITS_OWN);
    Ok(Listed { entries: Arc::new(entries), clock: Clock::at(now), whole_until })
}

async fn follow_up(engine: &Engine, before: &Listed, newest: &str, changed: BTreeSet<String>) -> Result<Listed> {
    let again = async { if changed.is_empty() { Ok((Vec::new(), 0)) } else { container_list::list_of(engine, &changed).await } };
    let ((newer, now), (again, _)) = futures_util::try_join!(container_list::list_since(engine, newest), again)?;
    let entries = merge(&before.entries, newer, &changed, again);
    Ok(Listed { entries: Arc::new(entries), clock: Clock::at(now), whole_until: before.whole_until })
}

/// The list as it was, with those that are newer, and with those that have changed as they are now: `again` has no entry for one that is gone.
fn merge(before: &[ListedEntry], newer: Vec<ListedEntry>, changed: &BTreeSet<String>, again: Vec<ListedEntry>) -> Vec<ListedEntry> {
    let mut again: BTreeMap<String, ListedEntry> = again.into_iter().map(|entry| (entry.id.clone(), entry)).collect();
    let known = before.iter().filter_map(|entry| if changed.contains(&entry.id) { again.remove(&entry.id) } else { Some(entry.clone()) });
    newer.into_iter().filter(is_of_a_user).chain(known).collect()
}

/// Storage containers depend on nothing but a volume, and are gone in a moment.
fn is_of_a_user(entry: &ListedEntry) -> bool {
    entry.name().and_then(StorageName::parse).is_none()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list(names: &[(&str, &str)]) -> Vec<ListedEntry> {
        names.iter().map(|(id, name)| serde_json::from_value(json!({"Id": id, "Names": [format!("/{name}")]})).unwrap()).collect()
    }

    #[test]
    fn newer_containers_come_first_and_changed_ones_are_replaced_or_gone() {
        let before = list(&[("new", "web.refit-new-0"), ("old", "web"), ("other", "other")]);
        let changed = ["new", "old", "unseen"].map(str::to_owned).into();
        let merged = merge(&before, list(&[("late", "late")]), &changed, list(&[("new", "web"), ("unseen", "unseen")]));
        let merged: Vec<_> = merged.iter().map(|entry| (entry.id.as_str(), entry.name().unwrap())).collect();
        assert_eq!(merged, [("late", "late"), ("new", "web"), ("other", "other")]);
    }
}
