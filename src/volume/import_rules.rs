//! Which entries of an archive are taken, and where they go.
//!
//! Rules: docs/volumes.md, section 6.

use std::collections::BTreeSet;

use tar::EntryType;

use super::archive::Entry;

/// The longest name of a file that Linux takes.
const LONGEST_NAME: usize = 255;

/// The names of an entry from the folder into which the archive is unpacked, none of them `.` or `..`. The folder itself has none.
pub(super) fn names(path: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    if path.starts_with(b"/") {
        return Err("its name is absolute");
    }
    if path.contains(&0) {
        return Err("its name has a NUL in it");
    }
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".").collect();
    if path.is_empty() {
        return Err("it has no name");
    }
    if names.contains(&&b".."[..]) {
        return Err("a part of its name is \"..\"");
    }
    if names.iter().any(|name| name.len() > LONGEST_NAME) {
        return Err("a part of its name is longer than 255 bytes");
    }
    Ok(names)
}

/// Refuses an entry that is not one of a volume, or leads out of it. `depth` is how far the folder into which the archive is unpacked is below the
/// volume's root.
pub(super) fn check(entry: &Entry, depth: usize) -> Result<(), &'static str> {
    let names = names(&entry.path)?;
    match entry.kind {
        EntryType::Directory => Ok(()),
        _ if names.is_empty() => Err("only a folder is the root"),
        EntryType::Regular | EntryType::Continuous | EntryType::Fifo => Ok(()),
        EntryType::Symlink if leaves(&entry.link, depth + names.len() - 1) => Err("the link leads out of the volume"),
        EntryType::Symlink => Ok(()),
        EntryType::Link if self::names(&entry.link)?.is_empty() => Err("it is another name of a folder"),
        EntryType::Link => Ok(()),
        EntryType::Block | EntryType::Char => Err("it is a device, which is outside of the volume"),
        _ => Err("it is no file, folder, link or pipe"),
    }
}

/// Whether a link's text leads out of the volume, from so far below its root.
fn leaves(text: &[u8], depth: usize) -> bool {
    if text.starts_with(b"/") || text.is_empty() {
        return true;
    }
    let mut depth = depth;
    for part in text.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// What is known of the folders in which entries are to be.
#[derive(Debug, Default)]
pub(super) struct Folders {
    /// They are folders, or nothing is there and the engine makes them.
    safe: BTreeSet<Vec<u8>>,
    /// Nothing is there: nothing is below either.
    absent: BTreeSet<Vec<u8>>,
    /// The archive has put a link there.
    links: BTreeSet<Vec<u8>>,
}

/// What must be known of a folder before an entry is put into it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Safe,
    /// The archive has put a link there.
    Link,
    /// What is there has to be looked at.
    Look,
}

impl Folders {
    /// Of a folder, whose own folder is known.
    pub(super) fn verdict(&mut self, folder: &[Vec<u8>]) -> Verdict {
        let path = folder.join(&b'/');
        if self.links.contains(&path) {
            return Verdict::Link;
        }
        if self.safe.contains(&path) {
            return Verdict::Safe;
        }
        let above = folder.split_last().map(|(_, above)| above.join(&b'/')).unwrap_or_default();
        if !folder.is_empty() && self.absent.contains(&above) {
            self.found(folder, false);
            return Verdict::Safe;
        }
        Verdict::Look
    }

    /// Notes that a folder is there, or that nothing is.
    pub(super) fn found(&mut self, folder: &[Vec<u8>], there: bool) {
        let path = folder.join(&b'/');
        if !there {
            self.absent.insert(path.clone());
        }
        self.safe.insert(path);
    }

    /// Notes a link of the archive.
    pub(super) fn put_link(&mut self, names: &[Vec<u8>]) {
        let path = names.join(&b'/');
        self.safe.remove(&path);
        self.links.insert(path);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::type_complexity)]
mod tests {
    use super::*;

