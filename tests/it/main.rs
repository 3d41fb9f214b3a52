//! The tests that need an engine: one program, a module a noun, so that all of them are linked once and run side by side.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

mod connected;
mod container;
mod docs;
mod documents;
mod history;
mod history_processes;
mod image;
mod log;
mod newer;
mod readme;
mod recreation;
mod secrets;
mod service;
mod ssh;
mod swarm;
mod volume;
