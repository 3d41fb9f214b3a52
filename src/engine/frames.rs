//! The frames of a container without a terminal, as they arrive: a stream's number, three zeros, a length and the bytes.

use bytes::{Buf, Bytes};

/// The number of the stream in which the engine tells that reading a log has failed.
pub(crate) const ENGINE_FAILED: u8 = 3;

/// Splits a stream into frames without copying it. bollard's decoder waits for whole frames, and takes a stream for a terminal's by its first
/// byte.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    head: [u8; 8],
    /// How many bytes of the head have arrived.
    filled: usize,
    /// How many bytes of the payload are still to come.
    left: usize,
    begins: bool,
}

/// A frame, or the part of one that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FramePart {
    /// 1: stdout, 2: stderr.
    pub(crate) stream: u8,
    /// Whether it is the first part of its frame.
    pub(crate) begins: bool,
    pub(crate) bytes: Bytes,
}

impl Frames {
    /// The next part; `None` when more bytes are needed.
    pub(crate) fn next(&mut self, input: &mut Bytes) -> Option<FramePart> {
        loop {
            if self.filled < self.head.len() {
                let taken = input.len().min(self.head.len() - self.filled);
                self.head[self.filled..self.filled + taken].copy_from_slice(&input[..taken]);
                self.filled += taken;
                input.advance(taken);
                if self.filled < self.head.len() {
                    return None;
                }
                self.left = u32::from_be_bytes([self.head[4], self.head[5], self.head[6], self.head[7]]) as usize;
                self.begins = true;
            }
            if self.left == 0 {
                self.filled = 0;
                continue;
            }
            if input.is_empty() {
                return None;
            }
            let bytes = input.split_to(self.left.min(input.len()));
            self.left -= bytes.len();
            if self.left == 0 {
                self.filled = 0;
            }
            return Some(FramePart { stream: self.head[0], begins: std::mem::take(&mut self.begins), bytes });
        }
    }

    /// Whether a frame has begun and not ended: a stream that ends so was cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.filled > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"\x01\0\0\0\0\0\0\x03ab\n\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x01c";

    /// The stream's number and the bytes of each frame, when the stream arrives in chunks of a size.
    fn frames(stream: &'static [u8], size: usize) -> (Vec<(u8, Vec<u8>)>, bool) {
        let (mut frames, mut found) = (Frames::default(), Vec::<(u8, Vec<u8>)>::new());
        for chunk in stream.chunks(size) {
            let mut chunk = Bytes::from_static(chunk);
            while let Some(part) = frames.next(&mut chunk) {
                match found.last_mut() {
                    Some((_, bytes)) if !part.begins => bytes.extend_from_slice(&part.bytes),
                    _ => found.push((part.stream, part.bytes.to_vec())),
                }
            }
            assert!(chunk.is_empty());
        }
        (found, frames.is_cut())
    }

    #[test]
    fn frames_are_found_however_they_arrive() {
        for size in 1..=STREAM.len() {
            assert_eq!(frames(STREAM, size), (vec![(1, b"ab\n".to_vec()), (2, b"c".to_vec())], false), "chunks of {size}");
        }
    }

    #[test]
    fn a_stream_that_ends_in_a_frame_was_cut() {
        for end in 1..STREAM.len() {
            let whole = [0, 11, 19].contains(&end);
            assert_eq!(frames(&STREAM[..end], 100).1, !whole, "{end} bytes");
        }
    }
}
