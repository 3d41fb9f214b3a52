//! A child process and all that it starts.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// The program and all that it starts: they are killed with this value, unless the program has ended by itself.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    leader: Child,
    /// The leader has been waited for: its number may be another process's by now.
    reaped: bool,
}

/// Whether the program runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    Running,
    /// With its status. `None`: somebody else has waited for it. A process that ignores SIGCHLD, or that is the first of its container, reaps
    /// every child.
    Ended(Option<ExitStatus>),
}

impl ProcessGroup {
    pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Self> {
        Ok(Self { leader: command.process_group(0).spawn()?, reaped: false })
    }

    pub(crate) fn leader(&mut self) -> &mut Child {
        &mut self.leader
    }

    /// Never waits.
    pub(crate) fn look(&mut self) -> std::io::Result<Seen> {
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
            Err(error) => Err(error),
        }
    }

    /// What waits until the program has ended, and leaves its status to be read.
    pub(crate) fn wait(&self) -> impl FnOnce() + Send + 'static {
        let leader = self.pid();
        move || {
            let Some(leader) = leader else { return };
            while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {}
        }
    }

    /// Does not wait until they have ended. A program that has ended is not signalled: its number may be another process's by now.
    pub(crate) fn kill(&mut self) {
        let Some(leader) = self.pid().filter(|_| !self.reaped) else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        if matches!(waitid(WaitId::Pid(leader), options), Ok(None)) {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.leader.id()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
        if !self.reaped {
            let _ = self.leader.wait();
        }
    }
}
