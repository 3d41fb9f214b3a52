//! Restores of volumes that were interrupted while the volume was being replaced: they are done again from their backup.
//!
//! Rules: docs/volumes.md, section 8.

use super::{RecoverOptions, Recovered, RecoveryAction};
use crate::operation::call::Call;
use crate::volume::restore::{Finished, Unfinished, unfinished};
use crate::{Code, Error, Refit};

/// Finishes those that the handle's folder knows; none when it is about one container.
pub(super) async fn recover(
    refit: &Refit,
    call: &Call,
    container: Option<&str>,
    options: &RecoverOptions,
) -> (Vec<Recovered>, Option<Error>) {
    if container.is_some() {
        return (Vec::new(), None);
    }
    let all = match call.run(unfinished(refit)).await {
        Ok(all) => all,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let (mut recovered, mut first) = (Vec::new(), None);
    let is_wanted = |restore: &&Unfinished| options.volume.as_deref().is_none_or(|wanted| wanted == restore.volume());
    for restore in all.iter().filter(is_wanted) {
        let (action, error) = match finish(refit, call, restore, options).await {
            Ok(Some(action)) => (action, None),
            Ok(None) => continue,
            Err(error) => (after(&error), Some(error)),
        };
        let situation = match action {
            RecoveryAction::Busy => {
                format!("volume {} is being restored from {}, or was until a moment ago", restore.volume(), restore.file())
            }
            _ => format!(
                "a restore of volume {} from {} was interrupted, and the volume held a part of the backup",
                restore.volume(),
                restore.file()
            ),
        };
        recovered.push(Recovered {
            container: String::new(),
            volume: Some(restore.volume().to_owned()),
            situation,
            action,
            error: error.as_ref().map(Error::document),
        });
        first = first.or(error);
    }
    (recovered, first)
}

/// Another attempt may finish it, or it needs somebody's decision first.
fn after(error: &Error) -> RecoveryAction {
    match error.code() {
        Code::Conflict | Code::NotFound | Code::Data | Code::InvalidArgument | Code::Unsupported => RecoveryAction::Foreign,
        _ => RecoveryAction::WouldFinish,
    }
}

/// `None`: another one has finished it meanwhile.
async fn finish(refit: &Refit, call: &Call, restore: &Unfinished, options: &RecoverOptions) -> crate::Result<Option<RecoveryAction>> {
    if options.dry_run {
        if call.run(restore.is_busy(refit)).await? {
            return Ok(Some(RecoveryAction::Busy));
        }
        restore.refusal(refit, call).await?;
        return Ok(Some(RecoveryAction::WouldFinish));
    }
    Ok(match restore.finish(refit, call).await? {
        Finished::Yes => Some(RecoveryAction::Finished),
        Finished::Busy => Some(RecoveryAction::Busy),
        Finished::Gone => None,
    })
}
