//! refit manages Docker images, and the containers made from them, by hand: is there a newer image, pull it, which containers use it, update
//! them. If anything goes wrong, everything is as before.
//!
//! ```no_run
//! use refit::image::UpdateOptions;
//! use refit::{ConnectOptions, Refit};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let refit = Refit::connect(ConnectOptions::default()).await?;
//! let plan = refit.plan_update("registry.example/game:stable", UpdateOptions::default()).await?;
//! println!("{} containers, {:?} bytes to download", plan.containers.len(), plan.download_bytes);
//! let confirmed = UpdateOptions { expect_digest: plan.expect_digest, ..UpdateOptions::default() };
//! let report = refit.update("registry.example/game:stable", confirmed).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing is pulled, updated, removed or repaired unless that very thing was asked for. Reads are `async fn`s, which end when they are dropped;
//! long calls are [`Operation`]s, with progress, a [`Cancel`] token and a time limit. A call that has something to report even when it fails
//! returns an [`Outcome`].
//!
//! # The map
//!
//! | where | what |
//! |---|---|
//! | `client` | the handle: [`Refit::connect`] and its options |
//! | `operation/` | one running call: its cancel token, time limit, progress and actor; `gate`: all calls of a handle, and how it is closed |
//! | `error` | one [`Error`], its kinds and their numbers in C |
//! | `reference`, `platform`, `json`, `environment` | image references and platforms as Docker reads them; reading JSON; the environment, read once |
//! | `net/` | TLS with its one verifier of certificates, PEM files, child processes |
//! | `state_dir/` | the handle's folder: its mode, atomic writes, a lock between processes |
//! | `engine/` | where the engine is and which API version is spoken; `api/`: every request to it, one file a noun; `names`: names are checked before any request; `phrases`: what an engine's messages mean |
//! | `registry/` | `lookup`: which digest a tag names; `api_request`: one request of its API; `auth/`: tokens, credentials; `transport/`: proxies, limits, redirects, retries |
//! | [`image`] | one file a call; `check/` (`verdict` decides), `pull/` (`failure`: the code of a failed pull), `update/` (`plan`, `order`, `run`, `tag`) |
//! | [`container`] | list, status, lifecycle, `logs/` (`lines` decides), exec, stats; `create_body/`: from an inspect to a create body; `recreate/`: the steps of a recreation; `recover/`: `table` decides what an interrupted one needs; `replacement/`: what both share (names, lease, stop, settle, snapshot, `rollback_steps`) |
//! | [`volume`] | one file a call; `storage/`: the container through which a volume is read and written, its name, the way to a file; `import_rules` decides; `archive/`: tar in pieces; `backup/`: what a backup is, and how it is written (`format`, `file`); `restore/`: `unpack` verifies, `found` decides, `replace` changes, `record` and `unfinished` outlive a kill |
//! | [`service`] | one file a call; `target` decides what an update sends, `stage` where it stands; `send`, `watch` and `failure` are its steps |
//! | `history/` | which calls changed something: `record` writes one, `store` and `file` keep them |
//! | `ffi/` | the C ABI, the only unsafe code |
//!
//! The rules that the files of `container`, `image/check`, `registry` and `ffi` keep are in the repository's `docs/`.

mod client;
pub mod container;
mod engine;
mod environment;
mod error;
#[cfg(feature = "capi")]
mod ffi;
mod history;
pub mod image;
mod json;
mod net;
mod operation;
mod platform;
mod reference;
mod registry;
pub mod service;
mod state_dir;
pub mod volume;

/// The type of the bytes of a log, of the crate `bytes`.
pub use bytes::Bytes;
pub use client::{CheckVia, ConnectOptions, EngineInfo, EngineKind, Refit, RegistryOptions};
pub use engine::Store;
pub use error::{Code, Context, Error, ErrorDocument, Failure, Outcome, Result};
/// The type of the times in documents, of the crate `jiff`. In JSON it is RFC 3339 in UTC.
pub use jiff::Timestamp;

pub use history::{History, HistoryContainer, HistoryEntry, HistoryFilter, HistoryImage, HistoryKind, HistoryResult};
pub use operation::Operation;
pub use operation::cancel::Cancel;
pub use operation::progress::Progress;
pub use reference::Reference;
pub use registry::{CredentialUse, Note};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod layering_tests;
