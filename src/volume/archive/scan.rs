//! An archive that arrives in pieces of any size, taken apart in constant memory. The content of files is handed on as it came, and not copied.

use bytes::{Buf, Bytes, BytesMut};
use tar::{EntryType, Header};

use super::entry::{Entry, padding};
use crate::{Code, Error, Result};

const BLOCK: usize = 512;

/// The most that an extended header may hold. Engines write names and attributes of some kilobytes.
const LONGEST_EXTENSION: u64 = 1024 * 1024;

/// A part of the archive, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The next entry.
    Entry(Entry),
    /// Some of the content of the last entry.
    Data(Bytes),
}

/// Takes an archive apart.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// What has arrived and was not taken yet.
    arrived: Bytes,
    /// The beginning of a header or an extension whose end has not arrived.
    begun: BytesMut,
    state: State,
    next: Extensions,
    ended_by_block: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Header,
    /// An extension of the next header: its kind, and how long it is.
    Extension(EntryType, u64),
    /// How much of the content and of the zeros after it is still to come.
    Content(u64, usize),
    End,
}

/// What extensions say of the next entry.
#[derive(Debug, Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Vec<(String, Vec<u8>)>,
}

impl Scanner {
    /// Adds bytes of the archive, after [`Scanner::next`] has returned `None`: they are not copied then.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.arrived = if self.arrived.is_empty() { bytes } else { [&self.arrived[..], &bytes].concat().into() };
    }

    /// The next piece; `None` when more bytes are needed, or none are any more. DATA where it is no archive.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            match self.state {
                State::End => {
                    self.arrived = Bytes::new();
                    return Ok(None);
                }
                State::Content(0, 0) => self.state = State::Header,
                State::Content(0, zeros) => {
                    let skipped = zeros.min(self.arrived.len());
                    if skipped == 0 {
                        return Ok(None);
                    }
                    self.arrived.advance(skipped);
                    self.state = State::Content(0, zeros - skipped);
                }
                State::Content(left, zeros) => {
                    let taken = left.min(self.arrived.len() as u64);
                    if taken == 0 {
                        return Ok(None);
                    }
                    self.state = State::Content(left - taken, zeros);
                    return Ok(Some(Piece::Data(self.arrived.split_to(taken as usize))));
                }
                State::Extension(kind, size) => {
                    let Some(whole) = self.take(size as usize + padding(size)) else { return Ok(None) };
                    self.extend(kind, &whole[..size as usize])?;
                    self.state = State::Header;
                }
                State::Header => {
                    let Some(block) = self.take(BLOCK) else { return Ok(None) };
                    if let Some(entry) = self.header(&block)? {
                        return Ok(Some(Piece::Entry(entry)));
                    }
                }
            }
        }
    }

    /// So many bytes, once they have arrived.
    fn take(&mut self, length: usize) -> Option<Bytes> {
        if self.begun.is_empty() && self.arrived.len() >= length {
            return Some(self.arrived.split_to(length));
        }
        let more = (length - self.begun.len()).min(self.arrived.len());
        self.begun.extend_from_slice(&self.arrived.split_to(more));
        (self.begun.len() == length).then(|| self.begun.split().freeze())
    }

    /// Whether the end mark was there; what follows it means nothing.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, State::End)
    }

    fn header(&mut self, block: &[u8]) -> Result<Option<Entry>> {
        if block.iter().all(|byte| *byte == 0) {
            if self.ended_by_block {
                self.state = State::End;
            }
            self.ended_by_block = true;
            return Ok(None);
        }
        if self.ended_by_block {
            return Err(invalid("there is a block of zeros between two entries"));
        }
        let header = Header::from_byte_slice(block);
        check_sum(header, block)?;
        let kind = header.entry_type();
        let size = header.entry_size().map_err(|error| invalid("the size of an entry is not a number").caused_by(&error))?;
        if kind.is_pax_local_extensions() || kind.is_pax_global_extensions() || kind.is_gnu_longname() || kind.is_gnu_longlink() {
            if size > LONGEST_EXTENSION {
                return Err(invalid(&format!("an extended header has {size} bytes, and {LONGEST_EXTENSION} are read")));
            }
            self.state = State::Extension(kind, size);
            return Ok(None);
        }
        let entry = self.entry(header, size)?;
        self.state = State::Content(entry.size, padding(entry.size));
        Ok(Some(entry))
    }

    fn entry(&mut self, header: &Header, size: u64) -> Result<Entry> {
        let extensions = std::mem::take(&mut self.next);
        let number = |read: std::io::Result<u64>, what: &str| {
            read.map_err(|error| invalid(&format!("the {what} of an entry is not a number")).caused_by(&error))
        };
        let kind = header.entry_type();
        let mut entry = Entry {
            path: header.path_bytes().into_owned(),
            link: header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default(),
            kind,
            // Archives of old give links and folders a size, and no content.
            size: if kind.is_hard_link() || kind.is_symlink() || kind.is_dir() { 0 } else { size },
            mode: header.mode().map_err(|error| invalid("the mode of an entry is not a number").caused_by(&error))? & 0o7777,
            uid: number(header.uid(), "owner")?,
            gid: number(header.gid(), "group")?,
            modified: number(header.mtime(), "time")?.cast_signed(),
            device: (header.device_major().ok().flatten().unwrap_or(0), header.device_minor().ok().flatten().unwrap_or(0)),
            records: Vec::new(),
        };
        for (key, value) in extensions.pax {
            let whole = || std::str::from_utf8(&value).ok().and_then(|text| text.parse::<u64>().ok());
            let wrong = || invalid(&format!("{key} in an extended header is not a number"));
            match key.as_str() {
                "path" => entry.path = value,
                "linkpath" => entry.link = value,
                "size" => entry.size = whole().ok_or_else(wrong)?,
                "uid" => entry.uid = whole().ok_or_else(wrong)?,
                "gid" => entry.gid = whole().ok_or_else(wrong)?,
                "mtime" => {
                    entry.modified = whole_seconds(&value).ok_or_else(wrong)?;
                    entry.records.push((key, value));
                }
                _ if key.starts_with("SCHILY.xattr.") => entry.records.push((key, value)),
                _ if key.starts_with("GNU.sparse.") => return Err(invalid("it holds a sparse file: pack it without --sparse")),
                _ => {}
            }
        }
        entry.path = extensions.path.unwrap_or(entry.path);
        entry.link = extensions.link.unwrap_or(entry.link);
        Ok(entry)
    }

    fn extend(&mut self, kind: EntryType, content: &[u8]) -> Result<()> {
        let until_nul = |content: &[u8]| content.split(|byte| *byte == 0).next().unwrap_or_default().to_owned();
        if kind.is_gnu_longname() {
            self.next.path = Some(until_nul(content));
        } else if kind.is_gnu_longlink() {
            self.next.link = Some(until_nul(content));
        } else if kind.is_pax_local_extensions() {
            self.next.pax.extend(records(content).ok_or_else(|| invalid("an extended header has a record of another form"))?);
        }
        Ok(())
    }
}

