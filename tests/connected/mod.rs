//! The library at the lab's engine, as most tests have it.

use refit::{ConnectOptions, Refit};
use refit_lab::Lab;

pub(crate) async fn refit() -> Refit {
    let mut options = ConnectOptions::default();
    options.host = Some(Lab::get().engine.host());
    Refit::connect(options).await.expect("the lab's engine")
}
