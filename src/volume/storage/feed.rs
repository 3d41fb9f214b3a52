//! An archive that is sent to the engine while it is made.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;

use super::Storage;
use crate::engine::{BoxError, stream_body};
use crate::{Code, Error, Result};

/// How many pieces wait for the engine.
const WAITING: usize = 4;
/// How long the engine's own words are waited for after its request was broken off.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Where the pieces of an archive go.
#[derive(Debug, Clone)]
pub(crate) struct Pieces(mpsc::Sender<std::result::Result<Bytes, BoxError>>);

impl Pieces {
    /// Waits until the engine takes it. ENGINE when it takes nothing any more.
    pub(crate) async fn send(&self, piece: Bytes) -> Result<()> {
        self.0.send(Ok(piece)).await.map_err(|_| Code::Engine.error("the engine ended the request before the archive's end"))
    }

    /// Ends the request in a way that the engine does not take for the archive's end.
    pub(crate) async fn break_off(&self, error: Error) -> Result<()> {
        let _ = self.0.send(Err("the archive was refused".into())).await;
        Err(error)
    }
}

impl Storage {
    /// Unpacks the archive that `feed` sends, as [`Storage::write`] does.
    pub(crate) async fn write_fed<F: Future<Output = Result<()>>>(&self, feed: impl FnOnce(Pieces) -> F) -> Result<()> {
        let (sender, taken) = mpsc::channel(WAITING);
        let body =
            stream_body(stream::unfold(taken, |mut taken: mpsc::Receiver<_>| async { taken.recv().await.map(|piece| (piece, taken)) }));
        let mut writing = Box::pin(self.write(body));
        let mut feeding = Box::pin(feed(Pieces(sender)));
        tokio::select! {
            biased;
            sent = &mut feeding => {
                // Without its sender the body ends.
                drop(feeding);
                match sent {
                    Ok(()) => writing.await,
                    Err(error) => {
                        // Why the engine ended the request is said in its answer, not by the channel.
                        let answer = tokio::time::timeout(AFTER_ERROR, writing).await;
                        match answer {
                            Ok(Err(words)) if words.code() != Code::Unreachable && error.code() == Code::Engine => Err(words),
                            _ => Err(error),
                        }
                    }
                }
            },
            written = &mut writing => match written {
                Ok(()) => Err(Code::Engine.error("the engine ended the request before the archive's end")),
                Err(error) => Err(error),
            },
        }
    }
}
