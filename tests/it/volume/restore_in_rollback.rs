//! A new version that ruins its data is rolled back with the data as it was, also when the run is killed meanwhile.
//!
//! Rules: docs/volumes.md, section 10.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use refit::container::{RecoverOptions, RecoveryAction, RecreateOptions, RecreationResult};
use refit::image::{PlannedAction, TagFate, UpdateOptions};
use refit::{Code, ConnectOptions, Error, Refit};
use refit_lab::{Image, Lab, Proxy, is_probe};
use serde_json::{Value, json};

use super::backup::{Folder, noise};
use super::leftovers::PATIENCE;
use super::{has_files, storage_containers, write};
use crate::connected::refit;
use crate::recreation::child::{self, Work};
use crate::recreation::{Case, Side, every_call, failed, in_parallel, kill_through, quick, runtime};

/// Writes a line at each start, and at its end.
const OLD: &str = "trap 'echo ended >> /v/log; exit 0' TERM; echo ready; echo begun >> /v/log; while :; do sleep 0.1; done";
/// What the old version has written once a rollback has restored its volume and started it again.
const LOG: &str = "begun\nended\nbegun\n";
/// Ruins what is in the volume, and ends.
const RUINS: &str = "echo ruined > /v/log; rm -rf /v/kept; mkdir /v/more; echo ruined > /v/more/f; echo ruined > /v/big; exit 3";

fn version(command: &str) -> Image {
    Image::new().version(command).cmd(["sh", "-c", command])
}

/// A container whose tag has moved to a version that ruins its data.
struct Ruined {
    case: Case<'static>,
    volume: String,
    folder: Folder,
    before: Value,
    helper: String,
}

impl Ruined {
    fn new(what: &str) -> Self {
        let case = Case::of(what, &version(OLD));
        let (volume, folder) = (case.scope.volume("v"), Folder::new(&case.scope));
        std::fs::create_dir(folder.file("backups")).unwrap();
        runtime().block_on(async {
            let refit = refit().await;
            write(&refit, &volume, "kept/f", b"kept").await;
            write(&refit, &volume, "big", &noise(300_000)).await;
        });
        let host = json!({"Binds": [format!("{volume}:/v")], "RestartPolicy": {"Name": "always"}});
        case.lab.engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 5, "HostConfig": host}));
        let before = case.inspect(&case.name);
        case.moves_to(&version(RUINS));
        let helper = case.scope.pull(&Image::new().build(), "helper").reference;
        Self { case, volume, folder, before, helper }
    }

    fn state(&self) -> PathBuf {
        self.folder.file("state")
    }

    fn options(&self) -> RecreateOptions {
        // A busy engine reports late that a container has ended.
        let settle = Duration::from_secs(3);
        RecreateOptions { backup_volumes: Some(self.folder.file("backups")), restore_on_rollback: true, settle, ..quick() }
    }

    async fn connect(&self, helper_image: bool, state_dir: bool) -> Refit {
        let options = ConnectOptions {
            host: Some(self.case.lab.engine.host()),
            state_dir: state_dir.then(|| self.state()),
            helper_image: helper_image.then(|| self.helper.clone()),
            timeout: PATIENCE,
            ..ConnectOptions::default()
        };
        Refit::connect(options).await.unwrap()
    }

    /// In a process of its own.
    fn work(&self) -> Work {
        Work::recreate(&self.case.name)
            .state_dir(&self.state())
            .helper_image(&self.helper)
            .option("backup_volumes", self.folder.file("backups").to_str().unwrap())
            .option("restore_on_rollback", true)
            .option("settle_s", 3)
    }

    /// The backup that the one run has made.
    fn backup(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.folder.file("backups")).unwrap();
        entries.map(|entry| entry.unwrap().path()).next().expect("a backup")
    }

    /// Recovers by force. The snapshot tells the image that empties the volume.
    fn recover(&self, state_dir: bool) -> Result<Vec<(RecoveryAction, String)>, Error> {
        let options = RecoverOptions { force: true, ..RecoverOptions::default() };
        let recovered = runtime().block_on(async { self.connect(false, state_dir).await.recover(Some(&self.case.name), options).await });
        let found = recovered.map_err(|failure| failure.error)?.found;
        Ok(found.into_iter().map(|found| (found.action, found.situation)).collect())
    }

    fn sh(&self, script: &str) -> String {
        let done = self.case.lab.engine.exec(&self.case.name, &["sh", "-c", script]);
        assert_eq!(done.code, 0, "{script}: {}", done.output);
        done.output
    }

    /// The old container runs with its settings, and with the data that it had.
    fn assert_as_before(&self, is_same: bool, when: &str) {
        let after = self.case.inspect(&self.case.name);
        assert_eq!((after["Id"] == self.before["Id"], &after["State"]["Running"]), (is_same, &json!(true)), "{when}");
        assert_eq!(after["HostConfig"]["RestartPolicy"], self.before["HostConfig"]["RestartPolicy"], "{when}");
        self.case.assert_alone();
        let content = self.sh("cd /v; cat log; cat kept/f; echo; find . -type f | sort; wc -c < big");
        assert_eq!(content, format!("{LOG}kept\n./big\n./kept/f\n./log\n300000\n"), "{when}");
        let left = std::fs::read_dir(self.state().join("restores")).into_iter().flatten().count();
        let snapshots = std::fs::read_dir(self.state().join("recreations")).into_iter().flatten().count();
        assert_eq!((left, snapshots), (0, 0), "{when}");
    }

    fn assert_nothing_runs(&self, when: &str) {
        let running: Vec<_> = self.case.containers().into_iter().filter(|(_, status)| status == "running").collect();
        assert!(running.is_empty(), "{when}: {running:?}");
    }
}

