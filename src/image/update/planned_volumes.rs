//! What a plan says of the volumes that an update would back up: their sizes, and how much longer the containers would be down.
//!
//! Rules: docs/volumes.md, section 9.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::UpdatePlan;
use crate::Refit;
use crate::container::recreate::Prepared;
use crate::engine::api::system;

/// How long the engine may take to tell the sizes: it reads all folders of all volumes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of a volume that are backed up in a millisecond (benches/README.md).
const BYTES_PER_MS: u64 = 100_000;
/// Milliseconds for the rest of a recreation (benches/README.md).
const REST_MS: u64 = 1000;

/// A volume that would be backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct PlannedVolume {
    /// Its name.
    pub volume: String,
    /// Its bytes; `None` where the engine did not say within 2 s.
    pub size: Option<u64>,
}

/// The volumes of a container and of those that are recreated with it, each once.
pub(super) fn of(prepared: &Prepared) -> Vec<PlannedVolume> {
    let all = std::iter::once(prepared).chain(&prepared.dependents).flat_map(|one| &one.volumes.volumes);
    let mut volumes: Vec<PlannedVolume> = all.map(|one| PlannedVolume { volume: one.volume.clone(), size: None }).collect();
    volumes.sort_by(|one, other| one.volume.cmp(&other.volume));
    volumes.dedup();
    volumes
}

impl Refit {
    /// Completes the sizes, and with them the estimates.
    pub(super) async fn complete_volumes(&self, plan: &mut UpdatePlan) {
        if plan.containers.iter().all(|container| container.volumes.is_empty()) {
            return;
        }
        let sizes = tokio::time::timeout(PATIENCE, system::volume_sizes(&self.shared.engine)).await;
        let sizes = sizes.ok().and_then(Result::ok).unwrap_or_default();
        for container in &mut plan.containers {
            complete(&mut container.volumes, &sizes);
            if container.state.is_running() {
                container.estimated_downtime_ms = estimate(&container.volumes);
            }
        }
    }
}

fn complete(volumes: &mut [PlannedVolume], sizes: &BTreeMap<String, u64>) {
    for volume in volumes {
        volume.size = sizes.get(&volume.volume).copied();
    }
}

/// `None` without volumes, and where a size is not known.
fn estimate(volumes: &[PlannedVolume]) -> Option<u64> {
    let sizes: Option<Vec<u64>> = volumes.iter().map(|volume| volume.size).collect();
    let bytes = sizes.filter(|sizes| !sizes.is_empty())?.into_iter().fold(0, u64::saturating_add);
    Some(REST_MS + bytes / BYTES_PER_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_downtime_is_estimated_where_every_size_is_known() {
        let volume = |volume: &str, size: Option<u64>| PlannedVolume { volume: volume.into(), size };
        let cases = [
            (vec![], None),
            (vec![volume("a", None)], None),
            (vec![volume("a", Some(0))], Some(1000)),
            (vec![volume("a", Some(1_000_000_000)), volume("b", Some(100_000))], Some(11_001)),
            (vec![volume("a", Some(1)), volume("b", None)], None),
        ];
        for (volumes, expected) in cases {
            assert_eq!(estimate(&volumes), expected, "{volumes:?}");
        }
    }
}
