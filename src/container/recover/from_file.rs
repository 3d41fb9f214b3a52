//! A container made again from what was kept of it, when the engine has nothing left of a recreation.

use serde_json::Value;

use super::RecoveryAction;
use crate::container::lease::{Clock, Lease};
use crate::container::recreate::{KeptBody, KeptFile, OnPhase, Swap};
use crate::container::state;
use crate::{Error, Refit};

/// A body that was kept, when no temporary name is left: somebody has removed both containers, or the run ended before it removed its file.
pub(super) struct FromFile<'a> {
    pub(super) refit: &'a Refit,
    pub(super) name: &'a str,
    pub(super) clock: Clock,
    pub(super) kept: KeptBody,
    pub(super) file: KeptFile,
    pub(super) holder: Option<Value>,
}

impl FromFile<'_> {
    /// `None` when the work was done already.
    pub(super) async fn act(self, dry_run: bool, on_phase: OnPhase<'_>) -> Option<(&'static str, RecoveryAction, Option<Error>)> {
        const GONE: &str = "both containers were removed; the old one's configuration was kept";
        if let Some(holder) = &self.holder {
            let id = state::id(holder);
            if id == state::id(&self.kept.old) || id == self.kept.new_id || Some(id) == self.kept.made_again.as_deref() {
                if !dry_run {
                    self.file.remove().await;
                }
                return None;
            }
            return Some(("both containers were removed, and another has taken the name", RecoveryAction::Foreign, None));
        }
        if dry_run {
            return Some((GONE, RecoveryAction::WouldUndo, None));
        }
        on_phase("rolling_back", 500);
        let engine = &self.refit.shared.engine;
        let mut swap = Swap {
            engine,
            name: self.name.to_owned(),
            mode: self.kept.mode,
            old: state::id(&self.kept.old).to_owned(),
            new: None,
            spare: None,
            lease: Lease::new(engine, self.name, self.clock),
            engine_wait: self.refit.shared.options.engine_wait,
            kept: Some(self.kept),
            state_dir: self.refit.shared.options.state_dir.as_deref(),
            remake: None,
        };
        match swap.undo().await {
            Ok(()) => {
                self.file.remove().await;
                Some((GONE, RecoveryAction::Undone, None))
            }
            Err(error) => Some((GONE, RecoveryAction::WouldUndo, Some(error))),
        }
    }
}
