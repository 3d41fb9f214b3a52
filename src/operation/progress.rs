//! The progress of a long call, and the queue between the work and a callback that may be slow.
//!
//! Rules: docs/abi.md, section 6.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Each layer, and the whole operation, report at most ten times a second.
const INTERVAL: Duration = Duration::from_millis(100);

/// A progress report of a long call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// `check`, `pull`, `recreate`, `recover`, `update`, `rollback`, `service_update`.
    pub operation: &'static str,
    /// The image, container or service.
    pub subject: String,
    /// `checking`, `resolving`, `downloading`, `extracting`, `verifying`, `creating`, `stopping`, `renaming`, `starting`, `waiting`,
    /// `removing`, `rolling_back`, `restoring`, `done` and others. Later versions may add some.
    pub phase: &'static str,
    /// The id of the layer in the engine's short form; `None` when the report is about the whole operation.
    pub layer: Option<String>,
    /// Bytes done, or steps done where there is no size.
    pub current: u64,
    /// Bytes in all, when known.
    pub total: Option<u64>,
    /// The speed of the download.
    pub bytes_per_second: Option<u64>,
    /// The remaining time of the download.
    pub eta: Option<Duration>,
    /// Thousandths of the whole operation that are done. It never decreases, and is 1000 only at the end of a call that succeeds.
    pub permille: u32,
    /// The number of the image or container, from 1.
    pub step: u32,
    /// How many images or containers there are.
    pub steps: u32,
}

impl Progress {
    /// A report about the whole of an operation with one step.
    pub(crate) fn whole(operation: &'static str, subject: impl Into<String>, phase: &'static str, permille: u32) -> Self {
        Self {
            operation,
            subject: subject.into(),
            phase,
            layer: None,
            current: 0,
            total: None,
            bytes_per_second: None,
            eta: None,
            permille,
            step: 1,
            steps: 1,
        }
    }
}

/// The reports that the work has made and the callback has not received, and whether the work has ended.
///
/// The work never waits for the callback. Of each layer only the newest report is kept; of the whole operation every change of phase is
/// kept, however short the phase.
#[derive(Debug, Default)]
pub(crate) struct ProgressQueue {
    state: Mutex<State>,
    changed: Condvar,
    changed_async: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Changes of phase of the whole operation that were not delivered.
    phases: VecDeque<Progress>,
    /// The last report of the whole operation, delivered or not: a change of phase is a difference to it.
    last: Option<Progress>,
    /// The newest report of the whole operation (key `None`) and of each layer that was not delivered.
    newest: BTreeMap<Option<String>, Progress>,
    /// When a report of the whole operation or of a layer was last delivered.
    delivered: BTreeMap<Option<String>, Instant>,
    /// The largest permille that was delivered.
    permille: u32,
    ended: bool,
}

/// The reports to deliver now.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) reports: Vec<Progress>,
    /// When the next one is due; `None` when there is none.
    pub(crate) next: Option<Instant>,
    /// The work has ended, and these are its last reports.
    pub(crate) ended: bool,
}

impl ProgressQueue {
    /// Adds a report. A report that it replaces is never delivered.
    pub(crate) fn push(&self, report: Progress) {
        let mut state = self.lock();
        if report.layer.is_none() {
            let is_change = state.last.as_ref().is_none_or(|last| {
                (last.operation, last.phase, &last.subject, last.step) != (report.operation, report.phase, &report.subject, report.step)
            });
            state.last = Some(report.clone());
            if is_change {
                state.newest.remove(&None);
                state.phases.push_back(report);
            } else {
                state.newest.insert(None, report);
            }
        } else {
            state.newest.insert(report.layer.clone(), report);
        }
        drop(state);
        self.wake();
    }

