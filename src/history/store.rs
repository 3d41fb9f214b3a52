//! Where the records are kept: in a file that several processes append to, or in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::file::{self, Counted};
use super::{HistoryEntry, HistoryKind};
use crate::state_dir::StateDir;
use crate::{Code, Result};

const FILE: &str = "history.jsonl";

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_entries: usize,
    pub(crate) max_age_days: u32,
}

impl Limits {
    /// Records that ended before are not listed.
    fn oldest(self) -> Timestamp {
        let age = SignedDuration::from_hours(24 * i64::from(self.max_age_days));
        Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN)
    }
}

/// The records of a handle.
#[derive(Debug)]
pub(crate) struct HistoryStore {
    limits: Limits,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Mutex<VecDeque<HistoryEntry>>),
    Folder { state_dir: StateDir, counted: Arc<Mutex<Counted>> },
}

impl HistoryStore {
    pub(crate) fn new(state_dir: Option<StateDir>, limits: Limits) -> Self {
        let place = match state_dir {
            Some(state_dir) => Place::Folder { state_dir, counted: Arc::default() },
            None => Place::Memory(Mutex::default()),
        };
        Self { limits, place }
    }

    /// When this returns, the disk has the record.
    pub(super) async fn append(&self, entry: HistoryEntry) -> Result<()> {
        match &self.place {
            Place::Memory(entries) => {
                let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
                entries.push_back(entry);
                while entries.len() > self.limits.max_entries {
                    entries.pop_front();
                }
                Ok(())
            }
            Place::Folder { state_dir, counted } => {
                let mut line =
                    serde_json::to_vec(&entry).map_err(|error| Code::Io.error("writing a record of the history").caused_by(&error))?;
                line.push(b'\n');
                let _lock = state_dir.lock(FILE).await?;
                let (counted, keep) = (counted.clone(), self.limits.max_entries);
                state_dir
                    .on_disk(FILE, "writing", move |path| {
                        let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
                        file::append(path, &line, keep, &mut counted)
                    })
                    .await
            }
        }
    }

    /// At most `limit` of the records that pass and are within the bounds, newest first: the order is that of writing.
    pub(super) async fn newest_first(&self, passes: impl Fn(&HistoryEntry) -> bool, limit: usize) -> Result<Vec<HistoryEntry>> {
        let oldest = self.limits.oldest();
        let is_wanted = |entry: &HistoryEntry| entry.at >= oldest && passes(entry);
        match &self.place {
            Place::Memory(entries) => {
                let entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(entries.iter().rev().filter(|entry| is_wanted(entry)).take(limit).cloned().collect())
            }
            Place::Folder { state_dir, .. } => {
                let content = state_dir.read(FILE).await?.unwrap_or_default();
                // A line that was torn by a crash, or that a newer version has written, is no record here.
                let entries = content.split(|byte| *byte == b'\n').rev().filter_map(|line| serde_json::from_slice(line).ok());
                Ok(entries.take(self.limits.max_entries).filter(is_wanted).take(limit).collect())
            }
        }
    }

    /// The records of these kinds, newest first.
    pub(crate) async fn of_kinds(&self, kinds: &[HistoryKind]) -> Result<Vec<HistoryEntry>> {
        self.newest_first(|entry| kinds.contains(&entry.kind), usize::MAX).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::history::HistoryResult;

    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn entry(id: usize, at: Timestamp) -> HistoryEntry {
        HistoryEntry {
            id: id.to_string(),
            at,
            kind: HistoryKind::Pull,
            actor: None,
            image: Some("app:1".into()),
            container: None,
            volume: None,
            service: None,
            from: None,
            to: None,
            result: HistoryResult::Done,
            error: None,
            elapsed_ms: 0,
            containers: Vec::new(),
            backups: Vec::new(),
        }
    }

    /// Each store locks a file of its own opening, as two processes do.
    #[tokio::test(flavor = "multi_thread")]
    async fn records_of_two_writers_are_whole_and_all_there() {
        const EACH: usize = 1000;
        let scratch = Scratch(std::env::temp_dir().join(format!("refit-history-two-{}", std::process::id())));
        let limits = Limits { max_entries: 10_000, max_age_days: 365 };
        let open = async || HistoryStore::new(Some(StateDir::open(&scratch.0).await.unwrap()), limits);
        let (one, two) = (open().await, open().await);
        let write = async |store: &HistoryStore, from: usize| {
            for id in from..from + EACH {
                store.append(entry(id, Timestamp::now())).await.unwrap();
            }
        };
        futures_util::future::join(write(&one, 0), write(&two, EACH)).await;
        let mut ids: Vec<usize> =
            two.newest_first(|_| true, usize::MAX).await.unwrap().iter().map(|entry| entry.id.parse().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..2 * EACH).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_list_keeps_to_the_limits_of_count_and_age() {
        for memory in [true, false] {
            let scratch = Scratch(std::env::temp_dir().join(format!("refit-history-limits-{}", std::process::id())));
            let state_dir = if memory { None } else { Some(StateDir::open(&scratch.0).await.unwrap()) };
            let store = HistoryStore::new(state_dir, Limits { max_entries: 3, max_age_days: 30 });
            let old = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * 31)).unwrap();
            for (id, at) in [(1, Timestamp::now()), (2, Timestamp::now()), (3, old), (4, Timestamp::now())] {
                store.append(entry(id, at)).await.unwrap();
            }
            let ids: Vec<String> = store.newest_first(|_| true, usize::MAX).await.unwrap().into_iter().map(|entry| entry.id).collect();
            assert_eq!(ids, ["4", "2"], "the first is beyond the count, the third too old");
        }
    }
}
