//! refit manages Docker images, and the containers made from them, by hand.

mod environment;
mod error;

pub use error::{Code, Context, Error, ErrorDocument, Failure, Outcome, Result};
