//! An engine that is silent about one request: it may be unpacking a layer on a slow disk, or be dead.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::api::system;
use super::transport::Transport;
use crate::{Code, Result};

/// Waits for work without a time limit. After each silence the engine is pinged, and as long as it answers the work is waited for.
pub(super) fn while_engine_answers<T>(
    transport: &Transport,
    silence: Duration,
    work: impl Future<Output = T>,
) -> impl Future<Output = Result<T>> {
    wait(transport, silence, Box::pin(work))
}

async fn wait<T>(transport: &Transport, silence: Duration, mut work: Pin<Box<impl Future<Output = T>>>) -> Result<T> {
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = tokio::time::sleep(silence) => {}
        }
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            answers = ping(transport, silence) => answers?,
        }
    }
}

/// Whether the engine answers at all.
pub(super) async fn ping(transport: &Transport, patience: Duration) -> Result<()> {
    let status = system::ping(transport, patience).await?.status;
    if status.is_success() {
        return Ok(());
    }
    let message = format!("the engine at {} sends nothing more, and a ping was answered with {}", transport.endpoint(), status.as_u16());
    Err(Code::Unreachable.error(message).with_http_status(status.as_u16()))
}
