//! What a layer holds, and how it is packed.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::artifact::Blob;
use crate::digest::sha256;

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip with a level from 0 to 9.
    Gzip(u32),
}

/// A file tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layer(Content);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Content {
    Busybox(String),
    Random(usize, u64),
    Entries(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Entry {
    path: String,
    kind: Kind,
    mode: u32,
    owner: (u64, u64),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    File(Vec<u8>),
    Folder,
    Link(String),
}

impl Layer {
    /// An empty layer.
    pub fn new() -> Self {
        Self(Content::Entries(Vec::new()))
    }

    /// Debian's static busybox in /bin with its applets, /tmp, /etc/passwd with root and nobody.
    pub fn busybox() -> Self {
        Self(Content::Busybox(String::new()))
    }

    /// One file of random bytes.
    pub fn random(size: usize, seed: u64) -> Self {
        Self(Content::Random(size, seed))
    }

    /// Adds a file, mode 0644.
    pub fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(path, Kind::File(bytes.to_vec()), 0o644, (0, 0))
    }

    /// Adds a file that can be run.
    pub fn program(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(path, Kind::File(bytes.to_vec()), 0o755, (0, 0))
    }

    /// Adds a folder.
    pub fn folder(self, path: &str, mode: u32, owner: (u64, u64)) -> Self {
        self.entry(path, Kind::Folder, mode, owner)
    }

    /// Adds a symbolic link.
    pub fn link(self, path: &str, target: &str) -> Self {
        self.entry(path, Kind::Link(target.to_owned()), 0o777, (0, 0))
    }

    fn entry(mut self, path: &str, kind: Kind, mode: u32, owner: (u64, u64)) -> Self {
        let Content::Entries(entries) = &mut self.0 else { panic!("this layer is complete; add another") };
        entries.push(Entry { path: path.trim_start_matches('/').to_owned(), kind, mode, owner });
        self
    }

    fn tar(&self) -> Vec<u8> {
        match &self.0 {
            Content::Busybox(salt) => busybox().file("etc/salt", salt.as_bytes()).tar(),
            Content::Random(size, seed) => Self::new().file(&format!("random-{seed}"), &random_bytes(*size, *seed)).tar(),
            Content::Entries(entries) => {
                let mut tar = Builder::new(Vec::new());
                for entry in entries {
                    entry.append(&mut tar);
                }
                tar.into_inner().unwrap()
            }
        }
    }

    /// Busybox of one image alone. Docker 26 with containerd's store loses the content of a layer when one test removes an image
    /// while another pulls one that shares it, and from then on lists no image that has it.
    pub(crate) fn salted(&self, salt: &str) -> Self {
        match &self.0 {
            Content::Busybox(_) => Self(Content::Busybox(salt.to_owned())),
            _ => self.clone(),
        }
    }

    /// The layer as a blob. Busybox and big layers are packed once a process.
    pub(crate) fn pack(&self, compression: Compression) -> Blob {
        type Packed = Mutex<HashMap<(Layer, Compression), Blob>>;
        static PACKED: OnceLock<Packed> = OnceLock::new();
        // Random bytes only cost time to compress.
        let compression = match (&self.0, compression) {
            (Content::Random(..), Compression::Gzip(_)) => Compression::Gzip(0),
            _ => compression,
        };
        let key = (self.clone(), compression);
        if let Some(blob) = PACKED.get_or_init(Packed::default).lock().unwrap().get(&key) {
            return blob.clone();
        }
        let tar = self.tar();
        let diff_id = sha256(&tar);
        let bytes = match compression {
            Compression::Plain => tar,
            Compression::Gzip(level) => gzip(&tar, level),
        };
        let blob = Blob { digest: sha256(&bytes), bytes: Arc::new(bytes), diff_id, compression };
        if !matches!(self.0, Content::Entries(_)) {
            PACKED.get().unwrap().lock().unwrap().insert(key, blob.clone());
        }
        blob
    }
}

impl Default for Layer {
    fn default() -> Self {
        Self::new()
    }
}

impl Entry {
    fn append(&self, tar: &mut Builder<Vec<u8>>) {
        let mut header = Header::new_gnu();
        header.set_mode(self.mode);
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_mtime(1_704_067_200);
        header.set_size(0);
        match &self.kind {
            Kind::File(bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, &self.path, &bytes[..]).unwrap();
            }
            Kind::Folder => {
                header.set_entry_type(EntryType::Directory);
                tar.append_data(&mut header, format!("{}/", self.path.trim_end_matches('/')), &b""[..]).unwrap();
            }
            Kind::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                tar.append_link(&mut header, &self.path, target).unwrap();
            }
        }
    }
}

/// gzip with a fixed header, so that the same content gives the same bytes.
pub(crate) fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// xorshift64*, eight bytes a step.
fn random_bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Where Debian's busybox-static puts its program. A dynamic one (package busybox) needs a loader that no image of ours has.
pub(crate) fn static_busybox() -> Option<PathBuf> {
    ["/bin/busybox", "/usr/bin/busybox"].iter().map(PathBuf::from).find(|path| {
        let Ok(bytes) = std::fs::read(path) else { return false };
        !bytes[..bytes.len().min(4096)].windows(4).any(|four| four == b"/ld-")
    })
}

fn busybox() -> Layer {
    let program = static_busybox().expect("busybox-static is not installed: run `lab up` once");
    let applets = Command::new(&program).arg("--list").output().unwrap().stdout;
    let mut applets: Vec<_> = std::str::from_utf8(&applets).unwrap().lines().filter(|name| *name != "busybox").collect();
    applets.sort_unstable();
    let mut layer = Layer::new().folder("bin", 0o755, (0, 0)).program("bin/busybox", &std::fs::read(&program).unwrap());
    for applet in applets {
        layer = layer.link(&format!("bin/{applet}"), "busybox");
    }
    layer
        .folder("tmp", 0o1777, (0, 0))
        .folder("etc", 0o755, (0, 0))
        .file("etc/passwd", b"root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
        .file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
}
