//! `volume_restore`: what it replaces, and what it refuses.
//!
//! Rules: docs/volumes.md, section 8.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use refit::volume::{CreateVolumeOptions, RestoreOptions, VolumeRestore};
use refit::{Code, Refit};
use refit_lab::{Image, Lab};
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::EntryType;

use super::archive::{Entry, archive};
use super::backup::{Folder, back_up, noise};
use super::{has_files, paths, read, storage_containers, write};
use crate::connected::refit;

fn overwrite(helper_image: Option<&str>) -> RestoreOptions {
    RestoreOptions { overwrite: true, helper_image: helper_image.map(str::to_owned) }
}

async fn refused(refit: &Refit, volume: &str, file: &Path, options: RestoreOptions) -> refit::Error {
    let failure = refit.restore_volume(volume, file, options).await.unwrap_err();
    assert!(failure.report.is_none(), "nothing has changed: {failure}");
    failure.error
}

/// An archive as `volume_backup` packs it.
fn packed(entries: &[Entry<'_>]) -> Vec<u8> {
    let manifest = br#"{"refit_backup":1,"volume":"x","driver":"local","options":{},"labels":{},"at":"2026-01-02T03:04:05Z"}"#;
    let mut all = vec![("manifest.json", EntryType::Regular, "", &manifest[..])];
    all.extend(entries);
    let mut bytes = archive(&all);
    bytes.truncate(bytes.len() - 1024);
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut end = json!({"entries": entries.len(), "bytes": 0, "sha256": sha256}).to_string().into_bytes();
    end.resize(512, b' ');
    bytes.extend(archive(&[("end.json", EntryType::Regular, "", &end)]));
    zstd::encode_all(bytes.as_slice(), 3).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_there_is_replaced_and_keeps_its_labels() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("restore-replaces");
    let (refit, volume, folder) = (refit().await, scope.volume("data"), Folder::new(&scope));
    let image = scope.pull(&Image::new().build(), "t").reference;
    write(&refit, &volume, "kept/f", b"of the backup").await;
    let file = folder.file("b");
    let backup = back_up(&refit, &volume, &file).await;
    let ruin = async |refit: &Refit, volume: &str| {
        write(refit, volume, "kept/f", b"ruined").await;
        write(refit, volume, "-rf/new", b"new").await;
        write(refit, volume, ".hidden", b"new").await;
    };
    let restored = |done: VolumeRestore| (done.entries, done.replaced);
    ruin(&refit, &volume).await;
    let error = refused(&refit, &volume, &file, RestoreOptions::default()).await;
    assert!(error.code() == Code::Conflict && error.message().contains("overwrite"), "{error}");
    assert_eq!(read(&refit, &volume, "kept/f").await, b"ruined");
    for helper in [Some(image.as_str()), None] {
        ruin(&refit, &volume).await;
        let done = refit.restore_volume(&volume, &file, overwrite(helper)).await.unwrap();
        assert_eq!(restored(done), (backup.entries, true), "{helper:?}");
        assert_eq!(paths(&refit, &volume).await, ["kept", "kept/f"], "{helper:?}");
        assert_eq!(read(&refit, &volume, "kept/f").await, b"of the backup");
    }
    let error = refused(&refit, &volume, &file, overwrite(Some("refit.invalid/none:1"))).await;
    assert_eq!(error.code(), Code::ImageMissing, "{error}");

    // One that is empty needs no overwrite, and keeps its own labels, also where it is created again.
    let other = scope.name("labelled");
    let labels = BTreeMap::from([("k".to_owned(), scope.name.clone())]);
    let options = CreateVolumeOptions { labels: labels.clone(), ..CreateVolumeOptions::default() };
    refit.create_volume(&other, &options).await.unwrap();
    let done = refit.restore_volume(&other, &file, RestoreOptions::default()).await.unwrap();
    assert_eq!(restored(done), (backup.entries, false));
    refit.restore_volume(&other, &file, overwrite(None)).await.unwrap();
    let own = || lab.engine.get(&format!("/volumes/{other}"))["Labels"]["k"].clone();
    assert_eq!(own(), json!(scope.name));
    // A volume that is missing is made as it was at the backup.
    back_up(&refit, &other, &file).await;
    refit.remove_volume(&other).await.unwrap();
    refit.restore_volume(&other, &file, RestoreOptions::default()).await.unwrap();
    assert_eq!(own(), json!(scope.name));
    assert_eq!(read(&refit, &other, "kept/f").await, b"of the backup");
    assert!(storage_containers(&scope, &volume).is_empty() && storage_containers(&scope, &other).is_empty());
    refit.remove_volume(&other).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_has_the_volume_is_in_the_way_while_it_runs() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("restore-used");
    let (refit, volume, folder) = (refit().await, scope.volume("data"), Folder::new(&scope));
    write(&refit, &volume, "f", b"of the backup").await;
    let file = folder.file("b");
    back_up(&refit, &volume, &file).await;
    write(&refit, &volume, "f", b"newer").await;
    let user = super::shell(&scope, &volume);
    let image = lab.engine.container(&user).unwrap()["Config"]["Image"].as_str().unwrap().to_owned();
    let error = refused(&refit, &volume, &file, overwrite(Some(&image))).await;
    assert!(error.code() == Code::Conflict && error.message().contains(&user), "{error}");
    assert_eq!(error.context().container.as_deref(), Some(user.as_str()));
    lab.engine.post(&format!("/containers/{user}/stop?t=0"), &json!(null));
    lab.engine.wait_status(&user, "exited", super::leftovers::PATIENCE);
    let error = refused(&refit, &volume, &file, overwrite(None)).await;
    assert!(error.code() == Code::Unsupported && error.message().contains("helper_image"), "{error}");
    assert_eq!(read(&refit, &volume, "f").await, b"newer");
    refit.restore_volume(&volume, &file, overwrite(Some(&image))).await.unwrap();
    assert_eq!(read(&refit, &volume, "f").await, b"of the backup");
    lab.engine.delete(&format!("/containers/{user}?force=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_backup_is_refused_before_anything_is_changed() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("restore-damaged");
    let (refit, volume, folder) = (refit().await, scope.volume("data"), Folder::new(&scope));
    write(&refit, &volume, "f", &noise(300_000)).await;
    let file = folder.file("b");
    back_up(&refit, &volume, &file).await;
    write(&refit, &volume, "f", b"newer").await;
    let whole = std::fs::read(&file).unwrap();
    let plain = zstd::decode_all(whole.as_slice()).unwrap();
    let again = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let root = ("volume/", EntryType::Directory, "", &b""[..]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("text", b"hello".repeat(100)),
        ("a tar that is not compressed", plain.clone()),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("cut by a byte", whole[..whole.len() - 1].to_vec()),
        ("more behind it", [whole.as_slice(), b"more"].concat()),
        ("another behind it", [whole.as_slice(), &whole].concat()),
        ("a bit of the compressed content", flipped(&whole, whole.len() / 2)),
        ("a bit of the content", again(&flipped(&plain, plain.len() / 2))),
        ("without its end", again(&plain[..plain.len() - 2048])),
        ("without its end mark", again(&plain[..plain.len() - 1024])),
        ("an archive of something else", again(&archive(&[("f", EntryType::Regular, "", b"x")]))),
        ("a later form", again(&archive(&[("manifest.json", EntryType::Regular, "", br#"{"refit_backup":2}"#)]))),
        ("an entry beside the volume", packed(&[root, ("other/f", EntryType::Regular, "", b"x")])),
        ("a cut gzip", gzip(&plain)[..10_000].to_vec()),
        ("an empty gzip", gzip(&[0; 1024])),
    ];
    for (case, bytes) in cases {
        std::fs::write(&file, bytes).unwrap();
        let error = refused(&refit, &volume, &file, overwrite(None)).await;
        assert_eq!(error.code(), Code::Data, "{case}: {error}");
        assert!(error.message().contains(file.to_str().unwrap()), "{case}: {error}");
    }
    assert_eq!(refused(&refit, &volume, &folder.file("none"), overwrite(None)).await.code(), Code::NotFound);
    assert_eq!(refused(&refit, &volume, &folder.0, overwrite(None)).await.code(), Code::InvalidArgument);
    assert_eq!(read(&refit, &volume, "f").await, b"newer");
    // What is refused of a volume that is missing leaves it missing.
    let missing = scope.name("missing");
    std::fs::write(&file, b"hello").unwrap();
    assert_eq!(refused(&refit, &missing, &file, overwrite(None)).await.code(), Code::Data);
    assert!(!refit.volume_exists(&missing).await.unwrap());
    std::fs::write(&file, whole).unwrap();
    refit.restore_volume(&volume, &file, overwrite(None)).await.unwrap();
    assert!(read(&refit, &volume, "f").await == noise(300_000));
    assert!(storage_containers(&scope, &volume).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_leads_out_of_the_volume_is_refused() {
    use EntryType::{Directory, Link, Regular, Symlink};
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("restore-hostile");
    let (refit, volume, folder) = (refit().await, scope.volume("data"), Folder::new(&scope));
    write(&refit, &volume, "f", b"newer").await;
    let file = folder.file("b");
    let root = ("volume/", Directory, "", &b""[..]);
    let cases: [(&str, Vec<Entry<'_>>); 6] = [
        ("a name with ..", vec![root, ("volume/../x", Regular, "", b"x")]),
        ("below a link", vec![root, ("volume/l", Symlink, "/etc", b""), ("volume/l/x", Regular, "", b"x")]),
        ("deep below a link", vec![root, ("volume/l", Symlink, "..", b""), ("volume/l/a/b/x", Regular, "", b"x")]),
        ("a hard link through a link", vec![root, ("volume/l", Symlink, "/etc", b""), ("volume/h", Link, "volume/l/shadow", b"")]),
        ("a hard link with ..", vec![root, ("volume/h", Link, "volume/../../etc/shadow", b"")]),
        ("a folder in a link's place", vec![root, ("volume/l", Symlink, "/etc", b""), ("volume/l/", Directory, "", b"")]),
    ];
    for (case, entries) in cases {
        std::fs::write(&file, packed(&entries)).unwrap();
        let error = refused(&refit, &volume, &file, overwrite(None)).await;
        assert_eq!(error.code(), Code::InvalidArgument, "{case}: {error}");
    }
    assert_eq!(read(&refit, &volume, "f").await, b"newer");
    // Links may lead anywhere, as they may in a volume.
    std::fs::write(&file, packed(&[root, ("volume/l", Symlink, "/etc/passwd", b""), ("volume/f", Regular, "", b"x")])).unwrap();
    refit.restore_volume(&volume, &file, overwrite(None)).await.unwrap();
    assert_eq!(paths(&refit, &volume).await, ["f", "l"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_the_earlier_package_is_restored() {
    use EntryType::{Directory, Regular, Symlink};
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("restore-gzip");
    let (refit, volume, folder) = (refit().await, scope.volume("data"), Folder::new(&scope));
    write(&refit, &volume, "old", b"x").await;
    let file = folder.file("data.tar.gz");
    let entries: [Entry<'_>; 4] = [
        ("./", Directory, "", b""),
        ("./saves/", Directory, "", b""),
        ("./saves/one", Regular, "", b"save"),
        ("./l", Symlink, "saves", b""),
    ];
    std::fs::write(&file, gzip(&archive(&entries))).unwrap();
    let done = refit.restore_volume(&volume, &file, overwrite(None)).await.unwrap();
    assert_eq!((done.entries, done.replaced), (4, true));
    assert_eq!(paths(&refit, &volume).await, ["l", "saves", "saves/one"]);
    assert_eq!(read(&refit, &volume, "l/one").await, b"save");
}
