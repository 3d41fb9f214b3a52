//! The history that several processes share, and what a killed one leaves.
//!
//! Rules: docs/history.md, section 2.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use refit::image::PullOptions;
use refit::{ConnectOptions, HistoryFilter, HistoryResult, Refit};

const FOLDER: &str = "REFIT_HISTORY_WRITER";
const ACTOR: &str = "REFIT_HISTORY_ACTOR";
const COUNT: &str = "REFIT_HISTORY_COUNT";
const WRITTEN: &str = "written ";

/// A handle that needs no engine: each of its pulls fails, and has its record.
async fn open(folder: &Path) -> Refit {
    let options = ConnectOptions {
        host: Some("unix:///nonexistent/refit.sock".into()),
        lazy: true,
        state_dir: Some(folder.to_owned()),
        ..ConnectOptions::default()
    };
    Refit::connect(options).await.unwrap()
}

/// The process of the tests below; without its variables it does nothing. It tells of each record once the call has returned.
#[tokio::test]
#[allow(clippy::print_stdout)]
async fn writer() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let (actor, count) = (std::env::var(ACTOR).unwrap(), std::env::var(COUNT).unwrap().parse::<usize>().unwrap());
    let refit = open(&folder).await;
    for number in 0..count {
        refit.pull(format!("app:{number}"), PullOptions::default()).actor(&actor).await.unwrap_err();
        println!("{WRITTEN}{number}");
    }
}

/// A writer; its file may have this many bytes, and one more kills it.
fn writer_of(folder: &Path, actor: &str, count: usize, bytes: Option<u64>) -> Child {
    let own = std::env::current_exe().unwrap();
    let mut command = match bytes {
        None => Command::new(own),
        Some(bytes) => {
            let mut command = Command::new("prlimit");
            command.args([&format!("--fsize={bytes}"), "--core=0"]).arg(own);
            command
        }
    };
    command.args(["--exact", "history_processes::writer", "--nocapture"]);
    command.env(FOLDER, folder).env(ACTOR, actor).env(COUNT, count.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// How many records a writer has told of, at its end; `enough` ends it by SIGKILL.
fn told(mut child: Child, enough: usize) -> usize {
    let mut told = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        told += usize::from(line.unwrap().contains(WRITTEN));
        if told == enough {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    told
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(what: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("refit-{what}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("history.jsonl")
    }

    /// The images of an actor's records, oldest first.
    async fn of(&self, actor: &str) -> Vec<String> {
        let filter = HistoryFilter { actor: Some(actor.into()), limit: 100_000, ..HistoryFilter::default() };
        let mut entries = open(&self.0).await.history(&filter).await.unwrap().entries;
        entries.reverse();
        assert!(entries.iter().all(|entry| entry.result == HistoryResult::Failed && entry.error.is_some()));
        entries.into_iter().map(|entry| entry.image.unwrap()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn images(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("app:{number}")).collect()
}

/// The system kills a process that writes beyond its limit, after it has written up to it: in the middle of a record.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_killed_within_a_record_loses_that_record_alone() {
    let scratch = Scratch::new("history-torn");
    let mut before = 3;
    assert_eq!(told(writer_of(&scratch.0, "whole", before, None), usize::MAX), before);
    let length = || std::fs::metadata(scratch.file()).unwrap().len();
    let record = length() / before as u64;
    for written in [1, 2, record / 2, record - 20] {
        let limit = length() + written;
        let child = writer_of(&scratch.0, "killed", 1, Some(limit));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(25), "SIGXFSZ: {output:?}");
        assert_eq!(length(), limit, "a torn record");
        assert_eq!(scratch.of("whole").await.len(), before, "a reader has all whole records");
        assert!(scratch.of("killed").await.is_empty());
        assert_eq!(told(writer_of(&scratch.0, "whole", 1, None), usize::MAX), 1, "the next writer writes");
        before += 1;
        assert_eq!(scratch.of("whole").await.len(), before);
    }
    let text = std::fs::read_to_string(scratch.file()).unwrap();
    assert_eq!(text.lines().count(), before + 4, "each torn record is a line of its own: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_write_a_thousand_records_each_while_a_third_is_killed_again_and_again() {
    const EACH: usize = 1000;
    const KILLS: usize = 8;
    let scratch = Scratch::new("history-kills");
    let children = ["one", "two"].map(|actor| writer_of(&scratch.0, actor, EACH, None));
    let writers = children.map(|child| std::thread::spawn(move || told(child, usize::MAX)));
    let mut killed = Vec::new();
    for round in 0..KILLS {
        let actor = format!("killed {round}");
        let told = told(writer_of(&scratch.0, &actor, EACH, None), 3 + round);
        killed.push((actor, told));
    }
    for writer in writers {
        assert_eq!(writer.join().unwrap(), EACH);
    }
    for actor in ["one", "two"] {
        assert_eq!(scratch.of(actor).await, images(EACH), "{actor}");
    }
    for (actor, told) in killed {
        let there = scratch.of(&actor).await;
        // The record of a call that had not returned may be there too.
        assert!(there.len() == told || there.len() == told + 1, "{actor} told of {told}, {} are there", there.len());
        assert_eq!(there, images(there.len()), "{actor}");
    }
}
