//! Images: one file a call.

mod check;
mod containers;
mod current;
mod history;
mod info;
pub(crate) mod inspect;
mod last_checks;
pub(crate) mod list;
mod local_facts;
mod missing;
mod platform;
mod pull;
mod remove_old;
mod status;
mod update;
mod verdict;

pub use check::{Check, CheckList, CheckOptions, LocalImage, Via};
pub use containers::{ImageContainer, ImageContainers, Match};
pub use history::{HistoryLayer, ImageHistory};
pub use info::ImageInfo;
pub use list::{ImageList, ImageSummary, ListOptions};
pub use missing::MissingImages;
pub use pull::{ImageIdentity, LayerState, LayerStatus, PullOptions, PullResult, RegistryAuth};
pub use remove_old::{KeptImage, RemoveOldOptions, RemovedImage, RemovedOld};
pub use status::{ImageStatus, LastError, OperationState};
pub use update::{Action, ContainerUpdate, NotAttempted, OnFailure, PlannedContainer, TagFate, UpdateOptions, UpdatePlan, UpdateReport};
pub use verdict::{Certainty, RemoteImage, State};

pub(crate) use current::Current;
pub(crate) use last_checks::LastChecks;
pub(crate) use pull::PullTable;
pub(crate) use update::Replaced;