/// The records `LENGTH KEY=VALUE\n` of an extended header. A value may hold any byte, a line's end too, by which the crate `tar` separates records.
fn records(mut content: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut records = Vec::new();
    while !content.is_empty() {
        let space = content.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&content[..space]).ok()?.parse().ok()?;
        let (record, rest) = content.split_at_checked(length)?;
        let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        records.push((String::from_utf8(record[..equals].to_vec()).ok()?, record[equals + 1..].to_vec()));
        content = rest;
    }
    Some(records)
}

/// `1234.5` and `-1.5`, rounded down.
fn whole_seconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let below = text.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
    fraction.bytes().all(|digit| digit.is_ascii_digit()).then(|| seconds - i64::from(below))
}

/// The sum of the header's bytes, in which its own field counts as spaces.
fn check_sum(header: &Header, block: &[u8]) -> Result<()> {
    let own =
        header.cksum().map_err(|error| invalid("a header has no checksum: it is not a tar, or it is compressed").caused_by(&error))?;
    let sum: u32 = block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    if own == sum { Ok(()) } else { Err(invalid("the checksum of a header is wrong: it is not a tar, it is compressed, or it is damaged")) }
}

fn invalid(why: &str) -> Error {
    Code::Data.error(format!("the archive cannot be read: {why}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::volume::archive::END;

    /// The pieces of an archive that arrives in pieces of a size, with the content of each entry together.
    fn scan(archive: &[u8], step: usize) -> Result<Vec<(Entry, Vec<u8>)>> {
        let (mut scanner, mut found) = (Scanner::default(), Vec::<(Entry, Vec<u8>)>::new());
        for part in archive.chunks(step) {
            scanner.push(Bytes::copy_from_slice(part));
            while let Some(piece) = scanner.next()? {
                match piece {
                    Piece::Entry(entry) => found.push((entry, Vec::new())),
                    Piece::Data(data) => found.last_mut().unwrap().1.extend_from_slice(&data),
                }
            }
        }
        if scanner.has_ended() { Ok(found) } else { Err(invalid("it has no end mark")) }
    }

    fn archive(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (entry, content) in entries {
            bytes.extend(entry.head());
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len() + padding(entry.size), 0);
        }
        bytes.extend(END);
        bytes
    }

    fn entries() -> Vec<(Entry, Vec<u8>)> {
        let of =
            |path: &[u8], kind: EntryType, link: &[u8]| Entry { path: path.to_owned(), link: link.to_owned(), kind, ..Entry::file("", 0) };
        let owned = Entry { mode: 0o4755, uid: 3_000_000, gid: 70_000, modified: 1_700_000_000, ..Entry::file("a/b", 5) };
        let records = vec![("mtime".to_owned(), b"-1.5".to_vec()), ("SCHILY.xattr.security.capability".to_owned(), vec![1, 0, 10, 255])];
        let long = vec![b'\xff'; 250];
        vec![
            (of(b"a/", EntryType::Directory, b""), Vec::new()),
            (owned, b"hello".to_vec()),
            (Entry { modified: -2, records, ..Entry::file("before 1970", 512) }, vec![7; 512]),
            (of(&long, EntryType::Symlink, &long), Vec::new()),
            (of(b"a\nb\xfe", EntryType::Link, b"a/b"), Vec::new()),
            (Entry { device: (8, 1), ..of(b"sda1", EntryType::Block, b"") }, Vec::new()),
            (of(b"pipe", EntryType::Fifo, b""), Vec::new()),
            (Entry::file("big", 10_000), vec![3; 10_000]),
        ]
    }

    #[test]
    fn what_is_written_is_read_in_pieces_of_any_size() {
        let entries = entries();
        let bytes = archive(&entries);
        for step in [1, 7, 511, 512, 513, 4096, bytes.len()] {
            assert_eq!(scan(&bytes, step).unwrap(), entries, "{step}");
        }
    }

    #[test]
    fn the_crate_reads_what_is_written() {
        let bytes = archive(&entries());
        let mut read = tar::Archive::new(bytes.as_slice());
        let names: Vec<Vec<u8>> = read.entries().unwrap().map(|entry| entry.unwrap().path_bytes().into_owned()).collect();
        assert_eq!(names, entries().into_iter().map(|(entry, _)| entry.path).collect::<Vec<_>>());
    }

    #[test]
    fn an_archive_that_is_cut_or_damaged_is_an_error() {
        let whole = archive(&entries());
        for length in [0, 100, 512, 513, 600, whole.len() - 1024, whole.len() - 512] {
            assert_eq!(scan(&whole[..length], 512).unwrap_err().code(), Code::Data, "{length}");
        }
        let mut damaged = whole.clone();
        damaged[3] ^= 1;
        let mut hole = whole.clone();
        hole.splice(0..0, [0; 512]);
        let mut trailing = whole.clone();
        trailing.extend([5; 2000]);
        for (case, bytes) in [("a bit", damaged), ("a hole", hole), ("text", b"hello ".repeat(200)), ("gzip", [0x1f, 0x8b].repeat(600))] {
            assert_eq!(scan(&bytes, 512).unwrap_err().code(), Code::Data, "{case}");
        }
        assert_eq!(scan(&trailing, 512).unwrap().len(), entries().len(), "what follows the end mark means nothing");
    }

    #[test]
    fn an_extended_header_of_more_than_a_mebibyte_is_refused() {
        for kind in [EntryType::XHeader, EntryType::XGlobalHeader, EntryType::GNULongName, EntryType::GNULongLink] {
            let huge = Entry { kind, ..Entry::file("x", LONGEST_EXTENSION + 1) }.head();
            let error = scan(&huge, 512).unwrap_err();
            assert!(error.code() == Code::Data && error.message().contains("1048576"), "{kind:?}: {error}");
        }
    }

    #[test]
    fn a_size_of_more_than_eight_gigabytes_is_read() {
        let head = Entry::file("x", 10 << 30).head();
        let mut scanner = Scanner::default();
        scanner.push(head.into());
        assert!(matches!(scanner.next().unwrap(), Some(Piece::Entry(entry)) if entry.size == 10 << 30));
    }

    #[test]
    fn records_of_another_form_are_refused() {
        assert_eq!(records(b"8 k=a\nb\n").unwrap(), [("k".to_owned(), b"a\nb".to_vec())]);
        assert_eq!(records(b"").unwrap(), []);
        for bytes in [&b"x"[..], b"9 k=v\n", b"6 k=vx", b"5 kv\n", b"0 ", b"1 ", b"99999999999999999999 k=v\n", b"-6 k=v\n", b"6 \xff=v\n"]
        {
            assert_eq!(records(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn times_before_1970_are_rounded_down() {
        for (text, seconds) in [("1.5", Some(1)), ("-1.5", Some(-2)), ("-1.0", Some(-1)), ("0", Some(0)), ("x", None), ("1.x", None)] {
            assert_eq!(whole_seconds(text.as_bytes()), seconds, "{text}");
        }
    }
}
