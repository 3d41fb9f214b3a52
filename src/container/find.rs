//! One container as a user names it, for calls that read from it.

use serde_json::Value;

use super::list::{Listing, no_container};
use super::replacement::names::TemporaryName;
use crate::engine::Engine;
use crate::engine::api::containers;
use crate::engine::names::check_container;
use crate::error::shown;
use crate::{Code, Error, Result};

/// The inspect of a container by its name, its id or the beginning of one. The engine is asked for that name first, which is one request; the
/// list, which also knows a container whose recreation has its name for a moment under another one, only when the engine knows none.
pub(crate) async fn inspect(engine: &Engine, container: &str) -> Result<Value> {
    check_container(container)?;
    if TemporaryName::parse(container).is_none() {
        match containers::inspect(engine, container).await {
            Ok(Some(inspect)) => return Ok(inspect),
            Ok(None) => {}
            // Such as the beginning of more than one id: the list says which.
            Err(error) if error.code() == Code::Engine && error.context().http_status.is_some() => {}
            Err(error) => return Err(error),
        }
    }
    let entry = Listing::find_on(engine, container).await?.ok_or_else(|| no_container(container))?;
    containers::inspect(engine, &entry.id).await?.ok_or_else(|| no_container(container))
}

/// The engine was asked by the id: the error names the container as the caller does.
pub(crate) fn named(error: Error, id: &str, container: &str) -> Error {
    let message = error.message().replace(id, &shown(container));
    error.with_message(message).with_container(container)
}
