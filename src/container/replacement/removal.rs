//! The removal of either container, which may be in progress in the engine after an earlier call.

use std::time::{Duration, Instant};

use crate::engine::api::containers::{self, Removal};
use crate::engine::{Engine, phrases};
use crate::{Code, Result};

/// How long the engine may take to remove a container: one with many files in its layer takes seconds.
const REMOVAL: Duration = Duration::from_secs(60);

/// Removes the new container, running or not, with the volumes that were made for it alone; those in use stay.
pub(crate) async fn remove_new(engine: &Engine, id: &str) -> Result<()> {
    remove(engine, id, Removal { force: true, volumes: true }).await
}

/// Removes the old container, which must not run. Its volumes stay, always.
pub(crate) async fn remove_old(engine: &Engine, id: &str) -> Result<()> {
    remove(engine, id, Removal { force: false, volumes: false }).await
}

async fn remove(engine: &Engine, id: &str, removal: Removal) -> Result<()> {
    match containers::remove(engine, id, removal).await {
        Err(error) if error.code() == Code::NotFound => Ok(()),
        // An earlier call, whose answer was lost, is still in progress.
        Err(error) if phrases::is_removal_in_progress(&error) => await_removal(engine, id).await,
        result => result,
    }
}

/// Waits until the engine has removed a container, as it does by itself with an `--rm` one that has ended.
pub(crate) async fn await_removal(engine: &Engine, id: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        match containers::inspect(engine, id).await {
            Ok(None) => return Ok(()),
            Err(error) if begun.elapsed() > REMOVAL => return Err(error),
            Ok(Some(_)) if begun.elapsed() > REMOVAL => {
                return Err(Code::Engine.error(format!("the engine has not removed container {id} in {} s", REMOVAL.as_secs())));
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
