//! One entry of an archive, and its header as bytes.

use tar::{EntryType, Header};

/// What is after the last entry.
pub(crate) const END: [u8; 1024] = [0; 1024];

const BLOCK: u64 = 512;

/// How much fits into the field of a header; a longer name has an entry of its own before.
const NAME_FIELD: usize = 100;

/// An entry without its content. Names are bytes: a volume may hold some that are not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    /// The target of a symbolic or hard link; else empty.
    pub(crate) link: Vec<u8>,
    pub(crate) kind: EntryType,
    /// Of the content that follows.
    pub(crate) size: u64,
    /// Permissions, setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    /// Major and minor number of a device.
    pub(crate) device: (u32, u32),
    /// Extended attributes and the fraction of the time, as records of an extended header.
    pub(crate) records: Vec<(String, Vec<u8>)>,
}

impl Entry {
    pub(crate) fn file(path: &str, size: u64) -> Self {
        Self {
            path: path.as_bytes().to_owned(),
            link: Vec::new(),
            kind: EntryType::Regular,
            size,
            mode: 0o644,
            uid: 0,
            gid: 0,
            modified: 0,
            device: (0, 0),
            records: Vec::new(),
        }
    }

    pub(crate) fn is_file(&self) -> bool {
        matches!(self.kind, EntryType::Regular | EntryType::Continuous)
    }

    /// The header, after those that it needs before it.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 * BLOCK as usize);
        let mut records: Vec<u8> = Vec::new();
        for (key, value) in &self.records {
            records.extend(record(key, value));
        }
        if self.modified < 0 && !self.records.iter().any(|(key, _)| key == "mtime") {
            records.extend(record("mtime", self.modified.to_string().as_bytes()));
        }
        if !records.is_empty() {
            extension(&mut bytes, EntryType::XHeader, &records);
        }
        for (name, kind) in [(&self.link, EntryType::GNULongLink), (&self.path, EntryType::GNULongName)] {
            if name.len() > NAME_FIELD {
                let mut text = name.clone();
                text.push(0);
                extension(&mut bytes, kind, &text);
            }
        }
        let mut header = header(self.kind, self.size);
        header.set_mode(self.mode);
        header.set_uid(self.uid);
        header.set_gid(self.gid);
        header.set_mtime(u64::try_from(self.modified).unwrap_or(0));
        fill(&mut header.as_old_mut().name, &self.path);
        fill(&mut header.as_old_mut().linkname, &self.link);
        if matches!(self.kind, EntryType::Block | EntryType::Char) {
            // Both fail only in a header of the oldest form.
            let _ = header.set_device_major(self.device.0);
            let _ = header.set_device_minor(self.device.1);
        }
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes
    }
}

/// An extended header that says nothing of the entry after it: what an archive can begin with while its first entry is not known yet.
pub(crate) fn beginning() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 * BLOCK as usize);
    extension(&mut bytes, EntryType::XHeader, &record("comment", b"refit"));
    bytes
}

/// How many zeros follow a content of this size.
pub(crate) fn padding(size: u64) -> usize {
    (size.next_multiple_of(BLOCK) - size) as usize
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header
}

fn extension(bytes: &mut Vec<u8>, kind: EntryType, content: &[u8]) {
    let mut header = header(kind, content.len() as u64);
    fill(&mut header.as_old_mut().name, b"././@LongLink");
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + padding(content.len() as u64), 0);
}

fn fill(field: &mut [u8; NAME_FIELD], name: &[u8]) {
    let length = name.len().min(NAME_FIELD);
    field[..length].copy_from_slice(&name[..length]);
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut bytes = format!("{length} {key}=").into_bytes();
    bytes.extend_from_slice(value);
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        assert_eq!(record("mtime", b"-1"), b"12 mtime=-1\n");
        for size in 80..110 {
            let record = record("k", &vec![b'v'; size]);
            assert!(record.starts_with(format!("{} k=", record.len()).as_bytes()), "{size}");
        }
    }

    #[test]
    fn content_ends_at_a_whole_block() {
        for (size, zeros) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(size), zeros);
        }
    }
}
