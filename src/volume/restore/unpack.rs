//! From the archive of a backup to the entries of a volume. It is the same before anything is changed, when all of it is verified, and afterwards, but for
//! the SHA-256: the second time zstd's own checksum says that the content is that of the last entry, which must be the same as the first time.
//!
//! Rules: docs/volumes.md, section 8.

use std::collections::BTreeSet;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tar::EntryType;

use super::source::Packing;
use crate::volume::archive::{Entry, Piece, Scanner};
use crate::volume::backup::{End, Manifest, Mark, TAIL, below};
use crate::volume::import_rules;
use crate::{Code, Error, Result};

/// Takes the archive of a backup apart.
#[derive(Debug)]
pub(super) struct Unpacker {
    packing: Packing,
    scanner: Scanner,
    at: At,
    /// The content of the first or the last entry, of which so much is to come.
    own: (Vec<u8>, u64),
    manifest: Option<Manifest>,
    end: Option<End>,
    /// `None` of what was verified before.
    hash: Option<TailHash>,
    entries: u64,
    /// What is a link in the backup: nothing is unpacked below it.
    links: BTreeSet<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Begin,
    First,
    Volume,
    Last,
}

impl Unpacker {
    /// Verifies.
    pub(super) fn new(packing: Packing) -> Self {
        Self { hash: (packing == Packing::Zstd).then(TailHash::default), ..Self::again(packing) }
    }

    /// Of a backup that was verified.
    pub(super) fn again(packing: Packing) -> Self {
        let at = if packing == Packing::Zstd { At::Begin } else { At::Volume };
        Self {
            packing,
            scanner: Scanner::default(),
            at,
            own: (Vec::new(), 0),
            manifest: None,
            end: None,
            hash: None,
            entries: 0,
            links: BTreeSet::new(),
        }
    }

    /// Adds bytes, after [`Unpacker::next`] has returned `None`.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if let Some(hash) = &mut self.hash {
            hash.push(&bytes);
        }
        self.scanner.push(bytes);
    }

    /// The next piece of the volume, with names from its root; `None` when more bytes are needed. An error is why the backup is none.
    pub(super) fn next(&mut self) -> Result<Option<Piece>> {
        while let Some(piece) = self.scanner.next()? {
            match piece {
                Piece::Data(data) if self.own.1 > 0 => {
                    self.own.0.extend_from_slice(&data);
                    self.own.1 = self.own.1.saturating_sub(data.len() as u64);
                    if self.own.1 == 0 {
                        self.own_entry()?;
                    }
                }
                Piece::Data(data) => return Ok(Some(Piece::Data(data))),
                Piece::Entry(entry) => {
                    if let Some(entry) = self.entry(entry)? {
                        return Ok(Some(Piece::Entry(entry)));
                    }
                }
            }
        }
        Ok(None)
    }

    fn entry(&mut self, entry: Entry) -> Result<Option<Entry>> {
        let entry = if self.packing == Packing::Zstd {
            match (self.at, Mark::of(&entry)) {
                (At::Begin, Some(Mark::First)) => {
                    (self.at, self.own) = (At::First, (Vec::new(), entry.size));
                    return Ok(None);
                }
                (At::Volume, Some(Mark::Last)) => {
                    (self.at, self.own) = (At::Last, (Vec::new(), entry.size));
                    return Ok(None);
                }
                (At::Volume, Some(Mark::Volume)) => in_volume(entry)?,
                (At::Begin, _) => return Err(data("it was not made by volume_backup: its first entry is no manifest.json")),
                _ => return Err(data("an entry of it is none of a backup")),
            }
        } else {
            entry
        };
        self.check(&entry)?;
        self.entries += 1;
        Ok(Some(entry))
    }

    fn own_entry(&mut self) -> Result<()> {
        let content = std::mem::take(&mut self.own.0);
        if self.at == At::First {
            self.manifest = Some(Manifest::read(&content).map_err(|why| data(&why))?);
            self.at = At::Volume;
        } else {
            let end = serde_json::from_slice(&content);
            self.end = Some(end.map_err(|error| data("its last entry is not one of refit").caused_by(&error))?);
        }
        Ok(())
    }

    /// Whether an entry stays in the volume. A link may lead anywhere, as it did in the volume: nothing is unpacked through it.
    fn check(&mut self, entry: &Entry) -> Result<()> {
        let refused = |why: &str| {
            let name = crate::error::quoted(&String::from_utf8_lossy(&entry.path));
            Code::InvalidArgument.error(format!("entry {name} is refused: {why}"))
        };
        let names = import_rules::names(&entry.path).map_err(refused)?;
        let is_folder = entry.kind == EntryType::Directory;
        if names.is_empty() && !is_folder {
            return Err(refused("only a folder is the root"));
        }
        self.check_way(&names).map_err(refused)?;
        match entry.kind {
            EntryType::Link => {
                let target = import_rules::names(&entry.link).map_err(refused)?;
                if target.is_empty() {
                    return Err(refused("it is another name of a folder"));
                }
                self.check_way(&target).map_err(refused)?;
            }
            EntryType::Symlink => {
                self.links.insert(names.join(&b'/'));
            }
            EntryType::Regular | EntryType::Continuous | EntryType::Directory | EntryType::Fifo | EntryType::Char | EntryType::Block => {}
            _ => return Err(refused("it is no file, folder, link, pipe or device")),
        }
        if is_folder && self.links.contains(&names.join(&b'/')) {
            return Err(refused("it is a folder and a link"));
        }
        Ok(())
    }

    fn check_way(&self, names: &[&[u8]]) -> std::result::Result<(), &'static str> {
        if self.links.is_empty() {
            return Ok(());
        }
        let is_link = |depth: usize| self.links.contains(&names[..depth].join(&b'/'));
        if (1..names.len()).any(is_link) { Err("a folder on its way is a link") } else { Ok(()) }
    }

    /// After all bytes: whether it was whole.
    pub(super) fn finish(self) -> Result<Unpacked> {
        if !self.scanner.has_ended() {
            return Err(data("it ends before its end mark"));
        }
        if self.packing == Packing::Gzip {
            if self.entries == 0 {
                return Err(data("it is empty"));
            }
            return Ok(Unpacked { manifest: None, entries: self.entries, sha256: None });
        }
        let Some(end) = self.end else { return Err(data("it has no last entry")) };
        if end.entries != self.entries {
            return Err(data(&format!("it has {} entries, and {} were written", self.entries, end.entries)));
        }
        if self.hash.is_some_and(|hash| end.sha256 != hash.hex()) {
            return Err(data("its content does not have the SHA-256 that its last entry says"));
        }
        Ok(Unpacked { manifest: self.manifest, entries: self.entries, sha256: Some(end.sha256) })
    }
}

