//! Images: one file a call.

mod check;
mod containers;
mod history;
mod info;
pub(crate) mod inspect;
mod last_checks;
mod list;
mod missing;
mod pull;
mod remove_old;
mod status;
mod update;

pub use check::verdict::{Certainty, CheckState, RemoteImage};
pub use check::{Check, CheckList, CheckOptions, LocalImage, Via};
pub use containers::{ContainerMatch, ImageContainer, ImageContainers};
pub use history::{HistoryLayer, ImageHistory};
pub use info::ImageInfo;
pub use list::{ImageList, ImageSummary, ListOptions};
pub use missing::MissingImages;
pub use pull::{ImageIdentity, LayerState, LayerStatus, PullOptions, PullResult, RegistryAuth};
pub use remove_old::{KeptImage, RemoveOldOptions, RemovedImage, RemovedOld};
pub use status::{ImageStatus, LastError, OperationState};
pub use update::{
    ContainerUpdate, NotAttempted, OnFailure, PlannedAction, PlannedContainer, PlannedVolume, RollbackOptions, RollbackReport, TagFate,
    UpdateList, UpdateOptions, UpdatePlan, UpdateReport,
};

pub(crate) use check::{ServiceImage, checks_of_service};
pub(crate) use last_checks::LastChecks;
pub(crate) use pull::PullTable;
pub(crate) use update::Replaced;
