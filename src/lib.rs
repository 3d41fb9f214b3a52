//! refit manages Docker images, and the containers made from them, by hand: is there a newer image, pull it, who is affected, update; and if
//! anything goes wrong, everything stands as before.
//!
//! ```no_run
//! use refit::image::UpdateOptions;
//! use refit::{ConnectOptions, Refit};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let refit = Refit::connect(ConnectOptions::default()).await?;
//! let plan = refit.plan_update("registry.example/game:stable", &UpdateOptions::default()).await?;
//! println!("{} containers, {:?} bytes to download", plan.containers.len(), plan.download_bytes);
//! let mut confirmed = UpdateOptions::default();
//! confirmed.expect_digest = plan.expect_digest;
//! let report = refit.update("registry.example/game:stable", confirmed).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing is pulled, updated, removed or repaired unless that very thing was asked for. Reads are `async fn`s, which end when they are dropped;
//! long calls are [`Operation`]s, with progress, a [`Cancel`] token and a time limit. A call that has something to tell even when it fails
//! returns an [`Outcome`].
//!
//! # The map
//!
//! | where | what |
//! |---|---|
//! | `refit` | the handle: [`Refit::connect`] and its options |
//! | `call`, `operation`, `cancel`, `progress` | one call under way: what ends it, what it tells, and the task that outlives its future |
//! | `error` | one [`Error`], its kinds and their numbers in C |
//! | `reference` | image references, read as Docker reads them |
//! | `environment` | the process's environment, read once |
//! | `engine/` | where the engine is, which API is spoken, JSON in and out of it |
//! | `registry/` | which digest a tag names: requests, challenges, tokens, credentials, limits |
//! | [`image`] | list, info, check, pull, plan, update, remove_old: one file a call; `verdict` judges a check |
//! | [`container`] | list, status, lifecycle; `spec/` maps an inspect to a create body, `recreate/` takes the steps, `recover/` repairs |
//! | `history` | what was done |
//! | `ffi/` | the C ABI, the only unsafe code |

mod call;
mod cancel;
pub mod container;
mod engine;
mod environment;
mod error;
mod ffi;
mod history;
pub mod image;
mod operation;
mod progress;
mod reference;
mod refit;
mod registry;

pub use cancel::Cancel;
pub use engine::Store;
pub use error::{Code, Context, Error, ErrorDocument, Failure, Outcome, Result};
pub use history::{History, HistoryEntry, HistoryImage};
pub use operation::Operation;
pub use progress::Progress;
pub use reference::Reference;
pub use refit::{CheckVia, ConnectOptions, EngineInfo, Refit, RegistryOptions};
pub use registry::{CredentialUse, Note};
