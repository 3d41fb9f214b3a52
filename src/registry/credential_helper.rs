//! `docker-credential-NAME get`: a program that knows a secret, run with a limit on everything.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::auth_file::of_helper;
use super::credential::Credential;
use crate::environment::Environment;

/// The longest answer of a helper.
const OUTPUT_CAP: u64 = 64 * 1024;
/// How often a waiting thread looks whether the call has been given up.
const GLANCE: Duration = Duration::from_millis(20);

/// Asks a helper. `Ok(None)`: it knows no credential. An error says what went wrong, in words that hold no secret.
///
/// Dropping the future ends the helper and all that it started.
pub(super) async fn get(name: &str, server: &str, environment: &Environment, limit: Duration) -> Result<Option<Credential>, String> {
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !named {
        return Err("the name of the credential helper is not one".into());
    }
    let given_up = GivenUp(Arc::new(AtomicBool::new(false)));
    let flag = given_up.0.clone();
    let program = format!("docker-credential-{name}");
    let (server, environment) = (server.to_owned(), environment.clone());
    let run = move || run(&program, &server, &environment, Instant::now() + limit, &flag);
    let result = tokio::task::spawn_blocking(run).await.map_err(|error| error.to_string())?;
    drop(given_up);
    result.map_err(|why| format!("docker-credential-{name}: {why}"))
}

/// Tells the thread when nobody waits for it any more.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn run(
    program: &str,
    server: &str,
    environment: &Environment,
    deadline: Instant,
    given_up: &AtomicBool,
) -> Result<Option<Credential>, String> {
    let child = Command::new(program)
        .arg("get")
        .env_clear()
        .envs(environment.variables())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("it cannot be run: {error}"))?;
    let mut group = Group { helper: child, ended: false };
    let output = talk(&mut group.helper, server, deadline, given_up)?;
    let status = group.wait(deadline, given_up)?;
    if status.success() {
        let answer: Value = serde_json::from_slice(&output).map_err(|_| "its answer is not JSON".to_owned())?;
        return Ok(of_helper(&answer));
    }
    // The words of docker's own helpers for "there is none".
    if String::from_utf8_lossy(&output).contains("credentials not found") { Ok(None) } else { Err(format!("it failed: {status}")) }
}

/// Gives the server's name and takes the answer.
fn talk(child: &mut Child, server: &str, deadline: Instant, given_up: &AtomicBool) -> Result<Vec<u8>, String> {
    if let Some(mut input) = child.stdin.take() {
        // A helper that does not read its input may have closed it already.
        let _ = input.write_all(server.as_bytes());
    }
    let Some(mut output) = child.stdout.take() else { return Ok(Vec::new()) };
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let result = output.by_ref().take(OUTPUT_CAP + 1).read_to_end(&mut bytes).map(|_| bytes);
        let _ = sender.send(result);
    });
    loop {
        match receiver.recv_timeout(GLANCE) {
            Ok(Ok(bytes)) if bytes.len() as u64 > OUTPUT_CAP => return Err("its answer is too long".into()),
            Ok(result) => return result.map_err(|error| format!("its answer cannot be read: {error}")),
            Err(RecvTimeoutError::Disconnected) => return Err("its answer cannot be read".into()),
            Err(RecvTimeoutError::Timeout) => still_wanted(deadline, given_up)?,
        }
    }
}

fn still_wanted(deadline: Instant, given_up: &AtomicBool) -> Result<(), String> {
    if given_up.load(Ordering::Relaxed) {
        return Err("the call was given up".into());
    }
    if Instant::now() >= deadline { Err("it took too long and was ended".into()) } else { Ok(()) }
}

/// The helper, and the group of all that it starts: whatever happens, they end with this value.
struct Group {
    helper: Child,
    /// It has ended and been waited for: its number may be another's by now.
    ended: bool,
}

impl Group {
    fn wait(&mut self, deadline: Instant, given_up: &AtomicBool) -> Result<ExitStatus, String> {
        let mut pause = Duration::from_micros(200);
        loop {
            if let Some(status) = self.helper.try_wait().map_err(|error| error.to_string())? {
                self.ended = true;
                return Ok(status);
            }
            still_wanted(deadline, given_up)?;
            std::thread::sleep(pause);
            pause = (pause * 2).min(GLANCE);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Some(group) = i32::try_from(self.helper.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.helper.wait();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    /// A folder with one helper of that name, and an environment that finds it.
    fn helper(name: &str, script: &str) -> (PathBuf, Environment) {
        let folder = std::env::temp_dir().join(format!("refit-helper-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("docker-credential-{name}"));
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.display());
        (folder, Environment::from([("PATH", path.as_str())]))
    }

    async fn answer(name: &str, script: &str) -> Result<Option<Credential>, String> {
        let (folder, environment) = helper(name, script);
        let result = get(name, "reg:5000", &environment, Duration::from_secs(2)).await;
        std::fs::remove_dir_all(folder).unwrap();
        result
    }

    #[tokio::test]
    async fn what_helpers_answer() {
        let good = r#"test "$1" = get && printf '{"ServerURL":"%s","Username":"u","Secret":"%s"}' x "$(cat)""#;
        assert_eq!(answer("good", good).await, Ok(Credential::of(Some("u"), Some("reg:5000"), None)));
        assert_eq!(answer("none", "echo credentials not found in native keychain; exit 1").await, Ok(None));
        for (name, script, why) in [
            ("fails", "echo SECRET; echo SECRET >&2; exit 3", "exit status: 3"),
            ("garbage", "echo SECRET", "not JSON"),
            ("endless", "exec yes SECRET", "too long"),
        ] {
            let error = answer(name, script).await.unwrap_err();
            assert!(error.contains(why) && !error.contains("SECRET"), "{name}: {error}");
        }
        let nowhere = get("nowhere", "x", &Environment::from([("PATH", "/nonexistent")]), Duration::from_secs(1)).await.unwrap_err();
        assert!(nowhere.contains("cannot be run"), "{nowhere}");
        for name in ["", "a/b", "a b", "a;b"] {
            assert!(get(name, "x", &Environment::default(), Duration::from_secs(1)).await.is_err(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_slow_helper_ends_with_all_that_it_started() {
        let (folder, environment) = helper("slow", &format!("sleep 1000 & echo $! > {}/child; wait", std::env::temp_dir().display()));
        let begin = Instant::now();
        let error = get("slow", "x", &environment, Duration::from_millis(300)).await.unwrap_err();
        assert!(error.contains("too long") && begin.elapsed() < Duration::from_secs(1), "{error}");
        let child = std::fs::read_to_string(std::env::temp_dir().join("child")).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_else(|_| "0 (sleep) Z".into());
        assert!(state.contains(") Z"), "its child still runs: {state}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_ends_its_helper() {
        let (folder, environment) = helper("given-up", "exec sleep 1000");
        let waiting = get("given-up", "x", &environment, Duration::from_secs(1000));
        assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err());
        std::fs::remove_dir_all(folder).unwrap();
        // The runtime waits for its blocking threads when it is dropped: the test hangs if the helper does.
    }
}
