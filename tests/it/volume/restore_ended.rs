//! `volume_restore` that is cancelled, or whose process is killed, and its recovery.
//!
//! Rules: docs/volumes.md, section 8.

use std::path::Path;
use std::time::{Duration, Instant};

use refit::container::{RecoverOptions, Recovered, RecoveryAction};
use refit::volume::RestoreOptions;
use refit::{Cancel, Code, ConnectOptions, Error, Refit};
use refit_lab::{Image, Lab, Proxy, Scope, When};

use super::archive::archive;
use super::backup::{Folder, back_up, noise};
use super::leftovers::PATIENCE;
use super::{has_files, paths, read, storage_containers, write};
use crate::connected::refit;
use crate::recreation::child::Work;
use crate::recreation::{Side, kill_through};

pub(super) async fn connect(host: &str, state_dir: &Path) -> Refit {
    let options =
        ConnectOptions { host: Some(host.to_owned()), state_dir: Some(state_dir.into()), timeout: PATIENCE, ..ConnectOptions::default() };
    Refit::connect(options).await.unwrap()
}

/// Of this volume alone: other tests have restores of their own on this engine.
pub(super) async fn recover(refit: &Refit, volume: &str, options: RecoverOptions) -> Result<Vec<Recovered>, (Error, Vec<Recovered>)> {
    let recovered = refit.recover(None, RecoverOptions { volume: Some(volume.to_owned()), ..options }).await;
    recovered
        .map(|recovery| recovery.found)
        .map_err(|failure| (failure.error, failure.report.map(|report| report.found).unwrap_or_default()))
}

fn of_restores(found: Vec<Recovered>) -> Vec<RecoveryAction> {
    found.into_iter().filter(|found| found.volume.is_some()).map(|found| found.action).collect()
}

/// What is in the volume is the backup, and nothing is left.
async fn assert_restored(scope: &Scope<'_>, refit: &Refit, volume: &str, when: &str) {
    assert_eq!(paths(refit, volume).await, ["big", "f"], "{when}");
    assert_eq!(read(refit, volume, "f").await, b"of the backup", "{when}");
    assert!(read(refit, volume, "big").await == noise(2_000_000), "{when}");
    assert!(storage_containers(scope, volume).is_empty(), "{when}");
    let dry = RecoverOptions { dry_run: true, ..RecoverOptions::default() };
    assert!(recover(refit, volume, dry).await.unwrap().is_empty(), "{when}");
}

