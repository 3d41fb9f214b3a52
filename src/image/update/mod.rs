//! `img_plan_update` and `img_update`: the new image, and every container of the old one rebuilt from it.

mod all;
mod containers;
mod order;
mod plan;
mod planned_services;
mod planned_volumes;
mod preflight;
mod recorded;
mod replaced;
mod report;
mod rollback;
mod rollback_target;
mod run;
mod tag;

use crate::container::RecreateOptions;
use crate::reference::Reference;

pub use all::UpdateList;
pub use plan::{PlannedAction, PlannedContainer, UpdatePlan};
pub use planned_volumes::PlannedVolume;
pub(crate) use replaced::Replaced;
pub use report::{ContainerUpdate, NotAttempted, TagFate, UpdateReport};
pub use rollback::{RollbackOptions, RollbackReport};

/// The tag under which an image is kept on a store that forgets untagged ones begins so; 12 digits of its id follow.
pub(crate) const PREVIOUS: &str = "refit-previous-";

/// Whether a tag is one of those.
pub(crate) fn is_kept(reference: &Reference) -> bool {
    reference.tag().is_some_and(|tag| tag.starts_with(PREVIOUS))
}

/// The work on an image's tag, for the guard that allows one at a time. No container's name has a colon, so that it cannot be one's.
fn update_of(reference: &Reference) -> String {
    format!("image:{}", reference.normalised())
}

/// How an image is updated.
#[derive(Debug, Clone, Default)]
pub struct UpdateOptions {
    /// Only these containers. Default: all that the update concerns.
    pub containers: Option<Vec<String>>,
    /// Also those that are current. Default: no.
    pub force: bool,
    /// The digest of the plan that was confirmed; another one in the registry is CONFLICT. Default: any.
    pub expect_digest: Option<String>,
    /// `os/architecture[/variant]`. Default: the local image's.
    pub platform: Option<String>,
    /// What happens after the first container that failed. Default: nothing new starts.
    pub on_failure: OnFailure,
    /// How many containers are replaced side by side, after the first has gone alone. One whose new container only has to settle or to become
    /// healthy takes no place; with those, three times as many are in progress at most. Of those one more than the engine has
    /// processors (a quarter of the places at least) are stopped and started at the same time, so that each is down for less, unless a hook, a stop, a backup or a start takes more
    /// than 2 s. Default: the handle's.
    pub max_concurrency: Option<usize>,
    /// Remove the old images afterwards, as `img_remove_old` does. Default: no.
    pub remove_old: bool,
    /// How each container is recreated.
    pub recreate: RecreateOptions,
}

/// What happens after a container that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFailure {
    /// Nothing new starts.
    #[default]
    Stop,
    /// The others are tried too.
    Continue,
}
