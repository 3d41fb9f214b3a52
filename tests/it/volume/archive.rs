//! `volume_export`, `volume_import`.
//!
//! Rules: docs/volumes.md, section 6.

use std::io::Cursor;

use refit::volume::{FileChanged, FileType, ImportOptions, ListFilesOptions, VolumeFile};
use refit::{Cancel, Code, Error, Refit};
use refit_lab::Lab;
use tar::{EntryType, Header};
use tokio::io::AsyncReadExt;

use super::{has_files, paths, read, sh, shell, storage_containers, write};
use crate::connected::refit;

/// A name, a kind, a link and a content.
pub(super) type Entry<'a> = (&'a str, EntryType, &'a str, &'a [u8]);

/// An archive of entries.
pub(super) fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, link, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(if *kind == EntryType::Directory { 0o2750 } else { 0o640 });
        header.set_uid(1000);
        header.set_gid(100);
        header.set_mtime(1_580_702_706);
        header.set_size(content.len() as u64);
        // Names that the builder itself refuses.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

async fn import(refit: &Refit, volume: &str, path: &str, archive: Vec<u8>) -> Result<FileChanged, (Error, Option<FileChanged>)> {
    let imported = refit.import_volume(volume, path, Cursor::new(archive), ImportOptions::default()).await;
    imported.map_err(|failure| (failure.error, failure.report))
}

pub(super) async fn export(refit: &Refit, volume: &str, path: &str) -> Vec<u8> {
    let (to, mut from) = tokio::io::duplex(64 * 1024);
    let exporting = refit.export_volume(volume, path, to);
    let exporting = tokio::spawn(async move { exporting.await });
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).await.unwrap();
    let exported = exporting.await.unwrap().unwrap();
    assert_eq!(exported.bytes, bytes.len() as u64);
    let entries = tar::Archive::new(bytes.as_slice()).entries().unwrap().count() as u64;
    assert_eq!(exported.entries, entries);
    bytes
}

