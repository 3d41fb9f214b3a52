//! The part of a restore that changes the volume: it is emptied, and the backup is written to it.
//!
//! Rules: docs/volumes.md, section 8.

use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;

use super::found::{Emptying, Found, is_empty};
use super::record::{RecordFile, RestoreRecord};
use super::source::{BackupFile, Next};
use super::unpack::Unpacker;
use super::{VolumeRestore, about};
use crate::engine::api::{container_list, volumes};
use crate::error::shown;
use crate::operation::call::Call;
use crate::volume::archive::{END, Entry, Piece, padding};
use crate::volume::backup::VolumeSpec;
use crate::volume::change::in_use;
use crate::volume::import_rules;
use crate::volume::list::users;
use crate::volume::storage::{Access, Pieces, Storage};
use crate::{Code, Error, Refit, Result};

/// Small files are handed to the engine together, so many bytes at once.
const FULL: usize = 128 * 1024;
/// A content of this size is handed over as it is.
const LARGE: usize = 16 * 1024;

/// Deletes all that is in the volume, and not the volume's root. No part of a way is a link: `find` follows none.
const EMPTY: &str = "find \"$1\" -mindepth 1 -maxdepth 1 -exec rm -rf -- {} +";

/// How a volume is replaced.
pub(super) struct Replace<'a> {
    pub(super) refit: &'a Refit,
    pub(super) call: &'a Call,
    pub(super) found: &'a Found,
    pub(super) emptying: &'a Emptying,
    pub(super) record: &'a RestoreRecord,
    pub(super) held: Option<&'a RecordFile>,
    pub(super) file: &'a BackupFile,
    /// The SHA-256 of the content that was verified.
    pub(super) content: Option<&'a str>,
}

/// Why a volume was not replaced, and whether it is as before.
pub(super) enum NotReplaced {
    Unchanged(Error),
    Changed(Error),
}

pub(super) use NotReplaced::{Changed, Unchanged};

type OnRead<'a> = &'a (dyn Fn(u64) + Send + Sync);

impl Replace<'_> {
    pub(super) async fn run(
        &self,
        done: &mut VolumeRestore,
        on_read: OnRead<'_>,
        on_removal: &(dyn Fn() + Send + Sync),
    ) -> std::result::Result<(), NotReplaced> {
        let volume = &self.record.volume;
        // An image that is missing is found before anything is changed.
        let shell = match self.emptying {
            Emptying::Shell(image) => {
                let arguments = vec!["{}".to_owned()];
                let opened = Storage::open_shell(self.refit, self.call, volume, Access::Restore, image, EMPTY, arguments).await;
                Some(opened.map_err(Unchanged)?)
            }
            _ => None,
        };
        let before = match self.note().await {
            Ok(before) => before,
            Err(error) => {
                let error = if let Some(shell) = shell { shell.close(self.call, error).await } else { error };
                return Err(Unchanged(error));
            }
        };
        let emptied = match shell {
            Some(shell) => {
                on_removal();
                let emptied = self.call.run(empty(&shell)).await;
                shell.close(self.call, emptied).await.map_err(Changed)
            }
            None => self.make(on_removal).await,
        };
        if let Err(error) = emptied {
            if matches!(error, Unchanged(_)) {
                self.forget(before).await;
            }
            return Err(error);
        }
        self.write(done, on_read).await.map_err(Changed)?;
        self.forget(None).await;
        Ok(())
    }

    /// The engine answers nothing about a container to which an archive is written, so that another one shows that the restore goes on.
    async fn write(&self, done: &mut VolumeRestore, on_read: OnRead<'_>) -> Result<()> {
        let volume = &self.record.volume;
        let shown = Storage::open(self.refit, self.call, volume, Access::Restore).await?;
        let storage = match Storage::open(self.refit, self.call, volume, Access::Write).await {
            Ok(storage) => storage,
            Err(error) => return Err(shown.close(self.call, error).await),
        };
        let written = self.call.run(async {
            tokio::select! {
                biased;
                written = self.write_to(&storage, done, on_read) => written,
                () = shown.keep() => Err(Code::Panic.error("the renewal of a lease has ended")),
            }
        });
        let written = written.await;
        let (written, ()) = tokio::join!(storage.close(self.call, written), shown.close(self.call, ()));
        written
    }

    async fn write_to(&self, storage: &Storage, done: &mut VolumeRestore, on_read: OnRead<'_>) -> Result<()> {
        let feed = async |pieces: Pieces| match self.feed(storage, done, on_read, &pieces).await {
            Ok(()) => Ok(()),
            Err(error) => pieces.break_off(error).await,
        };
        storage.write_fed(feed).await
    }

    async fn feed(&self, storage: &Storage, done: &mut VolumeRestore, on_read: OnRead<'_>, to: &Pieces) -> Result<()> {
        let file = self.file;
        let (mut from, mut unpacker) = (file.stream(false), Unpacker::again(file.packing));
        let (mut packed, mut zeros) = (BytesMut::with_capacity(2 * FULL), 0);
        loop {
            let bytes = match from.next().await? {
                Next::Bytes(bytes) => bytes,
                Next::End(_) => break,
            };
            unpacker.push(bytes);
            while let Some(piece) = unpacker.next().map_err(|error| about(file, error))? {
                match piece {
                    Piece::Data(data) if data.len() >= LARGE => {
                        send(to, &mut packed, done).await?;
                        hand_over(to, data, done).await?;
                    }
                    Piece::Data(data) => packed.extend_from_slice(&data),
                    Piece::Entry(entry) => {
                        packed.resize(packed.len() + zeros, 0);
                        zeros = padding(entry.size);
                        packed.extend_from_slice(&in_container(storage, entry).head());
                    }
                }
                if packed.len() >= FULL {
                    send(to, &mut packed, done).await?;
                }
            }
            on_read(from.read());
        }
        let whole = unpacker.finish().map_err(|error| about(file, error))?;
        if whole.sha256.as_deref() != self.content {
            return Err(about(file, Code::Data.error("somebody has written to it since it was verified")));
        }
        packed.resize(packed.len() + zeros, 0);
        packed.extend_from_slice(&END);
        send(to, &mut packed, done).await
    }

    /// Writes the record, and returns that of an earlier restore which was not finished.
    async fn note(&self) -> Result<Option<RestoreRecord>> {
        let Some(held) = self.held else { return Ok(None) };
        let before = held.read().await?;
        held.write(self.record).await?;
        Ok(before)
    }

    /// Nothing is to be finished, but what was before. A record that stays is finished again by a recovery, which does no harm.
    async fn forget(&self, before: Option<RestoreRecord>) {
        let _ = match (self.held, before) {
            (None, _) => Ok(()),
            (Some(held), Some(before)) => held.write(&before).await,
            (Some(held), None) => held.remove().await,
        };
    }

    /// Makes the volume where it is missing, or again where something is in it.
    async fn make(&self, on_removal: &(dyn Fn() + Send + Sync)) -> std::result::Result<(), NotReplaced> {
        let removes = matches!(self.emptying, Emptying::CreateAgain(_));
        if !removes && *self.found != Found::Missing {
            return Ok(());
        }
        on_removal();
        // Between a removal and a create nothing is broken off: there would be no volume.
        let (sender, receiver) = oneshot::channel();
        let (refit, volume, spec) = (self.refit.clone(), self.record.volume.clone(), self.record.spec.clone());
        refit.clone().in_background(async move {
            let _ = sender.send(make(&refit, &volume, &spec, removes).await);
        });
        let gone = |_| Changed(Code::Panic.error("a volume was not made: its task has ended"));
        let made = async { Ok::<_, Error>(receiver.await.map_err(gone).and_then(|made| made)) };
        self.call.run(made).await.map_err(Changed)?
    }
}

