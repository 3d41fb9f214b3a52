//! refit manages Docker images, and the containers made from them, by hand.

mod environment;
mod error;
mod reference;

pub use error::{Code, Context, Error, ErrorDocument, Failure, Outcome, Result};
pub use reference::Reference;
