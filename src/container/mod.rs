//! Containers.

pub(crate) mod in_hand;
pub(crate) mod lease;
pub(crate) mod names;
pub(crate) mod requests;
pub(crate) mod state;
