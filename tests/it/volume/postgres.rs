//! `PostgreSQL` from Debian's packages, with its data in a named volume.
//!
//! Rules: docs/volumes.md, sections 7 and 8.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use refit::container::{ExecOptions, RecreateOptions, RecreationResult};
use refit::volume::RestoreOptions;
use refit::{Code, ConnectOptions, Refit};
use refit_lab::{Image, Lab, Scope};
use serde_json::{Value, json};

use super::backup::{Folder, back_up};
use super::leftovers::PATIENCE;
use super::{has_files, storage_containers};
use crate::connected::refit;

/// What the image does when it starts.
const SERVES: &str = "[\"/start\"]";
/// The files of all tables are overwritten, and nothing serves them.
const RUINS: &str = r#"["sh", "-c", "for f in /data/base/*/*; do echo ruined > $f; done; exit 1"]"#;

/// The server, as a local image.
struct Postgres<'a> {
    scope: &'a Scope<'a>,
    refit: Refit,
    /// The file system of the image.
    archive: Vec<u8>,
    name: String,
    volume: String,
}

impl<'a> Postgres<'a> {
    /// A server that runs, with a table.
    async fn run(scope: &'a Scope<'a>) -> Self {
        let made = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/postgres")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let archive = std::fs::read(String::from_utf8(made.stdout).unwrap().trim()).unwrap();
        let postgres = Self { scope, refit: refit().await, archive, name: scope.name("db"), volume: scope.volume("data") };
        postgres.move_tag(1, SERVES);
        let mounts = json!([{"Type": "volume", "Source": postgres.volume, "Target": "/data"}]);
        let host = json!({"Mounts": mounts, "NetworkMode": "none"});
        scope
            .lab
            .engine
            .run(&postgres.name, &json!({"Image": postgres.image(), "StopSignal": "SIGINT", "StopTimeout": 60, "HostConfig": host}));
        postgres.until_ready().await;
        postgres.must("create table rows (n bigint primary key, filler text)").await;
        postgres
    }

    fn image(&self) -> String {
        format!("refit-local/{}:t", self.scope.name)
    }

    /// Another tag, for the image that the tag named before, where it would be forgotten without one.
    fn kept(&self) -> String {
        format!("refit-local/{}:before", self.scope.name)
    }

