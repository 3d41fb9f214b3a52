//! From the engine's archive of a volume to that of a backup.

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tar::EntryType;

use super::format::{End, FOLDER, Manifest};
use crate::volume::archive::{Entry, Piece, padding};

/// So much is handed over at once.
const FULL: usize = 256 * 1024;

/// Makes the archive of a backup from the pieces of the engine's.
#[derive(Debug)]
pub(super) struct Packer {
    bytes: BytesMut,
    hash: Sha256,
    /// Bytes that were handed over, those of the manifest not counted.
    packed: u64,
    entries: u64,
    /// After the content of the last entry.
    zeros: usize,
    manifest: u64,
}

impl Packer {
    pub(super) fn begin(manifest: &Manifest) -> Self {
        let first = manifest.entry();
        Self { manifest: first.len() as u64, bytes: first.as_slice().into(), hash: Sha256::new(), packed: 0, entries: 0, zeros: 0 }
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Of the volume's archive.
    pub(super) fn bytes(&self) -> u64 {
        (self.packed + self.bytes.len() as u64).saturating_sub(self.manifest)
    }

    pub(super) fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Data(data) => self.bytes.extend_from_slice(&data),
            Piece::Entry(entry) => {
                self.fill();
                self.zeros = padding(entry.size);
                self.entries += 1;
                self.bytes.extend_from_slice(&renamed(entry).head());
            }
        }
    }

    fn fill(&mut self) {
        let length = self.bytes.len() + std::mem::take(&mut self.zeros);
        self.bytes.resize(length, 0);
    }

    /// What is to be handed over now, if it is worth it.
    pub(super) fn full(&mut self) -> Option<Bytes> {
        (self.bytes.len() >= FULL).then(|| self.take())
    }

    fn take(&mut self) -> Bytes {
        let bytes = std::mem::replace(&mut self.bytes, BytesMut::with_capacity(FULL)).freeze();
        self.hash.update(&bytes);
        self.packed += bytes.len() as u64;
        bytes
    }

    /// The rest, with the last entry and the end mark.
    pub(super) fn end(&mut self) -> Bytes {
        self.fill();
        let mut rest = self.take().to_vec();
        let sha256 = self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        rest.extend(End { entries: self.entries, bytes: self.bytes(), sha256 }.entry());
        rest.into()
    }
}

/// With its name in a backup: the engine's begin with `./`.
fn renamed(entry: Entry) -> Entry {
    let below = |path: &[u8]| {
        let path = path.strip_prefix(b"./").unwrap_or(path);
        [FOLDER, b"/", path].concat()
    };
    let link = if entry.kind == EntryType::Link { below(&entry.link) } else { entry.link };
    Entry { path: below(&entry.path), link, ..entry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_hard_links_are_below_a_folder_and_links_keep_their_text() {
        let of = |path: &str, kind: EntryType, link: &str| Entry { kind, link: link.into(), ..Entry::file(path, 0) };
        let named = |entry: Entry| (String::from_utf8_lossy(&entry.path).into_owned(), String::from_utf8_lossy(&entry.link).into_owned());
        let cases = [
            (of("./", EntryType::Directory, ""), ("volume/", "")),
            (of("./a/b", EntryType::Regular, ""), ("volume/a/b", "")),
            (of("./a/h", EntryType::Link, "./a/b"), ("volume/a/h", "volume/a/b")),
            (of("./a/s", EntryType::Symlink, "../x"), ("volume/a/s", "../x")),
            (of("./././x", EntryType::Regular, ""), ("volume/././x", "")),
        ];
        for (entry, (path, link)) in cases {
            assert_eq!(named(renamed(entry)), (path.to_owned(), link.to_owned()));
        }
    }
}
