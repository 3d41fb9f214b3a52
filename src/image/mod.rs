//! Images: one file a call.

mod containers;
mod history;
mod info;
pub(crate) mod inspect;
pub(crate) mod list;
mod missing;
mod pull;
mod status;

pub use containers::{ImageContainer, ImageContainers, Match};
pub use history::{HistoryLayer, ImageHistory};
pub use info::ImageInfo;
pub use list::{ImageList, ImageSummary, ListOptions};
pub use missing::MissingImages;
pub use pull::{ImageIdentity, LayerState, LayerStatus, PullOptions, PullResult, RegistryAuth};
pub use status::{ImageStatus, LastError, OperationState};

pub(crate) use pull::PullTable;
