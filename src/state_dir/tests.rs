use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::StateDir;
use crate::Code;

/// A name for a folder that is removed at the end of the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("refit-state-{}-{number}", std::process::id())))
    }

    fn with_mode(mode: u32) -> Self {
        let scratch = Self::new();
        fs::create_dir(&scratch.0).unwrap();
        fs::set_permissions(&scratch.0, Permissions::from_mode(mode)).unwrap();
        scratch
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_missing_folder_is_created_for_its_owner_alone() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("a/b");
    StateDir::open(&folder).await.unwrap();
    assert_eq!(mode(&folder), 0o700);
}

#[tokio::test]
async fn an_existing_folder_that_others_can_open_is_made_private() {
    for before in [0o755, 0o777, 0o750, 0o701, 0o700] {
        let scratch = Scratch::with_mode(before);
        fs::write(scratch.0.join("checks.json"), "{}").unwrap();
        fs::write(scratch.0.join(".checks.json.1-1-0.tmp"), "{").unwrap();
        StateDir::open(&scratch.0).await.unwrap();
        assert_eq!(mode(&scratch.0), 0o700, "{before:o}");
    }
}

#[tokio::test]
async fn a_folder_with_files_of_others_keeps_its_mode_and_is_an_error() {
    let scratch = Scratch::with_mode(0o755);
    fs::write(scratch.0.join("notes.txt"), "").unwrap();
    let error = StateDir::open(&scratch.0).await.unwrap_err();
    let message = error.message();
    assert_eq!((error.code(), mode(&scratch.0)), (Code::Io, 0o755));
    assert!(message.contains(&scratch.0.display().to_string()) && message.contains("0755") && message.contains("chmod 700"), "{message}");
    // A private one may hold whatever its owner likes.
    fs::set_permissions(&scratch.0, Permissions::from_mode(0o700)).unwrap();
    StateDir::open(&scratch.0).await.unwrap();
}

#[tokio::test]
async fn a_file_in_the_place_of_the_folder_is_an_error() {
    let scratch = Scratch::with_mode(0o700);
    let file = scratch.0.join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(StateDir::open(&file).await.unwrap_err().code(), Code::Io);
    assert_eq!(StateDir::open(&file.join("below")).await.unwrap_err().code(), Code::Io);
}

#[tokio::test]
async fn a_file_is_written_for_its_owner_and_leaves_no_other_behind() {
    let scratch = Scratch::new();
    let state = StateDir::open(&scratch.0).await.unwrap();
    assert_eq!(state.read("recreations/web.json").await.unwrap(), None);
    for content in ["one", "two"] {
        state.write("recreations/web.json", content.into()).await.unwrap();
        assert_eq!(state.read("recreations/web.json").await.unwrap().as_deref(), Some(content.as_bytes()));
    }
    let (folder, file) = (scratch.0.join("recreations"), scratch.0.join("recreations/web.json"));
    assert_eq!((mode(&folder), mode(&file), fs::read_dir(&folder).unwrap().count()), (0o700, 0o600, 1));
    state.remove("recreations/web.json").await.unwrap();
    state.remove("recreations/web.json").await.unwrap();
    assert_eq!(state.read("recreations/web.json").await.unwrap(), None);
}

#[tokio::test]
async fn a_write_that_fails_leaves_the_old_file() {
    let scratch = Scratch::new();
    let state = StateDir::open(&scratch.0).await.unwrap();
    // A folder cannot be replaced by a file.
    fs::create_dir_all(scratch.0.join("checks.json/full")).unwrap();
    let error = state.write("checks.json", b"new".to_vec()).await.unwrap_err();
    assert!(error.code() == Code::Io && error.message().contains("checks.json"), "{error}");
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "the temporary file is removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_of_one_file_leave_one_whole_content() {
    let scratch = Scratch::new();
    let state = StateDir::open(&scratch.0).await.unwrap();
    let content = |number: u8| vec![number; 64 * 1024];
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..16 {
        let state = state.clone();
        writers.spawn(async move {
            state.write("checks.json", content(number)).await.unwrap();
            let read = state.read("checks.json").await.unwrap().unwrap();
            assert!(read.len() == 64 * 1024 && read.iter().all(|byte| *byte == read[0]), "a reader never sees half a file");
        });
    }
    writers.join_all().await;
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
}

#[tokio::test]
async fn only_whole_files_of_the_extension_are_listed() {
    let scratch = Scratch::new();
    let state = StateDir::open(&scratch.0).await.unwrap();
    assert!(state.read_all("recreations", "json").await.unwrap().is_empty());
    state.write("recreations/web.json", b"{}".to_vec()).await.unwrap();
    // What a crash leaves in the middle of a write.
    fs::write(scratch.0.join("recreations/.db.json.7-0-0.tmp"), "{\"eng").unwrap();
    assert_eq!(state.read_all("recreations", "json").await.unwrap(), [("recreations/web.json".to_owned(), b"{}".to_vec())]);
}

#[tokio::test]
async fn a_lock_excludes_a_second_holder_until_it_is_dropped() {
    let scratch = Scratch::new();
    let state = StateDir::open(&scratch.0).await.unwrap();
    let held = state.lock("checks.json").await.unwrap();
    assert_eq!(mode(&scratch.0.join("checks.json.lock")), 0o600);
    let second = tokio::time::timeout(Duration::from_millis(50), state.lock("checks.json")).await;
    assert!(second.is_err(), "the lock is held");
    drop(held);
    state.lock("checks.json").await.unwrap();
}
