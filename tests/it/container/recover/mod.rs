//! The recovery of a container whose recreation was interrupted.
//!
//! Rules: docs/recreate.md, section 7.

mod dependents;
mod interrupted;
mod late;
mod rollback;
