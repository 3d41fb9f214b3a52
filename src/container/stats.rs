//! `container_stats`: what a container uses, counted as `docker stats` does.
//!
//! Rules: docs/abi.md, section 11.

use std::time::Duration;

use bollard::models::ContainerStatsResponse;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{find, state};
use crate::engine::Engine;
use crate::engine::api::{containers, system};
use crate::error::shown;
use crate::json::{integer, text};
use crate::{Code, Error, Refit, Result};

/// Between the two samples of which the use of processors is the difference; the engine samples as often for `docker stats`.
const INTERVAL: Duration = Duration::from_secs(1);

/// What a container uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "container_stats")]
#[non_exhaustive]
pub struct ContainerStats {
    /// Of one processor, over a second: 200 when two are busy.
    pub cpu_percent: f64,
    /// The processors of the engine's machine.
    pub cpu_cores: u64,
    /// Without the pages of files that can be dropped at once (`inactive_file`).
    pub memory_usage_bytes: u64,
    /// Its limit, or the machine's memory.
    pub memory_limit_bytes: u64,
    /// The use as a part of the limit.
    pub memory_percent: f64,
    /// Received since its start, on all its networks; `None` with the machine's network.
    pub network_rx_bytes: Option<u64>,
    /// Sent since its start.
    pub network_tx_bytes: Option<u64>,
    /// Read from disks since its start.
    pub block_read_bytes: u64,
    /// Written to disks since its start.
    pub block_write_bytes: u64,
    /// Its processes and threads.
    pub pids: Option<u64>,
    /// When the second sample was taken, by the engine's clock.
    pub sampled_at: Timestamp,
}

impl Refit {
    /// What a running container uses; it takes a second, during which the engine has nothing to do.
    ///
    /// [`NotFound`](Code::NotFound) when there is no such container, [`Conflict`](Code::Conflict) when it does not run.
    #[tracing::instrument(level = "error", name = "container_stats", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn container_stats(&self, container: &str) -> Result<ContainerStats> {
        let engine = &self.shared.engine;
        let inspect = find::inspect(engine, container).await?;
        if !state::is_running(&inspect) && !state::is_paused(&inspect) {
            return Err(not_running(container));
        }
        let id = state::id(&inspect);
        let read = async || containers::stats(engine, id).await.map_err(|error| find::named(error, id, container));
        let first = read().await?;
        let second = if has_two_samples(&first) {
            None
        } else {
            tokio::time::sleep(INTERVAL).await;
            Some(read().await?)
        };
        let last = second.as_ref().unwrap_or(&first);
        let before = if second.is_some() { Sample::of(&first) } else { Sample::before(&first) };
        let (Some(before), Some(now)) = (before, Sample::of(last)) else { return Err(not_running(container)) };
        let cores = match cores(last) {
            Some(cores) => cores,
            None => machine_cores(engine).await?,
        };
        Ok(stats(last, before, now, cores, text(&inspect, "/HostConfig/NetworkMode")))
    }
}

fn not_running(container: &str) -> Error {
    Code::Conflict.error(format!("container {} is not running: it uses nothing", shown(container))).with_container(container)
}

/// How much processor time had been used at a time.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Timestamp,
    used_ns: u64,
}

impl Sample {
    /// `None` of a container that does not run: the engine's answer is empty then.
    fn of(stats: &ContainerStatsResponse) -> Option<Self> {
        Some(Self { at: time(stats.read.as_deref())?, used_ns: stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage? })
    }

    /// The sample before, which an engine without `one-shot` takes itself.
    fn before(stats: &ContainerStatsResponse) -> Option<Self> {
        Some(Self { at: time(stats.preread.as_deref())?, used_ns: stats.precpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage? })
    }
}

/// Engines write the year 1 for never.
fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse::<Timestamp>().ok().filter(|time| time.as_second() > 0)
}

fn has_two_samples(stats: &ContainerStatsResponse) -> bool {
    matches!((Sample::before(stats), Sample::of(stats)), (Some(before), Some(now)) if before.at < now.at && before.used_ns > 0)
}

fn cores(stats: &ContainerStatsResponse) -> Option<u64> {
    let cpu = stats.cpu_stats.as_ref()?;
    let online = cpu.online_cpus.map(u64::from).filter(|online| *online > 0);
    let listed = || cpu.cpu_usage.as_ref()?.percpu_usage.as_ref().map(|each| each.len() as u64).filter(|count| *count > 0);
    online.or_else(listed)
}

/// Docker tells them with the samples that it takes by itself alone.
async fn machine_cores(engine: &Engine) -> Result<u64> {
    let info: Value = system::info(engine).await?;
    let cores = integer(&info, "/NCPU").and_then(|cores| u64::try_from(cores).ok());
    cores.ok_or_else(|| Code::Engine.error("the engine does not say how many processors its machine has"))
}

