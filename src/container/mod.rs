//! Containers: one file a call.

pub(crate) mod in_hand;
pub(crate) mod inspect;
pub(crate) mod lease;
pub(crate) mod libpod;
mod lifecycle;
pub(crate) mod list;
pub(crate) mod names;
pub(crate) mod recover;
pub(crate) mod recreate;
pub(crate) mod requests;
pub(crate) mod spec;
pub(crate) mod state;
mod status;

pub use lifecycle::{ContainerChanged, ContainerExit, CreatedContainer, RemoveOptions};
pub use list::{ContainerList, ContainerOperation, ContainerSummary, ContainersOptions};
pub use recover::{RecoverOptions, Recovered, Recovery, RecoveryAction};
pub use recreate::{Hooks, RecreateOptions, Recreation, RecreationResult};
pub use spec::{Change, ImageChange, Warning};
pub use status::{ContainerInfo, ContainerStatus, Mount, Network, Port};
