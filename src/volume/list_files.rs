//! `volume_list_files`: the files below a path.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tar::EntryType;

use super::archive::{Entry, Piece, Scanner};
use super::list_by_shell;
use super::storage::{Access, Place, Storage, VolumePath};
use crate::engine::names::check_image;
use crate::error::shown;
use crate::{Code, Operation, Refit, Result};

/// How files are listed.
#[derive(Debug, Clone, Default)]
pub struct ListFilesOptions {
    /// Those in folders below, too. Default: no.
    pub recursive: bool,
    /// A local image with `sh`, `find`, `stat` and `readlink`, which runs without network: what is in the files is not read then, and sockets are listed.
    /// Default: that of the handle.
    pub helper_image: Option<String>,
}

/// Files of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "volume_list_files")]
#[non_exhaustive]
pub struct VolumeFiles {
    /// By path.
    pub files: Vec<VolumeFile>,
}

/// A file in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct VolumeFile {
    /// The last part of the path.
    pub name: String,
    /// From the volume's root, without a slash at the beginning.
    pub path: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FileType,
    /// Bytes; 0 of what is no file.
    pub size: u64,
    /// Permissions, with setuid (0o4000), setgid (0o2000) and sticky (0o1000).
    pub mode: u32,
    /// The number of its owner.
    pub uid: u64,
    /// The number of its group.
    pub gid: u64,
    /// When it was changed last, in whole seconds.
    pub modified: Option<Timestamp>,
    /// The text of a symbolic link.
    pub link_target: Option<String>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FileType {
    /// A file, also one with several names.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A pipe or a device.
    Other,
}

impl Refit {
    /// Lists the files in a folder of a volume; of a file, that one. Without `helper_image` it takes as long as the engine needs to read all that is
    /// below the path, and sockets are not listed. Files whose name is not UTF-8 never are.
    pub fn volume_files(&self, volume: &str, path: &str, options: ListFilesOptions) -> Operation<VolumeFiles> {
        let (volume, path) = (volume.to_owned(), path.to_owned());
        let span = tracing::error_span!("volume_list_files", volume = %shown(&volume));
        self.operation(span, move |refit, call| async move {
            let path = VolumePath::parse(&path)?;
            options.helper_image.as_deref().map_or(Ok(()), check_image)?;
            let storage = Storage::open(&refit, &call, &volume, Access::Read).await?;
            let Some(image) = options.helper_image.or_else(|| refit.shared.options.helper_image.clone()) else {
                let listed = call.run(list(&storage, &path, options.recursive)).await;
                return Ok(storage.close(&call, listed).await?);
            };
            let found = call.run(storage.find(&path, true)).await;
            let place = storage.close(&call, found).await?;
            Ok(list_by_shell::list(&refit, &call, &volume, &image, &place, options.recursive).await?)
        })
    }
}

async fn list(storage: &Storage, path: &VolumePath, recursive: bool) -> Result<VolumeFiles> {
    let place = storage.find(path, true).await?;
    let mut stream = storage.read(&place).await?;
    let (mut scanner, mut listing) = (Scanner::default(), Listing::new(&place, recursive));
    while let Some(bytes) = stream.next_or_quiet().await? {
        scanner.push(bytes);
        while let Some(piece) = scanner.next().map_err(|error| error.into_cause_of(Code::Engine, "the engine's archive cannot be read"))? {
            if let Piece::Entry(entry) = piece {
                listing.add(&entry);
            }
        }
    }
    if !scanner.has_ended() {
        return Err(storage.error(
            Code::Conflict,
            path,
            "a file became shorter while it was listed, which ends the engine's answer: try again",
        ));
    }
    Ok(listing.files())
}

/// The entries of an archive as files.
struct Listing {
    /// Before each name of the archive: the folder, or the folder of the file.
    folder: String,
    is_folder: bool,
    recursive: bool,
    files: Vec<VolumeFile>,
    /// The sizes of all files by their names in the archive: a further name of a file has none there.
    sizes: BTreeMap<Vec<u8>, u64>,
}

