//! A command that runs in a container before or after the change.

use std::time::Duration;

use crate::engine::Engine;
use crate::engine::api::exec;
use crate::error::shown;
use crate::{Code, Error, Result};

/// How long a hook may take where nothing else was chosen.
pub(crate) const HOOKS_TIMEOUT: Duration = Duration::from_secs(600);

/// How much of a hook's output is kept: its end.
const KEPT: usize = 1024 * 1024;

/// Runs a command and waits for its end; an exit code other than 0 is an error with its last line, and so is a command that has not ended
/// within the limit, which goes on in the container.
pub(crate) async fn run(engine: &Engine, container: &str, command: &[String], limit: Duration) -> Result<()> {
    let what = format!("running the hook {} in container {container}", shown(&format!("{command:?}")));
    let failed = |error: Error| {
        let message = format!("{what}: {}", error.message());
        error.with_message(message)
    };
    let exec = exec::create(engine, container, command).await.map_err(failed)?;
    let mut output = OutputTail::default();
    let Ok(read) = tokio::time::timeout(limit, read(engine, &exec, &mut output)).await else {
        let message = format!(
            "{what}: it has not ended within {} s (timeout_s of the hooks), and goes on in the container: {}",
            limit.as_secs_f64(),
            output.last_line()
        );
        return Err(Code::Engine.error(message));
    };
    read.map_err(failed)?;
    match exec::inspect(engine, &exec).await.map_err(failed)?.exit_code {
        Some(0) => Ok(()),
        code => {
            let code = code.map_or_else(|| "an unknown code".to_owned(), |code| code.to_string());
            Err(Code::Engine.error(format!("{what}: it ended with exit code {code}: {}", output.last_line())))
        }
    }
}

async fn read(engine: &Engine, exec: &str, output: &mut OutputTail) -> Result<()> {
    let mut stream = exec::attach(engine, exec).await?;
    while let Some(piece) = stream.next_or_quiet().await? {
        output.push(&piece);
    }
    Ok(())
}

/// The end of both output streams, from frames in pieces of any length: a stream's number, three zeros, a length and the bytes.
#[derive(Default)]
struct OutputTail {
    /// The part of a frame's head that has come.
    head: Vec<u8>,
    /// How many bytes of the frame are still to come.
    left: usize,
    text: Vec<u8>,
}

impl OutputTail {
    fn push(&mut self, mut piece: &[u8]) {
        const HEAD: usize = 8;
        while !piece.is_empty() {
            if self.left == 0 {
                let (part, rest) = piece.split_at(piece.len().min(HEAD - self.head.len()));
                self.head.extend_from_slice(part);
                piece = rest;
                if let [_, _, _, _, a, b, c, d] = self.head[..] {
                    self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                    self.head.clear();
                }
                continue;
            }
            let (part, rest) = piece.split_at(piece.len().min(self.left));
            self.text.extend_from_slice(part);
            self.left -= part.len();
            piece = rest;
            if self.text.len() > 2 * KEPT {
                self.text.drain(..self.text.len() - KEPT);
            }
        }
    }

    fn last_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.text[self.text.len().saturating_sub(KEPT)..]);
        text.trim_end().lines().last().map_or_else(|| "it wrote nothing".to_owned(), |line| shown(line).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap_or(0).to_be_bytes();
        [&[stream, 0, 0, 0], &length[..], text].concat()
    }

    #[test]
    fn the_last_line_is_found_wherever_the_output_is_split() {
        let frames = [frame(1, b"first\nsec"), frame(2, b""), frame(2, b"ond\nlast\n")].concat();
        for cut in 0..=frames.len() {
            let mut tail = OutputTail::default();
            tail.push(&frames[..cut]);
            tail.push(&frames[cut..]);
            assert_eq!(tail.text, b"first\nsecond\nlast\n", "cut at {cut}");
            assert_eq!(tail.last_line(), "last");
        }
        assert_eq!(OutputTail::default().last_line(), "it wrote nothing");
    }

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let mut tail = OutputTail::default();
        let piece = frame(1, &vec![b'x'; 64 * 1024]);
        for _ in 0..200 {
            tail.push(&piece);
            assert!(tail.text.len() <= 2 * KEPT + 64 * 1024);
        }
        tail.push(&frame(2, b"\nthe end\n"));
        assert_eq!(tail.last_line(), "the end");
    }
}
