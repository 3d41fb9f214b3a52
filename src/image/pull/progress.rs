//! How far a pull is: bytes of download and extraction, from the engine's messages.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decoder::Message;

/// The period over which speed is measured.
const WINDOW: Duration = Duration::from_secs(3);

/// What happens to a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LayerState {
    /// Known, and not started.
    Pending,
    /// Its bytes are being downloaded.
    Downloading,
    /// Its digest is compared, or it waits for the layers below it.
    Verifying,
    /// It is unpacked.
    Extracting,
    /// It is local.
    Complete,
}

/// A layer of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "layer_status")]
#[non_exhaustive]
pub struct LayerStatus {
    /// The engine's short form.
    pub id: String,
    /// What happens to it.
    pub status: LayerState,
    /// Bytes of the download, or of the extraction while it is extracted.
    pub current: u64,
    /// Compressed bytes in all, once the engine has reported.
    pub total: Option<u64>,
}

#[derive(Debug)]
struct Layer {
    id: String,
    state: LayerState,
    downloaded: u64,
    extracted: u64,
    total: Option<u64>,
    /// It was local before: nothing of it counts.
    existed: bool,
}

/// The progress of a pull, as far as the engine has reported it.
#[derive(Debug, Default)]
pub(super) struct PullProgress {
    layers: Vec<Layer>,
    /// Bytes downloaded at some moments of the last seconds.
    samples: VecDeque<(Instant, u64)>,
    digest: Option<String>,
}

/// The progress at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Measurement {
    pub(super) phase: &'static str,
    pub(super) downloaded: u64,
    pub(super) total: Option<u64>,
    pub(super) bytes_per_second: Option<u64>,
    pub(super) eta: Option<Duration>,
    pub(super) permille: u32,
}

impl PullProgress {
    /// Applies a message of the engine; the layer that changed, if one did.
    pub(super) fn apply(&mut self, message: &Message, now: Instant) -> Option<LayerStatus> {
        if let Some(digest) = message.status.strip_prefix("Digest: ") {
            self.digest = Some(digest.trim().to_owned());
            return None;
        }
        let state = layer_state(&message.status)?;
        if message.id.is_empty() {
            return None;
        }
        let index = self.layers.iter().position(|layer| layer.id == message.id).unwrap_or_else(|| {
            self.layers.push(Layer {
                id: message.id.clone(),
                state: LayerState::Pending,
                downloaded: 0,
                extracted: 0,
                total: None,
                existed: message.status == "Already exists",
            });
            self.layers.len() - 1
        });
        let layer = &mut self.layers[index];
        layer.apply(state, message);
        let status = layer.status();
        self.sample(now);
        Some(status)
    }

    /// The digest of the manifest that the engine has pulled.
    pub(super) fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    pub(super) fn downloaded(&self) -> u64 {
        self.layers.iter().filter(|layer| !layer.existed).map(|layer| layer.downloaded).sum()
    }

    pub(super) fn layers(&self) -> Vec<LayerStatus> {
        self.layers.iter().map(Layer::status).collect()
    }

    pub(super) fn measure(&self, now: Instant) -> Measurement {
        let new: Vec<&Layer> = self.layers.iter().filter(|layer| !layer.existed).collect();
        let known: Vec<u64> = new.iter().filter_map(|layer| layer.total.or(Some(layer.downloaded).filter(|bytes| *bytes > 0))).collect();
        let downloaded = self.downloaded();
        let total = (!known.is_empty()).then(|| known.iter().sum::<u64>());
        let bytes_per_second = self.speed(now);
        let eta = match (total, bytes_per_second) {
            (Some(total), Some(speed)) => Some(Duration::from_secs(total.saturating_sub(downloaded).div_ceil(speed))),
            _ => None,
        };
        let phase = match new.iter().map(|layer| layer.state).min() {
            None => "resolving",
            Some(LayerState::Pending | LayerState::Downloading) => "downloading",
            Some(_) => "extracting",
        };
        Measurement { phase, downloaded, total, bytes_per_second, eta, permille: permille(&new, &known) }
    }

