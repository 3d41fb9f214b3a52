//! The lines of a log, from the bytes that the engine sends: a decision without an engine.
//!
//! Rules: docs/abi.md, section 11.

use bytes::{Buf, Bytes, BytesMut};
use jiff::Timestamp;

use super::{LogLine, LogStream};
use crate::engine::frames::{ENGINE_FAILED, Frames};

/// The longest piece of a line that is handed over at once.
pub(super) const LONGEST: usize = 256 * 1024;

/// The engine stores a longer line in pieces of this size, each with a time of its own.
const ENGINE_PIECE: usize = 16 * 1024;

/// No time of the engine is longer: `2026-11-29T01:30:10.123456789+02:00`.
const LONGEST_STAMP: usize = 40;

/// Takes the bytes of a log as they arrive.
#[derive(Debug)]
pub(super) struct LineDecoder {
    /// `None` of a terminal, whose bytes come without frames, and of both streams as one.
    frames: Option<Frames>,
    timestamps: bool,
    longest: usize,
    stdout: Unfinished,
    stderr: Unfinished,
    /// What the engine says about its own failure.
    failure: BytesMut,
}

/// The line of one stream that has not ended yet.
#[derive(Debug, Default)]
struct Unfinished {
    timestamp: Option<Timestamp>,
    text: BytesMut,
    /// Whether anything of it has come, or was handed over as a piece.
    begun: bool,
    /// The beginning of the time that comes before the text.
    stamp: Option<Vec<u8>>,
    /// How many bytes of the engine's piece have come.
    piece: usize,
}

impl LineDecoder {
    pub(super) fn new(is_terminal: bool, timestamps: bool, longest: usize) -> Self {
        let first = || Unfinished { stamp: (is_terminal && timestamps).then(Vec::new), ..Unfinished::default() };
        Self {
            frames: (!is_terminal).then(Frames::default),
            timestamps,
            longest,
            stdout: first(),
            stderr: first(),
            failure: BytesMut::new(),
        }
    }

    /// Adds the lines that end in these bytes to `lines`.
    pub(super) fn take(&mut self, mut bytes: Bytes, lines: &mut Vec<LogLine>) {
        let Some(frames) = &mut self.frames else {
            let decoding = Decoding { stream: LogStream::Stdout, longest: self.longest, terminal: true, timestamps: self.timestamps };
            return self.stdout.take(decoding, bytes, lines);
        };
        while let Some(part) = frames.next(&mut bytes) {
            let (unfinished, stream) = match part.stream {
                ENGINE_FAILED => {
                    self.failure.extend_from_slice(&part.bytes[..part.bytes.len().min(4096 - self.failure.len().min(4096))]);
                    continue;
                }
                2 => (&mut self.stderr, LogStream::Stderr),
                _ => (&mut self.stdout, LogStream::Stdout),
            };
            if part.begins && self.timestamps {
                unfinished.give_up_stamp();
                unfinished.stamp = Some(Vec::new());
            }
            let decoding = Decoding { stream, longest: self.longest, terminal: false, timestamps: self.timestamps };
            unfinished.take(decoding, part.bytes, lines);
        }
    }

    /// What the engine said about a failure of its own.
    pub(super) fn failure(&self) -> Option<String> {
        (!self.failure.is_empty()).then(|| String::from_utf8_lossy(&self.failure).trim().to_owned())
    }

    /// Whether the stream has ended within a frame.
    pub(super) fn is_cut(&self) -> bool {
        self.frames.as_ref().is_some_and(Frames::is_cut)
    }

    /// The lines without an end that are left at the end of the stream.
    pub(super) fn finish(&mut self, lines: &mut Vec<LogLine>) {
        for (unfinished, stream) in [(&mut self.stdout, LogStream::Stdout), (&mut self.stderr, LogStream::Stderr)] {
            unfinished.give_up_stamp();
            if std::mem::take(&mut unfinished.begun) {
                let (timestamp, text) = (unfinished.timestamp.take(), unfinished.text.split().freeze());
                lines.push(LogLine { timestamp, text, stream, partial: false, ended: false });
            }
        }
    }
}

/// How the bytes of one stream are read.
#[derive(Debug, Clone, Copy)]
struct Decoding {
    stream: LogStream,
    longest: usize,
    terminal: bool,
    timestamps: bool,
}

