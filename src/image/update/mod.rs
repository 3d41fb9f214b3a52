//! `img_plan_update` and `img_update`: the new image, and every container of the old one rebuilt from it.

mod containers;
mod order;
mod plan;
mod replaced;
mod report;
mod run;
mod tag;

use crate::container::RecreateOptions;

pub use plan::{Action, PlannedContainer, UpdatePlan};
pub(crate) use replaced::Replaced;
pub use report::{ContainerUpdate, NotAttempted, TagFate, UpdateReport};

/// The tag under which an image is kept on a store that forgets untagged ones begins so; 12 digits of its id follow.
pub(crate) const PREVIOUS: &str = "refit-previous-";

/// How an image is updated.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
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
    /// How many containers are replaced side by side, after the first has gone alone. Default: the handle's.
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