    fn sample(&mut self, now: Instant) {
        let downloaded = self.downloaded();
        // A message comes every few milliseconds; a tenth of a second is fine enough.
        if self.samples.back().is_none_or(|(at, _)| now.duration_since(*at) >= Duration::from_millis(100)) {
            self.samples.push_back((now, downloaded));
        }
        while self.samples.len() > 2 && self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.samples.pop_front();
        }
    }

    fn speed(&self, now: Instant) -> Option<u64> {
        let (at, before) = self.samples.front()?;
        let millis = u64::try_from(now.duration_since(*at).as_millis()).ok().filter(|millis| *millis >= 100)?;
        let speed = self.downloaded().saturating_sub(*before).saturating_mul(1000) / millis;
        (speed > 0).then_some(speed)
    }
}

/// Half of a layer's weight is its download, half its extraction. One whose size is not known yet counts as the mean of the others.
fn permille(new: &[&Layer], known: &[u64]) -> u32 {
    if known.is_empty() {
        return 0;
    }
    let mean = known.iter().sum::<u64>() / known.len() as u64;
    let mut done = 0_u128;
    let mut all = 0_u128;
    for layer in new {
        let size = layer.total.unwrap_or(mean);
        all += 2 * u128::from(size);
        done += match layer.state {
            LayerState::Complete => 2 * u128::from(size),
            _ => u128::from(layer.downloaded.min(size)) + u128::from(layer.extracted.min(size)),
        };
    }
    // 1000 is reported at the end, after the image was inspected.
    done.saturating_mul(1000).checked_div(all).map_or(0, |permille| permille.min(990) as u32)
}

impl Layer {
    fn apply(&mut self, state: LayerState, message: &Message) {
        let detail = message.progress.clone().unwrap_or_default();
        let positive = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0);
        let current = positive(detail.current);
        match state {
            LayerState::Downloading => {
                self.total = positive(detail.total).or(self.total);
                // The engine begins a layer anew after a lost connection; what has been reported stays.
                self.downloaded = self.downloaded.max(current.unwrap_or(0));
                self.existed = false;
            }
            LayerState::Verifying | LayerState::Extracting => {
                self.downloaded = self.total.unwrap_or(self.downloaded);
                // Engines with containerd's store count seconds here, and name no total.
                if state == LayerState::Extracting && positive(detail.total).is_some() {
                    self.extracted = current.unwrap_or(0).max(self.extracted);
                }
            }
            LayerState::Complete => {
                self.downloaded = self.total.unwrap_or(self.downloaded);
                self.extracted = self.downloaded;
            }
            LayerState::Pending => {}
        }
        // Never back: a layer that is begun anew, or occurs twice, is as far as it was.
        self.state = self.state.max(state);
        self.total = self.total.map(|total| total.max(self.downloaded));
    }

    fn status(&self) -> LayerStatus {
        let current = if self.state == LayerState::Extracting { self.extracted } else { self.downloaded };
        LayerStatus { id: self.id.clone(), status: self.state, current, total: self.total }
    }
}