pub(super) async fn all(refit: &Refit, volume: &str, path: &str) -> Vec<VolumeFile> {
    refit.volume_files(volume, path, ListFilesOptions { recursive: true, ..ListFilesOptions::default() }).await.unwrap().files
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_imported_as_it_was() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("archive");
    let (refit, volume, other) = (refit().await, scope.volume("data"), scope.volume("other"));
    let shell = shell(&scope, &volume);
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let script = format!(
        "cd /v; chmod 1770 .; chown 5:6 .; mkdir -m 2755 -p 'a b/c' {}; echo 1 > 'a b/c/f'; ln 'a b/c/f' 'a b/hard'; ln -s c/f 'a b/soft'; mkfifo pipe; \
         echo long > {long}; chown 70000:7 'a b/c/f'; chmod 4711 'a b/c/f'; touch -d @1234567890 'a b/c/f'; head -c 3000000 /dev/urandom > big; \
         echo x > $(printf 'not\\377utf8')",
        "d".repeat(200)
    );
    sh(&scope, &shell, &script);
    let exported = export(&refit, &volume, "/").await;
    let imported = import(&refit, &other, "/", exported.clone()).await.unwrap();
    assert_eq!((imported.path.as_str(), imported.changed), ("/", true));
    assert!(all(&refit, &volume, "/").await == all(&refit, &other, "/").await, "{:?}", all(&refit, &other, "/").await);
    let again = export(&refit, &other, "/").await;
    let entries = |bytes: &[u8]| {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let (name, header) = (entry.path_bytes().into_owned(), entry.header().clone());
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            (name, header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap(), content)
        });
        entries.collect::<Vec<_>>()
    };
    assert!(entries(&exported) == entries(&again), "names that are not UTF-8, the root's mode and owner, and times");
    // Into a folder that is missing, and a single file.
    import(&refit, &other, "new/folder", export(&refit, &volume, "a b").await).await.unwrap();
    assert_eq!(read(&refit, &other, "new/folder/soft").await, b"1\n");
    import(&refit, &other, "new", export(&refit, &volume, "a b/c/f").await).await.unwrap();
    assert_eq!(read(&refit, &other, "new/f").await, b"1\n");
    assert!(storage_containers(&scope, &volume).is_empty() && storage_containers(&scope, &other).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn options_stand_above_the_archive() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("archive-options");
    let (refit, volume) = (refit().await, scope.volume("data"));
    let bytes = archive(&[("d/", EntryType::Directory, "", b""), ("d/f", EntryType::Regular, "", b"x")]);
    let options = ImportOptions { mode: Some(0o600), uid: Some(7), gid: Some(8), modified: Some("2001-02-03T04:05:06Z".parse().unwrap()) };
    refit.import_volume(&volume, "/", Cursor::new(bytes.clone()), options).await.unwrap();
    let files = all(&refit, &volume, "/").await;
    let found: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.mode, file.uid, file.gid)).collect();
    assert_eq!(found, [("d", 0o2750, 7, 8), ("d/f", 0o600, 7, 8)]);
    assert!(files[1].modified.is_some_and(|time| time.to_string() == "2001-02-03T04:05:06Z"));
    import(&refit, &volume, "/", bytes).await.unwrap();
    let files = all(&refit, &volume, "/").await;
    assert_eq!((files[0].uid, files[1].mode, files[1].uid, files[1].gid), (1000, 0o640, 1000, 100), "without options as in the archive");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_archive_is_refused_and_nothing_is_lost() {
    use EntryType::{Block, Char, Directory, Link, Regular, Symlink};
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("archive-hostile");
    let (refit, volume) = (refit().await, scope.volume("data"));
    let shell = shell(&scope, &volume);
    sh(
        &scope,
        &shell,
        "cd /v; mkdir -p dir/keep real; echo kept > dir/keep/f; echo kept > file; ln -s ../../../etc link; ln -s real inside",
    );
    let cases: [(&str, Vec<Entry<'_>>); 15] = [
        ("a name with ..", vec![("../x", Regular, "", b"x")]),
        ("a name with .. that stays inside", vec![("dir/../x", Regular, "", b"x")]),
        ("an absolute name", vec![("/etc/x", Regular, "", b"x")]),
        ("an absolute link", vec![("l", Symlink, "/etc", b"")]),
        ("a link that leaves", vec![("dir/l", Symlink, "../../x", b"")]),
        ("a hard link that leaves", vec![("h", Link, "../../etc/shadow", b"")]),
        ("a hard link to an absolute name", vec![("h", Link, "/etc/shadow", b"")]),
        ("a hard link through a link", vec![("h", Link, "link/shadow", b"")]),
        ("a character device", vec![("null", Char, "", b"")]),
        ("a block device", vec![("sda", Block, "", b"")]),
        ("below a link that was there", vec![("link/f", Regular, "", b"x")]),
        ("below a link that was there and stays inside", vec![("inside/f", Regular, "", b"x")]),
        ("below a link of the archive", vec![("fresh", Symlink, "dir", b""), ("fresh/f", Regular, "", b"x")]),
        ("a file in a folder's place", vec![("dir", Regular, "", b"x")]),
        ("a folder in a file's place", vec![("file", Directory, "", b"")]),
    ];
    let before = all(&refit, &volume, "/").await;
    for (case, entries) in cases {
        let (error, report) = import(&refit, &volume, "/", archive(&entries)).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{case}: {error}");
        assert!(report.is_some(), "{case}");
    }
    sh(&scope, &shell, "rm -f /v/fresh");
    let kept = |files: Vec<VolumeFile>| files.into_iter().filter(|file| file.kind != FileType::Directory).collect::<Vec<_>>();
    assert_eq!(kept(all(&refit, &volume, "/").await), kept(before));
    assert_eq!(sh(&scope, &shell, "cat /v/dir/keep/f /v/file"), "kept\nkept\n");
    assert!(storage_containers(&scope, &volume).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_archive_is_data_and_the_report_says_what_came_of_it() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("archive-data");
    let (refit, volume) = (refit().await, scope.volume("data"));
    let content = vec![7; 100_000];
    let whole = archive(&[("a", EntryType::Regular, "", b"first"), ("b", EntryType::Regular, "", &content)]);
    let mut damaged = whole.clone();
    damaged[1024 + 3] ^= 1;
    let cases: [(&str, Vec<u8>, bool); 8] = [
        ("nothing", Vec::new(), false),
        ("zeros", vec![0; 10_240], false),
        ("text", b"hello ".repeat(1000), false),
        ("gzip", [0x1f, 0x8b, 8, 0].repeat(1000), false),
        ("cut in the first header", whole[..300].to_vec(), false),
        ("cut in a file", whole[..20_000].to_vec(), true),
        ("cut at the end of an entry", whole[..1024].to_vec(), true),
        ("a damaged header", damaged, true),
    ];
    for (case, bytes, changed) in cases {
        let length = bytes.len() as u64;
        let (error, report) = import(&refit, &volume, "/", bytes).await.unwrap_err();
        assert_eq!(error.code(), Code::Data, "{case}: {error}");
        let report = report.unwrap();
        assert_eq!(report.changed, changed, "{case}");
        assert!(report.bytes.unwrap() <= length, "{case}");
    }
    assert!(import(&refit, &volume, "/", whole).await.unwrap().changed);
    assert_eq!(read(&refit, &volume, "b").await, content);
    let (error, report) = import(&refit, &volume, "a", archive(&[("x", EntryType::Regular, "", b"x")])).await.unwrap_err();
    assert_eq!((error.code(), report.map(|report| report.changed)), (Code::InvalidArgument, Some(false)), "{error}");
    assert_eq!(paths(&refit, &volume).await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_an_export_and_an_import_that_wait_and_leaves_no_container() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("archive-cancel");
    let (refit, volume) = (refit().await, scope.volume("data"));
    write(&refit, &volume, "big", &vec![1; 3_000_000]).await;
    // Nobody reads more than a part of it.
    let (to, mut from) = tokio::io::duplex(1024);
    let cancel = Cancel::new();
    let exporting = refit.export_volume(&volume, "/", to).cancel(&cancel);
    let exporting = tokio::spawn(async move { exporting.await });
    from.read_exact(&mut [0; 2048]).await.unwrap();
    cancel.fire();
    let failure = exporting.await.unwrap().unwrap_err();
    assert_eq!(failure.error.code(), Code::Cancelled);
    assert!(failure.report.is_some_and(|report| report.bytes < 3_000_000));
    // The source of the import never ends.
    let (mut to, from) = tokio::io::duplex(64 * 1024);
    let cancel = Cancel::new();
    let importing = refit.import_volume(&volume, "new", from, ImportOptions::default()).cancel(&cancel);
    let importing = tokio::spawn(async move { importing.await });
    let part = &archive(&[("a", EntryType::Regular, "", &vec![5; 200_000])])[..150_000];
    tokio::io::AsyncWriteExt::write_all(&mut to, part).await.unwrap();
    cancel.fire();
    let failure = importing.await.unwrap().unwrap_err();
    assert_eq!(failure.error.code(), Code::Cancelled);
    assert!(failure.report.is_some_and(|report| report.changed));
    refit.close().await;
    assert!(storage_containers(&scope, &volume).is_empty(), "a close waits until they are removed");
}
