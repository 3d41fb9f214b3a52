//! `volume_read_file`: the content of a file.

use super::archive::Piece;
use super::storage::{Access, Opened, Storage, VolumePath};
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
    /// [`InvalidArgument`](Code::InvalidArgument), one that becomes shorter meanwhile [`Conflict`](Code::Conflict).
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
    let refused = |why: &str| Err(storage.error(Code::InvalidArgument, path, why));
    let mut file = match storage.open_file(path).await? {
        Opened::File(file) => file,
        Opened::Folder => return refused("it is a folder: volume_list_files lists it, volume_export reads all of it"),
        Opened::Special => return refused("it is a socket, a pipe or a device, and no file"),
        Opened::Missing => return Err(storage.no_file(path)),
    };
    let size = file.entry.size;
    if size > most {
        return refused(&format!("it has {size} bytes, more than max_bytes ({most}): volume_export reads it as a stream"));
    }
    let changed = || storage.error(Code::Conflict, path, "it changed while it was read: try again");
    let mut content = Vec::with_capacity(size as usize);
    while let Some(piece) = file.next().await? {
        match piece {
            Piece::Entry(_) => return Err(changed()),
            Piece::Data(data) => content.extend_from_slice(&data),
        }
    }
    if file.is_whole() { Ok(content) } else { Err(changed()) }
}
