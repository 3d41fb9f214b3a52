//! An engine on another machine, reached through a child `ssh` that runs `docker system dial-stdio` there, as docker's own client does it.
//!
//! Keys, known hosts, jump hosts and whatever else `ssh` is to do are its own configuration. tokio's `process` feature is not used: it installs
//! a handler of SIGCHLD, which is the host's business.

mod child;
mod connect;
mod failure;
mod resolve;
mod target;

pub(super) use connect::Ssh;
pub(super) use failure::Failure;
pub(crate) use target::Target;