    /// Says that no report will follow. The reports that wait are due at once.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.wake();
    }

    /// Takes what is due now.
    pub(crate) fn take(&self) -> Due {
        let mut state = self.lock();
        Self::take_from(&mut state, Instant::now())
    }

    /// Blocks the calling thread until something is due or the work has ended.
    #[cfg(any(feature = "capi", test))]
    pub(crate) fn wait(&self) -> Due {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let due = Self::take_from(&mut state, now);
            if due.ended || !due.reports.is_empty() {
                return due;
            }
            state = match due.next {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(next) => {
                    self.changed.wait_timeout(state, next.saturating_duration_since(now)).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// The same for a task.
    pub(crate) async fn wait_async(&self) -> Due {
        loop {
            let changed = self.changed_async.notified();
            let due = self.take();
            if due.ended || !due.reports.is_empty() {
                return due;
            }
            match due.next {
                None => changed.await,
                Some(next) => {
                    let _ = tokio::time::timeout_at(next.into(), changed).await;
                }
            }
        }
    }

    fn take_from(state: &mut State, now: Instant) -> Due {
        let mut reports: Vec<Progress> = state.phases.drain(..).collect();
        // The report of success is delivered last, and no layer waits for its interval after it.
        let done = reports.pop_if(|report| report.permille == 1000);
        let all = state.ended || done.is_some();
        let ready: Vec<Option<String>> = state
            .newest
            .keys()
            .filter(|layer| all || state.delivered.get(*layer).is_none_or(|at| now.duration_since(*at) >= INTERVAL))
            .cloned()
            .collect();
        for layer in ready {
            reports.extend(state.newest.remove(&layer));
            state.delivered.insert(layer, now);
        }
        reports.extend(done);
        // The report of a layer may be older than one of the whole operation.
        for report in &mut reports {
            state.permille = state.permille.max(report.permille);
            report.permille = state.permille;
        }
        let next = state.newest.keys().filter_map(|layer| state.delivered.get(layer)).map(|at| *at + INTERVAL).min();
        Due { reports, next, ended: state.ended }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.changed.notify_all();
        self.changed_async.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(phase: &'static str, permille: u32) -> Progress {
        Progress::whole("pull", "app:1", phase, permille)
    }

    fn layer(id: &str, current: u64) -> Progress {
        Progress { layer: Some(id.into()), current, ..whole("downloading", 0) }
    }

    #[test]
    fn every_phase_and_the_newest_of_the_rest_are_delivered() {
        let queue = ProgressQueue::default();
        queue.push(whole("resolving", 0));
        queue.push(whole("downloading", 1));
        queue.push(whole("downloading", 2));
        queue.push(layer("a", 1));
        queue.push(layer("a", 2));
        queue.push(layer("b", 7));
        queue.push(whole("extracting", 3));
        let reports: Vec<_> = queue.take().reports.into_iter().map(|p| (p.phase, p.layer, p.current, p.permille)).collect();
        assert_eq!(
            reports,
            [
                ("resolving", None, 0, 0),
                ("downloading", None, 0, 1),
                ("extracting", None, 0, 3),
                ("downloading", Some("a".into()), 2, 3),
                ("downloading", Some("b".into()), 7, 3),
            ]
        );
    }

    #[test]
    fn permille_never_decreases() {
        let queue = ProgressQueue::default();
        queue.push(whole("downloading", 500));
        queue.push(whole("rolling_back", 100));
        assert_eq!(queue.take().reports.iter().map(|p| p.permille).collect::<Vec<_>>(), [500, 500]);
    }

    #[test]
    fn done_comes_once_and_last() {
        let queue = ProgressQueue::default();
        queue.push(layer("a", 1));
        queue.push(whole("extracting", 990));
        assert_eq!(queue.take().reports.len(), 2);
        queue.push(layer("a", 2));
        queue.push(whole("done", 1000));
        let reports: Vec<_> = queue.take().reports.into_iter().map(|p| (p.phase, p.permille)).collect();
        assert_eq!(reports, [("downloading", 990), ("done", 1000)]);
        queue.end();
        assert!(queue.take().reports.is_empty());
    }

    #[test]
    fn a_layer_waits_for_its_interval_and_the_end_does_not() {
        let queue = ProgressQueue::default();
        queue.push(layer("a", 1));
        assert_eq!(queue.take().reports.len(), 1);
        queue.push(layer("a", 2));
        let due = queue.take();
        assert!(due.reports.is_empty() && due.next.is_some() && !due.ended);
        queue.end();
        let due = queue.take();
        assert_eq!((due.reports.len(), due.ended), (1, true));
    }

    #[test]
    fn a_waiting_thread_is_woken_at_the_end() {
        let queue = std::sync::Arc::new(ProgressQueue::default());
        let other = queue.clone();
        let thread = std::thread::spawn(move || other.wait().ended);
        queue.end();
        assert!(thread.join().is_ok_and(|ended| ended));
    }
}