    fn entry(path: &[u8], kind: EntryType, link: &[u8]) -> Entry {
        Entry { path: path.to_owned(), kind, link: link.to_owned(), ..Entry::file("", 0) }
    }

    #[test]
    fn names_that_stay_inside_are_taken() {
        let cases: [(&[u8], &[&[u8]]); 8] = [
            (b"./", &[]),
            (b".", &[]),
            (b"a", &[b"a"]),
            (b"./a/b/", &[b"a", b"b"]),
            (b"a//./b", &[b"a", b"b"]),
            (b"..a/b..", &[b"..a", b"b.."]),
            (b"-rf", &[b"-rf"]),
            (b"\xff\n", &[b"\xff\n"]),
        ];
        for (path, expected) in cases {
            assert_eq!(names(path).unwrap(), expected, "{path:?}");
        }
        let long = [b'n'; 256];
        for path in [&b""[..], b"/a", b"..", b"../a", b"a/../b", b"a/..", b"a\0b", &long] {
            assert!(names(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn entries_that_leave_and_devices_are_refused() {
        use EntryType::{Block, Char, Directory, Fifo, GNUSparse, Link, Regular, Symlink};
        let cases: [(&[u8], EntryType, &[u8], usize, bool); 26] = [
            (b"./", Directory, b"", 0, true),
            (b"a", Regular, b"", 0, true),
            (b"a", Fifo, b"", 0, true),
            (b".", Regular, b"", 0, false),
            (b"../a", Regular, b"", 3, false),
            (b"/etc/passwd", Regular, b"", 0, false),
            (b"a", Char, b"", 0, false),
            (b"a", Block, b"", 0, false),
            (b"a", GNUSparse, b"", 0, false),
            (b"l", Symlink, b"a", 0, true),
            (b"l", Symlink, b"./a/../b", 0, true),
            (b"l", Symlink, b"..", 0, false),
            (b"l", Symlink, b"..", 1, true),
            (b"l", Symlink, b"../../x", 1, false),
            (b"d/l", Symlink, b"..", 0, true),
            (b"d/l", Symlink, b"../..", 0, false),
            (b"d/e/l", Symlink, b"a/../../../../x", 0, false),
            (b"l", Symlink, b"/etc", 5, false),
            (b"l", Symlink, b"", 0, false),
            (b"l", Symlink, b"a/../../x", 0, false),
            (b"h", Link, b"a", 0, true),
            (b"h", Link, b"./d/a", 0, true),
            (b"h", Link, b"../a", 4, false),
            (b"h", Link, b"/etc/shadow", 0, false),
            (b"h", Link, b"d/../../a", 0, false),
            (b"h", Link, b".", 0, false),
        ];
        for (path, kind, link, depth, taken) in cases {
            let checked = check(&entry(path, kind, link), depth);
            assert_eq!(checked.is_ok(), taken, "{path:?} {kind:?} {link:?} {depth}: {checked:?}");
        }
    }

    #[test]
    fn folders_are_looked_at_once_and_never_below_one_that_is_not_there() {
        let folder =
            |path: &str| path.split('/').filter(|name| !name.is_empty()).map(|name| name.as_bytes().to_owned()).collect::<Vec<_>>();
        let mut folders = Folders::default();
        assert_eq!(folders.verdict(&folder("")), Verdict::Look);
        folders.found(&folder(""), true);
        assert_eq!(folders.verdict(&folder("a")), Verdict::Look);
        folders.found(&folder("a"), false);
        assert_eq!(folders.verdict(&folder("a")), Verdict::Safe);
        assert_eq!(folders.verdict(&folder("a/b")), Verdict::Safe);
        assert_eq!(folders.verdict(&folder("a/b/c")), Verdict::Safe);
        assert_eq!(folders.verdict(&folder("b")), Verdict::Look);
        folders.put_link(&folder("a/b"));
        assert_eq!(folders.verdict(&folder("a/b")), Verdict::Link);
    }
}
