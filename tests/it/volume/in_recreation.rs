//! Backups that a recreation, or an update, makes of the container's volumes.
//!
//! Rules: docs/volumes.md, section 9.

use std::ops::ControlFlow;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use refit::container::{RecoveryAction, RecreateOptions, Recreation, RecreationResult, TakenBackup};
use refit::image::{TagFate, UpdateOptions};
use refit::volume::RestoreOptions;
use refit::{Cancel, Code, HistoryFilter, HistoryKind, HistoryResult, Outcome, Refit};
use refit_lab::{Image, Lab};
use serde_json::{Value, json};

use super::backup::{Folder, noise};
use super::{has_files, read, storage_containers, write};
use crate::connected::refit;
use crate::recreation::child::Work;
use crate::recreation::{Case, Side, failed, kill_at, quick, recover};

/// Says in its volume that it runs, and at its end that it has ended.
const OLD: &str = "trap 'echo ended > /v/state; exit 0' TERM; echo ready; echo runs > /v/state; while :; do sleep 0.1; done";
/// Ruins what is in the volume, and runs.
const NEW: &str = "echo new > /v/state; echo ready; trap 'exit 0' TERM; while :; do sleep 0.1; done";
/// Ruins what is in the volume, and ends.
const BROKEN: &str = "echo ruined > /v/state; rm -f /v/kept; echo ruined > /v/more; exit 3";

fn version(command: &str) -> Image {
    Image::new().version(command).cmd(["sh", "-c", command])
}

/// A container with a volume, and a folder for the backups.
struct Backed {
    case: Case<'static>,
    volume: String,
    folder: Folder,
    before: Value,
}

