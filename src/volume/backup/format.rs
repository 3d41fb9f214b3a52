//! What a backup is: a tar archive in zstd, whose first entry says of which volume it is and whose last says how much there was.
//!
//! Between them are the volume's files below `volume/`, so that no file of the volume is taken for one of the two, and `tar --zstd -xf FILE
//! --strip-components=1 volume` unpacks them without refit. Rules: docs/volumes.md, section 7.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::volume::archive::{END, Entry, padding};

/// The number of this form.
const FORMAT: u32 = 1;

/// The first entry.
const FIRST: &[u8] = b"manifest.json";
/// The last entry.
const LAST: &[u8] = b"end.json";
/// The folder of the volume's files.
pub(super) const FOLDER: &[u8] = b"volume";

/// The longest manifest that is read: labels may be long.
const LONGEST_MANIFEST: u64 = 1024 * 1024;

const BLOCK: usize = 512;

/// How many bytes at the end of the archive its own SHA-256 does not cover: the last entry, which holds it, and the end mark.
pub(crate) const TAIL: usize = 2 * BLOCK + END.len();

/// With what a volume is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeSpec {
    pub(crate) driver: String,
    #[serde(default)]
    pub(crate) options: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

impl Default for VolumeSpec {
    fn default() -> Self {
        Self { driver: "local".into(), options: BTreeMap::new(), labels: BTreeMap::new() }
    }
}

/// The first entry of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The number of the form.
    refit_backup: u32,
    volume: String,
    #[serde(flatten)]
    pub(crate) spec: VolumeSpec,
    at: Timestamp,
}

impl Manifest {
    pub(crate) fn new(volume: &str, spec: VolumeSpec, at: Timestamp) -> Self {
        Self { refit_backup: FORMAT, volume: volume.to_owned(), spec, at }
    }

    pub(super) fn entry(&self) -> Vec<u8> {
        whole(FIRST, &serde_json::to_vec(self).unwrap_or_default())
    }

    /// The content of a first entry; an error is why it is none.
    pub(crate) fn read(content: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(content).map_err(|error| format!("its manifest.json is not one of refit ({error})"))?;
        match manifest.refit_backup {
            FORMAT => Ok(manifest),
            other => Err(format!("it is of form {other}, and this version of refit reads form {FORMAT}")),
        }
    }
}

/// The last entry of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    /// Files, folders and links.
    pub(crate) entries: u64,
    /// Of the archive of the volume.
    pub(crate) bytes: u64,
    /// Of the archive up to the last entry.
    pub(crate) sha256: String,
}

impl End {
    /// The entry and the end mark: always as long as [`TAIL`] says.
    pub(super) fn entry(&self) -> Vec<u8> {
        let mut content = serde_json::to_vec(self).unwrap_or_default();
        // Three fields have never that many bytes.
        content.resize(BLOCK, b' ');
        let mut bytes = whole(LAST, &content);
        bytes.extend(END);
        bytes
    }
}

/// What an entry of a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    First,
    Last,
    Volume,
}

impl Mark {
    /// `None`: a backup has no such entry.
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        match entry.path.as_slice() {
            FIRST if entry.is_file() && entry.size <= LONGEST_MANIFEST => Some(Self::First),
            LAST if entry.is_file() && entry.size == BLOCK as u64 => Some(Self::Last),
            path => below(path).map(|_| Self::Volume),
        }
    }
}

/// The name from the volume's root, of a name in a backup; `None` when it is no file of the volume.
pub(crate) fn below(path: &[u8]) -> Option<&[u8]> {
    match path.strip_prefix(FOLDER)? {
        [] => Some(b"."),
        [b'/'] => Some(b"."),
        [b'/', rest @ ..] => Some(rest),
        _ => None,
    }
}

fn whole(name: &[u8], content: &[u8]) -> Vec<u8> {
    let entry = Entry { path: name.to_owned(), mode: 0o600, ..Entry::file("", content.len() as u64) };
    let mut bytes = entry.head();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + padding(entry.size), 0);
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_always_as_long() {
        for entries in [0, u64::MAX] {
            let end = End { entries, bytes: entries, sha256: "0".repeat(64) };
            assert_eq!(end.entry().len(), TAIL);
        }
    }

    #[test]
    fn a_manifest_of_another_form_is_refused() {
        let manifest = Manifest::new("data", VolumeSpec::default(), Timestamp::UNIX_EPOCH);
        let content = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(Manifest::read(&content).unwrap(), manifest);
        let later = String::from_utf8(content).unwrap().replace("\"refit_backup\":1", "\"refit_backup\":2");
        assert!(Manifest::read(later.as_bytes()).unwrap_err().contains("form 2"));
        assert!(Manifest::read(b"{}").is_err());
    }

    #[test]
    fn a_file_of_the_volume_is_never_taken_for_the_manifest() {
        let mark = |path: &str, size: u64| Mark::of(&Entry::file(path, size));
        assert_eq!(mark("manifest.json", 10), Some(Mark::First));
        assert_eq!(mark("end.json", 512), Some(Mark::Last));
        for path in ["volume/manifest.json", "volume/end.json", "volume/", "volume"] {
            assert_eq!(mark(path, 512), Some(Mark::Volume), "{path}");
        }
        for path in ["volumes/x", "x", "./volume/x", "/volume/x", "../volume"] {
            assert_eq!(mark(path, 512), None, "{path}");
        }
        assert_eq!((below(b"volume/a/b"), below(b"volume/"), below(b"volume")), (Some(&b"a/b"[..]), Some(&b"."[..]), Some(&b"."[..])));
    }
}
