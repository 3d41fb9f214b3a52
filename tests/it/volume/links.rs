//! Links in a volume that is hostile: nothing is read from outside, and nothing is lost.
//!
//! Rules: docs/volumes.md, section 2.

use std::io::Cursor;

use refit::volume::{ImportOptions, ListFilesOptions, ReadFileOptions, RemoveFileOptions, RestoreOptions, WriteFileOptions};
use refit::{Code, Refit};
use refit_lab::{Image, Lab};
use tar::EntryType;
use tokio::io::AsyncReadExt;

use super::archive::{archive, export};
use super::backup::{Folder, back_up};
use super::{has_files, paths, read, sh, shell, write};
use crate::connected::refit;

async fn code_of_read(refit: &Refit, volume: &str, path: &str) -> Option<Code> {
    let read = refit.read_volume_file(volume, path, ReadFileOptions::default()).await;
    read.err().map(|failure| failure.error.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_stay_inside_are_followed_and_no_others() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("links");
    let (refit, volume) = (refit().await, scope.volume("data"));
    let shell = shell(&scope, &volume);
    let script = "cd /v; mkdir -p d/e; echo -n inside > d/e/f; ln -s d/e/f file; ln -s d/e dir; ln -s ../../file d/e/up; ln -s up d/e/again
        ln -s /etc/passwd abs; ln -s /etc absdir; ln -s /v/d/e/f own; ln -s ../etc/passwd out; ln -s d/../../etc outdir; ln -s ../../../../../../etc/passwd deep
        ln -s loop2 loop1; ln -s loop1 loop2; ln -s self self; ln -s none dangling; ln -s none/x danglingdir; ln -s / root; ln -s . here";
    sh(&scope, &shell, script);
    for path in ["file", "dir/f", "d/e/up", "d/e/again", "here/here/file", "d/e/f"] {
        assert_eq!(read(&refit, &volume, path).await, b"inside", "{path}");
    }
    for path in ["abs", "absdir/passwd", "own", "out", "outdir/passwd", "deep", "loop1", "self", "self/x", "root/etc/passwd", "here/abs"] {
        assert_eq!(code_of_read(&refit, &volume, path).await, Some(Code::InvalidArgument), "{path}");
        let written = refit.write_volume_file(&volume, path, b"x".to_vec(), WriteFileOptions::default()).await;
        assert_eq!(written.unwrap_err().error.code(), Code::InvalidArgument, "{path}");
        let listed = refit.volume_files(&volume, path, ListFilesOptions::default()).await;
        assert_eq!(listed.unwrap_err().error.code(), Code::InvalidArgument, "{path}");
    }
    for path in ["dangling", "danglingdir/x"] {
        assert_eq!(code_of_read(&refit, &volume, path).await, Some(Code::NotFound), "{path}");
    }
    let before = paths(&refit, &volume).await;
    write(&refit, &volume, "file", b"through").await;
    write(&refit, &volume, "dir/new", b"new").await;
    assert_eq!(sh(&scope, &shell, "cat /v/d/e/f; cat /v/d/e/new; readlink /v/file"), "throughnewd/e/f\n", "the link is still there");
    assert_eq!(paths(&refit, &volume).await.len(), before.len() + 1);
}

/// Links to /etc/shadow, absolute and relative, at every depth of the volume and of the path.
#[tokio::test(flavor = "multi_thread")]
async fn no_link_to_outside_is_followed_at_any_depth() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("links-deep");
    let (refit, volume, other) = (refit().await, scope.volume("data"), scope.volume("other"));
    let shell = shell(&scope, &volume);
    let folders = ["", "a/", "a/b/", "a/b/c/", "a/b/c/d/"];
    let mut script = "cd /v; mkdir -p a/b/c/d; echo -n kept > a/b/c/d/kept".to_owned();
    for (depth, folder) in folders.iter().enumerate() {
        let up = "../".repeat(depth + 1);
        script += &format!(
            "; ln -s /etc {folder}etc; ln -s {up}etc {folder}up; ln -s /etc/shadow {folder}shadow; ln -s {up}etc/shadow {folder}out"
        );
    }
    sh(&scope, &shell, &script);
    let before = paths(&refit, &volume).await;
    let helper = scope.pull(&Image::new().build(), "t").reference;
    for folder in folders {
        for link in ["etc/shadow", "up/hosts", "shadow", "out"] {
            let path = format!("{folder}{link}");
            assert_eq!(code_of_read(&refit, &volume, &path).await, Some(Code::InvalidArgument), "{path}");
            let written = refit.write_volume_file(&volume, &path, b"x".to_vec(), WriteFileOptions::default()).await;
            assert_eq!(written.unwrap_err().error.code(), Code::InvalidArgument, "{path}");
        }
        // The links, and not what they lead to.
        let path = format!("{folder}etc/shadow");
        let options = RemoveFileOptions { helper_image: Some(helper.clone()), ..RemoveFileOptions::default() };
        assert_eq!(refit.remove_volume_file(&volume, &path, options).await.unwrap_err().error.code(), Code::InvalidArgument, "{path}");
        for (name, link) in [("etc", "/etc"), ("x/out", "../../../../../../../etc")] {
            // The link, and then a file below it.
            let entries =
                [(format!("{folder}l/{name}"), EntryType::Symlink, link), (format!("{folder}l/{name}/shadow"), EntryType::Regular, "")];
            let entries: Vec<_> = entries.iter().map(|(path, kind, link)| (path.as_str(), *kind, *link, &b""[..])).collect();
            let imported = refit.import_volume(&volume, "/", Cursor::new(archive(&entries)), ImportOptions::default()).await;
            assert_eq!(imported.unwrap_err().error.code(), Code::InvalidArgument, "{folder}l/{name}");
        }
        let through = format!("{folder}etc/new");
        let entries = [(through.as_str(), EntryType::Regular, "", &b"x"[..])];
        let imported = refit.import_volume(&volume, "/", Cursor::new(archive(&entries)), ImportOptions::default()).await;
        assert_eq!(imported.unwrap_err().error.code(), Code::InvalidArgument, "{through}");
    }
    assert_eq!(paths(&refit, &volume).await, before);
    // In an archive, and in another volume, they are links with the same text and no content.
    let exported = export(&refit, &volume, "/").await;
    let mut read = tar::Archive::new(exported.as_slice());
    let files: Vec<_> = read.entries().unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.header().entry_type().is_file()).collect();
    assert_eq!(files.len(), 1, "the one file of the volume");
    let folder = Folder::new(&scope);
    back_up(&refit, &volume, &folder.file("b")).await;
    refit.restore_volume(&other, folder.file("b"), RestoreOptions::default()).await.unwrap();
    assert!(export(&refit, &other, "/").await == exported);
}

