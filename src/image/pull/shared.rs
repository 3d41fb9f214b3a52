//! Running pulls: callers of the same image share one download.

use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::Instrument;

use super::ImageIdentity;
use super::progress::{LayerStatus, Measurement};
use crate::platform::Platform;
use crate::reference::Reference;
use crate::registry::Note;
use crate::{Code, ErrorDocument, Progress, Refit, Result};

/// What makes two pulls the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PullKey {
    pub(super) reference: String,
    pub(super) platform: Option<String>,
    pub(super) auth: Option<String>,
}

/// What a download needs to run.
pub(super) struct Download {
    pub(super) refit: Refit,
    pub(super) image: String,
    pub(super) reference: Reference,
    /// What the engine is asked for.
    pub(super) platform: Option<String>,
    /// What the image that comes has to be made for.
    pub(super) wanted: Option<Platform>,
    pub(super) auth: Option<String>,
    pub(super) before: Option<ImageIdentity>,
    /// The ids of the images that were local before, where the reference was not and an image for another platform may come.
    pub(super) known: Vec<String>,
}

/// The result of a download.
#[derive(Debug, Clone)]
pub(super) struct Pulled {
    pub(super) before: Option<ImageIdentity>,
    pub(super) after: ImageIdentity,
    pub(super) digest: Option<String>,
    pub(super) bytes: u64,
    pub(super) notes: Vec<Note>,
}

/// How far a download is, published to its subscribers.
#[derive(Debug)]
pub(super) struct PullState {
    state: watch::Sender<PullSnapshot>,
}

/// The state of a download at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct PullSnapshot {
    measurement: Measurement,
    pub(crate) layers: Vec<LayerStatus>,
    /// The version at which each layer changed last, so that a subscriber reports only what is new.
    versions: BTreeMap<String, u64>,
    version: u64,
    result: Option<Result<Pulled>>,
}

impl PullState {
    pub(super) fn write(&self, layer: LayerStatus, measurement: Measurement, layers: impl FnOnce() -> Vec<LayerStatus>) {
        self.state.send_modify(|state| {
            state.version += 1;
            state.versions.insert(layer.id, state.version);
            // A layer that becomes known makes the whole larger, and a part of it smaller.
            let permille = state.measurement.permille.max(measurement.permille);
            state.measurement = Measurement { permille, ..measurement };
            state.layers = layers();
        });
    }

    pub(super) fn verifying(&self) {
        self.state.send_modify(|state| {
            state.version += 1;
            state.measurement.phase = "verifying";
            state.measurement.permille = state.measurement.permille.max(990);
        });
    }
}

/// The pulls of a handle.
#[derive(Debug, Default)]
pub(crate) struct PullTable {
    pulls: Mutex<HashMap<PullKey, Pull>>,
    /// What became of the last pull of each reference.
    last: Mutex<BTreeMap<String, LastPull>>,
}

#[derive(Debug)]
struct Pull {
    state: watch::Receiver<PullSnapshot>,
    task: AbortHandle,
    subscribers: usize,
    started_at: Timestamp,
    /// Distinguishes this pull from a later one with the same key.
    number: u64,
}

/// What became of the last pull of an image.
#[derive(Debug, Clone)]
pub(crate) enum LastPull {
    Succeeded { at: Timestamp },
    Failed { at: Timestamp, error: ErrorDocument },
}

/// A running pull, as `img_status` shows it.
pub(crate) struct RunningPull {
    pub(crate) state: PullSnapshot,
    pub(crate) started_at: Timestamp,
}

impl PullSnapshot {
    pub(crate) fn phase(&self) -> &'static str {
        if self.measurement.phase.is_empty() { "resolving" } else { self.measurement.phase }
    }

    /// The whole pull as a report.
    pub(crate) fn report(&self) -> Progress {
        Progress {
            current: self.measurement.downloaded,
            total: self.measurement.total,
            bytes_per_second: self.measurement.bytes_per_second,
            eta: self.measurement.eta,
            ..Progress::whole("pull", "", self.phase(), self.measurement.permille)
        }
    }
}

