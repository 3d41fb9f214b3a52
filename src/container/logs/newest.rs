//! The newest bytes of a log as text.

use super::{ContainerLogs, LogLine};

/// Keeps the last `max_bytes` bytes of the lines that are added, and never many more.
#[derive(Debug)]
pub(super) struct Newest {
    max_bytes: usize,
    text: Vec<u8>,
    truncated: bool,
    /// The last line had no end, and another one has to begin after it: the other stream's.
    unfinished: bool,
}

impl Newest {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, text: Vec::new(), truncated: false, unfinished: false }
    }

    pub(super) fn add(&mut self, line: &LogLine) {
        if self.unfinished {
            self.text.push(b'\n');
        }
        self.unfinished = !line.partial && !line.ended;
        if let Some(timestamp) = line.timestamp {
            self.text.extend_from_slice(format!("{timestamp:.9} ").as_bytes());
        }
        self.text.extend_from_slice(&line.text);
        if line.ended {
            self.text.push(b'\n');
        }
        if self.text.len() > self.max_bytes.saturating_add(self.max_bytes / 4).saturating_add(64 * 1024) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.text.len() > self.max_bytes {
            self.text.drain(..self.text.len() - self.max_bytes);
            self.truncated = true;
        }
    }

    pub(super) fn finish(mut self) -> ContainerLogs {
        self.cut();
        // A character whose first byte is gone.
        let rest = if self.truncated { self.text.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count() } else { 0 };
        let text = String::from_utf8_lossy(&self.text[rest..]).into_owned();
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).count();
        let lines = ends + usize::from(!text.is_empty() && !text.ends_with('\n'));
        ContainerLogs { text, lines: lines as u64, truncated: self.truncated }
    }
}

#[cfg(test)]
mod tests {
    use super::super::LogStream;
    use super::*;

    fn newest(max_bytes: usize, lines: &[&'static str]) -> (String, u64, bool) {
        let mut newest = Newest::new(max_bytes);
        for line in lines {
            let (text, ended) = line.strip_suffix('\n').map_or((*line, false), |text| (text, true));
            newest.add(&LogLine { timestamp: None, text: text.into(), stream: LogStream::Stdout, partial: false, ended });
        }
        let logs = newest.finish();
        (logs.text, logs.lines, logs.truncated)
    }

    #[test]
    fn the_last_bytes_are_kept() {
        let cases: [(usize, &[&'static str], &str, u64, bool); 8] = [
            (100, &["one\n", "two\n"], "one\ntwo\n", 2, false),
            (8, &["one\n", "two\n"], "one\ntwo\n", 2, false),
            (6, &["one\n", "two\n"], "e\ntwo\n", 2, true),
            (3, &["no end"], "end", 1, true),
            (100, &["no end", "of both streams"], "no end\nof both streams", 2, false),
            (5, &["ä\n", "ö\n"], "\nö\n", 2, true),
            (100, &[], "", 0, false),
            (100, &["\n"], "\n", 1, false),
        ];
        for (max_bytes, lines, text, count, truncated) in cases {
            assert_eq!(newest(max_bytes, lines), (text.to_owned(), count, truncated), "{lines:?} within {max_bytes}");
        }
    }

    #[test]
    fn little_more_is_held_than_the_limit() {
        let mut newest = Newest::new(100_000);
        for _ in 0..10_000 {
            newest.add(&LogLine { timestamp: None, text: "a".repeat(99).into(), stream: LogStream::Stdout, partial: false, ended: true });
            assert!(newest.text.len() <= 200_000, "{}", newest.text.len());
        }
        let logs = newest.finish();
        assert_eq!((logs.text.len(), logs.lines, logs.truncated), (100_000, 1_000, true));
    }
}
