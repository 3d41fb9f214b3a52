//! A child process with a limit on everything: its time, its output, and what it starts.
//!
//! Through `std::process` on a thread of its own: tokio's `process` feature installs a SIGCHLD handler, which is the host's business.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::process_group::{ProcessGroup, Seen};
use crate::environment::Environment;

/// How often a waiting thread looks whether the caller still waits.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A program to be run once.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Found in the `PATH` of the environment.
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
    /// The whole environment of the child.
    pub(crate) environment: Environment,
    /// Written to its standard input.
    pub(crate) input: String,
    /// The most bytes that it may write to its standard output.
    pub(crate) output_limit: u64,
    pub(crate) time_limit: Duration,
}

/// What a program has done. Its standard error is not read.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None`: somebody else has waited for it. A process that ignores SIGCHLD, or that is the first of its container, reaps every child.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) output: Vec<u8>,
}

impl Program {
    /// Runs it. The error says what went wrong and holds nothing of the program's output, which may be a secret.
    ///
    /// Dropping the future kills the program and all that it started.
    pub(crate) async fn run(self) -> Result<Finished, String> {
        let caller = Caller(Arc::new(AtomicBool::new(false)));
        let deadline = Deadline { at: Instant::now() + self.time_limit, dropped: caller.0.clone() };
        let finished = tokio::task::spawn_blocking(move || run(&self, &deadline)).await.map_err(|error| error.to_string())?;
        drop(caller);
        finished
    }
}

/// Dropped with the caller's future, which the thread then notices.
struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Until when the thread waits.
struct Deadline {
    at: Instant,
    dropped: Arc<AtomicBool>,
}

impl Deadline {
    fn check(&self) -> Result<(), String> {
        if self.dropped.load(Ordering::Relaxed) {
            return Err("the call was cancelled".into());
        }
        if Instant::now() >= self.at { Err("it took too long and was killed".into()) } else { Ok(()) }
    }
}

fn run(program: &Program, deadline: &Deadline) -> Result<Finished, String> {
    let mut command = Command::new(&program.name);
    command
        .args(&program.arguments)
        .env_clear()
        .envs(program.environment.variables())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut group = ProcessGroup::spawn(&mut command).map_err(|error| format!("it cannot be run: {error}"))?;
    let output = exchange(group.leader(), program, deadline)?;
    let status = wait(&mut group, deadline)?;
    Ok(Finished { status, output })
}

/// Writes the input and reads the output.
fn exchange(child: &mut Child, program: &Program, deadline: &Deadline) -> Result<Vec<u8>, String> {
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read its input may have closed it already.
        let _ = input.write_all(program.input.as_bytes());
    }
    let Some(mut output) = child.stdout.take() else { return Ok(Vec::new()) };
    let (limit, (sender, receiver)) = (program.output_limit, sync_channel(1));
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let result = output.by_ref().take(limit + 1).read_to_end(&mut bytes).map(|_| bytes);
        let _ = sender.send(result);
    });
    loop {
        match receiver.recv_timeout(POLL_INTERVAL) {
            Ok(Ok(bytes)) if bytes.len() as u64 > limit => return Err("its answer is too long".into()),
            Ok(result) => return result.map_err(|error| format!("its answer cannot be read: {error}")),
            Err(RecvTimeoutError::Disconnected) => return Err("its answer cannot be read".into()),
            Err(RecvTimeoutError::Timeout) => deadline.check()?,
        }
    }
}

fn wait(group: &mut ProcessGroup, deadline: &Deadline) -> Result<Option<ExitStatus>, String> {
    let mut pause = Duration::from_micros(200);
    loop {
        match group.look().map_err(|error| error.to_string())? {
            Seen::Running => {}
            Seen::Ended(status) => return Ok(status),
        }
        deadline.check()?;
        std::thread::sleep(pause);
        pause = (pause * 2).min(POLL_INTERVAL);
    }
}