#[test]
fn a_version_that_ruins_its_data_is_rolled_back_with_the_data_as_it_was() {
    if !has_files(Lab::get()) {
        return;
    }
    let ruined = Ruined::new("ruined");
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = reports.clone();
    let outcome = runtime().block_on(async {
        let refit = ruined.connect(true, true).await;
        let recreation = refit.recreate_container(&ruined.case.name, ruined.options()).on_progress(move |progress| {
            seen.lock().unwrap().push((progress.phase, progress.current, progress.total));
            ControlFlow::Continue(())
        });
        recreation.await
    });
    let (error, report) = failed(outcome);
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    ruined.assert_as_before(true, "a recreation");
    let backup = ruined.backup();
    let (reports, size) = (reports.lock().unwrap(), backup.metadata().unwrap().len());
    let at = |phase: &str| reports.iter().position(|report| report.0 == phase);
    assert!(at("rolling_back") < at("restoring") && at("rolling_back").is_some(), "{reports:?}");
    let last = reports.iter().rfind(|report| report.0 == "restoring");
    assert_eq!(last, Some(&("restoring", size, Some(size))), "the last one has all bytes of the backup");
    let [taken] = report.backups.as_slice() else { panic!("{report:?}") };
    assert_eq!((taken.volume.as_str(), taken.file.as_str()), (ruined.volume.as_str(), backup.to_str().unwrap()));
    let restored = report.warnings.iter().find(|warning| warning.code == "volumes_restored").expect("a warning");
    assert!(restored.message.contains(backup.to_str().unwrap()), "{restored:?}");
    assert!(storage_containers(&ruined.case.scope, &ruined.volume).is_empty());
    assert!(ruined.recover(true).unwrap().is_empty());
}

#[test]
fn an_update_that_ruins_the_data_restores_the_tag_and_the_data() {
    if !has_files(Lab::get()) {
        return;
    }
    let ruined = Ruined::new("ruined-update");
    // The tag is moved by the update.
    ruined.case.moves_to(&version(OLD));
    ruined.case.scope.publish(&version(RUINS).build(), "t");
    let options = UpdateOptions { recreate: ruined.options(), ..UpdateOptions::default() };
    let failure = runtime().block_on(async { ruined.connect(true, true).await.update(ruined.case.image(), options).await.unwrap_err() });
    let report = failure.report.unwrap();
    assert_eq!((failure.error.code(), report.tag), (Code::RolledBack, Some(TagFate::Restored)), "{}", failure.error);
    assert_eq!(report.backups.len(), 1);
    ruined.assert_as_before(true, "an update");
}

