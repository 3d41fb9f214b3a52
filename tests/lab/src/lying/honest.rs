//! An honest registry in memory, for a liar to tell the truth where it does not lie.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::{Answer, Asked};
use crate::image::{Artifact, Blob};

/// What it holds; clones hold the same.
#[derive(Debug, Clone, Default)]
pub struct HonestRegistry(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    manifests: HashMap<(String, String), Artifact>,
    blobs: HashMap<(String, String), Blob>,
}

impl HonestRegistry {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an artifact with all its parts under a tag; an earlier one loses the tag.
    pub fn put(&self, repository: &str, tag: &str, artifact: &Artifact) -> &Self {
        let mut held = self.0.lock().unwrap();
        held.add(repository, artifact);
        held.manifests.insert((repository.to_owned(), tag.to_owned()), artifact.clone());
        drop(held);
        self
    }

    /// Takes a tag, or a manifest by its digest, away.
    pub fn take(&self, repository: &str, reference: &str) {
        self.0.lock().unwrap().manifests.remove(&(repository.to_owned(), reference.to_owned()));
    }

    /// What a registry answers that is sound.
    pub fn answer(&self, asked: &Asked) -> Answer {
        let held = self.0.lock().unwrap();
        let key = (asked.repository().to_owned(), asked.reference().to_owned());
        if asked.is("* /v2/*/manifests/*") {
            return held.manifests.get(&key).map_or_else(|| Answer::error(404, "MANIFEST_UNKNOWN"), Answer::manifest);
        }
        if asked.is("* /v2/*/blobs/*") {
            return held.blobs.get(&key).map_or_else(|| Answer::error(404, "BLOB_UNKNOWN"), Answer::blob);
        }
        if asked.path == "/v2/" { Answer::json(200, &serde_json::json!({})) } else { Answer::error(404, "UNSUPPORTED") }
    }
}

impl Held {
    fn add(&mut self, repository: &str, artifact: &Artifact) {
        self.manifests.insert((repository.to_owned(), artifact.digest.clone()), artifact.clone());
        for blob in &artifact.blobs {
            self.blobs.insert((repository.to_owned(), blob.digest.clone()), blob.clone());
        }
        for part in &artifact.parts {
            self.add(repository, part);
        }
    }
}
