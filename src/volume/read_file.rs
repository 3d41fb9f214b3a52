//! `volume_read_file`: the content of a file.

use super::archive::{Piece, Scanner};
use super::storage::{Access, Storage, VolumePath};
use crate::error::shown;
use crate::{Code, Operation, Refit, Result};

/// How a file is read.
#[derive(Debug, Clone)]
pub struct ReadFileOptions {
    /// The largest file that is read. Default: 64 MiB.
    pub max_bytes: u64,
}

impl Default for ReadFileOptions {
    fn default() -> Self {
        Self { max_bytes: 64 * 1024 * 1024 }
    }
}

impl Refit {
    /// Reads a file of a volume, while nothing runs or while containers use it. A file that is larger than `max_bytes` is
    /// [`InvalidArgument`](Code::InvalidArgument), one that changes its size meanwhile [`Conflict`](Code::Conflict).
    pub fn read_volume_file(&self, volume: &str, path: &str, options: ReadFileOptions) -> Operation<Vec<u8>> {
        let (volume, path) = (volume.to_owned(), path.to_owned());
        let span = tracing::error_span!("volume_read_file", volume = %shown(&volume));
        self.operation(span, move |refit, call| async move {
            let path = VolumePath::parse(&path)?;
            let storage = Storage::open(&refit, &call, &volume, Access::Read).await?;
            let read = call.run(read(&storage, &path, options.max_bytes)).await;
            Ok(storage.close(&call, read).await?)
        })
    }
}

async fn read(storage: &Storage, path: &VolumePath, most: u64) -> Result<Vec<u8>> {
    let place = storage.find(path, true).await?;
    if place.stat.is_folder() {
        return Err(storage.error(
            Code::InvalidArgument,
            path,
            "it is a folder: volume_list_files lists it, volume_export reads all of it",
        ));
    }
    if !place.stat.is_file() {
        return Err(storage.error(Code::InvalidArgument, path, "it is a socket, a pipe or a device, and no file"));
    }
    let size = u64::try_from(place.stat.size).unwrap_or(0);
    if size > most {
        let why = format!("it has {size} bytes, more than max_bytes ({most}): volume_export reads it as a stream");
        return Err(storage.error(Code::InvalidArgument, path, &why));
    }
    let changed = || storage.error(Code::Conflict, path, "it changed while it was read: try again");
    let mut stream = storage.read(&place).await?;
    let (mut scanner, mut content, mut found) = (Scanner::default(), Vec::with_capacity(size as usize), false);
    while let Some(bytes) = stream.next_or_quiet().await? {
        scanner.push(&bytes);
        while let Some(piece) = scanner.next().map_err(|error| error.into_cause_of(Code::Engine, "the engine's archive cannot be read"))? {
            match piece {
                Piece::Entry(entry) if !found && entry.is_file() && entry.size == size => found = true,
                Piece::Entry(_) => return Err(changed()),
                Piece::Data(data) => content.extend_from_slice(&data),
            }
        }
    }
    // The engine ends an archive early, and the answer well, where a file has become shorter.
    if !found || !scanner.has_ended() { Err(changed()) } else { Ok(content) }
}
