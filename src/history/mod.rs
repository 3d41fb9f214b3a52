//! The history: which calls changed something, by whom, and how they ended.
//!
//! With a `state_dir` it is in the file `history.jsonl`, which every process that uses the folder appends to; without one it is in memory.
//!
//! Rules: docs/history.md, section 1.

mod entry;
mod file;
mod record;
mod store;

use jiff::Timestamp;

use crate::reference::Reference;
use crate::{Code, Refit, Result};

pub use entry::{History, HistoryContainer, HistoryEntry, HistoryImage, HistoryKind, HistoryResult};
pub(crate) use record::Draft;
pub(crate) use store::{HistoryStore, Limits};

/// Which records [`Refit::history`] returns.
#[derive(Debug, Clone)]
pub struct HistoryFilter {
    /// Of this image, in whatever form its reference is written. Default: of all.
    pub image: Option<String>,
    /// Of this container; updates that recreated it too. Default: of all.
    pub container: Option<String>,
    /// By this actor. Default: by all.
    pub actor: Option<String>,
    /// Of this kind. Default: of all.
    pub kind: Option<HistoryKind>,
    /// That ended then or later. Default: all.
    pub since: Option<Timestamp>,
    /// At most so many of those that the other filters let pass. Default: 100.
    pub limit: usize,
}

impl Default for HistoryFilter {
    fn default() -> Self {
        Self { image: None, container: None, actor: None, kind: None, since: None, limit: 100 }
    }
}

impl HistoryFilter {
    /// Whether a record passes. `image` is the filter's, normalised.
    fn passes(&self, image: Option<&str>, entry: &HistoryEntry) -> bool {
        let normalised = |image: &String| Reference::parse(image).map_or_else(|_| image.clone(), |reference| reference.normalised());
        let is_of = |container: &String| {
            entry.container.as_ref() == Some(container) || entry.containers.iter().any(|part| part.container == *container)
        };
        image.is_none_or(|image| entry.image.as_ref().map(normalised).as_deref() == Some(image))
            && self.container.as_ref().is_none_or(is_of)
            && (self.actor.is_none() || entry.actor == self.actor)
            && self.kind.is_none_or(|kind| entry.kind == kind)
            && self.since.is_none_or(|since| entry.at >= since)
    }
}

impl Refit {
    /// The pulls, updates, recreations, rollbacks and removals that were asked for through this handle, or through any that has the same
    /// `state_dir`, newest first: failed ones too. Reads, dry runs and calls whose arguments were refused are not among them.
    ///
    /// `history_max_entries` and `history_max_age_days` of [`ConnectOptions`](crate::ConnectOptions) bound it. `IO` when the file cannot be
    /// read; `INVALID_ARGUMENT` for an `image` that is no reference.
    #[tracing::instrument(level = "error", name = "refit_history_list", skip_all, err(level = "warn"))]
    pub async fn history(&self, filter: &HistoryFilter) -> Result<History> {
        let image = match &filter.image {
            Some(image) => Some(Reference::parse(image).map_err(|error| error.with_image(image))?.normalised()),
            None => None,
        };
        if filter.limit == 0 {
            return Err(Code::InvalidArgument.error("the limit of a history is at least 1"));
        }
        let passes = |entry: &HistoryEntry| filter.passes(image.as_deref(), entry);
        Ok(History { entries: self.shared.history.newest_first(passes, filter.limit).await? })
    }
}