/// A volume that was backed up, and has changed since.
async fn backed_up(refit: &Refit, volume: &str, file: &Path) {
    write(refit, volume, "f", b"of the backup").await;
    write(refit, volume, "big", &noise(2_000_000)).await;
    back_up(refit, volume, file).await;
    write(refit, volume, "f", b"newer").await;
    write(refit, volume, "new", b"newer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_says_how_far_it_was_and_a_recovery_finishes_it() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("restore-cancel");
    let (volume, folder) = (scope.volume("data"), Folder::new(&scope));
    let (file, state) = (folder.file("b"), folder.file("state"));
    let direct = connect(&lab.engine.host(), &state).await;
    backed_up(&direct, &volume, &file).await;
    let restoring = |refit: &Refit, cancel: &Cancel| {
        let options = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
        let restoring = refit.restore_volume(&volume, &file, options).cancel(cancel);
        tokio::spawn(async move { restoring.await })
    };
    // Before anything is changed.
    let (proxy, cancel) = (Proxy::engine(lab), Cancel::new());
    let gate = proxy.hold(When::first("GET /containers/*/archive"));
    let refit = connect(&proxy.host, &state).await;
    let running = restoring(&refit, &cancel);
    let held = tokio::task::spawn_blocking(move || gate.wait(PATIENCE)).await.unwrap();
    cancel.fire();
    let failure = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap_err();
    held.release();
    assert!(failure.error.code() == Code::Cancelled && failure.report.is_none(), "{failure}");
    refit.close().await;
    assert_eq!(paths(&direct, &volume).await, ["big", "f", "new"]);
    // While the backup is written.
    let (proxy, cancel) = (Proxy::engine(lab), Cancel::new());
    let gate = proxy.hold(When::first("PUT /containers/*/archive"));
    let refit = connect(&proxy.host, &state).await;
    let running = restoring(&refit, &cancel);
    let held = tokio::task::spawn_blocking(move || gate.wait(PATIENCE)).await.unwrap();
    let second = direct.restore_volume(&volume, &file, RestoreOptions { overwrite: true, ..RestoreOptions::default() }).await.unwrap_err();
    assert_eq!(second.error.code(), Code::Busy, "{second}");
    let found = recover(&direct, &volume, RecoverOptions { dry_run: true, ..RecoverOptions::default() }).await.unwrap();
    assert_eq!(of_restores(found), [RecoveryAction::Busy]);
    cancel.fire();
    let failure = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap_err();
    held.cut();
    assert!(failure.error.code() == Code::Cancelled && failure.error.message().contains("container_recover"), "{failure}");
    let report = failure.report.unwrap();
    assert!(report.replaced && report.bytes < 2_000_000, "{report:?}");
    tokio::time::timeout(PATIENCE, refit.close()).await.unwrap();
    let found = recover(&direct, &volume, RecoverOptions { dry_run: true, ..RecoverOptions::default() }).await.unwrap();
    assert_eq!(of_restores(found), [RecoveryAction::WouldFinish]);
    let found = recover(&direct, &volume, RecoverOptions::default()).await.unwrap();
    assert_eq!(of_restores(found), [RecoveryAction::Finished]);
    assert_restored(&scope, &direct, &volume, "after a cancel").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_whose_backup_is_gone_is_named_and_a_removed_volume_is_forgotten() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("restore-lost");
    let (volume, folder) = (scope.volume("data"), Folder::new(&scope));
    let (file, state) = (folder.file("b"), folder.file("state"));
    let direct = connect(&lab.engine.host(), &state).await;
    backed_up(&direct, &volume, &file).await;
    let (proxy, work) = (Proxy::engine(lab), Work::restore(&volume, &file).state_dir(&state));
    let killed =
        tokio::task::spawn_blocking(move || kill_through(&proxy, &work, "PUT /containers/*/archive", 1, Side::Before)).await.unwrap();
    assert!(killed);
    let moved = folder.file("moved");
    std::fs::rename(&file, &moved).unwrap();
    let forced = RecoverOptions { force: true, ..RecoverOptions::default() };
    let begun = Instant::now();
    loop {
        // What the killed process has begun goes on in the engine for a while.
        match recover(&direct, &volume, forced.clone()).await {
            Err((error, found)) if error.code() == Code::NotFound => {
                let named = found.iter().any(|found| found.volume.as_deref() == Some(volume.as_str()) && found.error.is_some());
                assert!(error.message().contains(file.to_str().unwrap()) && named, "{error}, {found:?}");
                break;
            }
            other => assert!(begun.elapsed() < PATIENCE, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Another backup under its name is not taken for it.
    back_up(&refit().await, &volume, &file).await;
    let (error, _) = recover(&direct, &volume, forced.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict, "{error}");
    direct.restore_volume(&volume, &moved, RestoreOptions { overwrite: true, ..RestoreOptions::default() }).await.unwrap();
    assert_restored(&scope, &direct, &volume, "from the backup of its new name").await;
    // A volume that is removed on purpose is not made again.
    let (proxy, work) = (Proxy::engine(lab), Work::restore(&volume, &moved).state_dir(&state));
    let killed = tokio::task::spawn_blocking(move || kill_through(&proxy, &work, "DELETE /volumes/*", 1, Side::Before)).await.unwrap();
    assert!(killed);
    direct.remove_volume(&volume).await.unwrap();
    assert!(recover(&direct, &volume, forced).await.unwrap().is_empty());
    assert!(!direct.volume_exists(&volume).await.unwrap());
}

/// A restore that was killed before anything of the backup was written.
async fn interrupt(lab: &'static Lab, volume: &str, file: &Path, state: &Path) {
    let (proxy, work) = (Proxy::engine(lab), Work::restore(volume, file).state_dir(state));
    let killed =
        tokio::task::spawn_blocking(move || kill_through(&proxy, &work, "PUT /containers/*/archive", 1, Side::Before)).await.unwrap();
    assert!(killed);
}

/// The dry run and the recovery refuse alike, with words about `named`.
async fn assert_refused(refit: &Refit, volume: &str, named: &str) {
    for dry_run in [true, false] {
        let options = RecoverOptions { force: true, dry_run, ..RecoverOptions::default() };
        let (error, found) = recover(refit, volume, options).await.unwrap_err();
        assert!(error.code() == Code::Conflict && error.message().contains(named), "dry run {dry_run}: {error}");
        assert_eq!(of_restores(found), [RecoveryAction::Foreign], "dry run {dry_run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_refuses_a_restore_since_which_a_container_was_started() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("restore-used");
    let (volume, folder) = (scope.volume("data"), Folder::new(&scope));
    let (file, state) = (folder.file("b"), folder.file("state"));
    let direct = connect(&lab.engine.host(), &state).await;
    backed_up(&direct, &volume, &file).await;
    interrupt(lab, &volume, &file, &state).await;
    // Days later a container has used the volume as it was left: what it has written stays.
    let (user, image) = (scope.name("user"), scope.pull(&Image::new().build(), "t").reference);
    let body = serde_json::json!({"Image": image, "StopTimeout": 1, "HostConfig": {"Binds": [format!("{volume}:/v")]}});
    lab.engine.run(&user, &body);
    assert_eq!(lab.engine.exec(&user, &["sh", "-c", "echo new > /v/written"]).code, 0);
    assert_refused(&direct, &volume, &user).await;
    lab.engine.post(&format!("/containers/{user}/stop"), &serde_json::Value::Null);
    assert_refused(&direct, &volume, &user).await;
    lab.engine.post(&format!("/containers/{user}/start"), &serde_json::Value::Null);
    assert_eq!(lab.engine.exec(&user, &["cat", "/v/written"]).output, "new\n");
    lab.engine.delete(&format!("/containers/{user}?force=1&v=1"));
    direct.restore_volume(&volume, &file, RestoreOptions { overwrite: true, ..RestoreOptions::default() }).await.unwrap();
    assert_restored(&scope, &direct, &volume, "again, on request").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_refuses_a_restore_since_which_refit_has_changed_files() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("restore-written");
    let folder = Folder::new(&scope);
    let (file, state) = (folder.file("b"), folder.file("state"));
    let image = scope.pull(&Image::new().build(), "t").reference;
    let direct = connect(&lab.engine.host(), &state).await;
    for change in ["write", "import", "remove"] {
        let volume = scope.volume(change);
        backed_up(&direct, &volume, &file).await;
        interrupt(lab, &volume, &file, &state).await;
        // What is refused has changed nothing.
        let refused = direct.write_volume_file(&volume, "/", b"x".to_vec(), refit::volume::WriteFileOptions::default()).await;
        assert_eq!(refused.unwrap_err().error.code(), Code::InvalidArgument);
        let dry = RecoverOptions { dry_run: true, force: true, ..RecoverOptions::default() };
        let found = recover(&direct, &volume, dry).await.unwrap();
        assert_eq!(of_restores(found), [RecoveryAction::WouldFinish], "{change}");
        match change {
            "write" => write(&direct, &volume, "mine", b"mine").await,
            "import" => {
                let tar = archive(&[("mine", tar::EntryType::Regular, "", b"mine")]);
                direct.import_volume(&volume, "/", std::io::Cursor::new(tar), refit::volume::ImportOptions::default()).await.unwrap();
            }
            _ => {
                // The killed restore has emptied the volume.
                let host = connect(&lab.engine.host(), &folder.file("other state")).await;
                write(&host, &volume, "mine", b"mine").await;
                let options = refit::volume::RemoveFileOptions { helper_image: Some(image.clone()), ..Default::default() };
                direct.remove_volume_file(&volume, "mine", options).await.unwrap();
            }
        }
        assert_refused(&direct, &volume, file.to_str().unwrap()).await;
        let restored =
            direct.restore_volume(&volume, &file, RestoreOptions { overwrite: true, ..RestoreOptions::default() }).await.unwrap();
        assert_eq!(restored.replaced, change != "remove", "{change}");
        assert_restored(&scope, &direct, &volume, change).await;
    }
}
