//! `volume_write_file`: a file with its whole content.

use bytes::Bytes;
use futures_util::stream;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::archive::{END, Entry, padding};
use super::storage::{Access, Opened, Storage, VolumePath};
use crate::engine::stream_body;
use crate::error::shown;
use crate::{Code, Operation, Refit, Result};

/// What a written file is like.
#[derive(Debug, Clone, Default)]
pub struct WriteFileOptions {
    /// Permissions, with setuid, setgid and sticky: 0 to 0o7777. Default: that of the file that is there, else 0o644.
    pub mode: Option<u32>,
    /// The number of its owner. Default: that of the file that is there, else 0.
    pub uid: Option<u32>,
    /// The number of its group. Default: that of the file that is there, else 0.
    pub gid: Option<u32>,
    /// When it was changed last, in whole seconds. Default: now.
    pub modified: Option<Timestamp>,
}

impl WriteFileOptions {
    fn check(&self) -> Result<()> {
        match self.mode {
            Some(mode) if mode > 0o7777 => Err(Code::InvalidArgument.error(format!("mode is {mode:#o}, more than 0o7777"))),
            _ => Ok(()),
        }
    }
}

/// A file that was written or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "volume_file_changed")]
#[non_exhaustive]
pub struct FileChanged {
    /// As asked.
    pub path: String,
    /// The bytes that were written; `None` of a removal.
    pub bytes: Option<u64>,
    /// Whether something in the volume is other than before.
    pub changed: bool,
}

impl Refit {
    /// Writes a file of a volume, and the folders on the way to it that are missing (0755, owner 0). A link is followed where it stays in the volume.
    /// A folder in its place is [`InvalidArgument`](Code::InvalidArgument). A reader may see a part of the file while it is written.
    pub fn write_volume_file(
        &self,
        volume: &str,
        path: &str,
        content: impl Into<Bytes>,
        options: WriteFileOptions,
    ) -> Operation<FileChanged> {
        let (volume, asked, content) = (volume.to_owned(), path.to_owned(), content.into());
        let span = tracing::error_span!("volume_write_file", volume = %shown(&volume));
        self.operation(span, move |refit, call| async move {
            let path = VolumePath::parse(&asked)?;
            options.check()?;
            let bytes = content.len() as u64;
            let storage = Storage::open(&refit, &call, &volume, Access::Write).await?;
            let written = call.run(write(&storage, &path, content, &options)).await;
            storage.close(&call, written).await?;
            Ok(FileChanged { path: asked, bytes: Some(bytes), changed: true })
        })
    }
}

async fn write(storage: &Storage, path: &VolumePath, content: Bytes, options: &WriteFileOptions) -> Result<()> {
    let refused = |why: &str| Err(storage.error(Code::InvalidArgument, path, why));
    if path.is_root() {
        return refused("it is the root of the volume, and no file");
    }
    let (names, before) = match storage.open_file(path).await? {
        Opened::Missing(names) => (names, None),
        Opened::Folder => return refused("there is a folder, which is not replaced by a file"),
        Opened::Special => return refused("there is a socket, a pipe or a device: remove it first (volume_remove_file)"),
        // What it holds is not read: its stream ends here.
        Opened::File(file) => (file.names, Some((file.entry.mode, file.entry.uid, file.entry.gid))),
    };
    let (mode, uid, gid) = before.unwrap_or((0o644, 0, 0));
    let entry = Entry {
        mode: options.mode.unwrap_or(mode),
        uid: options.uid.map_or(uid, u64::from),
        gid: options.gid.map_or(gid, u64::from),
        modified: options.modified.unwrap_or_else(Timestamp::now).as_second(),
        ..Entry::file(&storage.in_archive(&names), content.len() as u64)
    };
    let mut tail = vec![0; padding(entry.size)];
    tail.extend(END);
    let pieces = [Bytes::from(entry.head()), content, Bytes::from(tail)];
    storage.note_change().await?;
    storage.write(stream_body(stream::iter(pieces.map(Ok)))).await
}
