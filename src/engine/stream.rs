//! An answer that comes in pieces.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::transport::Transport;
use crate::Result;

/// The bytes of an answer; a silence that is too long is an error.
#[derive(Debug)]
pub(crate) struct ByteStream {
    body: Incoming,
    transport: Transport,
    silence: Duration,
}

impl ByteStream {
    pub(super) fn new(body: Incoming, transport: Transport, silence: Duration) -> Self {
        Self { body, transport, silence }
    }

    /// The next piece, `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let frame = tokio::time::timeout(self.silence, self.body.frame());
            match frame.await.map_err(|_| self.transport.silent(self.silence))? {
                None => return Ok(None),
                Some(Err(error)) => return Err(self.transport.unreachable(&error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}
