//! The library in another process, which can be killed.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use refit::Code;
use refit::container::RecoverOptions;

use super::{connect_with_state, quick, runtime};

/// What a child does.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// `recreate` or `recover`.
    pub call: &'static str,
    pub host: String,
    pub container: String,
    pub state_dir: Option<String>,
    pub stop_timeout: Option<Duration>,
}

impl Work {
    /// This test binary again, running only its ignored test `child`.
    pub fn start(&self) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--ignored", "--nocapture"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("CHILD_CALL", self.call).env("CHILD_HOST", &self.host).env("CHILD_CONTAINER", &self.container);
        command.env("CHILD_STATE_DIR", self.state_dir.as_deref().unwrap_or_default());
        command.env("CHILD_STOP_TIMEOUT", self.stop_timeout.map(|grace| grace.as_secs().to_string()).unwrap_or_default());
        command.spawn().unwrap()
    }
}

/// The child's side: its exit code is the call's.
pub fn child() -> ! {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let code = runtime().block_on(async {
        let refit = connect_with_state(&variable("CHILD_HOST"), &variable("CHILD_STATE_DIR")).await;
        let container = variable("CHILD_CONTAINER");
        let error = if variable("CHILD_CALL") == "recreate" {
            let mut options = quick();
            options.allow_auto_remove = true;
            options.stop_timeout = variable("CHILD_STOP_TIMEOUT").parse().ok().map(Duration::from_secs);
            refit.recreate_container(container, options).await.err().map(|failure| failure.error)
        } else {
            let mut options = RecoverOptions::default();
            options.force = true;
            refit.recover(Some(&container), options).await.err().map(|failure| failure.error)
        };
        error.map_or(0, |error| error.code() as i32)
    });
    std::process::exit(code)
}

/// The code with which a child ended.
pub fn ended(mut child: Child) -> Option<Code> {
    let status = child.wait().unwrap().code().expect("a child that was not killed");
    Code::ALL.iter().copied().find(|code| *code as i32 == status)
}

/// Whether a child has ended by itself within a time.
pub fn ends_within(child: &mut Child, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
