//! The C ABI: a thin shell over the Rust API, and the only unsafe code.
//!
//! Every function nulls its outputs, checks its arguments, runs the Rust call on the handle's runtime while the caller's thread waits,
//! and contains panics. The text of the functions here is the manual in `include/refit.h`.
#![allow(unsafe_code, reason = "pointers come from C")]
#![allow(unreachable_pub, reason = "C reaches them by their symbols")]
#![allow(clippy::doc_markdown, reason = "the header's manual lists fields and codes as they are written in C and JSON")]

mod call_options;
mod callback;
mod cancel;
mod codes;
mod container;
mod container_recreate;
mod engine;
mod entry;
mod error;
mod guard;
mod handle;
mod image;
mod open_options;
mod options;
mod output;
mod service;
mod strings;
mod types;
mod update;
mod volume;
