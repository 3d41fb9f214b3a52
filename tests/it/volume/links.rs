//! Links in a volume that is hostile: nothing is read from outside, and nothing is lost.
//!
//! Rules: docs/volumes.md, section 2.

use refit::volume::{ListFilesOptions, ReadFileOptions, WriteFileOptions};
use refit::{Code, Refit};
use refit_lab::Lab;

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
    }
    sh(&scope, &shell, ": > /stop; while [ ! -e /ended ]; do sleep 0.1; done");
    // The program may have left the folder under another name, and the engine makes a folder that is missing for a moment.
    let there = paths(&refit, &volume).await;
    for number in written {
        let name = format!("/f{number}");
        assert!(there.iter().any(|path| path.ends_with(&name)), "{name} was written, and is not in {there:?}");
    }
}
