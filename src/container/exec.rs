//! `container_exec`: a command in a running container.
//!
//! Rules: docs/abi.md, section 11.

use std::time::Duration;

use bollard::config::{ExecConfig, ExecInspectResponse};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{find, state};
use crate::engine::api::exec;
use crate::engine::frames::Frames;
use crate::engine::names::check_container;
use crate::engine::{ByteStream, Endpoint, Engine, phrases};
use crate::error::shown;
use crate::{Code, Error, Refit, Result};

/// Docker reports the end of a command a moment after the end of its output.
const MOMENT: Duration = Duration::from_secs(2);

/// How a command is run, and how much of its output is kept.
#[derive(Debug, Clone)]
pub struct ExecOptions {
    /// `user`, `user:group` or numbers. Default: the container's own.
    pub user: Option<String>,
    /// Where it starts. Default: the container's own.
    pub working_dir: Option<String>,
    /// `KEY=value`, in addition to the container's own. Default: none.
    pub env: Vec<String>,
    /// What it reads. Default: nothing, and a reader sees the end at once.
    pub stdin: Option<Vec<u8>>,
    /// How many bytes of its output are kept, both streams together. Default: 1 MiB.
    pub max_output_bytes: usize,
}

impl Default for ExecOptions {
    fn default() -> Self {
        Self { user: None, working_dir: None, env: Vec::new(), stdin: None, max_output_bytes: 1024 * 1024 }
    }
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "container_exec")]
#[non_exhaustive]
pub struct Executed {
    /// Its exit code; 126 or 127 when it could not be started, with the engine's words in the output.
    pub exit_code: i64,
    /// What it wrote; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it wrote; bytes that are not UTF-8 are replaced.
    pub stderr: String,
    /// It wrote more than was kept, or the connection was lost before its end.
    pub truncated: bool,
}

impl Refit {
    /// Runs a command in a running container and waits for its end. A command that is no shell's is not looked up by one: `["sh", "-c", "…"]`.
    ///
    /// [`Conflict`](Code::Conflict) when the container does not run or is paused. When the future is dropped the command goes on in the
    /// container, without a reader.
    #[tracing::instrument(level = "error", name = "container_exec", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn exec_container(&self, container: &str, argv: &[String], options: &ExecOptions) -> Result<Executed> {
        check_container(container)?;
        check_command(argv, options)?;
        let engine = &self.shared.engine;
        let stdin = options.stdin.clone().filter(|bytes| !bytes.is_empty());
        let config = ExecConfig {
            cmd: Some(argv.to_vec()),
            user: options.user.clone(),
            working_dir: options.working_dir.clone(),
            env: (!options.env.is_empty()).then(|| options.env.clone()),
            attach_stdin: Some(stdin.is_some()),
            ..ExecConfig::default()
        };
        let exec = create(engine, container, config).await?;
        let named = |error: Error| find::named(error, &exec, container);
        let mut output = Output::new(options.max_output_bytes);
        let read = match stdin {
            None => match exec::attach(engine, &exec).await {
                Ok(stream) => output.read(stream).await,
                Err(error) => Err(error),
            },
            Some(bytes) => match exec::attach_with_input(engine, &exec).await {
                Ok((stream, input)) => match tokio::join!(output.read(stream), write(input, bytes)) {
                    (Err(_), false) if has_left_input(engine, &exec).await => {
                        // What the command has written last may be lost with the connection.
                        output.truncated = true;
                        Ok(())
                    }
                    (read, _) => read,
                },
                Err(error) => Err(error),
            },
        };
        if let Err(error) = read {
            return match phrases::exit_code_of_refused(&error) {
                Some(exit_code) if error.context().http_status.is_some() => {
                    Ok(Executed { exit_code, stdout: String::new(), stderr: error.message().to_owned(), truncated: false })
                }
                _ => Err(named(error)),
            };
        }
        let (inspect, at_once) = end(engine, &exec).await.map_err(|error| match error.code() {
            // An engine forgets the commands of a container that stops.
            Code::NotFound | Code::Conflict => {
                let message = format!("container {} stopped while the command ran", shown(container));
                error.into_cause_of(Code::Conflict, message).with_container(container)
            }
            _ => named(error),
        })?;
        let Some(exit_code) = inspect.exit_code else {
            let message = format!("the command in container {} has ended, and the engine reported no exit code", shown(container));
            return Err(Code::Engine.error(message).with_container(container));
        };
        Ok(output.finish(exit_code, at_once))
    }
}

fn check_command(argv: &[String], options: &ExecOptions) -> Result<()> {
    let invalid = |message: &str| Err(Code::InvalidArgument.error(message));
    match argv.first() {
        None => return invalid("argv_json is an empty list: it must begin with a program to run"),
        Some(program) if program.is_empty() => return invalid("argv_json begins with an empty text: it must begin with a program to run"),
        Some(_) => {}
    }
    if argv.iter().any(|word| word.contains('\0')) {
        return invalid("argv_json has a NUL in it, which no argument can have");
    }
    let is_variable = |entry: &String| !entry.contains('\0') && entry.find('=').is_some_and(|at| at > 0);
    if options.env.iter().all(is_variable) { Ok(()) } else { invalid("option \"env\" must be a list of KEY=value") }
}

