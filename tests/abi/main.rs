//! The C ABI as a C program meets it: the header, the shared and the static library, and every rule of the convention.
//!
//! Most programs are C, compiled here against `target/debug/librefit.so`. [`caller`] is one that is made from `tests/c/prototypes.h`, so that
//! a function which is declared there is swept through all the rules without a line more.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arguments;
mod caller;
mod close;
mod compile;
mod engines;
mod header;
mod logger;
mod many;
mod options;
mod output;
mod package;
mod process;
mod program;
mod prototypes;
mod schema;
mod secrets;
mod symbols;
