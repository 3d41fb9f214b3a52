//! Services of a swarm of one machine: lists, checks, updates, and the engine's rollback.

mod changed;
mod check;
mod common;
mod failure;
mod list;
mod update;
mod wait;

use common::{LIMIT, Web, broken, connect, failed, is_refused, options, version};