impl Backed {
    /// `None` on an engine that cannot back up.
    async fn run(what: &str, new: &str) -> Option<Self> {
        if !has_files(Lab::get()) {
            return None;
        }
        let case = Case::of(what, &version(OLD));
        let (volume, folder) = (case.scope.volume("v"), Folder::new(&case.scope));
        write(&refit().await, &volume, "kept", b"kept").await;
        let host = json!({"Binds": [format!("{volume}:/v")], "RestartPolicy": {"Name": "always"}});
        case.lab.engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 5, "HostConfig": host}));
        let before = case.inspect(&case.name);
        case.moves_to(&version(new));
        Some(Self { case, volume, folder, before })
    }

    fn options(&self) -> RecreateOptions {
        RecreateOptions { backup_volumes: Some(self.folder.0.clone()), ..quick() }
    }

    async fn recreate(&self, refit: &Refit, options: RecreateOptions) -> Outcome<Recreation> {
        refit.recreate_container(&self.case.name, options).await
    }

    /// What is in the one backup of the folder, under `kept` and `state`.
    async fn content_of_backup(&self, refit: &Refit, backups: &[TakenBackup]) -> (Vec<u8>, Vec<u8>) {
        let [backup] = backups else { panic!("{backups:?}") };
        let [name] = self.folder.names().try_into().unwrap();
        assert_eq!((backup.volume.as_str(), backup.file.as_str()), (self.volume.as_str(), self.folder.file(&name).to_str().unwrap()));
        assert!(name.starts_with(&format!("{}-20", self.volume)) && name.ends_with("Z.tar.zst"), "{name}");
        let copy = self.case.scope.volume("copy");
        refit.restore_volume(&copy, &backup.file, RestoreOptions::default()).await.unwrap();
        (read(refit, &copy, "kept").await, read(refit, &copy, "state").await)
    }

    /// The old container runs with the settings that it had, and nothing is left.
    fn assert_old(&self, when: &str) {
        let after = self.case.inspect(&self.case.name);
        assert_eq!((&after["Id"], &after["State"]["Running"]), (&self.before["Id"], &json!(true)), "{when}");
        assert_eq!(after["HostConfig"], self.before["HostConfig"], "{when}");
        self.case.assert_alone();
        assert!(storage_containers(&self.case.scope, &self.volume).is_empty(), "{when}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recreation_backs_up_what_the_old_container_has_left() {
    let Some(backed) = Backed::run("recreate-backup", NEW).await else { return };
    let refit = refit().await;
    // Of a phase that ends within a tenth of a second only the beginning is reported.
    write(&refit, &backed.volume, "large", &noise(40_000_000)).await;
    let (bytes, phases) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counted, noted) = (bytes.clone(), phases.clone());
    let recreating = refit.recreate_container(&backed.case.name, backed.options()).on_progress(move |progress| {
        noted.lock().unwrap().push(progress.phase);
        if progress.phase == "backing_up" {
            counted.fetch_max(progress.current, Ordering::Relaxed);
        }
        ControlFlow::Continue(())
    });
    let report = recreating.await.unwrap();
    assert_eq!(report.result, RecreationResult::Recreated, "{report:?}");
    let content = backed.content_of_backup(&refit, &report.backups).await;
    assert_eq!(content, (b"kept".to_vec(), b"ended\n".to_vec()), "after the stop, before the start of the new one");
    assert_eq!(read(&refit, &backed.volume, "state").await, b"new\n");
    assert!(!report.warnings.iter().any(|warning| warning.code.starts_with("volume_")), "{:?}", report.warnings);
    let phases = phases.lock().unwrap().clone();
    let at = |phase: &str| phases.iter().position(|one| *one == phase);
    assert!(at("stopping") < at("backing_up") && at("backing_up") < at("renaming") && at("backing_up").is_some(), "{phases:?}");
    assert!(bytes.load(Ordering::Relaxed) >= 1024 * 1024, "bytes are reported");
    backed.case.assert_alone();
    assert!(storage_containers(&backed.case.scope, &backed.volume).is_empty());
    let history = refit.history(&HistoryFilter::default()).await.unwrap().entries;
    let own: Vec<_> = history.iter().filter(|entry| entry.kind != HistoryKind::Restore).collect();
    assert_eq!((own.len(), own[0].kind, &own[0].backups), (1, HistoryKind::Recreate, &report.backups), "a backup has no record of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_backs_up_and_a_broken_version_leaves_the_backup() {
    for (what, new, code) in [("update-backup", NEW, None), ("update-backup-broken", BROKEN, Some(Code::RolledBack))] {
        let Some(backed) = Backed::run(what, OLD).await else { return };
        let refit = refit().await;
        backed.case.scope.publish(&version(new).build(), "t");
        let options = UpdateOptions { recreate: backed.options(), ..UpdateOptions::default() };
        let outcome = refit.update(backed.case.image(), options).await;
        assert_eq!(outcome.as_ref().err().map(|failure| failure.error.code()), code, "{outcome:?}");
        let report = outcome.unwrap_or_else(|failure| failure.report.unwrap());
        assert_eq!(report.tag, Some(if code.is_some() { TagFate::Restored } else { TagFate::Moved }));
        let content = backed.content_of_backup(&refit, &report.backups).await;
        assert_eq!(content, (b"kept".to_vec(), b"ended\n".to_vec()));
        let result = if code.is_some() { HistoryResult::RolledBack } else { HistoryResult::Done };
        let history = refit.history(&HistoryFilter { image: Some(backed.case.image().to_owned()), ..HistoryFilter::default() }).await;
        let newest = history.unwrap().entries.swap_remove(0);
        assert_eq!((newest.kind, newest.result, newest.backups), (HistoryKind::Update, result, report.backups));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_rolls_back_and_leaves_nothing() {
    let Some(backed) = Backed::run("backup-disk-full", NEW).await else { return };
    let refit = refit().await;
    // The first volume, by its name, is backed up; the second has no room.
    let second = backed.case.scope.volume("w");
    write(&refit, &second, "big", &noise(3_000_000)).await;
    backed.case.lab.engine.delete(&format!("/containers/{}?force=1", backed.case.name));
    let binds = json!([format!("{}:/v", backed.volume), format!("{second}:/w")]);
    let host = json!({"Binds": binds, "RestartPolicy": {"Name": "always"}});
    // The tag has moved already: the old version is there under its id.
    backed.case.moves_to(&version(OLD));
    backed.case.lab.engine.run(&backed.case.name, &json!({"Image": backed.case.image(), "StopTimeout": 5, "HostConfig": host}));
    let backed = Backed { before: backed.case.inspect(&backed.case.name), ..backed };
    backed.case.moves_to(&version(NEW));
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"]).arg(&backed.folder.0).status().unwrap();
    assert!(mounted.success(), "a small file system is mounted");
    let outcome = backed.recreate(&refit, backed.options()).await;
    let names = backed.folder.names();
    assert!(Command::new("umount").arg("-l").arg(&backed.folder.0).status().unwrap().success());
    let (error, report) = failed(outcome);
    assert!(error.code() == Code::RolledBack && error.message().contains("make room") && error.message().contains(&second), "{error}");
    assert_eq!((report.result, report.backups.len()), (RecreationResult::RolledBack, 0));
    assert!(names.is_empty(), "{names:?}");
    backed.assert_old("a disk that is full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_while_a_volume_is_backed_up_rolls_back() {
    let Some(backed) = Backed::run("backup-cancelled", NEW).await else { return };
    let (refit, cancel) = (refit().await, Cancel::new());
    let fired = cancel.clone();
    let recreating = refit.recreate_container(&backed.case.name, backed.options()).cancel(&cancel).on_progress(move |progress| {
        if progress.phase == "backing_up" {
            fired.fire();
        }
        ControlFlow::Continue(())
    });
    let (error, report) = failed(recreating.await);
    assert_eq!((error.code(), report.result), (Code::Cancelled, RecreationResult::RolledBack), "{error}");
    assert!(report.backups.is_empty() && backed.folder.names().is_empty(), "{report:?} {:?}", backed.folder.names());
    // The storage container of a call that was cancelled is removed in the background.
    refit.close().await;
    backed.assert_old("a cancel");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prevents_a_backup_is_found_before_the_stop() {
    let Some(backed) = Backed::run("backup-prevented", NEW).await else { return };
    let refit = refit().await;
    for (folder, code) in [("", Code::InvalidArgument), ("/nonexistent/refit", Code::Io), ("/dev/null", Code::Io)] {
        let options = RecreateOptions { backup_volumes: Some(folder.into()), ..quick() };
        let error = backed.recreate(&refit, options.clone()).await.unwrap_err().error;
        assert_eq!(error.code(), code, "{folder}: {error}");
        let update = UpdateOptions { recreate: options, ..UpdateOptions::default() };
        if code == Code::Io {
            let plan = refit.plan_update(backed.case.image(), update).await.unwrap();
            let reason = plan.containers[0].reason.clone().unwrap_or_default();
            assert!(reason.contains("backup_volumes"), "{plan:?}");
        }
    }
    assert_eq!(backed.case.inspect(&backed.case.name)["State"]["StartedAt"], backed.before["State"]["StartedAt"]);
    // Another container that runs is no obstacle, and is named.
    let shell = super::shell(&backed.case.scope, &backed.volume);
    let report = backed.recreate(&refit, backed.options()).await.unwrap();
    let warned: Vec<_> = report.warnings.iter().filter(|warning| warning.code == "volume_in_use").collect();
    assert!(warned.len() == 1 && warned[0].container.as_deref() == Some(shell.as_str()), "{:?}", report.warnings);
    assert_eq!(report.backups.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_run_is_backed_up_too_and_dependents_share_a_backup() {
    let Some(backed) = Backed::run("backup-stopped", NEW).await else { return };
    let (refit, engine, name) = (refit().await, &backed.case.lab.engine, &backed.case.name);
    engine.post(&format!("/containers/{name}/stop"), &Value::Null);
    let report = backed.recreate(&refit, backed.options()).await.unwrap();
    assert_eq!((report.backups.len(), engine.status(name).as_deref()), (1, Some("created")), "{report:?}");
    engine.post(&format!("/containers/{name}/start"), &Value::Null);
    let own = backed.case.scope.volume("own");
    let host = json!({"VolumesFrom": [name], "Binds": [format!("{own}:/own")], "NetworkMode": format!("container:{}", backed.case.inspect(name)["Id"].as_str().unwrap())});
    let dependent = format!("{name}-dependent");
    engine.run(&dependent, &json!({"Image": backed.case.image(), "StopTimeout": 5, "HostConfig": host}));
    backed.case.moves_to(&version(OLD));
    let options = RecreateOptions { recreate_dependents: true, ..backed.options() };
    let report = backed.recreate(&refit, options).await.unwrap();
    let volumes = |report: &Recreation| report.backups.iter().map(|backup| backup.volume.clone()).collect::<Vec<_>>();
    assert_eq!((volumes(&report), volumes(&report.dependents[0])), (vec![backed.volume.clone()], vec![own]), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_while_it_backs_up_is_rolled_back_and_leaves_no_part() {
    let Some(backed) = Backed::run("backup-killed", NEW).await else { return };
    let direct = refit().await;
    let backed = Arc::new(backed);
    let points = [("GET /containers/*/archive", Side::Before), ("GET /containers/*/archive", Side::After)];
    for (pattern, side) in points {
        let when = format!("{pattern}, {side:?}");
        let killed = {
            let (backed, pattern) = (backed.clone(), pattern.to_owned());
            let work = move || {
                let folder = backed.folder.0.to_str().unwrap();
                kill_at(&backed.case, &Work::recreate(&backed.case.name).option("backup_volumes", folder), &pattern, 1, side)
            };
            tokio::task::spawn_blocking(work).await.unwrap()
        };
        assert!(killed, "{when}: it had ended");
        let recovering = backed.clone();
        let recovery = tokio::task::spawn_blocking(move || recover(&recovering.case)).await.unwrap().unwrap();
        let actions: Vec<_> = recovery.found.iter().map(|found| found.action).collect();
        assert_eq!(actions, [RecoveryAction::Undone, RecoveryAction::RemovedHelper], "{when}: {recovery:?}");
        backed.assert_old(&when);
    }
    let report = backed.recreate(&direct, backed.options()).await.unwrap();
    assert_eq!(backed.folder.names().len(), 1, "no part is left: {:?}", backed.folder.names());
    assert_eq!(report.backups.len(), 1);
}
