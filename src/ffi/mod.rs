//! The C ABI: a thin shell over the Rust API, and the only unsafe code.
//!
//! Every function sets its outputs to NULL, checks its arguments, runs the Rust call on the handle's runtime while the caller's thread
//! waits, and catches panics. The text of the functions here is the manual in `include/refit.h`, which a C programmer reads: it has no
//! `# Safety` sections. What the caller of every function promises is the convention at the top of the header: `r` is NULL or an open
//! handle, a string NULL or NUL-terminated and readable during the call, a token or an error NULL or not freed, an output NULL or writable
//! until the call has returned. A `SAFETY` comment that says "the convention" means that.
#![allow(unsafe_code, reason = "pointers come from C")]
#![allow(unreachable_pub, reason = "C reaches them by their symbols")]
#![allow(clippy::doc_markdown, reason = "the header's manual lists fields and codes as they are written in C and JSON")]

// What the calls are made of. It has nothing that C sees.
mod call_options;
mod callback;
mod delivery;
mod entry;
mod guard;
mod open_options;
mod options;
mod runtime;
mod supply;

// What C sees, in the order in which cbindgen writes it into the header: blank lines keep rustfmt from sorting it.
mod types;

mod handle;

mod codes;

mod log_layer;

mod cancel;

mod strings;

mod error;

mod logger;

mod engine;

mod image;

mod update;

mod container;

mod container_recreate;

mod output;

mod volume;

mod volume_files;

mod volume_archive;

mod volume_backup;

mod service;