    /// To an image with another label.
    fn move_tag(&self, version: u32, command: &str) {
        if version > 1 && self.scope.lab.engine.forgets_untagged_images() {
            self.scope.lab.engine.tag(&self.image(), &self.kept());
        }
        let changes = ["USER 70".to_owned(), format!("CMD {command}"), format!("LABEL version={version}")];
        let changes = changes.iter().map(|change| change.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>());
        let changes: String = changes.map(|change| format!("&changes={change}")).collect();
        let path = format!("/images/create?fromSrc=-&repo=refit-local/{}&tag=t{changes}", self.scope.name);
        let answer = self.scope.lab.engine.send("POST", &path, "application/x-tar", &self.archive);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// What a statement answers. An error is that it was not carried out, or that nobody knows.
    async fn ask(&self, statement: &str) -> Result<String, String> {
        let words = ["/usr/lib/postgresql/current/bin/psql", "-h", "/tmp", "-U", "postgres", "-qAtc", statement].map(str::to_owned);
        let done = self.refit.exec_container(&self.name, &words, &ExecOptions::default()).await.map_err(|error| error.to_string())?;
        if done.exit_code == 0 { Ok(done.stdout.trim().to_owned()) } else { Err(done.stderr) }
    }

    async fn must(&self, statement: &str) -> String {
        self.ask(statement).await.unwrap_or_else(|why| panic!("{statement}: {why}"))
    }

    async fn until_ready(&self) {
        let begun = Instant::now();
        while let Err(why) = self.ask("select 1").await {
            assert!(begun.elapsed() < PATIENCE, "{why}: {}", self.scope.lab.engine.logs(&self.name));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn rows(&self) -> Vec<u64> {
        self.must("select n from rows order by n").await.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Inserts rows, one a transaction, until it is told to stop: those that the server has said are committed.
    async fn insert(&self, from: u64, stop: &AtomicBool) -> Vec<u64> {
        let (mut number, mut committed) = (from, Vec::new());
        while !stop.load(Ordering::SeqCst) {
            if self.ask(&format!("insert into rows values ({number}, repeat('x', 1000))")).await.is_ok() {
                committed.push(number);
            }
            number += 1;
        }
        committed
    }

    fn state(&self) -> Value {
        self.scope.lab.engine.container(&self.name).unwrap()["State"].clone()
    }

    async fn stop(&self) {
        self.refit.stop_container(&self.name, None).await.unwrap();
        assert_eq!(self.state()["ExitCode"], 0, "a clean shutdown");
    }

    async fn start(&self) {
        self.refit.start_container(&self.name, &[]).await.unwrap();
        self.until_ready().await;
    }
}

impl Drop for Postgres<'_> {
    fn drop(&mut self) {
        // Of a local image the scope knows nothing.
        let engine = &self.scope.lab.engine;
        engine.ask("DELETE", &format!("/containers/{}?force=1", self.name), &Value::Null);
        for image in [self.image(), self.kept()] {
            engine.ask("DELETE", &format!("/images/{image}?force=1"), &Value::Null);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_postgresql_keeps_every_committed_row() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("postgres-update");
    let postgres = Postgres::run(&scope).await;
    let stop = Arc::new(AtomicBool::new(false));
    let old = lab.engine.container(&postgres.name).unwrap()["Id"].clone();
    postgres.move_tag(2, SERVES);
    let update = async {
        while postgres.rows().await.len() < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let options = RecreateOptions { settle: Duration::from_secs(1), ..RecreateOptions::default() };
        let done = postgres.refit.recreate_container(postgres.name.clone(), options).await;
        postgres.until_ready().await;
        let before = postgres.rows().await.len();
        while postgres.rows().await.len() < before + 5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.store(true, Ordering::SeqCst);
        done.unwrap()
    };
    let (done, first, second) = tokio::join!(update, postgres.insert(0, &stop), postgres.insert(1_000_000, &stop));
    assert_eq!(done.result, RecreationResult::Recreated);
    assert_ne!(lab.engine.container(&postgres.name).unwrap()["Id"], old);
    let rows = postgres.rows().await;
    for committed in [&first, &second] {
        assert!(committed.len() > 10);
        assert!(committed.iter().all(|number| rows.binary_search(number).is_ok()), "{committed:?} were committed, and there are {rows:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgresql_brings_back_a_table_that_was_dropped() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("postgres-backup");
    let folder = Folder::new(&scope);
    let postgres = Postgres::run(&scope).await;
    let stop = Arc::new(AtomicBool::new(false));
    let until = async {
        while postgres.rows().await.len() < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // While rows are being written.
        postgres.refit.stop_container(&postgres.name, None).await.unwrap();
        stop.store(true, Ordering::SeqCst);
    };
    let ((), committed) = tokio::join!(until, postgres.insert(0, &stop));
    assert_eq!(postgres.state()["ExitCode"], 0, "a clean shutdown");
    let file = folder.file("data.tar.zst");
    let made = back_up(&postgres.refit, &postgres.volume, &file).await;
    assert!(made.warnings.is_empty() && made.entries > 900, "{made:?}");
    postgres.start().await;
    let before = postgres.rows().await;
    assert!(committed.iter().all(|number| before.binary_search(number).is_ok()));
    postgres.must("drop table rows").await;
    postgres.must("checkpoint").await;
    assert!(postgres.ask("select count(*) from rows").await.is_err());
    postgres.stop().await;
    let helper = scope.pull(&Image::new().build(), "helper").reference;
    let options = RestoreOptions { overwrite: true, helper_image: Some(helper) };
    let restored = postgres.refit.restore_volume(&postgres.volume, &file, options).await.unwrap();
    assert_eq!((restored.entries, restored.replaced), (made.entries, true));
    postgres.start().await;
    assert_eq!(postgres.rows().await, before);
    assert_eq!(postgres.must("select sum(length(filler)) from rows").await, (before.len() * 1000).to_string());
    assert!(storage_containers(&scope, &postgres.volume).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_ruins_the_tables_of_postgresql_is_rolled_back_with_every_committed_row() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("postgres-ruined");
    let folder = Folder::new(&scope);
    std::fs::create_dir(folder.file("backups")).unwrap();
    let postgres = Postgres::run(&scope).await;
    let old = lab.engine.container(&postgres.name).unwrap()["Id"].clone();
    postgres.move_tag(2, RUINS);
    let options = ConnectOptions {
        host: Some(lab.engine.host()),
        state_dir: Some(folder.file("state")),
        helper_image: Some(scope.pull(&Image::new().build(), "helper").reference),
        timeout: PATIENCE,
        ..ConnectOptions::default()
    };
    let refit = Refit::connect(options).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let update = async {
        while postgres.rows().await.len() < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let options = RecreateOptions {
            backup_volumes: Some(folder.file("backups")),
            restore_on_rollback: true,
            // A busy engine reports late that a container has ended.
            settle: Duration::from_secs(3),
            ..RecreateOptions::default()
        };
        let done = refit.recreate_container(postgres.name.clone(), options).await;
        stop.store(true, Ordering::SeqCst);
        done.unwrap_err()
    };
    let (failure, committed) = tokio::join!(update, postgres.insert(0, &stop));
    assert_eq!(failure.error.code(), Code::RolledBack, "{}", failure.error);
    let restored = failure.report.unwrap().warnings.into_iter().filter(|warning| warning.code == "volumes_restored");
    assert_eq!(restored.count(), 1, "the new version has run");
    assert_eq!(lab.engine.container(&postgres.name).unwrap()["Id"], old);
    postgres.until_ready().await;
    let rows = postgres.rows().await;
    assert!(committed.len() > 10 && committed.iter().all(|number| rows.binary_search(number).is_ok()), "{committed:?}; {rows:?}");
    assert_eq!(postgres.must("select sum(length(filler)) from rows").await, (rows.len() * 1000).to_string());
}
