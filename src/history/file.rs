//! The file of the history: one record a line, appended whole and under a lock that its caller holds.
//!
//! Rules: docs/history.md, section 2.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::state_dir::replace_file;

/// How many lines the file had when it had this length. Other processes append too, so that only the rest is counted again.
#[derive(Debug, Default)]
pub(super) struct Counted {
    length: u64,
    lines: usize,
}

/// Appends a line, and waits until the disk has it. The file is shortened to the newest `keep` records when it has twice as many.
pub(super) fn append(path: &Path, line: &[u8], keep: usize, counted: &mut Counted) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let before = file.metadata()?.len();
    // What a killed process has left of its line stays a line of its own.
    let mut bytes = if is_torn(&mut file, before)? { vec![b'\n'] } else { Vec::new() };
    bytes.extend_from_slice(line);
    if let Err(error) = file.write_all(&bytes).and_then(|()| file.sync_data()) {
        // A disk that is full has taken a part of it, perhaps.
        let _ = file.set_len(before);
        return Err(error);
    }
    count(&mut file, before + bytes.len() as u64, counted)?;
    if counted.lines > keep.saturating_mul(2) {
        drop(file);
        shorten(path, keep, counted)?;
    }
    Ok(())
}

fn is_torn(file: &mut File, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn count(file: &mut File, length: u64, counted: &mut Counted) -> io::Result<()> {
    if length < counted.length {
        // Another process has shortened it.
        *counted = Counted::default();
    }
    file.seek(SeekFrom::Start(counted.length))?;
    for line in BufReader::new(file).split(b'\n') {
        line?;
        counted.lines += 1;
    }
    counted.length = length;
    Ok(())
}

/// Keeps the newest records as they are written. A line that is no JSON was torn and is dropped; one of a newer version is kept.
fn shorten(path: &Path, keep: usize, counted: &mut Counted) -> io::Result<()> {
    let content = fs::read(path)?;
    let is_whole = |line: &&[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
    let mut lines: Vec<&[u8]> = content.split(|byte| *byte == b'\n').rev().filter(is_whole).take(keep).collect();
    lines.reverse();
    let mut kept = lines.join(&b'\n');
    kept.extend_from_slice(if lines.is_empty() { b"" } else { b"\n" });
    replace_file(path, &kept)?;
    *counted = Counted { length: kept.len() as u64, lines: lines.len() };
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A folder that is removed at the end of the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(what: &str) -> Self {
            let path = std::env::temp_dir().join(format!("refit-history-{what}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self) -> PathBuf {
            self.0.join("history.jsonl")
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_torn_line_stays_apart_from_the_next_record() {
        let folder = Scratch::new("torn");
        let path = folder.file();
        fs::write(&path, b"{\"id\":\"1\"}\n{\"id\":\"2").unwrap();
        append(&path, b"{\"id\":\"3\"}\n", 10, &mut Counted::default()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"id\":\"1\"}\n{\"id\":\"2\n{\"id\":\"3\"}\n");
    }

    #[test]
    fn the_file_never_has_more_than_twice_the_records() {
        let folder = Scratch::new("bound");
        let path = folder.file();
        let (mut one, mut other) = (Counted::default(), Counted::default());
        for n in 0..100 {
            // Two processes by turns: each has counted an older state of the file.
            let counted = if n % 3 == 0 { &mut one } else { &mut other };
            append(&path, format!("{{\"id\":\"{n}\"}}\n").as_bytes(), 5, counted).unwrap();
            let content = fs::read_to_string(&path).unwrap();
            assert!(content.lines().count() <= 10, "{content}");
            assert!(content.ends_with(&format!("{{\"id\":\"{n}\"}}\n")), "{content}");
            assert!(n < 5 || content.lines().count() >= 5, "{content}");
        }
    }

    #[test]
    fn shortening_drops_what_is_no_json_and_keeps_what_a_newer_version_wrote() {
        let folder = Scratch::new("short");
        let path = folder.file();
        fs::write(&path, "{\"to\nrn\n{\"kind\":\"of a newer version\"}\n{\"id\":\"4\"}\n").unwrap();
        append(&path, b"{\"id\":\"5\"}\n", 2, &mut Counted::default()).unwrap();
        append(&path, b"{\"id\":\"6\"}\n", 4, &mut Counted::default()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"id\":\"4\"}\n{\"id\":\"5\"}\n{\"id\":\"6\"}\n");
    }
}
