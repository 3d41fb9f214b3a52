//! A process is killed at its calls to the engine in the middle of a backup, a restore, a write and an import, and another one recovers.
//!
//! Rules: docs/volumes.md, sections 4, 7 and 8.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use refit::Refit;
use refit::container::RecoverOptions;
use refit::volume::RestoreOptions;
use refit_lab::{Lab, Proxy, Scope};
use tar::EntryType;

use super::archive::archive;
use super::backup::{Folder, back_up, noise};
use super::leftovers::PATIENCE;
use super::restore_ended::{connect, recover};
use super::{has_files, paths, read, storage_containers, write};
use crate::recreation::child::{self, Work};
use crate::recreation::{Side, every_call, kill_through};

/// So many processes are killed at a time: they wait more than they work.
const AT_A_TIME: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Backup,
    Restore,
    /// The helper image empties the volume.
    RestoreByShell,
    Write,
    Import,
}

/// A volume, and what a process is to do with it.
struct Prepared {
    kind: Kind,
    volume: String,
    /// What it is restored to, to be looked at.
    other: String,
    file: PathBuf,
    direct: Refit,
    work: Work,
}

impl Prepared {
    async fn new(scope: &Scope<'_>, folder: &Folder, kind: Kind, image: &str, number: usize) -> Self {
        let (volume, other) = (scope.volume(&format!("data{number}")), scope.volume(&format!("other{number}")));
        let own = folder.file(&number.to_string());
        std::fs::create_dir_all(&own).unwrap();
        let (file, state) = (own.join("b"), own.join("state"));
        let direct = connect(&scope.lab.engine.host(), &state).await;
        write(&direct, &volume, "f", b"old").await;
        write(&direct, &volume, "d/big", &noise(300_000)).await;
        let work = match kind {
            Kind::Backup => {
                back_up(&direct, &volume, &file).await;
                write(&direct, &volume, "f", b"new").await;
                Work::backup(&volume, &file)
            }
            Kind::Restore | Kind::RestoreByShell => {
                back_up(&direct, &volume, &file).await;
                write(&direct, &volume, "f", b"new").await;
                write(&direct, &volume, "more", b"new").await;
                let work = Work::restore(&volume, &file);
                if kind == Kind::RestoreByShell { work.option("helper_image", image) } else { work }
            }
            Kind::Write => {
                std::fs::write(&file, b"new").unwrap();
                Work::write(&volume, &file)
            }
            Kind::Import => {
                std::fs::write(&file, archive(&[("f", EntryType::Regular, "", b"new"), ("e/g", EntryType::Regular, "", b"new")])).unwrap();
                Work::import(&volume, &file)
            }
        };
        Self { kind, volume, other, file, work: work.state_dir(&state), direct }
    }

