//! One run: a container, its replacement, and what is reported of them.
//!
//! Rules: docs/recreate.md, section 4.

use std::collections::BTreeSet;

use serde_json::Value;

use super::prepare::Prepared;
use super::turn::Turn;
use super::{RecreateOptions, Recreation};
use crate::client::Refit;
use crate::container::create_body::{Difference, Warning};
use crate::container::replacement::lease::Lease;
use crate::container::replacement::marks::Marks;
use crate::container::replacement::step_log::StepLog;
use crate::container::replacement::volumes::{RestoreReporter, VolumesRollback};
use crate::container::replacement::{Phase, PhaseReporter, ReplacementPair, SnapshotFile};
use crate::container::state;
use crate::engine::Engine;
use crate::operation::call::Call;
use crate::{Code, Error, Result};

/// Thousandths of a recreation that its rollback begins with.
pub(super) const ROLLING_BACK: u32 = 950;

/// How far a run has come: what a failure has to roll back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The old container was not touched.
    OldUntouched,
    /// The old container may be stopped or renamed.
    Replacing,
    /// The new container was started.
    NewStarted,
}

/// The recreation of one container.
pub(super) struct Run<'a> {
    pub(super) refit: &'a Refit,
    pub(super) engine: &'a Engine,
    pub(super) call: &'a Call,
    pub(super) prepared: Prepared,
    pub(super) options: &'a RecreateOptions,
    pub(super) on_phase: PhaseReporter<'a>,
    steps: StepLog,
    pub(super) pair: ReplacementPair<'a>,
    pub(super) stage: Stage,
    pub(super) report: Recreation,
    /// It failed only because the tag was moved between the inspection of the image and the create.
    pub(super) may_retry: bool,
    pub(super) snapshot_file: Option<SnapshotFile>,
    /// Differences between the two containers that the caller accepts.
    pub(super) accepted: Vec<Difference>,
    /// The old container's inspect after its stop.
    pub(super) stopped: Option<Value>,
    /// The new container's inspect once it has settled.
    pub(super) started: Option<Value>,
    /// It references a container that was replaced just before, and may have ended with it.
    pub(super) is_dependent: bool,
    /// A swarm network shows the configured address only once the old container has stopped.
    pub(super) is_on_overlay: bool,
    /// The volumes that were backed up for another container of the same call.
    pub(super) backed_up_before: BTreeSet<String>,
    /// To be stopped and started while few others are.
    pub(super) turn: Turn<'a>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        refit: &'a Refit,
        call: &'a Call,
        prepared: Prepared,
        options: &'a RecreateOptions,
        on_phase: PhaseReporter<'a>,
        is_dependent: bool,
    ) -> Self {
        let engine = &refit.shared.engine;
        let report = Recreation::begun(&prepared);
        let pair = ReplacementPair {
            refit,
            engine,
            name: prepared.name().to_owned(),
            mode: prepared.mode(),
            marks: marks(&prepared, options),
            old: state::id(&prepared.container).to_owned(),
            new: None,
            standby: None,
            lease: Lease::new(engine, prepared.name(), prepared.clock),
            engine_wait: refit.shared.options.engine_wait,
            snapshot: None,
            state_dir: refit.shared.state_dir.as_ref(),
            restore_attempt: None,
            volumes: VolumesRollback::default(),
            restore_reporter: RestoreReporter { on_phase, permille: ROLLING_BACK },
        };
        Self {
            refit,
            engine,
            call,
            prepared,
            options,
            on_phase,
            steps: StepLog::default(),
            pair,
            stage: Stage::OldUntouched,
            report,
            may_retry: false,
            snapshot_file: None,
            accepted: Vec::new(),
            stopped: None,
            started: None,
            is_dependent,
            is_on_overlay: false,
            backed_up_before: BTreeSet::new(),
            turn: Turn::default(),
        }
    }

    /// The step that begins: for the progress, the state of the container and the log.
    pub(super) fn step(&mut self, phase: &'static str, permille: u32) {
        (self.on_phase)(Phase::new(phase, permille));
        self.steps.begin(&self.pair.name, phase);
    }

    /// Before each change: a cancelled call ends here.
    pub(super) async fn begin_step(&mut self, phase: &'static str, permille: u32) -> Result<()> {
        self.step(phase, permille);
        self.call.check()?;
        self.pair.lease.ensure().await
    }

    pub(super) fn old_image_id(&self) -> &str {
        self.report.old_image_id.as_deref().unwrap_or_default()
    }

    pub(super) fn warn(&mut self, code: &str, message: String) {
        let container = Some(self.pair.name.clone());
        self.report.warnings.push(Warning { code: code.into(), container, message });
    }

    pub(super) fn conflict(&self, what: &str) -> Error {
        Code::Conflict.error(format!("container {} {what} while it was being recreated", self.pair.name))
    }
}

/// Where no volume is to be restored, a recovery needs no snapshot for it.
fn marks(prepared: &Prepared, options: &RecreateOptions) -> Marks {
    let restores_volumes = options.restore_on_rollback && prepared.volumes.volumes.iter().any(|volume| volume.writable);
    if prepared.mode().runs() { Marks { restores_volumes, ..options.marks() } } else { Marks::default() }
}
