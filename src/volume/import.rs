//! `volume_import`: a tar archive is unpacked into a folder of a volume.
//!
//! Rules: docs/volumes.md, section 6.

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tar::EntryType;
use tokio::io::{AsyncRead, AsyncReadExt};
use tracing::Span;

use super::archive::{END, Entry, Piece, Scanner, padding};
use super::import_rules::{self, Folders, Verdict};
use super::storage::{Access, Pieces, Storage, VolumePath, Walked};
use super::write_file::FileChanged;
use crate::engine::phrases;
use crate::error::shown;
use crate::operation::call::Call;
use crate::{Code, Error, Failure, Operation, Outcome, Refit, Result};

/// How much is read from the caller at once.
const READ: usize = 64 * 1024;

/// What is other than in the archive.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Permissions of files: 0 to 0o7777. Default: the archive's.
    pub mode: Option<u32>,
    /// The number of the owner. Default: the archive's.
    pub uid: Option<u32>,
    /// The number of the group. Default: the archive's.
    pub gid: Option<u32>,
    /// When it was changed last, in whole seconds. Default: the archive's.
    pub modified: Option<Timestamp>,
}

/// Where an archive comes from.
pub(crate) trait Source: Send {
    /// Some bytes; `None` at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}

struct Reader<R>(R);

impl<R: AsyncRead + Send + Unpin> Source for Reader<R> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut bytes = BytesMut::with_capacity(READ);
        let read = self.0.read_buf(&mut bytes).await;
        let read = read.map_err(|error| Code::Io.error("the archive could not be read from its source").caused_by(&error))?;
        Ok((read > 0).then(|| bytes.freeze()))
    }
}

impl Refit {
    /// Unpacks the tar archive that `from` reads into a folder of a volume, which is made when it is missing. Modes, owners and times are the
    /// archive's. Entries that lead out of the volume, and devices, are [`InvalidArgument`](Code::InvalidArgument); an archive that is damaged or
    /// empty is [`Data`](Code::Data). What came before stays in the volume, and the report beside the error says `changed`.
    pub fn import_volume(
        &self,
        volume: &str,
        path: &str,
        from: impl AsyncRead + Send + Unpin + 'static,
        options: ImportOptions,
    ) -> Operation<FileChanged> {
        let (volume, path) = (volume.to_owned(), path.to_owned());
        self.operation(
            Span::none(),
            move |refit, call| async move { import(&refit, &call, &volume, &path, &mut Reader(from), &options).await },
        )
    }
}

/// The work of a call. Its error has what was imported, once it was begun.
#[tracing::instrument(level = "error", name = "volume_import", skip_all, fields(volume = %shown(volume)), err(level = "warn"))]
pub(crate) async fn import(
    refit: &Refit,
    call: &Call,
    volume: &str,
    asked: &str,
    source: &mut impl Source,
    options: &ImportOptions,
) -> Outcome<FileChanged> {
    let path = VolumePath::parse(asked)?;
    if let Some(mode) = options.mode.filter(|mode| *mode > 0o7777) {
        return Err(Code::InvalidArgument.error(format!("mode is {mode:#o}, more than 0o7777")).into());
    }
    // While the archive is written to one container, the engine answers nothing about it: another one shows what is in the volume.
    let written = Storage::open(refit, call, volume, Access::Write).await?;
    let shown = match Storage::open(refit, call, volume, Access::Read).await {
        Ok(shown) => shown,
        Err(error) => return Err(written.close(call, error).await.into()),
    };
    let mut import = Import {
        written: &written,
        shown: &shown,
        path: &path,
        options,
        base: Vec::new(),
        folders: Folders::default(),
        bytes: 0,
        entries: 0,
    };
    let result = call.run(import.run(source)).await;
    let done = FileChanged { path: asked.to_owned(), bytes: Some(import.bytes), changed: import.entries > 0 };
    let (result, ()) = tokio::join!(shown.close(call, result), written.close(call, ()));
    match result {
        Ok(()) => Ok(done),
        Err(error) => Err(Failure::with_report(error, done)),
    }
}

struct Import<'a> {
    written: &'a Storage,
    shown: &'a Storage,
    path: &'a VolumePath,
    options: &'a ImportOptions,
    /// The folder into which the archive is unpacked.
    base: Vec<String>,
    folders: Folders,
    /// Of the archive, that were read.
    bytes: u64,
    /// That were sent to the engine.
    entries: u64,
}

