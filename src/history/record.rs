//! A call becomes a record when it has ended.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::{HistoryContainer, HistoryEntry, HistoryImage, HistoryKind, HistoryResult};
use crate::container::{TakenBackup, Warning};
use crate::operation::call::Call;
use crate::{Code, Error, Refit};

/// A record of a call that is running.
pub(crate) struct Draft {
    kind: HistoryKind,
    begun: Instant,
    actor: Option<Arc<str>>,
    image: Option<String>,
    container: Option<String>,
    volume: Option<String>,
    service: Option<String>,
    pub(crate) from: Option<HistoryImage>,
    pub(crate) to: Option<HistoryImage>,
    pub(crate) containers: Vec<HistoryContainer>,
    pub(crate) backups: Vec<TakenBackup>,
}

impl Draft {
    pub(crate) fn of_image(kind: HistoryKind, call: &Call, image: &str) -> Self {
        Self { image: Some(image.to_owned()), ..Self::new(kind, call) }
    }

    pub(crate) fn of_container(kind: HistoryKind, call: &Call, container: &str) -> Self {
        Self { container: Some(container.to_owned()), ..Self::new(kind, call) }
    }

    pub(crate) fn of_volume(kind: HistoryKind, call: &Call, volume: &str) -> Self {
        Self { volume: Some(volume.to_owned()), ..Self::new(kind, call) }
    }

    pub(crate) fn of_service(kind: HistoryKind, call: &Call, service: &str) -> Self {
        Self { service: Some(service.to_owned()), ..Self::new(kind, call) }
    }

    fn new(kind: HistoryKind, call: &Call) -> Self {
        let (begun, actor) = (Instant::now(), call.actor());
        let (containers, backups) = (Vec::new(), Vec::new());
        Self { kind, begun, actor, image: None, container: None, volume: None, service: None, from: None, to: None, containers, backups }
    }

    /// The container's name, where the caller gave its id.
    pub(crate) fn container_is(&mut self, name: &str) {
        self.container = Some(name.to_owned());
    }

    /// The service's name, where the caller gave its id, and the image that it names.
    pub(crate) fn service_is(&mut self, name: &str, image: &str) {
        self.service = Some(name.to_owned());
        self.image = Some(image.to_owned());
    }

    fn entry(self, result: HistoryResult, error: Option<&Error>) -> HistoryEntry {
        HistoryEntry {
            id: new_id(),
            at: Timestamp::now(),
            kind: self.kind,
            actor: self.actor.map(|actor| actor.to_string()),
            image: self.image,
            container: self.container,
            volume: self.volume,
            service: self.service,
            from: self.from,
            to: self.to,
            result,
            error: error.map(Error::document),
            elapsed_ms: self.begun.elapsed().as_millis() as u64,
            containers: self.containers,
            backups: self.backups,
        }
    }
}

impl Refit {
    /// Writes the record of a call that has ended well. A record that cannot be written is a warning of the call, not its error.
    pub(crate) async fn record(&self, draft: Draft, result: HistoryResult) -> Option<Warning> {
        self.write_record(draft.entry(result, None)).await
    }

    /// The record of a call that has failed; one whose arguments were refused has none.
    pub(crate) async fn record_failure(&self, draft: Draft, error: &Error) -> Option<Warning> {
        let result = match error.code() {
            Code::InvalidArgument => return None,
            Code::RolledBack => HistoryResult::RolledBack,
            Code::RollbackFailed => HistoryResult::RollbackFailed,
            Code::Cancelled | Code::Stopped | Code::Timeout => HistoryResult::Cancelled,
            _ => HistoryResult::Failed,
        };
        self.write_record(draft.entry(result, Some(error))).await
    }

    async fn write_record(&self, entry: HistoryEntry) -> Option<Warning> {
        let error = self.shared.history.append(entry).await.err()?;
        let message = format!("the call has no record in the history: {}", error.message());
        Some(Warning { code: "history_not_written".into(), container: None, message })
    }
}

/// Time and chance: two processes may share a folder.
fn new_id() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{:012x}{random:016x}", Timestamp::now().as_millisecond())
}
