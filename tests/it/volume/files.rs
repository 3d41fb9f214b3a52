//! `volume_read_file`, `_write_file`, `_list_files`, `_remove_file`.
//!
//! Rules: docs/volumes.md, section 3.

use std::collections::BTreeMap;

use refit::volume::{CreateVolumeOptions, FileType, ListFilesOptions, ReadFileOptions, RemoveFileOptions, VolumeFile, WriteFileOptions};
use refit::{Code, Error, Refit};
use refit_lab::{Image, Lab, not_here};

use super::{has_files, paths, read, sh, shell, storage_containers, write};
use crate::connected::refit;

async fn listed(refit: &Refit, volume: &str, path: &str) -> Vec<VolumeFile> {
    refit.volume_files(volume, path, ListFilesOptions::default()).await.unwrap().files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_read_and_listed_while_nothing_runs() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("files");
    let (refit, volume) = (refit().await, scope.volume("data"));
    assert!(listed(&refit, &volume, "/").await.is_empty());
    let long = "n".repeat(255);
    let contents: [(&str, Vec<u8>); 7] = [
        ("plain", b"hello".to_vec()),
        ("/a/b/c.txt", (0..=255).cycle().take(70_000).collect()),
        ("empty", Vec::new()),
        ("-rf", b"dash".to_vec()),
        ("line\nend", b"newline".to_vec()),
        ("ä ö %2f?&#", b"signs".to_vec()),
        (&long, b"long".to_vec()),
    ];
    for (path, content) in &contents {
        write(&refit, &volume, path, content).await;
        assert_eq!(&read(&refit, &volume, path).await, content, "{path:?}");
    }
    let mut expected = vec!["-rf", "a", "a/b", "a/b/c.txt", "empty", "line\nend", &long, "plain", "ä ö %2f?&#"];
    expected.sort_unstable();
    assert_eq!(paths(&refit, &volume).await, expected);
    let folder = listed(&refit, &volume, "a").await;
    assert_eq!((folder.len(), folder[0].path.as_str(), folder[0].name.as_str()), (1, "a/b", "b"));
    assert_eq!((folder[0].kind, folder[0].mode, folder[0].uid, folder[0].gid), (FileType::Directory, 0o755, 0, 0));
    let file = listed(&refit, &volume, "/a/b/c.txt").await;
    assert_eq!((file.len(), file[0].path.as_str(), file[0].size, file[0].mode), (1, "a/b/c.txt", 70_000, 0o644));
    assert!(storage_containers(&scope, &volume).is_empty(), "they are removed before the call returns");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_its_mode_and_owner_unless_others_are_given() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("files-mode");
    let (refit, volume) = (refit().await, scope.volume("data"));
    let options =
        WriteFileOptions { mode: Some(0o4750), uid: Some(70_000), gid: Some(3), modified: Some("2020-02-03T04:05:06Z".parse().unwrap()) };
    refit.write_volume_file(&volume, "f", b"1".to_vec(), options).await.unwrap();
    let file = &listed(&refit, &volume, "f").await[0];
    assert_eq!((file.mode, file.uid, file.gid), (0o4750, 70_000, 3));
    assert_eq!(file.modified.map(|time| time.to_string()).as_deref(), Some("2020-02-03T04:05:06Z"));
    write(&refit, &volume, "f", b"22").await;
    let kept = &listed(&refit, &volume, "f").await[0];
    assert_eq!((kept.mode, kept.uid, kept.gid, kept.size), (0o4750, 70_000, 3, 2));
    assert!(kept.modified > file.modified);
    let options = WriteFileOptions { mode: Some(0o600), ..WriteFileOptions::default() };
    refit.write_volume_file(&volume, "f", b"333".to_vec(), options).await.unwrap();
    let changed = &listed(&refit, &volume, "f").await[0];
    assert_eq!((changed.mode, changed.uid, changed.gid), (0o600, 70_000, 3));
    let wrong = WriteFileOptions { mode: Some(0o10000), ..WriteFileOptions::default() };
    assert_eq!(refit.write_volume_file(&volume, "f", Vec::new(), wrong).await.unwrap_err().error.code(), Code::InvalidArgument);
    assert_eq!(read(&refit, &volume, "f").await, b"333");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_too_large_or_no_file_is_an_error_that_says_what_to_do() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("files-errors");
    let (refit, volume) = (refit().await, scope.volume("data"));
    write(&refit, &volume, "d/f", b"12345").await;
    let shell = shell(&scope, &volume);
    sh(&scope, &shell, "mkfifo /v/pipe");
    let reading = async |path: &str, max_bytes: u64| {
        refit.read_volume_file(&volume, path, ReadFileOptions { max_bytes }).await.map_err(|failure| failure.error)
    };
    assert_eq!(reading("d/f", 5).await.unwrap(), b"12345");
    let cases = [
        ("d/f", 4, Code::InvalidArgument, "volume_export"),
        ("d", 9, Code::InvalidArgument, "folder"),
        ("/", 9, Code::InvalidArgument, "folder"),
        ("pipe", 9, Code::InvalidArgument, "pipe"),
        ("x", 9, Code::NotFound, "volume_list_files"),
        ("x/y", 9, Code::NotFound, "volume_list_files"),
        ("d/f/x", 9, Code::InvalidArgument, "file"),
        ("", 9, Code::InvalidArgument, "empty"),
        ("../d/f", 9, Code::InvalidArgument, ".."),
        ("d/../d/f", 9, Code::InvalidArgument, ".."),
    ];
    for (path, most, code, words) in cases {
        let error = reading(path, most).await.unwrap_err();
        assert!(error.code() == code && error.message().contains(words), "{path:?}: {error}");
    }
    for path in ["/", "d", "pipe", "d/f/x"] {
        let refused = refit.write_volume_file(&volume, path, b"x".to_vec(), WriteFileOptions::default()).await.unwrap_err();
        assert_eq!(refused.error.code(), Code::InvalidArgument, "{path}");
    }
    assert_eq!(paths(&refit, &volume).await, ["d", "d/f", "pipe"], "nothing was lost");
    let missing = refit.read_volume_file(&scope.name("none"), "f", ReadFileOptions::default()).await.unwrap_err();
    assert!(missing.error.code() == Code::NotFound && missing.error.message().contains("volume_create"), "{missing}");
    assert!(!refit.volume_exists(&scope.name("none")).await.unwrap(), "a read makes no volume");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_two_names_and_what_is_no_file_are_listed() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("files-kinds");
    let (refit, volume) = (refit().await, scope.volume("data"));
    let shell = shell(&scope, &volume);
    let names = r"mkdir -m 1777 /v/d; echo hello > /v/d/a; ln /v/d/a /v/d/b; ln -s ../x /v/d/l; mkfifo /v/d/p; : > $(printf '/v/d/\377')";
    sh(&scope, &shell, names);
    let files = listed(&refit, &volume, "d").await;
    let found: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.kind, file.size, file.link_target.as_deref())).collect();
    let expected = [
        ("a", FileType::File, 6, None),
        ("b", FileType::File, 6, None),
        ("l", FileType::Symlink, 0, Some("../x")),
        ("p", FileType::Other, 0, None),
    ];
    assert_eq!(found, expected);
    assert_eq!(listed(&refit, &volume, "/").await[0].mode, 0o1777);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_links_and_folders_are_removed_by_the_helper_image() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("files-remove");
    let (refit, volume) = (refit().await, scope.volume("data"));
    let image = scope.pull(&Image::new().entrypoint(["false"]).volume("/own").user("1234").build(), "helper").reference;
    let shell = shell(&scope, &volume);
    sh(
        &scope,
        &shell,
        "cd /v; mkdir -p d/e keep; echo 1 > d/e/f; echo 2 > keep/f; ln -s ../keep d/link; ln -s keep k; echo 3 > ./-rf; ln -s m l; ln -s l m",
    );
    let removing = async |path: &str, recursive: bool, image: Option<&str>| {
        let options = RemoveFileOptions { recursive, helper_image: image.map(str::to_owned) };
        refit.remove_volume_file(&volume, path, options).await.map_err(|failure| failure.error)
    };
    let image = Some(image.as_str());
    let error = removing("d", true, None).await.unwrap_err();
    assert!(error.code() == Code::Unsupported && error.message().contains("helper_image"), "{error}");
    let error = removing("d", true, Some("refit.invalid/none:1")).await.unwrap_err();
    assert_eq!((error.code(), error.context().missing.as_slice()), (Code::ImageMissing, ["refit.invalid/none:1".to_owned()].as_slice()));
    for (path, recursive, code) in [
        ("d", false, Code::InvalidArgument),
        ("/", true, Code::InvalidArgument),
        (".", true, Code::InvalidArgument),
        ("none", true, Code::NotFound),
        ("d/../keep", true, Code::InvalidArgument),
    ] {
        assert_eq!(removing(path, recursive, image).await.unwrap_err().code(), code, "{path}");
    }
    assert_eq!(paths(&refit, &volume).await.len(), 10, "nothing was removed");
    assert_eq!(removing("d/link", false, image).await.unwrap().bytes, None);
    removing("k/f", false, image).await.unwrap();
    removing("-rf", false, image).await.unwrap();
    removing("l", false, image).await.unwrap();
    removing("m", false, image).await.unwrap();
    assert_eq!(paths(&refit, &volume).await, ["d", "d/e", "d/e/f", "k", "keep"]);
    removing("k", false, image).await.unwrap();
    removing("d", true, image).await.unwrap();
    assert_eq!(paths(&refit, &volume).await, ["keep"]);
    assert!(storage_containers(&scope, &volume).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_in_memory_is_written_while_a_running_container_has_it() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("files-tmpfs");
    let (refit, volume) = (refit().await, scope.name("data"));
    let driver_options = BTreeMap::from([("type", "tmpfs"), ("device", "tmpfs")].map(|(key, value)| (key.to_owned(), value.to_owned())));
    refit.create_volume(&volume, &CreateVolumeOptions { driver_options, ..CreateVolumeOptions::default() }).await.unwrap();
    let refused = refit.write_volume_file(&volume, "f", b"x".to_vec(), WriteFileOptions::default()).await.unwrap_err();
    assert!(refused.error.code() == Code::Unsupported && refused.error.message().contains("memory"), "{refused}");
    let shell = shell(&scope, &volume);
    write(&refit, &volume, "f", b"x").await;
    assert_eq!(sh(&scope, &shell, "cat /v/f"), "x");
    lab.engine.delete(&format!("/containers/{shell}?force=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_of_storage_containers_is_not_listed() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("files-image");
    let (refit, volume) = (refit().await, scope.volume("data"));
    let ids = || -> Vec<String> {
        let images = lab.engine.get("/images/json");
        let empty = images.as_array().unwrap().iter().filter(|image| image["Labels"]["refit.storage"].is_string());
        empty.map(|image| image["Id"].as_str().unwrap().to_owned()).collect()
    };
    write(&refit, &volume, "f", b"x").await;
    let first = ids();
    write(&refit, &volume, "f", b"x").await;
    assert!(!first.is_empty() && ids() == first, "the same one each time: {first:?}");
    let listed = refit.images(&Default::default()).await.unwrap().images;
    assert!(listed.iter().all(|image| !first.contains(&image.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_does_not_reach_the_files_of_a_volume_which_is_an_error() {
    let lab = Lab::get();
    if !lab.engine.is_podman() {
        return not_here("only Podman does not reach them");
    }
    let scope = lab.scope("files-podman");
    let (refit, volume) = (refit().await, scope.volume("data"));
    let error = Error::from(refit.write_volume_file(&volume, "f", b"x".to_vec(), WriteFileOptions::default()).await.unwrap_err());
    assert!(error.code() == Code::Unsupported && error.message().contains("podman volume"), "{error}");
    assert_eq!(refit.read_volume_file(&volume, "f", ReadFileOptions::default()).await.unwrap_err().error.code(), Code::Unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_image_lists_the_same_without_reading_and_sockets_too() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("files-helper");
    let (refit, volume) = (refit().await, scope.volume("data"));
    let shell = shell(&scope, &volume);
    let image = lab.engine.container(&shell).unwrap()["Config"]["Image"].as_str().unwrap().to_owned();
    let script = "cd /v; mkdir -p 'a b/c' -- -rf; echo 1 > 'a b/c/f'; chown 70000:7 'a b/c/f'; chmod 4711 'a b/c/f'; touch -d @1234567890 'a b/c/f'; ln -s \
                  'c/f' 'a b/l'; ln -s \"$(printf '../x\\ny')\" odd; mkfifo pipe; ln 'a b/c/f' hard; : > \"$(printf 'new\\nline')\"; : > -n; ln -s /v/sock \
                  /dev/log; syslogd";
    sh(&scope, &shell, script);
    let list = async |path: &str, recursive: bool, helper_image: Option<&str>| {
        let options = ListFilesOptions { recursive, helper_image: helper_image.map(str::to_owned) };
        refit.volume_files(&volume, path, options).await.unwrap().files
    };
    let begun = std::time::Instant::now();
    // The daemon goes into the background before it has made its socket.
    while !list("/", false, Some(&image)).await.iter().any(|file| file.path == "sock" && file.kind == FileType::Other) {
        assert!(begun.elapsed() < super::leftovers::PATIENCE, "no socket came");
    }
    for (path, recursive) in
        [("/", true), ("/", false), ("a b", true), ("a b", false), ("a b/c/f", false), ("-n", false), ("a b/l", false), ("-rf", true)]
    {
        let by_shell: Vec<_> = list(path, recursive, Some(&image)).await.into_iter().filter(|file| file.name != "sock").collect();
        assert_eq!(by_shell, list(path, recursive, None).await, "{path} {recursive}");
    }
    let missing = ListFilesOptions { helper_image: Some("refit.invalid/none:1".into()), ..ListFilesOptions::default() };
    assert_eq!(refit.volume_files(&volume, "/", missing).await.unwrap_err().error.code(), Code::ImageMissing);
    assert!(super::storage_containers(&scope, &volume).is_empty());
    lab.engine.delete(&format!("/containers/{shell}?force=1"));
}
