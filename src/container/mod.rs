//! Containers: one file a call.

pub(crate) mod create_body;
pub(crate) mod current_image;
mod exec;
mod find;
pub(crate) mod inventory;
mod kinds;
pub(crate) mod libpod;
mod lifecycle;
pub(crate) mod list;
mod logs;
pub(crate) mod lost_files;
pub(crate) mod recover;
pub(crate) mod recreate;
pub(crate) mod recreation;
pub(crate) mod replacement;
pub(crate) mod state;
mod stats;
mod status;

pub use create_body::{Change, ImageChange, Warning};
pub use exec::{ExecOptions, Executed};
pub use kinds::{ContainerState, Health, MountKind, OperationKind};
pub use lifecycle::{ContainerChanged, ContainerExit, CreatedContainer, RemoveOptions};
pub use list::{ContainerList, ContainerOperation, ContainerSummary, ContainersOptions};
pub use logs::{ContainerLogs, FollowedLogs, LogLine, LogLines, LogOptions, LogStream, RawLogs};
pub use recover::{RecoverOptions, Recovered, Recovery, RecoveryAction};
pub use recreate::{Hooks, RecreateOptions, Recreation, RecreationResult, TakenBackup};
pub use stats::ContainerStats;
pub use status::{ContainerInfo, ContainerStatus, Mount, Network, Port};
