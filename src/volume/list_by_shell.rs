//! `volume_list_files` through `find` and `stat` of an image: what is in the files is not read, and sockets are seen.
//!
//! Rules: docs/volumes.md, section 3.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use jiff::Timestamp;

use super::list_files::{FileType, VolumeFile, VolumeFiles};
use super::storage::{Access, Place, Storage};
use crate::operation::call::Call;
use crate::{Code, Refit, Result};

/// Where, the word before each record, the format of `stat`, and how deep. A file that vanishes meanwhile is left out; the last record says that
/// nothing else is.
const SCRIPT: &str = r#"stat -c %f "$1" > /dev/null && find "$1" -maxdepth 0 > /dev/null || exit 1
find "$1" $4 -exec sh -c 'stat -c "$0" "$@"; :' "$3" {} +
find "$1" $4 -type l -exec sh -c 'for l; do printf "%s@ %s\n" "$0" "$l"; printf "%s> " "$0"; readlink -- "$l" || echo; done' "$2" {} +
printf '%s$\n' "$2""#;

/// Lists what is at a place.
pub(super) async fn list(refit: &Refit, call: &Call, volume: &str, image: &str, place: &Place, recursive: bool) -> Result<VolumeFiles> {
    // No name of a file can have it: nobody can guess it.
    let word = format!("refit-{:016x}{:016x}", random(), random());
    let depth = match (place.stat.is_folder(), recursive) {
        (false, _) => "-maxdepth 0",
        (true, false) => "-mindepth 1 -maxdepth 1",
        (true, true) => "-mindepth 1",
    };
    let at = place.names.iter().fold("{}".to_owned(), |path, name| format!("{path}/{name}"));
    let arguments = vec![at, word.clone(), format!("{word}. %f %s %u %g %Y %n"), depth.to_owned()];
    let shell = Storage::open_shell(refit, call, volume, Access::Read, image, SCRIPT, arguments).await?;
    let mount = format!("{}/", shell.root());
    let read = call.run(async {
        tokio::select! {
            ended = shell.run() => ended?,
            // A volume of millions of files takes longer than a lease.
            () = shell.keep() => {}
        }
        shell.output().await
    });
    let output = read.await;
    let output = shell.close(call, output).await?;
    files(&output, &word, &mount).ok_or_else(|| {
        let message = format!("volume {volume}: what helper_image {image} wrote was not understood: does it have another stat or find?");
        Code::Engine.error(message)
    })
}

/// `None` where the output is another than the script's.
fn files(output: &[u8], word: &str, mount: &str) -> Option<VolumeFiles> {
    // The engine's log has replaced what is not UTF-8.
    let text = String::from_utf8_lossy(output);
    let (mut files, mut links, mut link, mut whole) = (Vec::new(), BTreeMap::new(), None, false);
    for record in text.split(word).skip(1) {
        let record = record.strip_suffix('\n').unwrap_or(record);
        let (kind, rest) = record.split_at_checked(1)?;
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match kind {
            "." => files.push(file(rest, mount)?),
            "@" => link = Some(rest.strip_prefix(mount)?.to_owned()),
            ">" => {
                links.insert(link.take()?, rest.to_owned());
            }
            "$" => whole = true,
            _ => return None,
        }
    }
    let is_named = |file: &VolumeFile| !file.path.contains(char::REPLACEMENT_CHARACTER);
    let mut files: Vec<VolumeFile> = files.into_iter().filter(is_named).collect();
    for file in &mut files {
        file.link_target = links.remove(&file.path);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    whole.then_some(VolumeFiles { files })
}

fn file(record: &str, mount: &str) -> Option<VolumeFile> {
    let mut fields = record.splitn(6, ' ');
    let mode = u32::from_str_radix(fields.next()?, 16).ok()?;
    let (size, uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let modified = fields.next()?.parse().ok()?;
    let path = fields.next()?.strip_prefix(mount)?.to_owned();
    let kind = match mode & 0o170_000 {
        0o100_000 => FileType::File,
        0o040_000 => FileType::Directory,
        0o120_000 => FileType::Symlink,
        _ => FileType::Other,
    };
    Some(VolumeFile {
        name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        path,
        kind,
        size: if kind == FileType::File { size } else { 0 },
        mode: mode & 0o7777,
        uid,
        gid,
        modified: Timestamp::from_second(modified).ok(),
        link_target: None,
    })
}

/// From the keys of the standard library's hash maps, which the system's random numbers have made.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces_and_line_ends_are_read() {
        let output = "W. 81a4 7 0 0 1234567890 /m/a\nb c\nW. a1ff 5 0 0 1 /m/d/l\nW. c1ed 0 70000 7 -5 /m/s\nW. 41ed 4096 0 0 1 /m/d\nW. 81a4 1 0 0 1 \
                      /m/\u{fffd}\nW@ /m/d/l\nW> ../x\ny\nW$\n";
        let files = files(output.as_bytes(), "W", "/m/").unwrap().files;
        let paths: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.name.as_str(), file.kind, file.size, file.mode)).collect();
        let expected = [
            ("a\nb c", "a\nb c", FileType::File, 7, 0o644),
            ("d", "d", FileType::Directory, 0, 0o755),
            ("d/l", "l", FileType::Symlink, 0, 0o777),
            ("s", "s", FileType::Other, 0, 0o755),
        ];
        assert_eq!(paths, expected);
        assert_eq!((files[2].link_target.as_deref(), files[3].uid, files[3].gid), (Some("../x\ny"), 70000, 7));
        assert_eq!(files[3].modified, Timestamp::from_second(-5).ok());
    }

    #[test]
    fn an_output_that_is_cut_or_another_is_none() {
        for output in ["", "W. 81a4 7 0 0 1 /m/a\n", "W. 81a4 7 0 0 1 /x/a\nW$\n", "W. x 7 0 0 1 /m/a\nW$\n", "W> x\nW$\n", "W"] {
            assert!(files(output.as_bytes(), "W", "/m/").is_none(), "{output:?}");
        }
        assert!(files(b"W$\n", "W", "/m/").unwrap().files.is_empty());
    }
}