async fn make(refit: &Refit, volume: &str, spec: &VolumeSpec, removes: bool) -> std::result::Result<(), NotReplaced> {
    let engine = &refit.shared.engine;
    if removes {
        match volumes::remove(engine, volume).await {
            Ok(()) => {}
            Err(error) if error.code() == Code::Conflict => {
                let users = container_list::list(engine).await.map(|(list, _)| users(volume, &list)).unwrap_or_default();
                return Err(Unchanged(in_use(volume, &users, error)));
            }
            // It is not known whether the engine has removed it.
            Err(error) => return Err(Changed(error)),
        }
    }
    let created = volumes::create(engine, volume, &spec.driver, &spec.options, &spec.labels).await;
    created.map(drop).map_err(|error| if removes { Changed(error) } else { Unchanged(error) })
}

/// Runs the script, and looks whether it has left nothing.
async fn empty(shell: &Storage) -> Result<()> {
    tokio::select! {
        ended = shell.run() => ended?,
        // A volume of millions of files takes longer than a lease.
        () = shell.keep() => {}
    }
    if is_empty(shell).await? {
        return Ok(());
    }
    let message = format!(
        "volume {}: something is still in it after rm has ended well: does something else write to it, or does helper_image have another find?",
        shown(&shell.volume)
    );
    Err(Code::Conflict.error(message))
}

/// What was packed, if it is anything.
async fn send(to: &Pieces, packed: &mut BytesMut, done: &mut VolumeRestore) -> Result<()> {
    let bytes = packed.split().freeze();
    packed.reserve(2 * FULL);
    if bytes.is_empty() { Ok(()) } else { hand_over(to, bytes, done).await }
}

async fn hand_over(to: &Pieces, bytes: Bytes, done: &mut VolumeRestore) -> Result<()> {
    let length = bytes.len() as u64;
    to.send(bytes).await?;
    done.bytes += length;
    Ok(())
}

/// With its name in the container. The names were checked.
fn in_container(storage: &Storage, entry: Entry) -> Entry {
    let full = |path: &[u8]| {
        let mut full = storage.in_archive(&[]).into_bytes();
        for name in import_rules::names(path).unwrap_or_default() {
            full.push(b'/');
            full.extend_from_slice(name);
        }
        full
    };
    let link = if entry.kind == tar::EntryType::Link { full(&entry.link) } else { entry.link };
    Entry { path: full(&entry.path), link, ..entry }
}
