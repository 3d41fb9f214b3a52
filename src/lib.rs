//! refit manages Docker images, and the containers made from them, by hand.

mod container;
mod environment;
mod error;

pub use container::{Change, ImageChange, Warning};
pub use error::{Code, Context, Error, ErrorDocument, Failure, Outcome, Result};
