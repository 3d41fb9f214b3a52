//! Recreates a container from its snapshot, when the engine has neither the old nor the new one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ROLLING_BACK, RecoveryAction};
use crate::container::replacement::lease::{Clock, Lease};
use crate::container::replacement::marks::Marks;
use crate::container::replacement::volumes::{RestoreReporter, VolumesRollback};
use crate::container::replacement::{Extent, Phase, PhaseReporter, RecoverySnapshot, ReplacementPair, SnapshotFile};
use crate::container::state;
use crate::engine::api::events;
use crate::json::text;
use crate::{Error, Refit};

/// A snapshot without a temporary name on the engine: both containers were removed, or the run ended before it removed its file.
pub(super) struct FromFile<'a> {
    pub(super) refit: &'a Refit,
    pub(super) name: &'a str,
    pub(super) clock: Clock,
    pub(super) snapshot: RecoverySnapshot,
    pub(super) file: SnapshotFile,
    pub(super) holder: Option<Value>,
    /// Do not wait for what a dead run may have in progress.
    pub(super) force: bool,
    /// All containers of the engine.
    pub(super) ids: BTreeMap<String, String>,
}

impl FromFile<'_> {
    /// `None` when there is nothing to do: the work was done already, or the snapshot is stale.
    pub(super) async fn act(self, dry_run: bool, on_phase: PhaseReporter<'_>) -> Option<(&'static str, RecoveryAction, Option<Error>)> {
        const GONE: &str = "both containers were removed; there is a snapshot of the old one";
        if self.is_stale().await {
            if !dry_run {
                self.file.remove().await;
            }
            return None;
        }
        if dry_run {
            return Some((GONE, RecoveryAction::WouldUndo, None));
        }
        on_phase(Phase::new("rolling_back", ROLLING_BACK));
        let engine = &self.refit.shared.engine;
        let mut pair = ReplacementPair {
            refit: self.refit,
            engine,
            name: self.name.to_owned(),
            mode: self.snapshot.mode,
            marks: Marks { restores_volumes: self.snapshot.volumes.is_some(), ..Marks::default() },
            old: state::id(&self.snapshot.old).to_owned(),
            new: None,
            standby: None,
            lease: Lease::new(engine, self.name, self.clock),
            engine_wait: self.refit.shared.options.engine_wait,
            snapshot: Some(self.snapshot),
            state_dir: self.refit.shared.state_dir.as_ref(),
            restore_attempt: None,
            volumes: VolumesRollback { force: self.force, ..VolumesRollback::default() },
            restore_reporter: RestoreReporter { on_phase, permille: ROLLING_BACK },
        };
        match pair.roll_back(Extent::All).await {
            Ok(()) => {
                self.file.remove().await;
                Some((GONE, RecoveryAction::Undone, None))
            }
            Err(error) => Some((GONE, RecoveryAction::WouldUndo, Some(error))),
        }
    }

    /// Whether the snapshot is of no use: one of its containers exists, under whatever name, or another one has, or has had, the name since. That
    /// one has replaced the container, which may have been given up months ago. Docker's last events tell of one that is gone again.
    async fn is_stale(&self) -> bool {
        let is_own = |id: &str| {
            let RecoverySnapshot { old, new_id, made_again, .. } = &self.snapshot;
            [state::id(old), new_id].contains(&id) || made_again.as_deref() == Some(id)
        };
        if self.holder.is_some() || self.ids.keys().any(|id| is_own(id)) {
            return true;
        }
        let Some(since) = self.snapshot.taken_at else { return false };
        let Ok(read) = events::read(&self.refit.shared.engine, since, self.clock.now() + 1).await else { return false };
        read.events.iter().any(|event| {
            let (id, name) = (text(event, "/Actor/ID"), text(event, "/Actor/Attributes/name"));
            text(event, "/Type") == "container" && name == self.name && !is_own(id)
        })
    }
}