#[test]
fn what_prevents_a_restore_is_in_the_plan_and_found_before_anything_is_changed() {
    if !has_files(Lab::get()) {
        return;
    }
    let (ruined, runtime) = (Ruined::new("ruined-refused"), runtime());
    let refused = |refit: &Refit, options: RecreateOptions, code: Code, words: &str| {
        runtime.block_on(async {
            let error = refit.recreate_container(&ruined.case.name, options.clone()).await.unwrap_err().error;
            assert!(error.code() == code && error.message().contains(words), "{words}: {error}");
            let update = UpdateOptions { recreate: options, ..UpdateOptions::default() };
            match refit.plan_update(ruined.case.image(), update.clone()).await {
                Ok(plan) => {
                    let planned = &plan.containers[0];
                    assert_eq!(planned.action, PlannedAction::Refused, "{words}");
                    assert!(planned.reason.as_ref().is_some_and(|reason| reason.contains(words)), "{words}: {planned:?}");
                }
                Err(failure) => assert_eq!(failure.error.code(), Code::InvalidArgument, "{words}"),
            }
            assert_eq!(refit.update(ruined.case.image(), update).await.unwrap_err().error.code(), code, "{words}");
        });
    };
    let connect = |helper, state| runtime.block_on(ruined.connect(helper, state));
    let alone = RecreateOptions { backup_volumes: None, ..ruined.options() };
    refused(&connect(true, true), alone, Code::InvalidArgument, "backup_volumes");
    refused(&connect(false, true), ruined.options(), Code::Unsupported, "helper_image");
    refused(&connect(true, false), ruined.options(), Code::Unsupported, "state_dir");
    let missing = ConnectOptions {
        host: Some(ruined.case.lab.engine.host()),
        state_dir: Some(ruined.state()),
        helper_image: Some("refit.invalid/none:1".into()),
        ..ConnectOptions::default()
    };
    refused(&runtime.block_on(Refit::connect(missing)).unwrap(), ruined.options(), Code::ImageMissing, "refit.invalid/none:1");
    let neighbour = super::shell(&ruined.case.scope, &ruined.volume);
    refused(&connect(true, true), ruined.options(), Code::Conflict, &neighbour);
    assert_eq!(ruined.case.inspect(&ruined.case.name)["State"]["StartedAt"], ruined.before["State"]["StartedAt"]);
    assert!(std::fs::read_dir(ruined.folder.file("backups")).unwrap().next().is_none(), "nothing was backed up");
}

