//! refit manages Docker images, and the containers made from them, by hand.

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
