//! Containers: one file a call.

pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod names;
mod status;

pub use list::{ContainerList, ContainerOperation, ContainerSummary, ContainersOptions};
pub use status::{ContainerInfo, ContainerStatus, Mount, Network, Port};
