//! The last lines that a container wrote.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::container::state;
use crate::engine::{Engine, escape};

/// The last 20 lines, of both streams; `None` where the log driver keeps none, or the engine does not answer. Never fails: it is read when
/// something else has.
pub(crate) async fn last_words(engine: &Engine, container: &Value) -> Option<String> {
    let path = format!("/containers/{}/logs?stdout=1&stderr=1&tail=20", escape(state::id(container)));
    let answer = engine.call("reading the last log lines", Method::GET, &path, None, Duration::from_secs(5)).await.ok()?;
    let is_terminal = container.pointer("/Config/Tty") == Some(&Value::Bool(true));
    let bytes = if is_terminal { answer.body.to_vec() } else { streams(&answer.body) };
    let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Both streams of a container without a terminal: frames of a stream's number, three zeros, a length and the bytes.
pub(crate) fn streams(mut frames: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some((head, rest)) = frames.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let (frame, next) = rest.split_at(length.min(rest.len()));
        text.extend_from_slice(frame);
        frames = next;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_put_together() {
        let cases: [(&[u8], &[u8]); 4] = [
            (b"", b""),
            (b"\x01\0\0\0\0\0\0\x03ab\n\x02\0\0\0\0\0\0\x01c", b"ab\nc"),
            (b"\x01\0\0\0\0\0\0\x09cut", b"cut"),
            (b"\x01\0\0", b""),
        ];
        for (frames, text) in cases {
            assert_eq!(streams(frames), text);
        }
    }
}
