//! The way from the root of a volume to a file, name by name. The engine itself follows every link on the way, also one that leads out of the volume
//! into its container.
//!
//! Rules: docs/volumes.md, section 2.

use std::collections::VecDeque;

use tar::EntryType;

use super::path::link_parts;
use super::{Storage, VolumePath};
use crate::engine::api::archive::{self, PathStat};
use crate::engine::{ByteStream, phrases};
use crate::volume::archive::{Entry, Piece, Scanner};
use crate::{Code, Error, Result};

/// How many links are followed, as Linux does.
const MOST_LINKS: usize = 40;

const LOOP: &str = "the links on the way lead to each other";

/// A file or folder that is there.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// From the volume's root, without a link on the way.
    pub(crate) names: Vec<String>,
    pub(crate) stat: PathStat,
}

/// Where a way has ended.
#[derive(Debug, Clone)]
pub(crate) enum Walked {
    Found(Place),
    /// Where a file of this name would be: nothing is there, nor at some of the names before it.
    Missing(Vec<String>),
}

/// What a way has led to, whose content was asked for at once.
#[derive(Debug)]
pub(crate) enum Opened {
    File(Box<OpenFile>),
    Folder,
    /// A socket, a pipe or a device.
    Special,
    Missing,
}

/// The first entry of an archive that is on its way: a file with its content.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) entry: Entry,
    scanner: Scanner,
    stream: ByteStream,
}

impl OpenFile {
    /// The next bytes of the content; `None` at the end of the archive.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            let next = self.scanner.next().map_err(|error| error.into_cause_of(Code::Engine, "the engine's archive cannot be read"))?;
            if next.is_some() {
                return Ok(next);
            }
            let Some(bytes) = self.stream.next_or_quiet().await? else { return Ok(None) };
            self.scanner.push(bytes);
        }
    }

    /// The engine ends an archive early, and the answer well, where a file has become shorter.
    pub(crate) fn is_whole(&self) -> bool {
        self.scanner.has_ended()
    }
}

/// What is at the end of a way.
enum Here {
    Seen(PathStat),
    Open(Box<OpenFile>),
}

impl Here {
    fn is_link(&self) -> bool {
        match self {
            Self::Seen(stat) => stat.is_link(),
            Self::Open(open) => open.entry.kind == EntryType::Symlink,
        }
    }

    fn is_folder(&self) -> bool {
        match self {
            Self::Seen(stat) => stat.is_folder(),
            Self::Open(open) => open.entry.kind == EntryType::Directory,
        }
    }
}

/// Where a way has ended, or where a file of this name would be.
type Ended = std::result::Result<(Vec<String>, Here), Vec<String>>;

impl Storage {
    /// Walks to a path. With `follow_last` a link that is the last name is followed too. Links are followed where they are relative and stay in
    /// the volume.
    pub(crate) async fn walk(&self, path: &VolumePath, follow_last: bool) -> Result<Walked> {
        match self.go(path, follow_last, false).await? {
            Ok((names, Here::Seen(stat))) => Ok(Walked::Found(Place { names, stat })),
            Ok((_, Here::Open(_))) => self.changed(path),
            Err(missing) => Ok(Walked::Missing(missing)),
        }
    }

    /// Walks to a file, links followed, and asks for its content at once: the engine mounts the volume for each request.
    pub(crate) async fn open_file(&self, path: &VolumePath) -> Result<Opened> {
        Ok(match self.go(path, true, true).await? {
            Ok((_, here)) if here.is_folder() => Opened::Folder,
            Ok((_, Here::Open(file))) if file.entry.is_file() => Opened::File(file),
            Ok(_) => Opened::Special,
            Err(_) => Opened::Missing,
        })
    }

