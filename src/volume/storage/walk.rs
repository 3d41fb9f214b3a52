//! The way from the root of a volume to a file, name by name. The engine itself follows every link on the way, also one that leads out of the volume
//! into its container.
//!
//! Rules: docs/volumes.md, section 2.

use std::collections::VecDeque;

use super::path::link_parts;
use super::{Storage, VolumePath};
use crate::engine::api::archive::PathStat;
use crate::engine::phrases;
use crate::volume::archive::{Entry, Piece, Scanner};
use crate::{Code, Result};

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

impl Storage {
    /// Walks to a path. With `follow_last` a link that is the last name is followed too. Links are followed where they are relative and stay in
    /// the volume.
    pub(crate) async fn walk(&self, path: &VolumePath, follow_last: bool) -> Result<Walked> {
        let invalid = |why: &str| Err(self.error(Code::InvalidArgument, path, why));
        let mut ahead: VecDeque<String> = path.names().iter().cloned().collect();
        let (mut behind, mut links): (Vec<String>, usize) = (Vec::new(), 0);
        let mut here = None;
        // How many of the names ahead are of a link's text.
        let mut of_links = 0_usize;
        while let Some(name) = ahead.pop_front() {
            here = None;
            let is_of_link = of_links > 0;
            of_links = of_links.saturating_sub(1);
            if name == ".." {
                if behind.pop().is_none() {
                    return invalid("a link on the way leads out of the volume");
                }
                continue;
            }
            behind.push(name);
            let Some(stat) = self.stat(&behind).await? else {
                if is_of_link {
                    return Err(self.error(Code::NotFound, path, "a link on the way leads to nothing"));
                }
                behind.extend(ahead);
                return Ok(Walked::Missing(behind));
            };
            if stat.is_link() && (follow_last || !ahead.is_empty()) {
                links += 1;
                if links > MOST_LINKS {
                    return invalid(LOOP);
                }
                let link = match self.entry_at(&behind).await {
                    Ok(Some(link)) => link,
                    Ok(None) => return self.changed(path),
                    Err(error) if phrases::is_link_loop(&error) => return invalid(LOOP),
                    Err(error) => return Err(error),
                };
                behind.pop();
                match link_parts(&link.link) {
                    Ok(parts) => {
                        of_links += parts.len();
                        parts.into_iter().rev().for_each(|part| ahead.push_front(part));
                    }
                    Err(why) => return invalid(&format!("a link on the way is not followed: {why}")),
                }
                continue;
            }
            if !ahead.is_empty() && !stat.is_folder() {
                return invalid("a part of the way is a file");
            }
            here = Some(stat);
        }
        let stat = match here {
            Some(stat) => Some(stat),
            None => self.stat(&behind).await?,
        };
        match stat {
            Some(stat) => Ok(Walked::Found(Place { names: behind, stat })),
            None => self.changed(path),
        }
    }

    /// The same of a path that must be there.
    pub(crate) async fn find(&self, path: &VolumePath, follow_last: bool) -> Result<Place> {
        match self.walk(path, follow_last).await? {
            Walked::Found(place) => Ok(place),
            Walked::Missing(_) => {
                Err(self.error(Code::NotFound, path, "there is no such file: volume_list_files shows those that are there"))
            }
        }
    }

    /// The header of what is at names of which none is a link but the last: the engine says a link's text, and who owns a file, nowhere else.
    pub(crate) async fn entry_at(&self, names: &[String]) -> Result<Option<Entry>> {
        let path = self.place(names);
        let mut stream = crate::engine::api::archive::read(self.engine(), &self.id, &path).await?;
        let mut scanner = Scanner::default();
        while let Some(bytes) = stream.next_or_quiet().await? {
            scanner.push(&bytes);
            if let Some(Piece::Entry(entry)) = scanner.next()? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn changed<T>(&self, path: &VolumePath) -> Result<T> {
        Err(self.error(Code::Conflict, path, "it changed while it was looked at: try again"))
    }
}
