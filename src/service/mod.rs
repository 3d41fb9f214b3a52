//! Services of a swarm: one file a call. Updates and rollbacks are the engine's own; refit asks for them and watches.

mod check;
mod failure;
mod find;
mod list;
mod platforms;
mod report;
mod send;
mod spec;
mod stage;
mod target;
mod tasks;
mod update;
mod watch;

pub use check::ServiceCheck;
pub use list::{ServiceList, ServiceSummary};
pub use report::{ServiceResult, ServiceSide, ServiceUpdate};
pub use update::ServiceUpdateOptions;