    async fn go(&self, path: &VolumePath, follow_last: bool, opens: bool) -> Result<Ended> {
        let invalid = |why: &str| Err(self.error(Code::InvalidArgument, path, why));
        let mut ahead: VecDeque<String> = path.names().iter().cloned().collect();
        let (mut behind, mut links): (Vec<String>, usize) = (Vec::new(), 0);
        let mut last = None;
        // How many of the names ahead are of a link's text.
        let mut of_links = 0_usize;
        while let Some(name) = ahead.pop_front() {
            last = None;
            let is_of_link = of_links > 0;
            of_links = of_links.saturating_sub(1);
            if name == ".." {
                if behind.pop().is_none() {
                    return invalid("a link on the way leads out of the volume");
                }
                continue;
            }
            behind.push(name);
            let looked =
                if opens && ahead.is_empty() { self.open_at(&behind).await } else { Ok(self.stat(&behind).await?.map(Here::Seen)) };
            let here = match looked {
                Ok(Some(here)) => here,
                Ok(None) if is_of_link => return Err(self.error(Code::NotFound, path, "a link on the way leads to nothing")),
                Ok(None) => {
                    behind.extend(ahead);
                    return Ok(Err(behind));
                }
                Err(error) if phrases::is_link_loop(&error) => return invalid(LOOP),
                Err(error) => return Err(error),
            };
            if here.is_link() && (follow_last || !ahead.is_empty()) {
                links += 1;
                if links > MOST_LINKS {
                    return invalid(LOOP);
                }
                let link = match here {
                    Here::Open(open) => open.entry.link,
                    Here::Seen(_) => match self.entry_at(&behind).await {
                        Ok(Some(entry)) => entry.link,
                        Ok(None) => return self.changed(path),
                        Err(error) if phrases::is_link_loop(&error) => return invalid(LOOP),
                        Err(error) => return Err(error),
                    },
                };
                behind.pop();
                match link_parts(&link) {
                    Ok(parts) => {
                        of_links += parts.len();
                        parts.into_iter().rev().for_each(|part| ahead.push_front(part));
                    }
                    Err(why) => return invalid(&format!("a link on the way is not followed: {why}")),
                }
                continue;
            }
            if !ahead.is_empty() && !here.is_folder() {
                return invalid("a part of the way is a file");
            }
            last = Some(here);
        }
        let here = match last {
            Some(here) => Some(here),
            None => self.stat(&behind).await?.map(Here::Seen),
        };
        match here {
            Some(here) => Ok(Ok((behind, here))),
            None => self.changed(path),
        }
    }

    /// The same of a path that must be there.
    pub(crate) async fn find(&self, path: &VolumePath, follow_last: bool) -> Result<Place> {
        match self.walk(path, follow_last).await? {
            Walked::Found(place) => Ok(place),
            Walked::Missing(_) => Err(self.no_file(path)),
        }
    }

    pub(crate) fn no_file(&self, path: &VolumePath) -> Error {
        self.error(Code::NotFound, path, "there is no such file: volume_list_files shows those that are there")
    }

    /// User and group of a file at names without a link; `None` when it is gone. CONFLICT when it is no file any more.
    pub(crate) async fn owner_of_file(&self, path: &VolumePath, names: &[String]) -> Result<Option<(u64, u64)>> {
        match self.entry_at(names).await {
            Ok(Some(entry)) if entry.is_file() => Ok(Some((entry.uid, entry.gid))),
            Ok(_) => self.changed(path),
            Err(error) if error.code() == Code::NotFound => match self.stat(&[]).await? {
                Some(_) => Ok(None),
                // The container is gone, and not the file.
                None => self.changed(path),
            },
            Err(error) => Err(error),
        }
    }

    /// The header of what is at names of which none is a link but the last: the engine says a link's text, and who owns a file, nowhere else.
    async fn entry_at(&self, names: &[String]) -> Result<Option<Entry>> {
        Ok(self.first_entry(names).await?.map(|open| open.entry))
    }

    async fn first_entry(&self, names: &[String]) -> Result<Option<OpenFile>> {
        let mut stream = archive::read(self.engine(), &self.id, &self.place(names)).await?;
        let mut scanner = Scanner::default();
        while let Some(bytes) = stream.next_or_quiet().await? {
            scanner.push(bytes);
            if let Some(Piece::Entry(entry)) = scanner.next()? {
                return Ok(Some(OpenFile { entry, scanner, stream }));
            }
        }
        Ok(None)
    }

    /// What is at names of which none is a link but the last, and its content.
    async fn open_at(&self, names: &[String]) -> Result<Option<Here>> {
        match self.first_entry(names).await {
            Ok(Some(open)) => Ok(Some(Here::Open(Box::new(open)))),
            // The engine leaves out sockets.
            Ok(None) => Ok(self.stat(names).await?.map(Here::Seen)),
            Err(error) if error.code() == Code::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn changed<T>(&self, path: &VolumePath) -> Result<T> {
        Err(self.error(Code::Conflict, path, "it changed while it was looked at: try again"))
    }
}