fn stats(last: &ContainerStatsResponse, before: Sample, now: Sample, cores: u64, network_mode: &str) -> ContainerStats {
    let memory = last.memory_stats.clone().unwrap_or_default();
    let (usage, limit) = (memory.usage.unwrap_or(0), memory.limit.unwrap_or(0));
    let of_stats = |key: &str| memory.stats.as_ref().and_then(|stats| stats.get(key)).copied();
    // The first is cgroup v1's, whose own `inactive_file` leaves out the cgroups below.
    let droppable = of_stats("total_inactive_file").or_else(|| of_stats("inactive_file")).filter(|bytes| *bytes < usage).unwrap_or(0);
    let used = usage - droppable;
    let blocks = last.blkio_stats.as_ref().and_then(|blocks| blocks.io_service_bytes_recursive.as_deref()).unwrap_or_default();
    let moved = |letter: char| {
        let of_letter = blocks.iter().filter(|entry| entry.op.as_deref().is_some_and(|op| op.to_lowercase().starts_with(letter)));
        of_letter.filter_map(|entry| entry.value).sum()
    };
    let network = |bytes: fn(&bollard::models::ContainerNetworkStats) -> Option<u64>| match &last.networks {
        Some(networks) if network_mode != "host" => Some(networks.values().filter_map(bytes).sum()),
        // Without a network nothing is counted, and nothing was moved.
        None if network_mode == "none" => Some(0),
        _ => None,
    };
    ContainerStats {
        cpu_percent: cpu_percent(before, now),
        cpu_cores: cores,
        memory_usage_bytes: used,
        memory_limit_bytes: limit,
        memory_percent: if limit == 0 { 0.0 } else { used as f64 / limit as f64 * 100.0 },
        network_rx_bytes: network(|network| network.rx_bytes),
        network_tx_bytes: network(|network| network.tx_bytes),
        block_read_bytes: moved('r'),
        block_write_bytes: moved('w'),
        pids: last.pids_stats.as_ref().and_then(|pids| pids.current),
        sampled_at: now.at,
    }
}

/// `docker stats` divides by the time of all processors and multiplies by their count, which is the time between the samples; the engine's own
/// count of that time is in hundredths of a second, and is missing with `one-shot`.
fn cpu_percent(before: Sample, now: Sample) -> f64 {
    let passed = now.at.duration_since(before.at).as_secs_f64();
    let used = now.used_ns.saturating_sub(before.used_ns) as f64 / 1e9;
    if passed > 0.0 { used / passed * 100.0 } else { 0.0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;
    use serde_json::json;

    const BEFORE: &str = "2026-11-29T01:30:09Z";
    const NOW: &str = "2026-11-29T01:30:10Z";

    fn sample(change: impl FnOnce(&mut Value)) -> ContainerStatsResponse {
        let mut sample = json!({
            "read": NOW,
            "preread": "0001-01-01T00:00:00Z",
            "cpu_stats": {"cpu_usage": {"total_usage": 1_500_000_000_u64}},
            "memory_stats": {"usage": 1000, "limit": 4000, "stats": {"inactive_file": 200}},
            "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
            "blkio_stats": {"io_service_bytes_recursive": [{"op": "read", "value": 5}, {"op": "Read", "value": 7}, {"op": "Write", "value": 9},
                {"op": "Total", "value": 21}]},
            "pids_stats": {"current": 3},
        });
        change(&mut sample);
        serde_json::from_value(sample).unwrap()
    }

    fn counted(network_mode: &str, change: impl FnOnce(&mut Value)) -> ContainerStats {
        let before = Sample { at: BEFORE.parse().unwrap(), used_ns: 1_000_000_000 };
        let last = sample(change);
        stats(&last, before, Sample::of(&last).unwrap(), 2, network_mode)
    }

    #[test]
    fn a_sample_is_counted_as_docker_stats_counts_it() {
        let stats = counted("bridge", |_| ());
        assert_eq!((stats.cpu_percent, stats.memory_usage_bytes, stats.memory_percent), (50.0, 800, 20.0));
        assert_eq!((stats.network_rx_bytes, stats.network_tx_bytes), (Some(11), Some(22)));
        assert_eq!((stats.block_read_bytes, stats.block_write_bytes, stats.pids), (12, 9, Some(3)));
        assert_eq!(stats.sampled_at, NOW.parse().unwrap());
    }

    #[test]
    fn the_memory_is_without_inactive_files_of_either_cgroup() {
        let memory = |files: Value| counted("bridge", |sample| sample["memory_stats"]["stats"] = files).memory_usage_bytes;
        assert_eq!(memory(json!({"total_inactive_file": 300, "inactive_file": 100})), 700);
        assert_eq!(memory(json!({"inactive_file": 1000})), 1000, "no more than is used");
        assert_eq!(memory(json!(null)), 1000);
    }

    #[test]
    fn a_network_that_is_not_the_containers_is_unknown() {
        let without = |sample: &mut Value| sample["networks"] = json!(null);
        assert_eq!(counted("host", without).network_rx_bytes, None);
        assert_eq!(counted("host", |_| ()).network_rx_bytes, None);
        assert_eq!(counted("none", without).network_tx_bytes, Some(0));
        assert_eq!(counted("container:0123", without).network_tx_bytes, None);
        assert_eq!(counted("container:0123", |_| ()).network_tx_bytes, Some(22));
    }

    #[test]
    fn an_engine_that_takes_two_samples_is_asked_once() {
        let two = sample(|sample| {
            sample["preread"] = json!(BEFORE);
            sample["precpu_stats"] = json!({"cpu_usage": {"total_usage": 1}});
        });
        assert!(has_two_samples(&two) && !has_two_samples(&sample(|_| ())));
        let stopped = sample(|sample| *sample = json!({"read": "0001-01-01T00:00:00Z", "name": "/web"}));
        assert!(Sample::of(&stopped).is_none() && !has_two_samples(&stopped));
        assert_eq!((cores(&two), cores(&sample(|sample| sample["cpu_stats"]["online_cpus"] = json!(4)))), (None, Some(4)));
    }
}
