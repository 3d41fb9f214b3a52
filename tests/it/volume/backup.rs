//! `volume_backup`: a file that is whole or not there.
//!
//! Rules: docs/volumes.md, section 7.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use refit::volume::{BackupOptions, RestoreOptions, VolumeBackup};
use refit::{Cancel, Code, HistoryFilter, HistoryKind, HistoryResult, Refit};
use refit_lab::{Canned, Fault, Lab, Proxy, Scope, When};
use sha2::{Digest, Sha256};

use super::archive::{all, export};
use super::leftovers::{PATIENCE, through};
use super::{has_files, sh, shell, storage_containers, write};
use crate::connected::refit;
use crate::recreation::child::Work;

/// A folder on this machine that is removed at the end of the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(scope: &Scope<'_>) -> Self {
        let folder = std::env::temp_dir().join(format!("{}-files", scope.name));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) async fn back_up(refit: &Refit, volume: &str, file: &Path) -> VolumeBackup {
    refit.backup_volume(volume, file, BackupOptions::default()).await.unwrap()
}

/// The part of a backup that is being written is on the disk.
async fn until_there(file: &Path) {
    let begun = Instant::now();
    while !file.exists() {
        assert!(begun.elapsed() < PATIENCE, "{} does not come", file.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_names(folder: &Folder, names: &[&str]) {
    let begun = Instant::now();
    while folder.names() != names {
        assert!(begun.elapsed() < PATIENCE, "{:?}", folder.names());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What does not compress.
pub(super) fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..size.div_ceil(8)).flat_map(|_| next()).take(size).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_as_it_was() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("backup-whole");
    let (refit, volume, other) = (refit().await, scope.volume("data"), scope.volume("other"));
    let (shell, folder) = (shell(&scope, &volume), Folder::new(&scope));
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let script = format!(
        "cd /v; chmod 1770 .; chown 5:6 .; mkdir -m 2755 -p 'a b/c' {}; echo 1 > 'a b/c/f'; ln 'a b/c/f' 'a b/hard'; ln -s c/f 'a b/soft'; \
         ln -s /etc/passwd absolute; ln -s ../../../outside leaves; ln -s nothing dangling; mkfifo pipe; mknod null c 1 3; : > empty; mkdir hollow; \
         echo user > manifest.json; echo user > end.json; mkdir volume; echo user > volume/manifest.json; dd if=/dev/zero of=sparse bs=1 count=1 \
         seek=5000000 2>/dev/null; echo long > {long}; chown 70000:7 'a b/c/f'; chmod 4711 'a b/c/f'; touch -d @1234567890 'a b/c/f'; \
         head -c 3000000 /dev/urandom > big; echo x > $(printf 'not\\377utf8'); touch -d @1000000000 hollow",
        "d".repeat(200)
    );
    sh(&scope, &shell, &script);
    let file = folder.file("data.tar.zst");
    let done = back_up(&refit, &volume, &file).await;
    let exported = export(&refit, &volume, "/").await;
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(done.entries, tar::Archive::new(exported.as_slice()).entries().unwrap().count() as u64);
    assert!(done.bytes_in > 8_000_000 && done.bytes_in < 9_000_000, "{done:?}");
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((done.bytes_out, done.sha256), (bytes.len() as u64, sha256));
    assert_eq!((done.file.as_str(), done.volume.as_str()), (file.to_str().unwrap(), volume.as_str()));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(folder.names(), ["data.tar.zst"]);
    let warned: Vec<_> = done.warnings.iter().map(|warning| (warning.code.as_str(), warning.container.as_deref())).collect();
    assert_eq!(warned, [("volume_in_use", Some(shell.as_str()))]);

    let restored = refit.restore_volume(&other, &file, RestoreOptions::default()).await.unwrap();
    assert_eq!((restored.entries, restored.replaced), (done.entries, false));
    let (before, after) = (all(&refit, &volume, "/").await, all(&refit, &other, "/").await);
    assert!(before == after, "{after:?}");
    assert!(export(&refit, &other, "/").await == exported, "names that are not UTF-8, the root's mode and owner, and times");
    assert!(storage_containers(&scope, &volume).is_empty() && storage_containers(&scope, &other).is_empty());
    let of = async |kind, volume: &str| {
        let history = refit.history(&HistoryFilter { kind: Some(kind), ..HistoryFilter::default() }).await.unwrap().entries;
        assert_eq!((history.len(), history[0].volume.as_deref(), history[0].result), (1, Some(volume), HistoryResult::Done));
    };
    of(HistoryKind::Backup, &volume).await;
    of(HistoryKind::Restore, &other).await;
    lab.engine.delete(&format!("/containers/{shell}?force=1"));
}

/// The commands of docs/volumes.md, section 7.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_unpacked_and_verified_without_refit() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("backup-tar");
    let (refit, volume, folder) = (refit().await, scope.volume("data"), Folder::new(&scope));
    // More than zstd's window, so that several cores compress it.
    let big = noise(5_000_000);
    write(&refit, &volume, "d/big", &big).await;
    write(&refit, &volume, "manifest.json", b"the user's").await;
    write(&refit, &volume, "volume/f", b"f").await;
    let file = folder.file("data.tar.zst");
    back_up(&refit, &volume, &file).await;
    let run = |script: &str| {
        let done = Command::new("bash").args(["-c", &format!("set -e -o pipefail; {script}")]).current_dir(&folder.0).output().unwrap();
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    run("mkdir out; cd out; tar --zstd -xf ../data.tar.zst --strip-components=1 volume");
    assert!(std::fs::read(folder.file("out/d/big")).unwrap() == big);
    assert_eq!(std::fs::read(folder.file("out/manifest.json")).unwrap(), b"the user's");
    assert_eq!(std::fs::read(folder.file("out/volume/f")).unwrap(), b"f");
    assert_eq!(run("find out -mindepth 1 | sort").lines().count(), 5);
    let sha256 = run("zstd -dc data.tar.zst | head -c -2048 | sha256sum | cut -d ' ' -f 1");
    assert!(run("tar --zstd -xOf data.tar.zst end.json").contains(sha256.trim()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_backed_up_leaves_no_file() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("backup-refused");
    let (refit, volume, folder) = (refit().await, scope.volume("data"), Folder::new(&scope));
    write(&refit, &volume, "f", b"content").await;
    let code = async |volume: &str, file: &Path, level: i32| {
        refit.backup_volume(volume, file, BackupOptions { level }).await.unwrap_err().error.code()
    };
    let file = folder.file("b");
    assert_eq!(code(&scope.name("nothing"), &file, 3).await, Code::NotFound);
    assert_eq!(code("../x", &file, 3).await, Code::InvalidArgument);
    assert_eq!(code(&volume, &file, 0).await, Code::InvalidArgument);
    assert_eq!(code(&volume, &file, 20).await, Code::InvalidArgument);
    assert_eq!(code(&volume, &folder.0, 3).await, Code::InvalidArgument);
    assert_eq!(code(&volume, &folder.file("nothing/b"), 3).await, Code::Io);
    assert!(folder.names().is_empty(), "{:?}", folder.names());
    let proxy = Proxy::engine(lab);
    proxy.on(When::first("GET /containers/*/archive"), Fault::Answer(Canned::message(500, "no")));
    let failed = through(&proxy).await.backup_volume(&volume, &file, BackupOptions::default()).await.unwrap_err();
    assert_eq!(failed.error.code(), Code::Engine);
    assert!(folder.names().is_empty(), "{:?}", folder.names());
    // The engine ends its archive early, and its answer well, where a file has become shorter.
    let cut = &export(&refit, &volume, "/").await[..1024];
    let answer = Canned::text(200, "application/x-tar", std::str::from_utf8(cut).unwrap());
    let proxy = Proxy::engine(lab);
    proxy.on(When::first("GET /containers/*/archive"), Fault::Pretend(answer));
    let failed = through(&proxy).await.backup_volume(&volume, &file, BackupOptions::default()).await.unwrap_err();
    assert_eq!(failed.error.code(), Code::Conflict, "{failed}");
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_io_and_an_older_backup_stays() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("backup-full");
    let (refit, volume, folder) = (refit().await, scope.volume("data"), Folder::new(&scope));
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"]).arg(&folder.0).status().unwrap();
    assert!(mounted.success(), "a small file system is mounted");
    let file = folder.file("b");
    write(&refit, &volume, "f", b"content").await;
    back_up(&refit, &volume, &file).await;
    let before = std::fs::read(&file).unwrap();
    write(&refit, &volume, "big", &noise(3_000_000)).await;
    let failed = refit.backup_volume(&volume, &file, BackupOptions::default()).await.unwrap_err();
    let names = folder.names();
    let after = std::fs::read(&file).unwrap();
    let unmounted = Command::new("umount").arg("-l").arg(&folder.0).status().unwrap();
    assert!(unmounted.success());
    assert!(failed.error.code() == Code::Io && failed.error.message().contains("make room"), "{failed}");
    assert_eq!(names, ["b"]);
    assert!(before == after, "the older backup is as it was");
    assert!(storage_containers(&scope, &volume).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_leaves_nothing_and_a_second_backup_of_the_name_is_busy() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("backup-cancel");
    let (direct, volume, folder) = (refit().await, scope.volume("data"), Folder::new(&scope));
    write(&direct, &volume, "f", b"content").await;
    let file = folder.file("b");
    back_up(&direct, &volume, &file).await;
    let before = std::fs::read(&file).unwrap();
    write(&direct, &volume, "big", &noise(3_000_000)).await;
    let proxy = Proxy::engine(lab);
    proxy.on(When::first("GET /containers/*/archive"), Fault::HangBody(1_000_000));
    let refit = through(&proxy).await;
    let cancel = Cancel::new();
    let backing_up = refit.backup_volume(&volume, &file, BackupOptions::default()).cancel(&cancel);
    let backing_up = tokio::spawn(async move { backing_up.await });
    until_there(&folder.file(".b.refit-partial")).await;
    let second = direct.backup_volume(&volume, &file, BackupOptions::default()).await.unwrap_err();
    assert_eq!(second.error.code(), Code::Busy, "{second}");
    cancel.fire();
    let failed = tokio::time::timeout(PATIENCE, backing_up).await.unwrap().unwrap().unwrap_err();
    assert_eq!(failed.error.code(), Code::Cancelled);
    assert_eq!(folder.names(), ["b"]);
    assert!(std::fs::read(&file).unwrap() == before, "the older backup is as it was");
    tokio::time::timeout(PATIENCE, refit.close()).await.unwrap();
    assert!(storage_containers(&scope, &volume).is_empty());
    let done = back_up(&direct, &volume, &file).await;
    assert!(done.bytes_out > 3_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_backup_has_left_is_taken_over_by_the_next() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("backup-killed");
    let (direct, volume, folder) = (refit().await, scope.volume("data"), Folder::new(&scope));
    write(&direct, &volume, "f", b"content").await;
    let file = folder.file("b");
    back_up(&direct, &volume, &file).await;
    let before = std::fs::read(&file).unwrap();
    write(&direct, &volume, "big", &noise(3_000_000)).await;
    let proxy = Proxy::engine(lab);
    proxy.on(When::first("GET /containers/*/archive"), Fault::HangBody(1_000_000));
    let mut child = Work::backup(&volume, &file).start(&proxy.host);
    until_there(&folder.file(".b.refit-partial")).await;
    child.kill().unwrap();
    child.wait().unwrap();
    drop(proxy);
    assert_eq!(folder.names(), [".b.refit-partial", "b"]);
    assert!(std::fs::read(&file).unwrap() == before, "the older backup is as it was");
    assert!(!storage_containers(&scope, &volume).is_empty(), "nobody has removed it");
    let options = refit::container::RecoverOptions { force: true, volume: Some(volume.clone()), ..Default::default() };
    // The engine ends the archive whose reader is gone when it writes to it.
    let begun = Instant::now();
    while !storage_containers(&scope, &volume).is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        direct.recover(None, options.clone()).await.unwrap();
    }
    let done = back_up(&direct, &volume, &file).await;
    until_names(&folder, &["b"]).await;
    assert!(done.bytes_out > 3_000_000);
}

#[test]
fn a_runtime_with_one_thread_for_work_that_blocks_backs_up_and_restores() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("backup-one-thread");
    let (volume, again, folder) = (scope.volume("data"), scope.volume("again"), Folder::new(&scope));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let refit = refit().await;
        // More than the threads have waiting for each other.
        write(&refit, &volume, "f", &noise(8_000_000)).await;
        let work = async {
            back_up(&refit, &volume, &folder.file("b")).await;
            refit.restore_volume(&again, folder.file("b"), RestoreOptions::default()).await.unwrap();
        };
        tokio::time::timeout(PATIENCE, work).await.expect("it does not wait for itself");
        assert_eq!(all(&refit, &again, "/").await, all(&refit, &volume, "/").await);
    });
}
