//! Pulls under way: callers of the same image share one download.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::ImageIdentity;
use super::meter::{LayerStatus, Reading};
use crate::reference::Reference;
use crate::{Code, ErrorDocument, Progress, Refit, Result};

/// What makes two pulls the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) reference: String,
    pub(super) platform: Option<String>,
    pub(super) auth: Option<String>,
}

/// What a download needs to run.
pub(super) struct Download {
    pub(super) refit: Refit,
    pub(super) image: String,
    pub(super) reference: Reference,
    pub(super) platform: Option<String>,
    pub(super) auth: Option<String>,
    pub(super) before: Option<ImageIdentity>,
}

/// What a download brought.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) before: Option<ImageIdentity>,
    pub(super) after: ImageIdentity,
    pub(super) digest: Option<String>,
    pub(super) bytes: u64,
}

/// How far a download is, for everybody who watches.
#[derive(Debug)]
pub(super) struct Board {
    state: watch::Sender<State>,
}

/// The state of a download at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    reading: Reading,
    pub(crate) layers: Vec<LayerStatus>,
    /// Counts a layer's changes, so that a watcher tells only what is new.
    versions: BTreeMap<String, u64>,
    version: u64,
    result: Option<Result<Done>>,
}

impl Board {
    pub(super) fn write(&self, layer: LayerStatus, reading: Reading, layers: impl FnOnce() -> Vec<LayerStatus>) {
        self.state.send_modify(|state| {
            state.version += 1;
            state.versions.insert(layer.id, state.version);
            state.reading = reading;
            state.layers = layers();
        });
    }

    pub(super) fn verifying(&self) {
        self.state.send_modify(|state| {
            state.version += 1;
            state.reading.phase = "verifying";
            state.reading.permille = state.reading.permille.max(990);
        });
    }
}

/// The pulls of a handle.
#[derive(Debug, Default)]
pub(crate) struct PullTable {
    pulls: Mutex<HashMap<Key, Pull>>,
    /// What became of the last pull of each reference.
    last: Mutex<BTreeMap<String, Last>>,
}

#[derive(Debug)]
struct Pull {
    state: watch::Receiver<State>,
    task: AbortHandle,
    watchers: usize,
    started_at: String,
    /// Tells this pull from a later one of the same key.
    number: u64,
}

/// What became of the last pull of an image.
#[derive(Debug, Clone)]
pub(crate) enum Last {
    Pulled { at: String },
    Failed { at: String, error: ErrorDocument },
}

/// A pull under way, as `img_status` shows it.
pub(crate) struct UnderWay {
    pub(crate) state: State,
    pub(crate) started_at: String,
}

impl State {
    pub(crate) fn phase(&self) -> &'static str {
        if self.reading.phase.is_empty() { "resolving" } else { self.reading.phase }
    }

    /// The whole pull as a report.
    pub(crate) fn whole(&self) -> Progress {
        Progress {
            current: self.reading.downloaded,
            total: self.reading.total,
            bytes_per_second: self.reading.bytes_per_second,
            eta: self.reading.eta,
            ..Progress::whole("pull", "", self.phase(), self.reading.permille)
        }
    }
}

impl PullTable {
    /// Joins the pull of this key that is under way, or starts one; whether it was joined.
    pub(super) fn subscribe(&self, key: Key, download: Download) -> (Subscription, bool) {
        let mut pulls = self.lock();
        let table = download.refit.clone();
        if let Some(pull) = pulls.get_mut(&key).filter(|pull| pull.state.borrow().result.is_none() && !pull.task.is_finished()) {
            pull.watchers += 1;
            let (state, number) = (pull.state.clone(), pull.number);
            return (Subscription { table, key, number, state, told: 0, begun: false }, true);
        }
        let (sender, state) = watch::channel(State::default());
        let board = Board { state: sender };
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = key.reference.clone();
        let task = tokio::spawn(async move {
            let result = download.run(&board).await;
            download.refit.shared.pulls.remember(name, &result);
            board.state.send_modify(|state| state.result = Some(result));
        });
        let pull =
            Pull { state: state.clone(), task: task.abort_handle(), watchers: 1, started_at: jiff::Timestamp::now().to_string(), number };
        pulls.insert(key.clone(), pull);
        (Subscription { table, key, number, state, told: 0, begun: false }, false)
    }

    /// The pull of a reference that is under way.
    pub(crate) fn under_way(&self, reference: &str) -> Option<UnderWay> {
        let pulls = self.lock();
        let pull = pulls.iter().find(|(key, _)| key.reference == reference).map(|(_, pull)| pull)?;
        Some(UnderWay { state: pull.state.borrow().clone(), started_at: pull.started_at.clone() })
    }

    /// What became of the last pull of an image through this handle.
    pub(crate) fn last(&self, reference: &str) -> Option<Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(reference).cloned()
    }

    fn remember(&self, reference: String, result: &Result<Done>) {
        let at = jiff::Timestamp::now().to_string();
        let last = match result {
            Ok(_) => Last::Pulled { at },
            Err(error) => Last::Failed { at, error: error.clone().in_op("img_pull").document() },
        };
        self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(reference, last);
    }

    fn leave(&self, key: &Key, number: u64) {
        let mut pulls = self.lock();
        let Some(pull) = pulls.get_mut(key).filter(|pull| pull.number == number) else { return };
        pull.watchers -= 1;
        if pull.watchers == 0 {
            // The download's connection closes with its task, and the engine stops.
            pull.task.abort();
            pulls.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Pull>> {
        self.pulls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("reference", &self.reference).field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// One caller's part in a pull; the download stops when the last one is dropped.
pub(super) struct Subscription {
    table: Refit,
    key: Key,
    number: u64,
    state: watch::Receiver<State>,
    /// The version up to which this caller has been told.
    told: u64,
    begun: bool,
}

impl Subscription {
    /// The reports since the last time: the whole, and each layer that changed.
    pub(super) fn news(&mut self) -> Vec<Progress> {
        let state = self.state.borrow_and_update();
        if self.begun && state.version == self.told {
            return Vec::new();
        }
        let changed = state.layers.iter().filter(|layer| state.versions.get(&layer.id).is_some_and(|version| *version > self.told));
        let mut reports: Vec<Progress> = changed.map(|layer| layer_report(layer, &state)).collect();
        reports.push(state.whole());
        (self.told, self.begun) = (state.version, true);
        reports
    }

    pub(super) fn result(&self) -> Option<Result<Done>> {
        self.state.borrow().result.clone()
    }

    /// Waits for news. A download that has ended without a result has panicked.
    pub(super) async fn changed(&mut self) -> Result<()> {
        if self.state.changed().await.is_err() && self.state.borrow().result.is_none() {
            return Err(Code::Panic.error("a defect in refit was contained: the download ended without a result"));
        }
        Ok(())
    }
}

fn layer_report(layer: &LayerStatus, state: &State) -> Progress {
    let phase = match layer.status {
        super::LayerState::Pending => "waiting",
        super::LayerState::Downloading => "downloading",
        super::LayerState::Verifying => "verifying",
        super::LayerState::Extracting => "extracting",
        super::LayerState::Complete => "done",
    };
    Progress {
        layer: Some(layer.id.clone()),
        current: layer.current,
        total: layer.total,
        ..Progress::whole("pull", "", phase, state.reading.permille)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.table.shared.pulls.leave(&self.key, self.number);
    }
}
