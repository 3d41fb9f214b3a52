//! The engine's pull stream, decoded message by message wherever its chunks end.

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::json::{is_empty, text};
use crate::{Code, Error, Result};

/// A message is a few hundred bytes; what is longer than this is not the engine's.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// One message of the stream. A field that is null or empty is as one that is absent.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
pub(super) struct Message {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) status: String,
    /// The layer that it is about; on Podman also the image's.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) id: String,
    #[serde(default, rename = "progressDetail", deserialize_with = "or_absent")]
    pub(super) progress: Option<Detail>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    error_detail: Option<Value>,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Detail {
    pub(super) current: Option<i64>,
    pub(super) total: Option<i64>,
}

fn or_default<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<String, D::Error> {
    Ok(Option::deserialize(source)?.unwrap_or_default())
}

/// A detail that is not understood is no reason to lose a pull.
fn or_absent<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<Option<Detail>, D::Error> {
    let detail = Value::deserialize(source)?;
    let number = |key: &str| detail.get(key).and_then(|number| number.as_i64().or_else(|| number.as_u64().map(|_| i64::MAX)));
    Ok((!is_empty(&detail)).then(|| Detail { current: number("current"), total: number("total") }))
}

impl Message {
    /// The engine's message when this is an error: it answers 200 first and fails inside the stream.
    pub(super) fn failure(&self) -> Option<String> {
        let detail = self.error_detail.as_ref().filter(|detail| !is_empty(detail));
        let detail_words = detail.map(|detail| text(detail, "message")).filter(|words| !words.is_empty());
        let words = self.error.as_deref().filter(|words| !words.is_empty()).or(detail_words);
        words.map(str::to_owned).or_else(|| detail.map(|_| "the engine names no reason".to_owned()))
    }
}

/// Splits the stream into messages: JSON objects, one or more in a line.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    rest: Vec<u8>,
}

impl Decoder {
    /// The messages that a piece of the stream completes.
    pub(super) fn push(&mut self, piece: &Bytes) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        let mut piece: &[u8] = piece;
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(&piece[..end]);
            piece = &piece[end + 1..];
            read_line(&self.rest, &mut messages)?;
            self.rest.clear();
        }
        self.rest.extend_from_slice(piece);
        if self.rest.len() > LONGEST_LINE {
            return Err(not_understood(&self.rest, "a line without end"));
        }
        Ok(messages)
    }

    /// The messages of a last line without its end.
    pub(super) fn finish(mut self) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        read_line(&std::mem::take(&mut self.rest), &mut messages)?;
        Ok(messages)
    }
}

fn read_line(line: &[u8], messages: &mut Vec<Message>) -> Result<()> {
    for message in serde_json::Deserializer::from_slice(line).into_iter() {
        messages.push(message.map_err(|error| not_understood(line, &error.to_string()))?);
    }
    Ok(())
}

fn not_understood(line: &[u8], why: &str) -> Error {
    let beginning = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
    Code::Engine.error(format!("the engine's pull stream is not understood ({why}): {beginning:?}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STREAM: &str = "{\"status\":\"Pulling from app\",\"id\":\"1\"}\r\n\
        {\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":9},\"progress\":\"[=> ]\",\"id\":\"a\u{e9}\"}\r\n\
        {\"status\":\"Status: Downloaded newer image\"}\r\n";

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Message>> {
        let mut decoder = Decoder::default();
        let mut messages = Vec::new();
        for piece in pieces {
            messages.extend(decoder.push(&Bytes::copy_from_slice(piece))?);
        }
        messages.extend(decoder.finish()?);
        Ok(messages)
    }

    #[test]
    fn a_stream_is_decoded_the_same_wherever_it_is_split() {
        let whole = decode([STREAM.as_bytes()]).unwrap();
        assert_eq!(
            whole.iter().map(|m| m.status.as_str()).collect::<Vec<_>>(),
            ["Pulling from app", "Downloading", "Status: Downloaded newer image"]
        );
        assert_eq!(whole[1].progress, Some(Detail { current: Some(5), total: Some(9) }));
        for cut in 0..=STREAM.len() {
            let (head, tail) = STREAM.as_bytes().split_at(cut);
            assert_eq!(decode([head, tail]).unwrap(), whole, "cut at {cut}");
        }
        assert_eq!(decode(STREAM.as_bytes().chunks(1)).unwrap(), whole);
    }

    #[test]
    fn two_messages_in_a_line_and_an_unterminated_last_line_are_decoded() {
        let messages = decode([br#"{"status":"a"}{"status":"b"} {"status":"c"}"#.as_slice()]).unwrap();
        assert_eq!(messages.iter().map(|m| m.status.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(decode([b"\r\n\n {} \n".as_slice()]).unwrap(), [Message::default()]);
    }

    #[test]
    fn an_error_has_the_engines_words() {
        let cases = [
            (r#"{"errorDetail":{"code":404,"message":"manifest unknown"},"error":"manifest unknown"}"#, Some("manifest unknown")),
            (r#"{"errorDetail":{"message":"only here"}}"#, Some("only here")),
            (r#"{"error":"only there"}"#, Some("only there")),
            (r#"{"errorDetail":{"code":500}}"#, Some("the engine names no reason")),
            (r#"{"error":"","errorDetail":{}}"#, None),
            (r#"{"error":null,"errorDetail":null}"#, None),
            (r#"{"status":"fine"}"#, None),
        ];
        for (line, expected) in cases {
            assert_eq!(decode([line.as_bytes()]).unwrap()[0].failure().as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn null_empty_and_absent_fields_are_alike() {
        for line in [
            "{}",
            r#"{"status":null,"id":null,"progressDetail":null,"error":null,"errorDetail":null}"#,
            r#"{"status":"","id":"","progressDetail":{},"error":"","errorDetail":{}}"#,
        ] {
            let message = &decode([line.as_bytes()]).unwrap()[0];
            assert_eq!(
                (message.status.as_str(), message.id.as_str(), &message.progress, message.failure()),
                ("", "", &None, None),
                "{line}"
            );
        }
        let odd = decode([br#"{"id":"a","progressDetail":{"current":18446744073709551615,"total":"9"}}"#.as_slice()]).unwrap();
        assert_eq!(odd[0].progress, Some(Detail { current: Some(i64::MAX), total: None }));
    }

    #[test]
    fn a_line_that_is_not_json_is_an_error() {
        for line in ["<html>", "{\"status\":", "{\"status\":1}\n", "[1]", "\u{0}"] {
            assert_eq!(decode([line.as_bytes()]).unwrap_err().code(), Code::Engine, "{line}");
        }
    }

    #[test]
    fn a_line_of_ten_megabytes_is_decoded_and_an_endless_one_is_refused() {
        let line = format!("{{\"status\":\"{}\"}}\n", "x".repeat(10 * 1024 * 1024));
        let messages = decode(line.as_bytes().chunks(16 * 1024)).unwrap();
        assert_eq!(messages[0].status.len(), 10 * 1024 * 1024);
        let endless = vec![b'x'; LONGEST_LINE + 1];
        assert_eq!(decode(endless.chunks(1024 * 1024)).unwrap_err().code(), Code::Engine);
    }
}