/// The state that the engine's status text means; other texts are not about a layer.
fn layer_state(status: &str) -> Option<LayerState> {
    Some(match status {
        "Pulling fs layer" | "Waiting" => LayerState::Pending,
        "Downloading" => LayerState::Downloading,
        "Verifying Checksum" | "Download complete" => LayerState::Verifying,
        "Extracting" => LayerState::Extracting,
        "Pull complete" | "Already exists" => LayerState::Complete,
        _ if status.starts_with("Retrying in") => LayerState::Pending,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn apply_all(messages: &[(&str, &str, i64, i64)]) -> (PullProgress, Vec<u32>) {
        let mut progress = PullProgress::default();
        let now = Instant::now();
        let mut permille = Vec::new();
        for (id, status, current, total) in messages {
            let message = json!({"id": id, "status": status, "progressDetail": {"current": current, "total": total}});
            progress.apply(&serde_json::from_value(message).unwrap(), now);
            permille.push(progress.measure(now).permille);
        }
        (progress, permille)
    }

    #[test]
    fn downloaded_and_extracted_bytes_count_the_same() {
        let (progress, permille) = apply_all(&[
            ("a", "Already exists", 0, 0),
            ("b", "Pulling fs layer", 0, 0),
            ("c", "Pulling fs layer", 0, 0),
            ("b", "Downloading", 50, 100),
            ("b", "Download complete", 0, 0),
            ("c", "Downloading", 100, 100),
            ("b", "Extracting", 50, 100),
            ("b", "Pull complete", 0, 0),
            ("c", "Verifying Checksum", 0, 0),
            ("c", "Pull complete", 0, 0),
        ]);
        assert_eq!(permille, [0, 0, 0, 125, 250, 500, 625, 750, 750, 990]);
        let measurement = progress.measure(Instant::now());
        assert_eq!((measurement.phase, measurement.downloaded, measurement.total), ("extracting", 200, Some(200)));
    }

    #[test]
    fn the_phase_is_that_of_the_layer_with_the_least_progress() {
        let phase = |messages: &[(&str, &str, i64, i64)]| apply_all(messages).0.measure(Instant::now()).phase;
        assert_eq!(phase(&[]), "resolving");
        assert_eq!(phase(&[("a", "Already exists", 0, 0)]), "resolving");
        assert_eq!(phase(&[("a", "Pulling fs layer", 0, 0), ("b", "Extracting", 1, 2)]), "downloading");
        assert_eq!(phase(&[("a", "Pull complete", 0, 0), ("b", "Extracting", 1, 2)]), "extracting");
    }

    #[test]
    fn a_layer_that_is_begun_anew_or_occurs_twice_never_goes_back() {
        let messages = [
            ("a", "Pulling fs layer", 0, 0),
            ("b", "Already exists", 0, 0),
            ("a", "Downloading", 90, 100),
            ("a", "Retrying in 5 seconds", 0, 0),
            ("a", "Downloading", 10, 100),
            ("a", "Download complete", 0, 0),
            ("a", "Downloading", 5, 100),
            // The same blob once more, and one whose announced size was too small.
            ("a", "Pulling fs layer", 0, 0),
            ("c", "Downloading", 70, 50),
            ("d", "Downloading", 30, 0),
        ];
        let (mut progress, now, mut last) = (PullProgress::default(), Instant::now(), (0, LayerState::Pending));
        for (id, status, current, total) in messages {
            let message = json!({"id": id, "status": status, "progressDetail": {"current": current, "total": total}});
            progress.apply(&serde_json::from_value(message).unwrap(), now);
            let measurement = progress.measure(now);
            assert!(measurement.total.is_none_or(|total| measurement.downloaded <= total), "{status}: {measurement:?}");
            let layer = &progress.layers()[0];
            assert!(layer.current >= last.0 && layer.status >= last.1, "{status} {current}: {layer:?} after {last:?}");
            last = (layer.current, layer.status);
        }
        assert_eq!((progress.downloaded(), progress.measure(now).total), (200, Some(200)));
    }

    #[test]
    fn speed_and_time_left_come_from_the_last_seconds() {
        let mut progress = PullProgress::default();
        let start = Instant::now();
        for second in 0..=10_u32 {
            let message = json!({"id": "a", "status": "Downloading", "progressDetail": {"current": second * 100, "total": 2000}});
            progress.apply(&serde_json::from_value(message).unwrap(), start + Duration::from_secs(second.into()));
        }
        let measurement = progress.measure(start + Duration::from_secs(10));
        assert_eq!((measurement.bytes_per_second, measurement.eta), (Some(100), Some(Duration::from_secs(10))));
    }

    #[test]
    fn a_digest_line_is_kept_and_other_status_texts_change_nothing() {
        let (progress, _) =
            apply_all(&[("", "Digest: sha256:12", 0, 0), ("latest", "Pulling from app", 0, 0), ("", "Status: Downloaded", 0, 0)]);
        assert_eq!((progress.digest(), progress.layers().len()), (Some("sha256:12"), 0));
    }
}
