//! `volume_create`, `volume_remove`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::list::users;
use super::restore;
use super::storage::no_volume;
use crate::engine::api::{container_list, volumes};
use crate::engine::names::check_volume;
use crate::error::shown;
use crate::json::{text, text_map};
use crate::{Code, Error, Refit, Result};

/// What a new volume is.
#[derive(Debug, Clone)]
pub struct CreateVolumeOptions {
    /// Default: `local`.
    pub driver: String,
    /// The driver's own options. Default: none.
    pub driver_options: BTreeMap<String, String>,
    /// Default: none.
    pub labels: BTreeMap<String, String>,
}

impl Default for CreateVolumeOptions {
    fn default() -> Self {
        Self { driver: "local".into(), driver_options: BTreeMap::new(), labels: BTreeMap::new() }
    }
}

/// A volume that was created or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "volume_changed")]
#[non_exhaustive]
pub struct VolumeChanged {
    /// As asked.
    pub volume: String,
    /// False: it was there already, with the same driver, options and labels.
    pub changed: bool,
}

impl Refit {
    /// Creates a volume. One that is there with another driver, other options or other labels is [`Conflict`](Code::Conflict): the engine itself
    /// answers with success and ignores what was asked.
    #[tracing::instrument(level = "error", name = "volume_create", skip_all, fields(volume = %shown(volume)), err(level = "warn"))]
    pub async fn create_volume(&self, volume: &str, options: &CreateVolumeOptions) -> Result<VolumeChanged> {
        check_volume(volume)?;
        let engine = &self.shared.engine;
        let changed = |changed: bool| VolumeChanged { volume: volume.to_owned(), changed };
        if let Some((there, _)) = volumes::inspect(engine, volume).await? {
            return same(volume, &there, options).map(|()| changed(false));
        }
        let created = volumes::create(engine, volume, &options.driver, &options.driver_options, &options.labels).await;
        let created = created.map_err(|error| match error.context().http_status {
            Some(400) => {
                let message = error.message().to_owned();
                error.into_cause_of(Code::InvalidArgument, message)
            }
            _ => error,
        })?;
        // Somebody else may have made it meanwhile.
        same(volume, &created, options).map(|()| changed(true))
    }

    /// Removes a volume and everything in it. [`Conflict`](Code::Conflict), which names them, while containers have it, running or not.
    #[tracing::instrument(level = "error", name = "volume_remove", skip_all, fields(volume = %shown(volume)), err(level = "warn"))]
    pub async fn remove_volume(&self, volume: &str) -> Result<VolumeChanged> {
        check_volume(volume)?;
        let engine = &self.shared.engine;
        match volumes::remove(engine, volume).await {
            Ok(()) => {
                restore::forget(self, volume).await;
                Ok(VolumeChanged { volume: volume.to_owned(), changed: true })
            }
            Err(error) if error.code() == Code::NotFound => Err(no_volume(volume).caused_by(&error)),
            Err(error) if error.code() == Code::Conflict => {
                let (list, _) = container_list::list(engine).await?;
                Err(in_use(volume, &users(volume, &list), error))
            }
            Err(error) => Err(error),
        }
    }
}

pub(super) fn in_use(volume: &str, users: &[String], error: Error) -> Error {
    let message = match users {
        [] => format!("volume {volume} is being used, by another call of refit for instance: try again"),
        users => format!("volume {volume} is used by {}: remove them first (container_remove)", shown(&users.join(", "))),
    };
    error.into_cause_of(Code::Conflict, message)
}

/// CONFLICT with the first difference between a volume that is there and what was asked for.
fn same(volume: &str, there: &Value, options: &CreateVolumeOptions) -> Result<()> {
    let driver = text(there, "/Driver");
    let difference = if driver == options.driver {
        let maps = [("driver option", "/Options", &options.driver_options), ("label", "/Labels", &options.labels)];
        maps.into_iter().find_map(|(what, path, asked)| differs(what, &text_map(there, path), asked))
    } else {
        Some(format!("its driver is {driver}, not {}", options.driver))
    };
    match difference {
        None => Ok(()),
        Some(difference) => {
            let message = format!("there is a volume {} already, and {}: it was not changed", shown(volume), shown(&difference));
            Err(Code::Conflict.error(message))
        }
    }
}

fn differs(what: &str, there: &BTreeMap<String, String>, asked: &BTreeMap<String, String>) -> Option<String> {
    let key = there.keys().chain(asked.keys()).find(|key| there.get(*key) != asked.get(*key))?;
    // A driver's option may be a password.
    Some(match (there.contains_key(key), asked.contains_key(key)) {
        (true, true) => format!("its {what} {key} has another value"),
        (true, false) => format!("it has the {what} {key}"),
        _ => format!("it does not have the {what} {key}"),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_driver_option_or_label_is_a_conflict_that_names_it() {
        let map = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let there = json!({"Driver": "local", "Options": {"type": "tmpfs"}, "Labels": {"a": "1"}});
        let asked = CreateVolumeOptions { driver_options: map("type", "tmpfs"), labels: map("a", "1"), ..CreateVolumeOptions::default() };
        assert_eq!(same("v", &there, &asked), Ok(()));
        assert_eq!(same("v", &json!({"Driver": "local", "Options": null, "Labels": null}), &CreateVolumeOptions::default()), Ok(()));
        let cases = [
            (CreateVolumeOptions { driver: "nfs".into(), ..asked.clone() }, "its driver is local, not nfs"),
            (CreateVolumeOptions { driver_options: map("type", "nfs"), ..asked.clone() }, "its driver option type has another value"),
            (CreateVolumeOptions { driver_options: map("o", "x"), ..asked.clone() }, "it has the driver option type"),
            (CreateVolumeOptions { labels: BTreeMap::new(), ..asked.clone() }, "it has the label a"),
            (CreateVolumeOptions { labels: map("a", "2"), ..asked }, "its label a has another value"),
        ];
        for (asked, difference) in cases {
            let error = same("v", &there, &asked).unwrap_err();
            assert!(error.code() == Code::Conflict && error.message().contains(difference), "{error}");
        }
    }
}
