//! `volume_export`: a file or a folder as a tar archive, as a stream.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tracing::Span;

use super::archive::{Piece, Scanner};
use super::storage::{Access, Storage, VolumePath};
use crate::error::shown;
use crate::operation::call::Call;
use crate::{Code, Failure, Operation, Outcome, Refit, Result};

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "volume_export")]
#[non_exhaustive]
pub struct Exported {
    /// The bytes of the archive.
    pub bytes: u64,
    /// Its entries, that of the folder itself too.
    pub entries: u64,
}

/// Where an archive goes.
pub(crate) trait Sink: Send {
    /// There is an archive.
    fn begin(&mut self) {}
    fn take(&mut self, bytes: Bytes) -> impl Future<Output = Result<()>> + Send;
}

struct Writer<W>(W);

impl<W: AsyncWrite + Send + Unpin> Sink for Writer<W> {
    async fn take(&mut self, bytes: Bytes) -> Result<()> {
        let written = self.0.write_all(&bytes).await;
        written.map_err(|error| Code::Io.error("the archive could not be written").caused_by(&error))
    }
}

impl Refit {
    /// Writes a file or a folder of a volume to `to` as a tar archive, whose names are relative to the folder and begin with `./`; that of a file
    /// is its own. [`Conflict`](Code::Conflict) when a file becomes shorter meanwhile, and what was written is no whole archive then.
    pub fn export_volume(&self, volume: &str, path: &str, to: impl AsyncWrite + Send + Unpin + 'static) -> Operation<Exported> {
        let (volume, path) = (volume.to_owned(), path.to_owned());
        self.operation(Span::none(), move |refit, call| async move {
            let mut to = Writer(to);
            let exported = export(&refit, &call, &volume, &path, &mut to).await?;
            let flushed = to.0.flush().await;
            flushed.map_err(|error| Code::Io.error("the archive could not be written").caused_by(&error))?;
            Ok(exported)
        })
    }
}

/// The work of a call. Its error has what was exported, once it was begun.
#[tracing::instrument(level = "error", name = "volume_export", skip_all, fields(volume = %shown(volume)), err(level = "warn"))]
pub(crate) async fn export(refit: &Refit, call: &Call, volume: &str, path: &str, sink: &mut impl Sink) -> Outcome<Exported> {
    let path = VolumePath::parse(path)?;
    let storage = Storage::open(refit, call, volume, Access::Read).await?;
    let mut exported = None;
    let result = call.run(stream(&storage, &path, sink, &mut exported)).await;
    match (storage.close(call, result).await, exported) {
        (Ok(()), exported) => Ok(exported.unwrap_or_default()),
        (Err(error), Some(exported)) => Err(Failure::with_report(error, exported)),
        (Err(error), None) => Err(error.into()),
    }
}

async fn stream(storage: &Storage, path: &VolumePath, sink: &mut impl Sink, exported: &mut Option<Exported>) -> Result<()> {
    let place = storage.find(path, true).await?;
    let mut stream = storage.read(&place).await?;
    let (mut scanner, exported) = (Scanner::default(), exported.insert(Exported::default()));
    sink.begin();
    while let Some(bytes) = stream.next_or_quiet().await? {
        scanner.push(bytes.clone());
        while let Some(piece) = scanner.next().map_err(|error| error.into_cause_of(Code::Engine, "the engine's archive cannot be read"))? {
            exported.entries += u64::from(matches!(piece, Piece::Entry(_)));
        }
        let length = bytes.len() as u64;
        sink.take(bytes).await?;
        exported.bytes += length;
    }
    if scanner.has_ended() {
        return Ok(());
    }
    Err(storage.error(
        Code::Conflict,
        path,
        "a file became shorter while it was exported, which ends the engine's archive: export it again",
    ))
}