impl Listing {
    fn new(place: &Place, recursive: bool) -> Self {
        let is_folder = place.stat.is_folder();
        let names = match place.names.split_last() {
            Some((_, before)) if !is_folder => before,
            _ => place.names.as_slice(),
        };
        let folder = names.iter().fold(String::new(), |path, name| format!("{path}{name}/"));
        Self { folder, is_folder, recursive, files: Vec::new(), sizes: BTreeMap::new() }
    }

    fn add(&mut self, entry: &Entry) {
        let plain = |path: &[u8]| -> Vec<u8> {
            let path = path.strip_prefix(b"./").unwrap_or(path);
            path.strip_suffix(b"/").unwrap_or(path).to_owned()
        };
        let name = plain(&entry.path);
        if name.is_empty() || name == b"." {
            return;
        }
        let size = match entry.kind {
            EntryType::Link => self.sizes.get(&plain(&entry.link)).copied().unwrap_or(0),
            _ => entry.size,
        };
        if entry.is_file() {
            self.sizes.insert(name.clone(), size);
        }
        let Ok(name) = String::from_utf8(name) else { return };
        if self.is_folder && !self.recursive && name.contains('/') {
            return;
        }
        let kind = match entry.kind {
            EntryType::Directory => FileType::Directory,
            EntryType::Symlink => FileType::Symlink,
            EntryType::Fifo | EntryType::Char | EntryType::Block => FileType::Other,
            _ => FileType::File,
        };
        self.files.push(VolumeFile {
            path: format!("{}{name}", self.folder),
            name: name.rsplit('/').next().unwrap_or_default().to_owned(),
            kind,
            size,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            modified: Timestamp::from_second(entry.modified).ok(),
            link_target: (kind == FileType::Symlink).then(|| String::from_utf8_lossy(&entry.link).into_owned()),
        });
    }

    fn files(mut self) -> VolumeFiles {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        VolumeFiles { files: self.files }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::api::archive::PathStat;

    fn place(names: &[&str], mode: u32) -> Place {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Place { names, stat: PathStat { mode } }
    }

    fn entries() -> Vec<Entry> {
        let of = |path: &str, kind: EntryType, link: &str| Entry { kind, link: link.into(), ..Entry::file(path, 0) };
        let not_utf8 = Entry { path: b"./\xff/c".to_vec(), ..Entry::file("", 1) };
        vec![
            of("./", EntryType::Directory, ""),
            Entry::file("./b", 7),
            of("./a/", EntryType::Directory, ""),
            of("./a/same", EntryType::Link, "./b"),
            of("./link", EntryType::Symlink, "../x"),
            not_utf8,
            of("./pipe", EntryType::Fifo, ""),
        ]
    }

    #[test]
    fn a_folder_is_listed_alone_or_with_all_below_it() {
        let list = |recursive: bool| {
            let mut listing = Listing::new(&place(&["d", "e"], 1 << 31), recursive);
            for entry in &entries() {
                listing.add(entry);
            }
            listing.files().files
        };
        let paths = |files: &[VolumeFile]| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&list(false)), ["d/e/a", "d/e/b", "d/e/link", "d/e/pipe"]);
        let all = list(true);
        assert_eq!(paths(&all), ["d/e/a", "d/e/a/same", "d/e/b", "d/e/link", "d/e/pipe"]);
        assert_eq!((all[1].name.as_str(), all[1].kind, all[1].size), ("same", FileType::File, 7), "a further name has the file's size");
        assert_eq!((all[3].kind, all[3].link_target.as_deref()), (FileType::Symlink, Some("../x")));
        assert_eq!(all[4].kind, FileType::Other);
    }

    #[test]
    fn a_file_is_listed_with_its_own_path() {
        let mut listing = Listing::new(&place(&["d", "f"], 0o644), false);
        listing.add(&Entry::file("f", 3));
        let files = listing.files().files;
        assert_eq!((files.len(), files[0].path.as_str(), files[0].name.as_str(), files[0].size), (1, "d/f", "f", 3));
    }
}
