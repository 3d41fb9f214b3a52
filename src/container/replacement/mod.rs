//! What recreations and recoveries share: the names of the old and the new container, the lease, the snapshot, stop, start, settle and
//! rollback. `recreate/` and `recover/` use it, and nothing of each other.

mod health_wait;
pub(crate) mod hook;
pub(crate) mod lease;
pub(crate) mod log_tail;
pub(crate) mod marks;
pub(crate) mod names;
mod networks;
mod old_troubles;
mod pair;
mod removal;
mod retry_limit;
mod rollback;
mod rollback_steps;
pub(crate) mod run_guard;
pub(crate) mod settle;
pub(crate) mod snapshot;
mod start;
pub(crate) mod step_log;
pub(crate) mod stop;
pub(crate) mod volumes;

pub(crate) use health_wait::short_wait_warning;
pub(crate) use networks::join_networks;
pub(crate) use old_troubles::OldTroubles;
pub(crate) use pair::{ReplacementPair, RestoreAttempt};
pub(crate) use removal::await_removal;
pub(crate) use retry_limit::RetryLimit;
pub(crate) use rollback::{GroupRollback, Member, roll_back_group};
pub(crate) use rollback_steps::{Extent, MemberState};
pub(crate) use run_guard::RunGuard;
pub(crate) use settle::{Watch, inspect_again, settle};
pub(crate) use snapshot::{RecoverySnapshot, SnapshotFile, engine_id, read_snapshots};
pub(crate) use start::start_when_port_is_free;
pub(crate) use stop::{AFTER_GRACE, FOR_EVER, PendingStop, grace};

/// How far the work on a container is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// Thousandths of the whole.
    pub(crate) permille: u32,
    /// Bytes of a volume that were backed up or restored so far.
    pub(crate) bytes: u64,
    /// Of how many, where that is known.
    pub(crate) bytes_in_all: Option<u64>,
}

impl Phase {
    pub(crate) fn new(name: &'static str, permille: u32) -> Self {
        Self { name, permille, bytes: 0, bytes_in_all: None }
    }
}

/// Reports how far the work is.
pub(crate) type PhaseReporter<'a> = &'a (dyn Fn(Phase) + Send + Sync);