impl PullTable {
    /// Joins the running pull of this key, or starts one; whether it was joined.
    pub(super) fn subscribe(&self, key: PullKey, download: Download) -> (Subscription, bool) {
        let mut pulls = self.lock();
        let table = download.refit.clone();
        if let Some(pull) = pulls.get_mut(&key).filter(|pull| pull.state.borrow().result.is_none() && !pull.task.is_finished()) {
            pull.subscribers += 1;
            let (state, number) = (pull.state.clone(), pull.number);
            return (Subscription { table, key, number, state, reported: 0, started: false }, true);
        }
        let (sender, state) = watch::channel(PullSnapshot::default());
        let pull_state = PullState { state: sender };
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = key.reference.clone();
        let work = async move {
            let result = download.run(&pull_state).await;
            download.refit.shared.pulls.remember(name, &result);
            pull_state.state.send_modify(|snapshot| snapshot.result = Some(result));
        };
        // In the log it belongs to the call that began it.
        let task = tokio::spawn(work.in_current_span());
        let pull = Pull { state: state.clone(), task: task.abort_handle(), subscribers: 1, started_at: Timestamp::now(), number };
        pulls.insert(key.clone(), pull);
        (Subscription { table, key, number, state, reported: 0, started: false }, false)
    }

    /// The running pull of a reference.
    pub(crate) fn running(&self, reference: &str) -> Option<RunningPull> {
        let pulls = self.lock();
        let pull =
            pulls.iter().find(|(key, pull)| key.reference == reference && pull.state.borrow().result.is_none()).map(|(_, pull)| pull)?;
        Some(RunningPull { state: pull.state.borrow().clone(), started_at: pull.started_at })
    }

    /// What became of the last pull of an image through this handle.
    pub(crate) fn last(&self, reference: &str) -> Option<LastPull> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(reference).cloned()
    }

    fn remember(&self, reference: String, result: &Result<Pulled>) {
        let at = Timestamp::now();
        let last = match result {
            Ok(_) => LastPull::Succeeded { at },
            Err(error) => LastPull::Failed { at, error: error.clone().in_op("img_pull").document() },
        };
        self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(reference, last);
    }

    fn unsubscribe(&self, key: &PullKey, number: u64) {
        let mut pulls = self.lock();
        let Some(pull) = pulls.get_mut(key).filter(|pull| pull.number == number) else { return };
        pull.subscribers -= 1;
        if pull.subscribers == 0 {
            // The download's connection closes with its task, and the engine stops.
            pull.task.abort();
            pulls.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PullKey, Pull>> {
        self.pulls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

impl std::fmt::Debug for PullKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PullKey").field("reference", &self.reference).field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// One caller's part in a pull; the download stops when the last one is dropped.
pub(super) struct Subscription {
    table: Refit,
    key: PullKey,
    number: u64,
    state: watch::Receiver<PullSnapshot>,
    /// The version of the last report to this caller.
    reported: u64,
    started: bool,
}

impl Subscription {
    /// The reports since the last time: the whole, and each layer that changed.
    pub(super) fn new_reports(&mut self) -> Vec<Progress> {
        let state = self.state.borrow_and_update();
        if self.started && state.version == self.reported {
            return Vec::new();
        }
        let changed = state.layers.iter().filter(|layer| state.versions.get(&layer.id).is_some_and(|version| *version > self.reported));
        let mut reports: Vec<Progress> = changed.map(|layer| layer_report(layer, &state)).collect();
        reports.push(state.report());
        (self.reported, self.started) = (state.version, true);
        reports
    }

    pub(super) fn result(&self) -> Option<Result<Pulled>> {
        self.state.borrow().result.clone()
    }

    /// Waits for a change. A download that has ended without a result has panicked.
    pub(super) async fn changed(&mut self) -> Result<()> {
        if self.state.changed().await.is_err() && self.state.borrow().result.is_none() {
            return Err(Code::Panic.error("a defect in refit was contained: the download ended without a result"));
        }
        Ok(())
    }
}

fn layer_report(layer: &LayerStatus, state: &PullSnapshot) -> Progress {
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
        ..Progress::whole("pull", "", phase, state.measurement.permille)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.table.shared.pulls.unsubscribe(&self.key, self.number);
    }
}
