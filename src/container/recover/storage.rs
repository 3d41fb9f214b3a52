//! The containers by which volumes are read and written, after the call that made one was killed.
//!
//! Rules: docs/volumes.md, section 4.

use super::{RecoverOptions, Recovered, RecoveryAction, found};
use crate::operation::call::Call;
use crate::volume::storage::name::StorageName;
use crate::volume::storage::{LeftStorage, Wanted, left, remove_left};
use crate::{Error, Refit};

const LIVE: &str = "a volume is being read or written through it, or was until a moment ago";
const LEFT: &str = "a call that read or wrote a volume was interrupted and has left it";

/// Removes those that are left: all, the one of that name, or those of the volumes of a container.
pub(super) async fn recover(
    refit: &Refit,
    call: &Call,
    container: Option<&str>,
    options: &RecoverOptions,
) -> (Vec<Recovered>, Option<Error>) {
    let engine = &refit.shared.engine;
    let wanted = match (container, options.volume.as_deref()) {
        (Some(name), _) if StorageName::parse(name).is_some() => Wanted::Named(name),
        (Some(name), _) => Wanted::OfContainer(name),
        (None, Some(volume)) => Wanted::OfVolume(volume),
        (None, None) => Wanted::All,
    };
    let all = match call.run(left(engine, wanted)).await {
        Ok(all) => all,
        Err(error) => return (Vec::new(), Some(error)),
    };
    // A call that is going on with a volume of the container is no leftover of it.
    let is_concerned = |left: &&LeftStorage| !matches!(wanted, Wanted::OfContainer(_)) || !left.is_live || options.force;
    let (mut recovered, mut first) = (Vec::new(), None);
    for left in all.iter().filter(is_concerned) {
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
