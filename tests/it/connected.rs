//! A handle of the lab's engine.

use std::time::Duration;

use refit::{ConnectOptions, Refit};
use refit_lab::Lab;

pub(crate) async fn refit() -> Refit {
    refit_at(&Lab::get().engine.host()).await
}

/// By another way, a proxy for example.
pub(crate) async fn refit_at(host: &str) -> Refit {
    // With many tests at once Docker 20.10 has not answered for more than 30 s.
    let timeout = Duration::from_secs(120);
    let options = ConnectOptions { host: Some(host.to_owned()), timeout, ..ConnectOptions::default() };
    Refit::connect(options).await.expect("the lab's engine")
}
