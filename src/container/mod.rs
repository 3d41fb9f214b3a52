//! Containers.

pub(crate) mod in_hand;
pub(crate) mod lease;
pub(crate) mod names;
mod recreate;
pub(crate) mod requests;
#[allow(dead_code, unused_imports)] // until the recreation calls all of it
mod spec;
pub(crate) mod state;

pub use recreate::{DependentRecreation, Hooks, RecreateOptions, Recreation, RecreationResult};
pub use spec::{Change, ImageChange, Warning};
