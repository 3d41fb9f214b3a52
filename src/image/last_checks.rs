//! What the last check of each image found; with a `state_dir` also for the next process.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::Check;
use crate::reference::Reference;

/// Documents by normalised reference.
#[derive(Debug, Default)]
pub(crate) struct LastChecks {
    file: Option<PathBuf>,
    known: Mutex<BTreeMap<String, Value>>,
}

impl LastChecks {
    /// Reads what an earlier process has left; a file that cannot be read is none.
    pub(crate) fn new(state_dir: Option<&Path>) -> Self {
        let file = state_dir.map(|folder| folder.join("checks.json"));
        let known = file.as_ref().and_then(|file| std::fs::read(file).ok()).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { file, known: Mutex::new(known.unwrap_or_default()) }
    }

    pub(crate) fn of(&self, image: &str) -> Option<Value> {
        let key = Reference::parse(image).ok()?.normalised();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Keeps them. What cannot be written is known to this process alone: a check is right without its record.
    pub(crate) fn keep<'a>(&self, checks: impl IntoIterator<Item = &'a Check>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for check in checks {
            if let (Ok(reference), Ok(document)) = (Reference::parse(&check.image), serde_json::to_value(check)) {
                known.insert(reference.normalised(), document);
            }
        }
        if let Some(file) = &self.file {
            let _ = write(file, &known);
        }
    }
}

/// Whole or not at all: a reader never sees half a file.
fn write(file: &Path, known: &BTreeMap<String, Value>) -> std::io::Result<()> {
    let beside = file.with_extension(format!("{}.tmp", std::process::id()));
    let mut out = std::fs::File::create(&beside)?;
    out.write_all(&serde_json::to_vec(known)?)?;
    out.sync_all()?;
    std::fs::rename(beside, file)
}
