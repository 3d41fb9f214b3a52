//! Images: check, list, pull, update.

mod check;
mod list;
mod pull;
mod pull_silence;
mod update;
