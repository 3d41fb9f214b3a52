//! Containers.

pub(crate) mod names;
