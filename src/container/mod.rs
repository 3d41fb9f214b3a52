//! Containers: one file a call.

pub(crate) mod inspect;
mod lifecycle;
pub(crate) mod list;
pub(crate) mod names;
#[allow(dead_code, unused_imports)] // until the recreation calls all of it
pub(crate) mod spec;
mod status;

pub use lifecycle::{ContainerChanged, ContainerExit, CreatedContainer, RemoveOptions};
pub use list::{ContainerList, ContainerOperation, ContainerSummary, ContainersOptions};
pub use spec::{Change, ImageChange, Warning};
pub use status::{ContainerInfo, ContainerStatus, Mount, Network, Port};