    /// By this process, in which nothing of the killed one is known.
    async fn recover(&self, scope: &Scope<'_>, when: &str) {
        let forced = RecoverOptions { force: true, ..RecoverOptions::default() };
        let begun = Instant::now();
        loop {
            // What the killed process has begun goes on in the engine for a while.
            let recovered = recover(&self.direct, &self.volume, forced.clone()).await;
            if recovered.is_ok() && storage_containers(scope, &self.volume).is_empty() {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{when}: {recovered:?}, {:?}", storage_containers(scope, &self.volume));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let dry = RecoverOptions { dry_run: true, ..forced };
        assert_eq!(recover(&self.direct, &self.volume, dry).await.unwrap().len(), 0, "{when}: something is left");
    }

    /// All is as before, or as after the call.
    async fn assert_whole(&self, when: &str) {
        let (direct, volume) = (&self.direct, self.volume.as_str());
        let f = read(direct, volume, "f").await;
        assert!(read(direct, volume, "d/big").await == noise(300_000), "{when}");
        let names = paths(direct, volume).await;
        match self.kind {
            Kind::Backup => {
                assert_eq!((f.as_slice(), names.len()), (&b"new"[..], 3), "{when}");
                // The earlier backup, or the new one.
                direct.restore_volume(&self.other, &self.file, RestoreOptions::default()).await.unwrap();
                let restored = read(direct, &self.other, "f").await;
                assert!(restored == b"old" || restored == b"new", "{when}");
                back_up(direct, volume, &self.file).await;
                let left = std::fs::read_dir(self.file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
                assert!(left.into_iter().all(|name| name == "b" || name == "state"), "{when}: the next backup takes over what was left");
            }
            Kind::Restore | Kind::RestoreByShell => match f.as_slice() {
                b"old" => assert_eq!(names, ["d", "d/big", "f"], "{when}"),
                b"new" => assert_eq!(names, ["d", "d/big", "f", "more"], "{when}"),
                other => panic!("{when}: {other:?}"),
            },
            Kind::Write => assert!(f == b"old" || f == b"new", "{when}: {f:?}"),
            Kind::Import => {
                assert!(f == b"old" || f == b"new", "{when}: {f:?}");
                assert!(names.iter().all(|name| ["d", "d/big", "e", "e/g", "f"].contains(&name.as_str())), "{when}: {names:?}");
            }
        }
    }
}

/// `make test` kills after each request that changes something, and while an archive is on its way; with `REFIT_EVERY_KILL=1` it is before and after
/// every request.
async fn kill_everywhere(name: &str, kind: Kind) {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope(name);
    let folder = Folder::new(&scope);
    let image = scope.pull(&refit_lab::Image::new().build(), "t").reference;
    let prepared = Prepared::new(&scope, &folder, kind, &image, 0).await;
    let (proxy, work) = (Proxy::engine(lab), prepared.work.clone());
    let (ended, requests) = tokio::task::spawn_blocking(move || {
        let ended = child::ended(work.start(&proxy.host));
        (ended, proxy.requests())
    })
    .await
    .unwrap();
    assert_eq!(ended, None, "{name}: without a kill");
    let mut points = Vec::new();
    for (at, request) in requests.iter().enumerate() {
        let is_change = !matches!(request.method.as_str(), "GET" | "HEAD");
        let is_archive = request.method == "GET" && request.path.contains("/archive?");
        if every_call() {
            points.extend([(at + 1, Side::Before), (at + 1, Side::After)]);
        } else if is_change || is_archive {
            points.push((at + 1, Side::After));
        }
    }
    assert!(points.len() >= 3, "{name}: {requests:?}");
    let (points_of_all, ended_before) = (points.len(), std::sync::atomic::AtomicUsize::new(0));
    let kills = points.into_iter().enumerate().map(|(number, (at, side))| {
        let (scope, folder, image, ended_before, requests) = (&scope, &folder, &image, &ended_before, &requests);
        async move {
            let when = format!("{name}: killed at request {at}, {} {}, {side:?}", requests[at - 1].method, requests[at - 1].path);
            let prepared = Prepared::new(scope, folder, kind, image, number + 1).await;
            let (proxy, work) = (Proxy::engine(lab), prepared.work.clone());
            let killed = tokio::task::spawn_blocking(move || kill_through(&proxy, &work, "*", at, side)).await.unwrap();
            ended_before.fetch_add(usize::from(!killed), std::sync::atomic::Ordering::Relaxed);
            prepared.recover(scope, &when).await;
            prepared.assert_whole(&when).await;
        }
    });
    stream::iter(kills).buffer_unordered(AT_A_TIME).collect::<Vec<()>>().await;
    // A request more or less depends on time.
    assert!(ended_before.into_inner() * 4 <= points_of_all, "{name}: runs ended before they were killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_killed_leaves_the_earlier_one_and_no_container() {
    kill_everywhere("killed-backup", Kind::Backup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_killed_is_finished_by_another_process() {
    kill_everywhere("killed-restore", Kind::Restore).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_through_a_helper_image_that_was_killed_is_finished_by_another_process() {
    kill_everywhere("killed-shell", Kind::RestoreByShell).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_killed_leaves_a_whole_file_and_no_container() {
    kill_everywhere("killed-write", Kind::Write).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_killed_leaves_no_container() {
    kill_everywhere("killed-import", Kind::Import).await;
}