/// What a request does, with its container or volume left out.
fn kind(method: &str, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap_or_default();
    if is_probe(path) || method == "GET" && !path.ends_with("/archive") || method == "HEAD" {
        return None;
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    let word = if method == "DELETE" { "" } else { last };
    Some(if word.is_empty() { format!("{method} /containers/*") } else { format!("{method} *{word}") })
}

#[test]
fn a_run_that_is_killed_in_its_backup_or_its_rollback_is_recovered_with_the_data_as_it_was() {
    if !has_files(Lab::get()) {
        return;
    }
    let ruined = Ruined::new("ruined-whole");
    let proxy = Proxy::engine(ruined.case.lab);
    assert_eq!(child::ended(ruined.work().start(&proxy.host)), Some(Code::RolledBack));
    ruined.assert_as_before(true, "without a kill");
    let (mut points, mut seen, mut is_stopped) = (Vec::new(), BTreeMap::<String, usize>::new(), false);
    for request in proxy.requests() {
        let Some(kind) = kind(&request.method, &request.path) else { continue };
        let nth = seen.entry(kind.clone()).or_default();
        *nth += 1;
        // Before its first stop a run has changed nothing: the old container runs on.
        let was_stopped = is_stopped;
        is_stopped |= kind.ends_with("stop");
        if is_stopped {
            points.push((kind.clone(), *nth, Side::After));
            if every_call() && was_stopped {
                points.push((kind, *nth, Side::Before));
            }
        }
    }
    assert!(points.len() >= 20, "{points:?}");
    if !every_call() {
        points.retain(|(kind, ..)| ["archive", "start", "wait", "update"].iter().any(|word| kind.ends_with(word)));
    }
    in_parallel(points, |(kind, nth, side)| {
        let ruined = Ruined::new("ruined-killed");
        let when = format!("{kind}, {nth}, {side:?}");
        let proxy = Proxy::engine(ruined.case.lab);
        let killed = kill_through(&proxy, &ruined.work(), &kind, nth, side);
        // How often the leases are renewed, and a stopped container is asked for, depends on time: such a run has rolled back by itself.
        let found = ruined.recover(true).unwrap_or_else(|error| panic!("{when}, killed {killed}: {error}"));
        let expected = |action: &RecoveryAction| matches!(action, RecoveryAction::Undone | RecoveryAction::RemovedHelper);
        assert!(found.iter().all(|(action, _)| expected(action)), "{when}: {found:?}");
        assert!(storage_containers(&ruined.case.scope, &ruined.volume).is_empty(), "{when}");
        ruined.assert_as_before(true, &format!("{when}, killed {killed}, {found:?}"));
    });
}

/// Kills a run while it restores the volume.
fn killed_in_restore(what: &str) -> Ruined {
    let ruined = Ruined::new(what);
    assert!(kill_through(&Proxy::engine(ruined.case.lab), &ruined.work(), "PUT *archive", 1, Side::Before), "{what}");
    ruined.assert_nothing_runs(what);
    ruined
}

#[test]
fn without_its_backup_nothing_starts_and_the_file_is_named() {
    if !has_files(Lab::get()) {
        return;
    }
    let ruined = killed_in_restore("ruined-lost");
    let (backup, moved) = (ruined.backup(), ruined.folder.file("moved"));
    std::fs::rename(&backup, &moved).unwrap();
    let error = ruined.recover(true).unwrap_err();
    assert!(error.code() == Code::NotFound && error.message().contains(backup.to_str().unwrap()), "{error}");
    ruined.assert_nothing_runs("the backup is gone");
    // Another backup of that name is not taken for it.
    std::fs::write(&backup, zstd::encode_all(&b"another"[..], 3).unwrap()).unwrap();
    let error = ruined.recover(true).unwrap_err();
    assert_eq!(error.code(), Code::Data, "{error}");
    ruined.assert_nothing_runs("the backup was replaced");
    // Neither does a handle that knows nothing of the run.
    let error = ruined.recover(false).unwrap_err();
    assert!(error.code() == Code::NotFound && error.message().contains("state_dir"), "{error}");
    ruined.assert_nothing_runs("without the state_dir");
    std::fs::rename(&moved, &backup).unwrap();
    let found = ruined.recover(true).unwrap();
    assert!(found[0].0 == RecoveryAction::Undone && found[0].1.contains(backup.to_str().unwrap()), "{found:?}");
    ruined.assert_as_before(true, "the backup is there again");
}

#[test]
fn containers_that_were_pruned_are_created_again_and_start_with_the_data_as_it_was() {
    if !has_files(Lab::get()) {
        return;
    }
    let ruined = killed_in_restore("ruined-pruned");
    ruined.case.prune();
    let error = {
        let (backup, moved) = (ruined.backup(), ruined.folder.file("moved"));
        std::fs::rename(&backup, &moved).unwrap();
        let error = ruined.recover(true).unwrap_err();
        ruined.assert_nothing_runs("pruned, and the backup is gone");
        std::fs::rename(&moved, &backup).unwrap();
        error
    };
    assert_eq!(error.code(), Code::NotFound, "{error}");
    let found = ruined.recover(true).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    ruined.assert_as_before(false, "created again");
}

#[test]
fn what_an_old_container_has_written_that_somebody_started_is_not_lost() {
    if !has_files(Lab::get()) {
        return;
    }
    let ruined = killed_in_restore("ruined-started");
    let old = ruined.case.left("old");
    ruined.case.lab.engine.post(&format!("/containers/{old}/start"), &Value::Null);
    let found = ruined.recover(true).unwrap();
    assert!(found[0].1.contains("not restored") && found[0].1.contains(ruined.backup().to_str().unwrap()), "{found:?}");
    ruined.case.assert_alone();
    assert_eq!(ruined.sh("cat /v/log"), "begun\n");
}
