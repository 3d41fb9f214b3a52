//! Answers that come in pieces, and the frames in which the engine sends both streams of a container at once.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, ReadHalf};

use super::silence;
use super::transport::Transport;
use crate::Result;

/// How much is read at once from a connection that is no longer HTTP.
const READ: usize = 64 * 1024;

/// The bytes of an answer; a silence that is too long is an error.
#[derive(Debug)]
pub(crate) struct ByteStream {
    source: Source,
    transport: Transport,
    silence: Duration,
}

#[derive(Debug)]
enum Source {
    Body(Incoming),
    /// A connection on which HTTP was given up.
    Connection(ReadHalf<TokioIo<Upgraded>>),
}

impl Source {
    async fn next(&mut self, transport: &Transport) -> Result<Option<Bytes>> {
        match self {
            Self::Body(body) => loop {
                match body.frame().await {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(transport.unreachable(&error)),
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            return Ok(Some(data));
                        }
                    }
                }
            },
            Self::Connection(connection) => {
                let mut bytes = BytesMut::with_capacity(READ);
                let read = connection.read_buf(&mut bytes).await.map_err(|error| transport.unreachable(&error))?;
                Ok((read > 0).then(|| bytes.freeze()))
            }
        }
    }
}

impl ByteStream {
    pub(super) fn new(body: Incoming, transport: Transport, silence: Duration) -> Self {
        Self { source: Source::Body(body), transport, silence }
    }

    pub(super) fn of_connection(connection: ReadHalf<TokioIo<Upgraded>>, transport: Transport, silence: Duration) -> Self {
        Self { source: Source::Connection(connection), transport, silence }
    }

    /// The next piece, `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        let next = tokio::time::timeout(self.silence, self.source.next(&self.transport));
        next.await.unwrap_or_else(|_| Err(self.transport.silent(self.silence)))
    }

    /// The same of a stream that has nothing to send for hours: after each silence the engine is pinged, and while it answers the stream is
    /// waited for.
    pub(crate) async fn next_or_quiet(&mut self) -> Result<Option<Bytes>> {
        let (transport, source) = (&self.transport, &mut self.source);
        silence::while_engine_answers(transport, self.silence, source.next(transport)).await?
    }

    /// What has arrived already; `None` when nothing has.
    pub(crate) fn arrived(&mut self) -> Option<Result<Option<Bytes>>> {
        self.source.next(&self.transport).now_or_never()
    }
}

/// Both streams of a container without a terminal: frames of a stream's number, three zeros, a length and the bytes.
pub(crate) fn join_frames(mut frames: &[u8]) -> Vec<u8> {
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
    fn frames_of_both_streams_are_joined() {
        let cases: [(&[u8], &[u8]); 4] = [
            (b"", b""),
            (b"\x01\0\0\0\0\0\0\x03ab\n\x02\0\0\0\0\0\0\x01c", b"ab\nc"),
            (b"\x01\0\0\0\0\0\0\x09cut", b"cut"),
            (b"\x01\0\0", b""),
        ];
        for (frames, text) in cases {
            assert_eq!(join_frames(frames), text);
        }
    }
}
