//! `volume_write_file`: a file with its whole content.

use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::archive::{END, Entry, beginning, padding};
use super::storage::{Access, Pieces, Storage, VolumePath, Walked};
use crate::error::shown;
use crate::operation::call::Call;
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
            match call.run(look(&storage, &path)).await {
                Ok(target) => write(&refit, &call, storage, &path, &target, content, &options).await?,
                Err(error) => storage.close(&call, Err(error)).await?,
            }
            Ok(FileChanged { path: asked, bytes: Some(bytes), changed: true })
        })
    }
}

/// Where the file is to be.
struct Target {
    /// From the volume's root, without a link on the way.
    names: Vec<String>,
    /// That of the file that is there; `None` when nothing is.
    mode: Option<u32>,
}

/// User and group.
type Owner = (u64, u64);

/// Writes it, and closes the storage container.
async fn write(
    refit: &Refit,
    call: &Call,
    storage: Storage,
    path: &VolumePath,
    target: &Target,
    content: Bytes,
    options: &WriteFileOptions,
) -> Result<()> {
    let (sender, owner) = oneshot::channel();
    let volume = storage.volume.clone();
    let asking = async {
        if target.mode.is_some() && (options.uid.is_none() || options.gid.is_none()) {
            ask_owner(refit, call, &volume, path, &target.names, sender).await;
        } else {
            let _ = sender.send(Ok(None));
        }
    };
    let writing = async {
        let feed = async |pieces: Pieces| match send(&storage, target, content, options, owner, &pieces).await {
            Ok(()) => Ok(()),
            Err(error) => pieces.break_off(error).await,
        };
        let written = call.run(storage.write_fed(feed)).await;
        storage.close(call, written).await
    };
    // After a cancel each waits a moment for the removal of its container.
    let ((), written) = tokio::join!(asking, writing);
    written
}

async fn look(storage: &Storage, path: &VolumePath) -> Result<Target> {
    let refused = |why: &str| Err(storage.error(Code::InvalidArgument, path, why));
    if path.is_root() {
        return refused("it is the root of the volume, and no file");
    }
    match storage.walk(path, true).await? {
        Walked::Missing(names) => Ok(Target { names, mode: None }),
        Walked::Found(place) if place.stat.is_folder() => refused("there is a folder, which is not replaced by a file"),
        Walked::Found(place) if place.stat.is_file() => Ok(Target { mode: Some(place.stat.permissions()), names: place.names }),
        Walked::Found(_) => refused("there is a socket, a pipe or a device: remove it first (volume_remove_file)"),
    }
}

/// Asks who owns the file that is there, which only its archive says, while the engine gets ready to unpack the new one: each takes as long as the
/// other, most of the call [Docker 20.10]. It answers nothing about a container to which an archive is being written, hence the second one.
async fn ask_owner(
    refit: &Refit,
    call: &Call,
    volume: &str,
    path: &VolumePath,
    names: &[String],
    sender: oneshot::Sender<Result<Option<Owner>>>,
) {
    let reader = match Storage::open(refit, call, volume, Access::Read).await {
        Ok(reader) => reader,
        Err(error) => {
            let _ = sender.send(Err(error));
            return;
        }
    };
    let owner = call.run(reader.owner_of_file(path, names)).await;
    // Nobody waits for it where the writing has ended by itself.
    let _ = sender.send(owner);
    reader.close(call, ()).await;
}

async fn send(
    storage: &Storage,
    target: &Target,
    content: Bytes,
    options: &WriteFileOptions,
    owner: oneshot::Receiver<Result<Option<Owner>>>,
    pieces: &Pieces,
) -> Result<()> {
    // Docker 20.10 starts a process that unpacks, which takes it 50 ms, once it has the first bytes.
    pieces.send(beginning().into()).await?;
    let owner = owner.await.map_err(|_| Code::Panic.error("the owner of a file was not asked: its task has ended"))?;
    // One that was removed meanwhile has no owner to keep.
    let (uid, gid) = owner?.unwrap_or((0, 0));
    let entry = Entry {
        mode: options.mode.or(target.mode).unwrap_or(0o644),
        uid: options.uid.map_or(uid, u64::from),
        gid: options.gid.map_or(gid, u64::from),
        modified: options.modified.unwrap_or_else(Timestamp::now).as_second(),
        ..Entry::file(&storage.in_archive(&target.names), content.len() as u64)
    };
    let mut tail = vec![0; padding(entry.size)];
    tail.extend(END);
    storage.note_change().await?;
    for piece in [Bytes::from(entry.head()), content, Bytes::from(tail)] {
        pieces.send(piece).await?;
    }
    Ok(())
}