/// Creates the exec by the name as it was given, which is one request; a container that has its name under another one for a moment is looked
/// for only when the engine does not know it.
async fn create(engine: &Engine, container: &str, config: ExecConfig) -> Result<String> {
    match exec::create_with(engine, container, config.clone()).await {
        Ok(exec) => Ok(exec),
        Err(error) if error.context().http_status.is_some() => {
            let inspect = find::inspect(engine, container).await?;
            if let Some(error) = refuse(container, &inspect) {
                return Err(error);
            }
            if error.code() != Code::NotFound {
                return Err(error.with_container(container));
            }
            let id = state::id(&inspect);
            exec::create_with(engine, id, config).await.map_err(|error| find::named(error, id, container))
        }
        Err(error) => Err(error.with_container(container)),
    }
}

/// A container in which no command can run.
fn refuse(container: &str, inspect: &Value) -> Option<Error> {
    let container_shown = shown(container);
    let message = if state::is_paused(inspect) {
        format!("container {container_shown} is paused: unpause it first")
    } else if !state::is_running(inspect) {
        format!("container {container_shown} is not running: start it first")
    } else {
        return None;
    };
    Some(Code::Conflict.error(message).with_container(container))
}

/// Writes the input and ends it; false where it was not all taken: a command need not read it.
async fn write(input: impl AsyncWrite, bytes: Vec<u8>) -> bool {
    let mut input = std::pin::pin!(input);
    input.write_all(&bytes).await.is_ok() && input.shutdown().await.is_ok()
}

/// Whether a lost connection means that the command has ended without reading all of its input: Podman resets it then. Elsewhere, and over a network,
/// the connection itself may have failed, and the command ended because of that: it had not all of its input.
async fn has_left_input(engine: &Engine, exec: &str) -> bool {
    let resets = matches!(engine.endpoint(), Endpoint::Unix(_)) && engine.facts().await.is_ok_and(|facts| facts.podman());
    resets && tokio::time::timeout(MOMENT, end(engine, exec)).await.is_ok_and(|end| end.is_ok())
}

/// The exec once its command has ended, and whether it had at the end of its output.
async fn end(engine: &Engine, exec: &str) -> Result<(ExecInspectResponse, bool)> {
    let (begun, mut pause) = (tokio::time::Instant::now(), Duration::from_millis(2));
    loop {
        let inspect = exec::inspect(engine, exec).await?;
        if inspect.running != Some(true) && inspect.exit_code.is_some() {
            return Ok((inspect, begun.elapsed() < MOMENT));
        }
        if inspect.running == Some(false) && begun.elapsed() > MOMENT {
            return Ok((inspect, true));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

/// The first bytes of both streams.
#[derive(Debug)]
struct Output {
    left: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    truncated: bool,
}

impl Output {
    fn new(max_bytes: usize) -> Self {
        Self { left: max_bytes, stdout: Vec::new(), stderr: Vec::new(), truncated: false }
    }

    /// Reads to the end, also what is not kept.
    async fn read(&mut self, mut stream: ByteStream) -> Result<()> {
        let mut frames = Frames::default();
        while let Some(mut bytes) = stream.next_or_quiet().await? {
            while let Some(part) = frames.next(&mut bytes) {
                self.add(part.stream, &part.bytes);
            }
        }
        if frames.is_cut() {
            return Err(Code::Unreachable.error("the connection to the engine was lost; the command goes on in the container"));
        }
        Ok(())
    }

    fn add(&mut self, stream: u8, bytes: &Bytes) {
        let kept = bytes.len().min(self.left);
        self.left -= kept;
        self.truncated |= kept < bytes.len();
        let text = if stream == 2 { &mut self.stderr } else { &mut self.stdout };
        text.extend_from_slice(&bytes[..kept]);
    }

    /// `is_whole`: the command had ended at the end of its output. A connection that was lost ends the output too.
    fn finish(mut self, exit_code: i64, is_whole: bool) -> Executed {
        if self.truncated {
            trim(&mut self.stdout);
            trim(&mut self.stderr);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Executed { exit_code, stdout: text(&self.stdout), stderr: text(&self.stderr), truncated: self.truncated || !is_whole }
    }
}

/// Takes a character off that was cut.
fn trim(text: &mut Vec<u8>) {
    if let Err(error) = std::str::from_utf8(text)
        && error.error_len().is_none()
    {
        text.truncate(error.valid_up_to());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_of_both_streams_are_kept() {
        let mut output = Output::new(7);
        for (stream, text) in [(1, "abc"), (2, "d"), (1, "eö"), (2, "more")] {
            output.add(stream, &Bytes::from(text));
        }
        let done = output.finish(3, true);
        assert_eq!((done.stdout.as_str(), done.stderr.as_str(), done.truncated, done.exit_code), ("abceö", "d", true, 3));
        let mut output = Output::new(4);
        output.add(1, &Bytes::from("abcö"));
        assert_eq!(output.finish(0, true).stdout, "abc", "a character that was cut");
        let mut output = Output::new(4);
        output.add(1, &Bytes::from("abcd"));
        let done = output.finish(0, true);
        assert_eq!((done.stdout.as_str(), done.truncated), ("abcd", false));
    }

    #[test]
    fn a_command_needs_a_program_and_no_nul() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        for bad in [words(&[]), words(&[""]), words(&["a", "b\0c"])] {
            let error =
                check_command(&bad, &ExecOptions::default()).err().map(|error| (error.code(), error.message().contains("argv_json")));
            assert_eq!(error, Some((Code::InvalidArgument, true)), "{bad:?}");
        }
        assert_eq!(check_command(&words(&["a", ""]), &ExecOptions::default()), Ok(()));
        for (env, valid) in [("A=", true), ("A=b=c", true), ("A", false), ("=b", false), ("", false), ("A=\0", false)] {
            let options = ExecOptions { env: words(&[env]), ..ExecOptions::default() };
            assert_eq!(check_command(&words(&["a"]), &options).is_ok(), valid, "{env:?}");
        }
    }
}
