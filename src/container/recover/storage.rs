//! The containers by which volumes are read and written, after the call that made one was killed.
//!
//! Rules: docs/volumes.md, section 4.

use super::{RecoverOptions, Recovered, RecoveryAction, found};
use crate::operation::call::Call;
use crate::volume::storage::name::StorageName;
use crate::volume::storage::{LeftStorage, left, remove_left};
use crate::{Error, Refit};

const LIVE: &str = "a volume is being read or written through it, or was until a moment ago";
const LEFT: &str = "a call that read or wrote a volume was interrupted and has left it";

/// Removes those that are left: all, or the one of that name.
pub(super) async fn recover(
    refit: &Refit,
    call: &Call,
    container: Option<&str>,
    options: &RecoverOptions,
) -> (Vec<Recovered>, Option<Error>) {
    if container.is_some_and(|name| StorageName::parse(name).is_none()) {
        return (Vec::new(), None);
    }
    let engine = &refit.shared.engine;
    let all = match call.run(left(engine)).await {
        Ok(all) => all,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let is_wanted = |left: &&LeftStorage| {
        container.is_none_or(|wanted| wanted.trim_start_matches('/') == left.name)
            && (options.volume.is_none() || options.volume == left.volume)
    };
    let (mut recovered, mut first) = (Vec::new(), None);
    for left in all.iter().filter(is_wanted) {
        let (situation, action, error) = if left.is_live && !options.force {
            (LIVE, RecoveryAction::Busy, None)
        } else if options.dry_run {
            (LEFT, RecoveryAction::WouldFinish, None)
        } else {
            match call.run(remove_left(engine, left)).await {
                Ok(true) => (LEFT, RecoveryAction::RemovedHelper, None),
                Ok(false) => (LIVE, RecoveryAction::Busy, None),
                Err(error) => (LEFT, RecoveryAction::WouldFinish, Some(error)),
            }
        };
        let (entry, error) = found(&left.name, situation, action, error);
        recovered.push(entry);
        first = first.or(error);
    }
    (recovered, first)
}
