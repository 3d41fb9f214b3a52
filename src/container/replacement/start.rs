//! The start of either container, whose port may still be held by the other one.

use std::time::{Duration, Instant};

use crate::Result;
use crate::engine::api::containers;
use crate::engine::{Engine, phrases};

/// How long a start is tried again while the port of a container that has just ended is still held.
const PORT_WAIT: Duration = Duration::from_secs(10);

/// Starts it, and again while the port of its predecessor is still held, as long as `goes_on` says so. Podman holds a published port for a
/// moment after the stop has returned; so does a proxy that is slow to end.
pub(crate) async fn start_when_port_is_free(engine: &Engine, id: &str, goes_on: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    loop {
        match containers::start(engine, id).await {
            Err(error) if phrases::is_port_held(&error) && begun.elapsed() < PORT_WAIT && goes_on() => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            result => return result.map(|_| ()),
        }
    }
}
