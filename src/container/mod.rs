//! Containers.

#[allow(dead_code, unused_imports)] // until the recreation calls all of it
mod spec;

pub use spec::{Change, ImageChange, Warning};
