//! The tests that measure time or memory: a program of its own, which runs while no other test does.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cancel;
mod check_crowd;
mod check_manifest;
#[path = "../it/connected.rs"]
mod connected;
mod downtime;
mod log;
mod many;
mod volume;