impl Import<'_> {
    async fn run(&mut self, source: &mut impl Source) -> Result<()> {
        self.base = match self.shown.walk(self.path, true).await? {
            Walked::Missing(names) => names,
            Walked::Found(place) if place.stat.is_folder() => place.names,
            Walked::Found(_) => {
                return Err(self.shown.error(Code::InvalidArgument, self.path, "it is no folder: an archive is unpacked into one"));
            }
        };
        // The first entry is looked at before the engine is asked for anything.
        let mut scanner = Scanner::default();
        let Some(first) = self.piece(&mut scanner, source).await? else { return Err(self.data("the archive is empty")) };
        self.written.note_change().await?;
        let (written, shown) = (self.written, self.shown);
        let result = tokio::select! {
            biased;
            written = written.write_fed(|pieces| self.feed(first, scanner, source, pieces)) => written,
            () = shown.keep() => Err(Code::Panic.error("the renewal of a lease has ended")),
        };
        result.map_err(|error| if phrases::is_folder_in_the_way(&error) { self.in_the_way(error) } else { error })
    }

    /// Sends the entries to the engine, each after it was checked.
    async fn feed(&mut self, first: Piece, mut scanner: Scanner, source: &mut impl Source, pieces: Pieces) -> Result<()> {
        let mut next = Some(first);
        let mut zeros = 0;
        while let Some(piece) = next {
            let sent = match piece {
                Piece::Data(data) => data,
                Piece::Entry(entry) => match self.checked(entry).await {
                    Ok(entry) => {
                        let mut bytes = vec![0; zeros];
                        bytes.extend(entry.head());
                        zeros = padding(entry.size);
                        self.entries += 1;
                        bytes.into()
                    }
                    Err(error) => return pieces.break_off(error).await,
                },
            };
            pieces.send(sent).await?;
            next = match self.piece(&mut scanner, source).await {
                Ok(next) => next,
                Err(error) => return pieces.break_off(error).await,
            };
        }
        let mut tail = vec![0; zeros];
        tail.extend(END);
        pieces.send(tail.into()).await
    }

    /// The next piece of the archive; `None` after its end mark.
    async fn piece(&mut self, scanner: &mut Scanner, source: &mut impl Source) -> Result<Option<Piece>> {
        loop {
            if let Some(piece) = scanner.next().map_err(|error| self.data(error.message()))? {
                return Ok(Some(piece));
            }
            if scanner.has_ended() {
                return Ok(None);
            }
            let Some(bytes) = source.next().await? else { return Err(self.data("the archive ends before its end mark")) };
            self.bytes += bytes.len() as u64;
            scanner.push(bytes);
        }
    }

    /// The entry as it is sent: with the name that it has in the container, and what the options say.
    async fn checked(&mut self, entry: Entry) -> Result<Entry> {
        let (storage, path) = (self.shown, self.path);
        let name = shown(&String::from_utf8_lossy(&entry.path)).into_owned();
        let refused = |why: &str| storage.error(Code::InvalidArgument, path, &format!("entry {name} of the archive is refused: {why}"));
        import_rules::check(&entry, self.base.len()).map_err(refused)?;
        let names = self.full(&entry.path);
        let above = names.split_last().map_or(&[][..], |(_, above)| above).to_vec();
        self.look(&above).await.map_err(|error| error.unwrap_or_else(|| refused("a folder on its way is a link or a file")))?;
        let mut link = entry.link.clone();
        if entry.kind == EntryType::Link {
            let target = self.full(&entry.link);
            let above = target.split_last().map_or(&[][..], |(_, above)| above).to_vec();
            self.look(&above)
                .await
                .map_err(|error| error.unwrap_or_else(|| refused("a folder on the way to its file is a link or a file")))?;
            link = self.in_archive(&target);
        }
        if entry.kind == EntryType::Symlink {
            self.folders.put_link(&names);
        }
        let options = self.options;
        let mut records = entry.records;
        let modified = options.modified.map_or(entry.modified, |time| {
            records.retain(|(key, _)| key != "mtime");
            time.as_second()
        });
        let is_file = matches!(entry.kind, EntryType::Regular | EntryType::Continuous);
        Ok(Entry {
            path: self.in_archive(&names),
            link,
            mode: options.mode.filter(|_| is_file).unwrap_or(entry.mode),
            uid: options.uid.map_or(entry.uid, u64::from),
            gid: options.gid.map_or(entry.gid, u64::from),
            modified,
            records,
            ..entry
        })
    }

    /// The names from the volume's root, of a path that was checked.
    fn full(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let own = import_rules::names(path).unwrap_or_default().into_iter().map(<[u8]>::to_owned);
        self.base.iter().map(|name| name.as_bytes().to_owned()).chain(own).collect()
    }

    fn in_archive(&self, names: &[Vec<u8>]) -> Vec<u8> {
        let mut path = self.written.in_archive(&[]).into_bytes();
        for name in names {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        path
    }

    /// Looks at the folders on the way to an entry that are not known yet. An error without a reason: one of them is no folder.
    async fn look(&mut self, folder: &[Vec<u8>]) -> std::result::Result<(), Option<Error>> {
        for depth in 0..=folder.len() {
            let part = &folder[..depth];
            match self.folders.verdict(part) {
                Verdict::Safe => continue,
                Verdict::Link => return Err(None),
                Verdict::Look => {}
            }
            let names: Option<Vec<String>> = part.iter().map(|name| String::from_utf8(name.clone()).ok()).collect();
            // The engine is not asked about a name that is not UTF-8.
            let Some(names) = names else { return Err(None) };
            match self.shown.stat(&names).await.map_err(Some)? {
                Some(stat) if stat.is_folder() => self.folders.found(part, true),
                Some(_) => return Err(None),
                // The root is always there: without it the container is gone, and nothing that it says is true.
                None if names.is_empty() || self.shown.stat(&[]).await.map_err(Some)?.is_none() => {
                    let message =
                        format!("volume {}: the container of this call was removed by something else: import again", self.shown.volume);
                    return Err(Some(Code::Conflict.error(message)));
                }
                None => self.folders.found(part, false),
            }
        }
        Ok(())
    }

    fn data(&self, why: &str) -> Error {
        self.shown.error(Code::Data, self.path, why)
    }

    fn in_the_way(&self, error: Error) -> Error {
        let message = format!(
            "volume {}, {}: an entry of the archive is a folder where a file is, or the other way round",
            self.shown.volume, self.path
        );
        error.into_cause_of(Code::InvalidArgument, message)
    }
}
