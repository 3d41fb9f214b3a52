//! `volume_list`, `volume_exists`: which volumes are there, and who has them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::storage::name::StorageName;
use crate::container::replacement::names::TemporaryName;
use crate::engine::api::container_list::{self, ListedEntry};
use crate::engine::api::volumes;
use crate::engine::names::check_volume;
use crate::error::shown;
use crate::json::{text, text_map, timestamp};
use crate::{Refit, Result};

/// Which volumes are listed; the default is all.
#[derive(Debug, Clone, Default)]
pub struct VolumesOptions {
    /// Only those with one of these names. Default: any.
    pub names: Vec<String>,
    /// Only those with all of these labels; an empty value matches any. Default: any.
    pub labels: BTreeMap<String, String>,
}

/// Volumes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "volume_list")]
#[non_exhaustive]
pub struct VolumeList {
    /// By name.
    pub volumes: Vec<VolumeSummary>,
}

/// A volume in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct VolumeSummary {
    /// Its name; that of an anonymous one is 64 hex digits.
    pub name: String,
    /// `local`, or the name of a plugin.
    pub driver: String,
    /// What the engine says. Docker says when its folder was changed last.
    pub created: Option<Timestamp>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The names of the containers that mount it, running or not.
    pub containers: Vec<String>,
}

impl Refit {
    /// The volumes, and the containers that mount each.
    #[tracing::instrument(level = "error", name = "volume_list", skip_all, err(level = "warn"))]
    pub async fn volumes(&self, options: &VolumesOptions) -> Result<VolumeList> {
        options.names.iter().try_for_each(|name| check_volume(name))?;
        let engine = &self.shared.engine;
        let all = volumes::list(engine).await?;
        let (containers, _) = container_list::list(engine).await?;
        let mut volumes: Vec<VolumeSummary> = all.iter().map(|volume| summary(volume, &containers)).collect();
        let labelled = |volume: &VolumeSummary| {
            options.labels.iter().all(|(key, value)| volume.labels.get(key).is_some_and(|own| value.is_empty() || own == value))
        };
        volumes.retain(|volume| (options.names.is_empty() || options.names.contains(&volume.name)) && labelled(volume));
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(VolumeList { volumes })
    }

    /// Whether there is a volume of that name.
    #[tracing::instrument(level = "error", name = "volume_exists", skip_all, fields(volume = %shown(volume)), err(level = "warn"))]
    pub async fn volume_exists(&self, volume: &str) -> Result<bool> {
        check_volume(volume)?;
        Ok(volumes::inspect(&self.shared.engine, volume).await?.is_some())
    }
}

fn summary(volume: &Value, containers: &[ListedEntry]) -> VolumeSummary {
    let name = text(volume, "/Name");
    VolumeSummary {
        name: name.to_owned(),
        driver: text(volume, "/Driver").to_owned(),
        created: timestamp(volume, "/CreatedAt"),
        labels: text_map(volume, "/Labels"),
        containers: users(name, containers),
    }
}

/// The containers that mount a volume, each once under its own name; the storage containers of running calls are none.
pub(super) fn users(volume: &str, containers: &[ListedEntry]) -> Vec<String> {
    users_among(volume, containers.iter())
}

/// Those of them that run, are paused, or are started again and again.
pub(super) fn users_that_run(volume: &str, containers: &[ListedEntry]) -> Vec<String> {
    users_among(volume, containers.iter().filter(|entry| runs(entry)))
}

/// The same without one container, by its id.
pub(crate) fn other_users_that_run(volume: &str, own: &str, containers: &[ListedEntry]) -> Vec<String> {
    users_among(volume, containers.iter().filter(|entry| runs(entry) && entry.id != own))
}

/// The ids of those that mount a volume, running or not, without the containers of these ids and the storage containers of running calls.
pub(crate) fn other_users<'a>(volume: &str, own: &[&str], containers: &'a [ListedEntry]) -> Vec<&'a str> {
    let is_other = |entry: &&ListedEntry| {
        let is_storage = entry.name().is_some_and(|name| StorageName::parse(name).is_some());
        mounts(entry, volume) && !is_storage && !own.iter().any(|own| entry.id.starts_with(own))
    };
    containers.iter().filter(is_other).map(|entry| entry.id.as_str()).collect()
}

fn mounts(entry: &ListedEntry, volume: &str) -> bool {
    entry.mounts.iter().flatten().any(|mount| text(mount, "/Name") == volume)
}

fn runs(entry: &ListedEntry) -> bool {
    matches!(entry.state.as_str(), "running" | "paused" | "restarting" | "stopping")
}

/// Whether a container, given by a name of it or by 12 digits of its id or more, mounts a volume.
pub(super) fn is_user(volume: &str, container: &str, containers: &[ListedEntry]) -> bool {
    let own = without_run(container.trim_start_matches('/'));
    let is_it =
        |entry: &ListedEntry| own_name(entry).is_some_and(|name| name == own) || container.len() >= 12 && entry.id.starts_with(container);
    containers.iter().any(|entry| mounts(entry, volume) && is_it(entry))
}

/// The container's own name, of the temporary one that a recreation has given it.
fn without_run(name: &str) -> String {
    TemporaryName::parse(name).map_or_else(|| name.to_owned(), |temporary| temporary.container)
}

/// `None` of a storage container.
fn own_name(entry: &ListedEntry) -> Option<String> {
    match entry.name() {
        Some(name) if StorageName::parse(name).is_some() => None,
        Some(name) => Some(without_run(name)),
        None => Some(entry.id.clone()),
    }
}

fn users_among<'a>(volume: &str, containers: impl Iterator<Item = &'a ListedEntry>) -> Vec<String> {
    let mut users: Vec<String> = containers.filter(|entry| mounts(entry, volume)).filter_map(own_name).collect();
    users.sort();
    users.dedup();
    users
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_users_of_a_volume_are_listed_once_under_their_own_names() {
        let containers: Vec<ListedEntry> = [
            ("web.refit-old-0123456789ab-r-65000000", "data"),
            ("web", "data"),
            ("db", "data"),
            ("refit-volume-01234567-65000000", "data"),
            ("other", "more"),
        ]
        .into_iter()
        .map(|(name, volume)| {
            serde_json::from_value(json!({"Id": format!("id of {name}"), "Names": [name], "Mounts": [{"Name": volume}]})).unwrap()
        })
        .collect();
        assert_eq!(users("data", &containers), ["db", "web"]);
        for (container, is) in [
            ("web", true),
            ("/db", true),
            ("web.refit-old-0123456789ab-r-65000000", true),
            ("other", false),
            ("refit-volume-01234567", false),
        ] {
            assert_eq!(is_user("data", container, &containers), is, "{container}");
        }
        assert!(users("dat", &containers).is_empty());
    }
}