/// A program swaps a folder and a link as fast as it can. Every write is in the volume or an error, and no read has anything from outside.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_takes_a_folders_place_again_and_again_loses_nothing() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("links-raced");
    let (refit, volume) = (refit().await, scope.volume("data"));
    let shell = shell(&scope, &volume);
    let helper = scope.pull(&Image::new().build(), "t").reference;
    sh(&scope, &shell, "mkdir /v/a; ln -s ../../../etc /v/link; echo -n mine > /v/a/hosts");
    let swap = "while [ ! -e /stop ]; do mv -T a b; mv -T link a; mv -T a link; mv -T b a; done";
    sh(&scope, &shell, &format!("cd /v; ({swap}; : > /ended) > /dev/null 2>&1 & echo started"));
    let mut written = Vec::new();
    for number in 0..10 {
        match refit.read_volume_file(&volume, "a/hosts", ReadFileOptions::default()).await {
            // The container's own file of that name is empty.
            Ok(content) => assert!(content == b"mine" || content.is_empty(), "{}", String::from_utf8_lossy(&content)),
            Err(failure) => assert_ne!(failure.error.code(), Code::Panic, "{failure}"),
        }
        let path = format!("a/f{number}");
        let options = WriteFileOptions::default();
        if refit.write_volume_file(&volume, &path, path.clone().into_bytes(), options).await.is_ok() {
            written.push(number);
        }
        let path = format!("a/f{}", number + 100);
        let entries = archive(&[(path.as_str(), EntryType::Regular, "", path.as_bytes())]);
        if refit.import_volume(&volume, "/", Cursor::new(entries), ImportOptions::default()).await.is_ok() {
            written.push(number + 100);
        }
        let (to, mut from) = tokio::io::duplex(1024 * 1024);
        let exporting = refit.export_volume(&volume, "a", to);
        let exporting = tokio::spawn(async move { exporting.await });
        let mut exported = Vec::new();
        from.read_to_end(&mut exported).await.unwrap();
        if exporting.await.unwrap().is_ok() {
            let mut exported = tar::Archive::new(exported.as_slice());
            // The container's own /etc has empty files of these names alone.
            for entry in exported.entries().unwrap().map(|entry| entry.unwrap()) {
                let name = entry.path().unwrap().into_owned();
                let is_ours = name.file_name().is_none_or(|name| name == "hosts" || name.to_string_lossy().starts_with('f'));
                assert!(is_ours || entry.size() == 0, "{}", name.display());
            }
        }
        let options = RemoveFileOptions { helper_image: Some(helper.clone()), ..RemoveFileOptions::default() };
        if let Err(failure) = refit.remove_volume_file(&volume, "a/passwd", options).await {
            assert_ne!(failure.error.code(), Code::Panic, "{failure}");
        }
    }
    sh(&scope, &shell, ": > /stop; while [ ! -e /ended ]; do sleep 0.1; done");
    assert!(sh(&scope, &shell, "cat /v/a/hosts /v/b/hosts 2>/dev/null; true").contains("mine"), "no file is lost");
    // The program may have left the folder under another name, and the engine makes a folder that is missing for a moment.
    let there = paths(&refit, &volume).await;
    for number in written {
        let name = format!("/f{number}");
        assert!(there.iter().any(|path| path.ends_with(&name)), "{name} was written, and is not in {there:?}");
    }
}