impl Unfinished {
    fn take(&mut self, decoding: Decoding, mut bytes: Bytes, lines: &mut Vec<LogLine>) {
        while !bytes.is_empty() {
            if self.stamp.is_some() {
                self.take_stamp(&mut bytes);
                continue;
            }
            // A terminal's bytes do not say where a piece of the engine ends; its size does.
            let of_piece = decoding.terminal && decoding.timestamps;
            let within = if of_piece { bytes.len().min(ENGINE_PIECE - self.piece) } else { bytes.len() };
            let end = memchr::memchr(b'\n', &bytes[..within]);
            let segment = bytes.split_to(end.unwrap_or(within));
            self.piece += segment.len();
            if end.is_some() {
                bytes.advance(1);
                self.end(decoding, segment, lines);
                continue;
            }
            self.add(decoding, segment, lines);
            if of_piece && self.piece == ENGINE_PIECE {
                self.piece = 0;
                self.stamp = Some(Vec::new());
            }
        }
    }

    /// A time, and a space after it. What is none is text.
    fn take_stamp(&mut self, bytes: &mut Bytes) {
        let Some(stamp) = &mut self.stamp else { return };
        let end = memchr::memchr2(b' ', b'\n', &bytes[..bytes.len().min(LONGEST_STAMP)]);
        let taken = bytes.split_to(end.unwrap_or(bytes.len().min(LONGEST_STAMP)));
        stamp.extend_from_slice(&taken);
        if end.is_none() && stamp.len() < LONGEST_STAMP {
            return;
        }
        let stamp = self.stamp.take().unwrap_or_default();
        let timestamp = std::str::from_utf8(&stamp).ok().and_then(|text| text.parse::<Timestamp>().ok());
        match timestamp {
            Some(timestamp) if end.is_some() && bytes[0] == b' ' => {
                bytes.advance(1);
                if !self.begun {
                    self.timestamp = Some(timestamp);
                }
                self.begun = true;
            }
            _ => {
                let mut text = BytesMut::from(&stamp[..]);
                text.extend_from_slice(bytes);
                *bytes = text.freeze();
            }
        }
    }

    /// What was taken for the beginning of a time was text after all.
    fn give_up_stamp(&mut self) {
        if let Some(stamp) = self.stamp.take() {
            self.begun |= !stamp.is_empty();
            self.text.extend_from_slice(&stamp);
        }
    }

    /// Text of the line; as soon as it is longer than a piece may be, pieces of it are handed over.
    fn add(&mut self, decoding: Decoding, mut segment: Bytes, lines: &mut Vec<LogLine>) {
        self.begun |= !segment.is_empty();
        while self.text.len() + segment.len() > decoding.longest {
            let room = decoding.longest - self.text.len();
            self.text.extend_from_slice(&segment.split_to(room));
            let mut text = self.text.split();
            // The line feed that makes it the end of the line may come next.
            if decoding.terminal && text.last() == Some(&b'\r') {
                text.truncate(text.len() - 1);
                self.text.extend_from_slice(b"\r");
            }
            let (timestamp, text) = (self.timestamp, text.freeze());
            lines.push(LogLine { timestamp, text, stream: decoding.stream, partial: true, ended: false });
        }
        self.text.extend_from_slice(&segment);
    }

    /// The end of the line, after its last segment.
    fn end(&mut self, decoding: Decoding, segment: Bytes, lines: &mut Vec<LogLine>) {
        let is_whole = self.text.is_empty() && segment.len() <= decoding.longest;
        let mut text = if is_whole {
            // The usual line came whole: it is handed over without a copy.
            segment
        } else {
            self.add(decoding, segment, lines);
            self.text.split().freeze()
        };
        if decoding.terminal && text.last() == Some(&b'\r') {
            text.truncate(text.len() - 1);
        }
        lines.push(LogLine { timestamp: self.timestamp.take(), text, stream: decoding.stream, partial: false, ended: true });
        self.begun = false;
        self.piece = 0;
        self.stamp = (decoding.terminal && decoding.timestamps).then(Vec::new);
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
#[allow(clippy::unwrap_used)]
mod tests;
