//! The archive of a backup is compressed on all cores, on one thread for its own SHA-256 and one for that of the file, which is written meanwhile: none of
//! them waits for another while there is work.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread::available_parallelism;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder;

use super::file::cannot_be_written;
use super::format::End;
use crate::volume::thread;
use crate::{Code, Result};

/// How many pieces of 256 KiB wait to be compressed.
const WAITING: usize = 4;
/// How many pieces of at most 128 KiB wait for the disk.
const WAITING_FOR_DISK: usize = 8;
/// A core takes so much at once; zstd's own choice would take 8 MiB for each, and more than 32 MiB of memory for two.
const JOB: u32 = 1024 * 1024;
/// Before its own part a core reads 64 KiB of the one before (zstd: the window of 2 MiB, halved 9 - 4 times). zstd's own choice, 256 KiB, takes a fifth
/// more CPU for data that do not compress, and lines of a log do not become smaller by it.
const OVERLAP: u32 = 4;
/// More cores than these compress faster than an engine reads.
const MOST_CORES: usize = 4;

/// The file is whole, and the disk has it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// Takes the pieces of an archive. When it is dropped before its end, the threads end by themselves.
#[derive(Debug)]
pub(super) struct Writer {
    target: PathBuf,
    sender: mpsc::Sender<Work>,
    compressing: oneshot::Receiver<io::Result<()>>,
    writing: oneshot::Receiver<io::Result<Option<Written>>>,
}

#[derive(Debug)]
enum Work {
    Pieces(Vec<Bytes>),
    /// How many entries and bytes the archive of the volume has had.
    End(u64, u64),
}

impl Writer {
    pub(super) fn begin(target: PathBuf, file: File, level: i32) -> Self {
        let (sender, pieces) = mpsc::channel(WAITING);
        let (outlet, compressed) = mpsc::channel(WAITING_FOR_DISK);
        let writing = thread::run(move || write(file, compressed));
        let compressing = thread::run(move || compress(level, pieces, Outlet(outlet)));
        Self { target, sender, compressing, writing }
    }

    pub(super) async fn write(&mut self, pieces: Vec<Bytes>) -> Result<()> {
        match self.sender.send(Work::Pieces(pieces)).await {
            Ok(()) => Ok(()),
            // A thread has ended: why is its result.
            Err(_) => self.result().await.map(drop),
        }
    }

    /// Adds the last entry, and waits until the disk has all of it.
    pub(super) async fn end(mut self, entries: u64, bytes: u64) -> Result<Written> {
        let _ = self.sender.send(Work::End(entries, bytes)).await;
        self.result().await
    }

    async fn result(&mut self) -> Result<Written> {
        let (compressed, written) = tokio::join!(&mut self.compressing, &mut self.writing);
        let ended = |_| Code::Panic.error("a thread that writes a backup was not begun, or has ended");
        match (compressed.map_err(ended)?, written.map_err(ended)?) {
            // Without the disk there is no outlet: its error comes first.
            (_, Err(error)) | (Err(error), _) => Err(cannot_be_written(&self.target, &error)),
            (Ok(()), Ok(Some(written))) => Ok(written),
            (Ok(()), Ok(None)) => Err(Code::Panic.error("a backup has ended before its end")),
        }
    }
}

/// Ends early when the call has ended, and nobody wants the file.
fn compress(level: i32, mut pieces: mpsc::Receiver<Work>, outlet: Outlet) -> io::Result<()> {
    let mut encoder = Encoder::new(outlet, level)?;
    encoder.include_checksum(true)?;
    encoder.set_parameter(CParameter::NbWorkers(available_parallelism().map_or(1, |cores| cores.get().min(MOST_CORES)) as u32))?;
    encoder.set_parameter(CParameter::JobSize(JOB))?;
    encoder.set_parameter(CParameter::OverlapSizeLog(OVERLAP))?;
    let mut hash = Sha256::new();
    while let Some(work) = pieces.blocking_recv() {
        match work {
            Work::Pieces(pieces) => {
                for piece in pieces {
                    hash.update(&piece);
                    encoder.write_all(&piece)?;
                }
            }
            Work::End(entries, bytes) => {
                encoder.write_all(&End { entries, bytes, sha256: hex(hash) }.entry())?;
                return encoder.finish()?.end();
            }
        }
    }
    Ok(())
}

/// To the thread that writes; `None` is the end.
struct Outlet(mpsc::Sender<Option<Bytes>>);

impl Outlet {
    fn send(&self, piece: Option<Bytes>) -> io::Result<()> {
        self.0.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn end(&self) -> io::Result<()> {
        self.send(None)
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(Some(Bytes::copy_from_slice(bytes)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `None`: it ended before its end.
fn write(mut file: File, mut pieces: mpsc::Receiver<Option<Bytes>>) -> io::Result<Option<Written>> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    while let Some(piece) = pieces.blocking_recv() {
        let Some(piece) = piece else {
            file.sync_all()?;
            return Ok(Some(Written { bytes, sha256: hex(hash) }));
        };
        file.write_all(&piece)?;
        hash.update(&piece);
        bytes += piece.len() as u64;
    }
    Ok(None)
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