/// A backup that is whole.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// `None` of one that the earlier Go package made.
    pub(super) manifest: Option<Manifest>,
    pub(super) entries: u64,
    /// Of its content; `None` of one that the earlier Go package made.
    pub(super) sha256: Option<String>,
}

fn in_volume(entry: Entry) -> Result<Entry> {
    let own = |path: &[u8]| below(path).map(<[u8]>::to_owned).ok_or_else(|| data("an entry of it is none of a volume"));
    let link = if entry.kind == EntryType::Link { own(&entry.link)? } else { entry.link };
    Ok(Entry { path: own(&entry.path)?, link, ..entry })
}

fn data(why: &str) -> Error {
    Code::Data.error(why)
}

/// The SHA-256 of all but the last [`TAIL`] bytes.
#[derive(Debug, Default)]
struct TailHash {
    hash: Sha256,
    /// At most [`TAIL`] bytes.
    tail: Vec<u8>,
}

impl TailHash {
    fn push(&mut self, bytes: &[u8]) {
        let sure = (self.tail.len() + bytes.len()).saturating_sub(TAIL);
        let of_tail = sure.min(self.tail.len());
        self.hash.update(&self.tail[..of_tail]);
        self.hash.update(&bytes[..sure - of_tail]);
        self.tail.drain(..of_tail);
        self.tail.extend_from_slice(&bytes[sure - of_tail..]);
    }

    fn hex(self) -> String {
        self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_not_hashed_in_whatever_pieces_they_come() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect();
        for length in [TAIL, TAIL + 1, 2 * TAIL, bytes.len()] {
            let hex: String = Sha256::digest(&bytes[..length - TAIL]).iter().map(|byte| format!("{byte:02x}")).collect();
            for step in [1, 100, TAIL - 1, TAIL, TAIL + 1, 5000, bytes.len()] {
                let mut hash = TailHash::default();
                bytes[..length].chunks(step).for_each(|piece| hash.push(piece));
                assert_eq!(hash.hex(), hex, "{length} in pieces of {step}");
            }
        }
    }
}
