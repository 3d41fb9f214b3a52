//! The Engine API: every request that refit makes of an engine, one file for each noun of Docker's API and one function for each request.
//!
//! The functions take and return plain values: `&str`, [`serde_json::Value`] where every field must survive, bollard's models where they lose
//! nothing that is needed. Versions and quirks of engines are known here, and no path of the API stands anywhere else.

pub(crate) mod archive;
pub(crate) mod container_list;
pub(crate) mod containers;
pub(crate) mod distribution;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod images;
pub(crate) mod libpod;
pub(crate) mod networks;
pub(crate) mod nodes;
pub(crate) mod probes;
pub(crate) mod services;
pub(crate) mod swarm;
pub(crate) mod system;
pub(crate) mod tasks;
pub(crate) mod volumes;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
