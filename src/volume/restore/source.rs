//! A backup as a local file, read and decompressed in pieces.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};
use zstd::stream::read::Decoder;

use crate::error::shown;
use crate::volume::thread;
use crate::{Code, Error, Result};

/// How much is decompressed at once.
const PIECE: usize = 256 * 1024;
/// A backup of level 19 has a window of 8 MiB; one that asks for gigabytes of memory was not made by refit.
const LARGEST_WINDOW: u32 = 24;
/// How many pieces wait.
const WAITING: usize = 4;

/// How a backup is compressed, which says what made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// refit.
    Zstd,
    /// The earlier Go package: without a manifest and checksums of its own.
    Gzip,
}

/// An open backup. It stays the same file when another one gets its name.
#[derive(Debug)]
pub(super) struct BackupFile {
    pub(super) path: PathBuf,
    file: Arc<File>,
    pub(super) packing: Packing,
    pub(super) size: u64,
}

impl BackupFile {
    /// `NOT_FOUND` when there is none; DATA when it is neither of both.
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || Self::open_now(path));
        opened.await.map_err(|error| Code::Io.error("a backup was not opened").caused_by(&error))?
    }

    fn open_now(path: PathBuf) -> Result<Self> {
        let name = name(&path);
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Code::NotFound.error(format!("there is no backup {name}")),
            _ => Code::Io.error(format!("backup {name} cannot be read ({error})")).caused_by(&error),
        };
        // A pipe without a writer would be waited for.
        let is_file = std::fs::metadata(&path).map_err(unreadable)?.is_file();
        if !is_file {
            return Err(Code::InvalidArgument.error(format!("{name} is no file")));
        }
        let mut file = File::open(&path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let mut magic = [0; 4];
        let read = read_whole(&mut file, &mut magic).map_err(unreadable)?;
        let packing = match &magic[..read] {
            [0x28, 0xb5, 0x2f, 0xfd] => Packing::Zstd,
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [] => return Err(Code::Data.error(format!("backup {name} is empty"))),
            _ => return Err(Code::Data.error(format!("{name} is no backup: it is neither in zstd nor in gzip"))),
        };
        Ok(Self { path, file: Arc::new(file), packing, size })
    }

    /// Reads it from its beginning, with `hashes` for the SHA-256 of the file too.
    pub(super) fn stream(&self, hashes: bool) -> Pieces {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (file, packing, read) = (self.file.clone(), self.packing, Arc::new(AtomicU64::new(0)));
        let counted = read.clone();
        let ended = thread::run(move || decompress(&file, packing, hashes, &counted, &sender));
        Pieces { path: self.path.clone(), receiver, ended, read }
    }
}

/// What comes out of a backup, piece by piece.
#[derive(Debug)]
pub(super) struct Pieces {
    path: PathBuf,
    receiver: mpsc::Receiver<Bytes>,
    ended: oneshot::Receiver<io::Result<Option<String>>>,
    read: Arc<AtomicU64>,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    Bytes(Bytes),
    /// The end, with the SHA-256 of the file where it was asked for.
    End(Option<String>),
}

impl Pieces {
    /// DATA where it cannot be decompressed.
    pub(super) async fn next(&mut self) -> Result<Next> {
        if let Some(bytes) = self.receiver.recv().await {
            return Ok(Next::Bytes(bytes));
        }
        match (&mut self.ended).await {
            Ok(Ok(sha256)) => Ok(Next::End(sha256)),
            Ok(Err(error)) => Err(damaged(&self.path, &error)),
            Err(_) => Err(Code::Panic.error("the thread that reads a backup was not begun, or has ended")),
        }
    }

    /// Bytes of the file that were read.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

fn decompress(file: &File, packing: Packing, hashes: bool, read: &AtomicU64, to: &mpsc::Sender<Bytes>) -> io::Result<Option<String>> {
    let mut start = file;
    start.rewind()?;
    let counted = Counted { file, hash: hashes.then(Sha256::new), read };
    let mut from = BufReader::with_capacity(PIECE, counted);
    let is_wanted = match packing {
        Packing::Zstd => {
            let mut decoder = Decoder::with_buffer(&mut from)?;
            decoder.window_log_max(LARGEST_WINDOW)?;
            pass_on(decoder, to)?
        }
        Packing::Gzip => pass_on(MultiGzDecoder::new(&mut from), to)?,
    };
    if !is_wanted {
        return Ok(None);
    }
    // What a decoder has not taken is part of the file, too.
    while let length @ 1.. = from.fill_buf()?.len() {
        from.consume(length);
    }
    Ok(from.into_inner().hash.map(|hash| hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// False: the call has ended, and nobody wants the rest.
fn pass_on(mut from: impl Read, to: &mpsc::Sender<Bytes>) -> io::Result<bool> {
    loop {
        let mut piece = BytesMut::zeroed(PIECE);
        let read = read_whole(&mut from, &mut piece)?;
        if read == 0 {
            return Ok(true);
        }
        piece.truncate(read);
        if to.blocking_send(piece.freeze()).is_err() {
            return Ok(false);
        }
    }
}

/// Fills the buffer unless the end comes before.
fn read_whole(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A file, how much was read of it, and the SHA-256 of that.
struct Counted<'a> {
    file: &'a File,
    hash: Option<Sha256>,
    read: &'a AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..read]);
        }
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

pub(super) fn name(path: &Path) -> String {
    shown(&path.display().to_string()).into_owned()
}

/// The system's own errors have a number; those of a decoder have none.
fn damaged(path: &Path, error: &io::Error) -> Error {
    match error.raw_os_error() {
        Some(_) => Code::Io.error(format!("backup {} cannot be read ({error})", name(path))).caused_by(error),
        None => Code::Data.error(format!("backup {} is damaged or cut: it cannot be decompressed", name(path))).caused_by(error),
    }
}
