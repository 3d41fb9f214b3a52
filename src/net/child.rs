//! A child process with a limit on everything: its time, its output, and what it starts.
//!
//! Through `std::process` on a thread of its own: tokio's `process` feature installs a SIGCHLD handler, which is the host's business.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use crate::environment::Environment;

/// How often a waiting thread looks whether the caller still waits.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A program to be run once.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Found in the `PATH` of the environment.
    pub(crate) name: String,
    pub(crate) argument: &'static str,
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
    let child = Command::new(&program.name)
        .arg(program.argument)
        .env_clear()
        .envs(program.environment.variables())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("it cannot be run: {error}"))?;
    let mut group = ProcessGroup { leader: child, reaped: false };
    let output = exchange(&mut group.leader, program, deadline)?;
    let status = group.wait(deadline)?;
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

/// The program and all that it starts: they are killed with this value, unless the program has ended by itself.
struct ProcessGroup {
    leader: Child,
    /// The leader has been waited for: its number may be another process's by now.
    reaped: bool,
}

impl ProcessGroup {
    fn wait(&mut self, deadline: &Deadline) -> Result<Option<ExitStatus>, String> {
        let mut pause = Duration::from_micros(200);
        loop {
            match self.look()? {
                Seen::Running => {}
                Seen::Ended(status) => return Ok(status),
            }
            deadline.check()?;
            std::thread::sleep(pause);
            pause = (pause * 2).min(POLL_INTERVAL);
        }
    }

    fn look(&mut self) -> Result<Seen, String> {
        match self.leader.try_wait() {
            Ok(None) => Ok(Seen::Running),
            Ok(Some(status)) => {
                self.reaped = true;
                Ok(Seen::Ended(Some(status)))
            }
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::CHILD.raw_os_error()) => {
                self.reaped = true;
                Ok(Seen::Ended(None))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Whether the program runs.
enum Seen {
    Running,
    /// With its status, where this process was the one to read it.
    Ended(Option<ExitStatus>),
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // One that has ended is not signalled: its number may be another process's by now.
        if self.reaped || !matches!(self.look(), Ok(Seen::Running)) {
            return;
        }
        if let Some(group) = i32::try_from(self.leader.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.leader.wait();
    }
}
