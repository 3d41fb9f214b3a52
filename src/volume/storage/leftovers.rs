//! Storage containers whose call has not removed them: its process was killed, or the engine did not answer.
//!
//! Rules: docs/volumes.md, section 4.

use super::name::StorageName;
use crate::engine::Engine;
use crate::engine::api::container_list;
use crate::engine::api::containers::{self, Removal};
use crate::volume::list::is_user;
use crate::{Code, Result};

/// A storage container that is there.
#[derive(Debug, Clone)]
pub(crate) struct LeftStorage {
    pub(crate) name: String,
    /// From its label.
    volume: Option<String>,
    id: String,
    /// Its lease has not ended.
    pub(crate) is_live: bool,
}

/// Which storage containers are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    All,
    /// The one of this name.
    Named(&'a str),
    OfVolume(&'a str),
    /// Those of the volumes that this container mounts.
    OfContainer(&'a str),
}

/// The storage containers of all handles.
pub(crate) async fn left(engine: &Engine, wanted: Wanted<'_>) -> Result<Vec<LeftStorage>> {
    let (list, now) = container_list::list(engine).await?;
    let storage = |entry: &container_list::ListedEntry| {
        let name = entry.name()?;
        let parsed = StorageName::parse(name)?;
        let volume = entry.labels.as_ref().and_then(|labels| labels.get("refit.volume")).cloned();
        Some(LeftStorage { name: name.to_owned(), volume, id: entry.id.clone(), is_live: parsed.is_live(now) })
    };
    let is_wanted = |left: &LeftStorage| match (wanted, left.volume.as_deref()) {
        (Wanted::All, _) => true,
        (Wanted::Named(name), _) => name.trim_start_matches('/') == left.name,
        (Wanted::OfVolume(wanted), Some(volume)) => wanted == volume,
        (Wanted::OfContainer(container), Some(volume)) => is_user(volume, container, &list),
        (_, None) => false,
    };
    Ok(list.iter().filter_map(storage).filter(is_wanted).collect())
}

/// Removes one; false while an archive of it is read or written.
pub(crate) async fn remove_left(engine: &Engine, left: &LeftStorage) -> Result<bool> {
    // While an archive is read or written the engine does not answer. A busy engine takes seconds.
    let patience = engine.timeout() / 3;
    match tokio::time::timeout(patience, containers::inspect(engine, &left.id)).await {
        Err(_) => return Ok(false),
        Ok(inspected) => {
            if inspected?.is_none() {
                return Ok(true);
            }
        }
    }
    match containers::remove(engine, &left.id, Removal { force: true, volumes: true }).await {
        // Its own call has just removed it, or is removing it.
        Err(error) if matches!(error.code(), Code::NotFound | Code::Conflict) => Ok(true),
        removed => removed.map(|()| true),
    }
}
