//! The child of one connection. It is killed when the connection is dropped, and never left a zombie.

use std::future::Future;
use std::io::Read;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::failure::Failure;
use super::target::Target;
use crate::environment::Environment;
use crate::net::process_group::{ProcessGroup, Seen};

/// How much of what it says last is kept.
const WORDS: usize = 4096;

/// How many of its last lines are told.
const LINES: usize = 3;

/// How long an end of its output waits for the end of the child itself, and so for its last words.
const MOMENT: Duration = Duration::from_secs(2);

const STACK: usize = 128 * 1024;

/// `ssh`, and a thread that reads what it says and then reaps it.
#[derive(Debug)]
pub(super) struct Child {
    group: Arc<Mutex<ProcessGroup>>,
    /// This side of its standard error. Shutting it down ends the thread's read, whoever else has the other side by now (the master of
    /// `ControlPersist`).
    words: UnixStream,
    ended: watch::Receiver<Option<Ended>>,
}

#[derive(Debug, Clone)]
struct Ended {
    words: String,
    seen: Seen,
}

impl Child {
    /// The child, and the socket that is both its standard input and its standard output. It blocks as long as a fork takes.
    pub(super) fn start(target: &Target, connect_timeout: Duration, environment: &Environment) -> std::io::Result<(Self, UnixStream)> {
        let (ours, its) = UnixStream::pair()?;
        let (words, its_words) = UnixStream::pair()?;
        let mut command = Command::new("ssh");
        command.args(target.dial(connect_timeout)).env_clear().envs(environment.variables());
        command.stdin(OwnedFd::from(its.try_clone()?)).stdout(OwnedFd::from(its)).stderr(OwnedFd::from(its_words));
        let group = ProcessGroup::spawn(&mut command);
        // It has the other sides of both sockets: as long as they are open here, no end of the child is seen.
        drop(command);
        let group = group.map_err(|error| Failure { words: format!("it cannot be run: {error}"), status: None })?;
        let wait = group.wait();
        let group = Arc::new(Mutex::new(group));
        let (sender, ended) = watch::channel(None);
        let (said, reaped) = (words.try_clone()?, group.clone());
        std::thread::Builder::new().name("refit-ssh".into()).stack_size(STACK).spawn(move || {
            let words = last_words(said);
            wait();
            let seen = lock(&reaped).look().unwrap_or(Seen::Ended(None));
            sender.send_replace(Some(Ended { words, seen }));
        })?;
        Ok((Self { group, words, ended }, ours))
    }

    /// Why it has ended, once it has; `None`: as it should, or it goes on.
    pub(super) fn why(&self) -> impl Future<Output = Option<Failure>> + Send + 'static {
        let mut ended = self.ended.clone();
        async move {
            let end = tokio::time::timeout(MOMENT, ended.wait_for(Option::is_some)).await.ok()?.ok()?.clone()?;
            let Seen::Ended(status) = end.seen else { return None };
            match status {
                Some(status) if status.success() => None,
                // The host has read its status: what it has said has to do.
                None if end.words.is_empty() => None,
                _ => {
                    let signal = status.and_then(|status| status.signal()).filter(|_| end.words.is_empty());
                    let words = signal.map_or(end.words, |signal| format!("it was ended by signal {signal}"));
                    Some(Failure { words, status: status.and_then(|status| status.code()) })
                }
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        lock(&self.group).kill();
        let _ = self.words.shutdown(Shutdown::Both);
    }
}

fn lock(group: &Mutex<ProcessGroup>) -> MutexGuard<'_, ProcessGroup> {
    group.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads to the end.
fn last_words(mut said: impl Read) -> String {
    let (mut last, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(read @ 1..) = said.read(&mut piece) {
        last.extend_from_slice(&piece[..read]);
        let before = last.len().saturating_sub(WORDS);
        last.drain(..before);
    }
    let text = String::from_utf8_lossy(&last);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_words_are_kept() {
        let chatter: String = (0..1000).map(|line| format!("debug1: line {line}\r\n")).collect();
        assert_eq!(last_words(chatter.as_bytes()), "debug1: line 997 / debug1: line 998 / debug1: line 999");
        assert_eq!(last_words("\n  \n".as_bytes()), "");
    }
}
