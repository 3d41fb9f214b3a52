//! Services on a swarm of three engines, which takes minutes: `make test-swarm` alone runs it.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "../it/service/common.rs"]
mod common;
mod nodes;
#[path = "../it/swarm.rs"]
mod swarm;
