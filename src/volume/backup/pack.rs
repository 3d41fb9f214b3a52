//! From the engine's archive of a volume to that of a backup. The content of files is handed on as it came, and not copied.

use bytes::Bytes;
use tar::EntryType;

use super::format::{FOLDER, Manifest};
use crate::volume::archive::{Entry, Piece, padding};

/// So much is handed over at once.
const FULL: usize = 256 * 1024;

/// What follows a content up to the end of its block.
static ZEROS: [u8; 512] = [0; 512];

/// Makes the archive of a backup from the pieces of the engine's.
#[derive(Debug)]
pub(super) struct Packer {
    pieces: Vec<Bytes>,
    /// The bytes of the pieces.
    waiting: usize,
    /// Bytes that were handed over.
    packed: u64,
    entries: u64,
    /// After the content of the last entry.
    zeros: usize,
    /// The bytes of the manifest, which is none of the volume's.
    manifest: u64,
}

impl Packer {
    pub(super) fn begin(manifest: &Manifest) -> Self {
        let first = manifest.entry();
        let mut packer = Self { pieces: Vec::new(), waiting: 0, packed: 0, entries: 0, zeros: 0, manifest: first.len() as u64 };
        packer.push(first.into());
        packer
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Of the volume's archive.
    pub(super) fn bytes(&self) -> u64 {
        (self.packed + self.waiting as u64).saturating_sub(self.manifest)
    }

    pub(super) fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Data(data) => self.push(data),
            Piece::Entry(entry) => {
                self.fill();
                self.zeros = padding(entry.size);
                self.entries += 1;
                self.push(renamed(entry).head().into());
            }
        }
    }

    fn push(&mut self, bytes: Bytes) {
        self.waiting += bytes.len();
        self.pieces.push(bytes);
    }

    fn fill(&mut self) {
        let zeros = std::mem::take(&mut self.zeros);
        self.push(Bytes::from_static(&ZEROS[..zeros]));
    }

    /// What is to be handed over now, if it is worth it.
    pub(super) fn full(&mut self) -> Option<Vec<Bytes>> {
        (self.waiting >= FULL).then(|| self.take())
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.packed += std::mem::take(&mut self.waiting) as u64;
        std::mem::take(&mut self.pieces)
    }

    /// The rest, after the last entry of the volume.
    pub(super) fn rest(&mut self) -> Vec<Bytes> {
        self.fill();
        self.take()
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
