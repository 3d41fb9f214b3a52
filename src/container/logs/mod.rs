//! `container_logs`, `container_follow_logs`, `container_raw_logs`: what a container wrote.
//!
//! Rules: docs/abi.md, section 11.

mod lines;
mod newest;

use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{find, state};
use crate::engine::api::containers::{self, LogQuery};
use crate::engine::{ByteStream, phrases};
use crate::error::shown;
use crate::json::text;
use crate::{Code, Error, Refit, Result};
use lines::{LONGEST, LineDecoder};
use newest::Newest;

/// What [`Refit::container_logs`] keeps by default.
const DEFAULT_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Which part of a log is read, and how.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// Only so many of the last lines. Default: all.
    pub tail: Option<u32>,
    /// Only what was written at this time or later. Default: all.
    pub since: Option<Timestamp>,
    /// With the time of each line. Default: no.
    pub timestamps: bool,
    /// Whether the call goes on until the container stops. Default: [`Refit::follow_logs`] does, the others do not.
    pub follow: Option<bool>,
    /// Of [`Refit::container_logs`] alone, and not when it follows: how many of the newest bytes are kept. Default: 16 MiB.
    pub max_bytes: Option<usize>,
}

/// A log as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "container_logs")]
#[non_exhaustive]
pub struct ContainerLogs {
    /// Both streams; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// How many lines `text` has, one without an end among them.
    pub lines: u64,
    /// Older bytes were left out because of `max_bytes`.
    pub truncated: bool,
}

/// How much of a log was handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "container_follow_logs")]
#[non_exhaustive]
pub struct FollowedLogs {
    /// How many lines; `None` of raw logs. A long line that came in pieces is one.
    pub lines: Option<u64>,
    /// The bytes of the lines without their ends and times; of raw logs all bytes.
    pub bytes: u64,
}

impl FollowedLogs {
    #[cfg(feature = "capi")]
    pub(crate) fn new(lines: Option<u64>, bytes: u64) -> Self {
        Self { lines, bytes }
    }
}

/// Where a container wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogStream {
    /// Standard output, and all that a container with a terminal writes.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line of a log, or a piece of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// When it was written, by the engine's clock; `None` unless asked for.
    pub timestamp: Option<Timestamp>,
    /// The bytes without the line's end, at most 256 KiB of them. They need not be UTF-8.
    pub text: Bytes,
    /// Where it was written.
    pub stream: LogStream,
    /// The line is longer than 256 KiB, and its next piece follows.
    pub partial: bool,
    /// Whether the line's end has come: it has not of a piece, nor of a last line without one.
    pub(crate) ended: bool,
}

impl Refit {
    /// The log of a container so far: the newest [`max_bytes`](LogOptions::max_bytes) of it, held in about as much memory.
    ///
    /// [`NotFound`](Code::NotFound) when there is no such container, [`Unsupported`](Code::Unsupported) when its log driver keeps nothing that
    /// can be read.
    #[tracing::instrument(level = "error", name = "container_logs", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn container_logs(&self, container: &str, options: &LogOptions) -> Result<ContainerLogs> {
        let follow = options.follow.unwrap_or(false);
        if follow && options.max_bytes.is_some() {
            return Err(Code::InvalidArgument.error("option \"max_bytes\" cannot be given together with \"follow\""));
        }
        let max_bytes = options.max_bytes.unwrap_or(DEFAULT_MAX_BYTES);
        let mut log = self.open_log(container, options, follow, LONGEST.max(max_bytes)).await?;
        let mut newest = Newest::new(max_bytes);
        while let Some(lines) = log.batch().await? {
            for line in &lines {
                newest.add(line);
            }
        }
        Ok(newest.finish())
    }

    /// The log of a container line by line, as it is written, in constant memory.
    ///
    /// ```no_run
    /// use refit::Refit;
    /// use refit::container::LogOptions;
    ///
    /// # async fn example(refit: Refit) -> refit::Result<()> {
    /// let mut lines = refit.follow_logs("web", &LogOptions { tail: Some(10), ..LogOptions::default() }).await?;
    /// while let Some(line) = lines.next().await? {
    ///     println!("{}", String::from_utf8_lossy(&line.text));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Errors are those of [`Refit::container_logs`].
    #[tracing::instrument(level = "error", name = "container_follow_logs", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn follow_logs(&self, container: &str, options: &LogOptions) -> Result<LogLines> {
        refuse_max_bytes(options)?;
        self.open_log(container, options, options.follow.unwrap_or(true), LONGEST).await
    }

    /// The log of a container as the engine sends it: in frames of a stream's number, three zeros, a length of four bytes and the bytes; of a
    /// container with a terminal the bytes alone. Errors are those of [`Refit::container_logs`].
    #[tracing::instrument(level = "error", name = "container_raw_logs", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn raw_logs(&self, container: &str, options: &LogOptions) -> Result<RawLogs> {
        refuse_max_bytes(options)?;
        let log = self.open_log(container, options, options.follow.unwrap_or(false), LONGEST).await?;
        Ok(RawLogs { stream: log.stream, id: log.id, container: log.container })
    }

    async fn open_log(&self, container: &str, options: &LogOptions, follow: bool, longest: usize) -> Result<LogLines> {
        let engine = &self.shared.engine;
        let inspect = find::inspect(engine, container).await?;
        let driver = text(&inspect, "/HostConfig/LogConfig/Type");
        if driver == "none" {
            return Err(unreadable(container, driver));
        }
        let query = LogQuery { tail: options.tail, since: options.since.and_then(since), timestamps: options.timestamps, follow };
        let id = state::id(&inspect).to_owned();
        let stream = containers::log_stream(engine, &id, &query).await.map_err(|error| {
            if phrases::is_log_unreadable(&error) { unreadable(container, driver) } else { find::named(error, &id, container) }
        })?;
        let is_terminal = inspect.pointer("/Config/Tty") == Some(&Value::Bool(true));
        Ok(LogLines {
            refit: self.clone(),
            container: container.to_owned(),
            id,
            follow,
            stream,
            decoder: LineDecoder::new(is_terminal, options.timestamps, longest),
            ready: Vec::new().into_iter(),
            ended: None,
        })
    }
}

fn refuse_max_bytes(options: &LogOptions) -> Result<()> {
    match options.max_bytes {
        None => Ok(()),
        Some(_) => Err(Code::InvalidArgument.error("option \"max_bytes\" is of container_logs alone")),
    }
}

/// As the engine takes it: seconds and nanoseconds since 1970; before that there is no log.
fn since(time: Timestamp) -> Option<String> {
    (time >= Timestamp::UNIX_EPOCH).then(|| format!("{}.{:09}", time.as_second(), time.subsec_nanosecond()))
}

fn unreadable(container: &str, driver: &str) -> Error {
    let message = format!(
        "the log of container {} cannot be read: its log driver {driver:?} keeps nothing; create it with another, such as \"json-file\"",
        shown(container)
    );
    Code::Unsupported.error(message).with_container(container)
}

/// The lines of a log. Dropping it ends the reading.
#[derive(Debug)]
pub struct LogLines {
    refit: Refit,
    container: String,
    id: String,
    follow: bool,
    stream: ByteStream,
    decoder: LineDecoder,
    ready: std::vec::IntoIter<LogLine>,
    /// How the stream has ended; the error is returned once.
    ended: Option<Result<()>>,
}

impl LogLines {
    /// The next line; `None` at the end of the log, which for a log that is followed comes when the container stops, restarts or is recreated.
    ///
    /// A silence of any length is waited for while the engine answers pings.
    pub async fn next(&mut self) -> Result<Option<LogLine>> {
        if self.ready.len() == 0 {
            self.ready = self.batch().await?.unwrap_or_default().into_iter();
        }
        Ok(self.ready.next())
    }

    /// The next lines, at least one; `None` at the end.
    pub(crate) async fn batch(&mut self) -> Result<Option<Vec<LogLine>>> {
        let mut lines = Vec::new();
        while lines.is_empty() {
            if let Some(ended) = &mut self.ended {
                return std::mem::replace(ended, Ok(())).map(|()| None);
            }
            match self.stream.next_or_quiet().await {
                Ok(Some(bytes)) => self.decoder.take(bytes, &mut lines),
                Ok(None) => {
                    let ended = self.check_end().await;
                    if ended.is_ok() {
                        self.decoder.finish(&mut lines);
                    }
                    self.ended = Some(ended);
                }
                // Half a line is not handed over as a whole one.
                Err(error) => self.ended = Some(Err(find::named(error, &self.id, &self.container))),
            }
        }
        Ok(Some(lines))
    }

    /// Whether the stream's end is the log's.
    async fn check_end(&mut self) -> Result<()> {
        let what = format!("reading the log of container {}", shown(&self.container));
        if let Some(words) = self.decoder.failure() {
            // The files of a container that was removed meanwhile are gone, which ends what is followed.
            let now = containers::inspect(&self.refit.shared.engine, &self.id).await?;
            if self.follow && !now.is_some_and(|now| state::is_running(&now)) {
                return Ok(());
            }
            return Err(Code::Engine.error(format!("{what}: {words}")).with_container(&self.container));
        }
        if self.decoder.is_cut() {
            let message = format!("{what}: the connection to the engine was lost; read again from the last line");
            return Err(Code::Unreachable.error(message).with_container(&self.container));
        }
        Ok(())
    }
}

/// The bytes of a log as the engine sends them. Dropping it ends the reading.
#[derive(Debug)]
pub struct RawLogs {
    stream: ByteStream,
    id: String,
    container: String,
}

impl RawLogs {
    /// The next bytes, `None` at the end. They need not end where a frame does.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.stream.next_or_quiet().await.map_err(|error| find::named(error, &self.id, &self.container))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn since_has_nanoseconds() {
        let cases = [
            ("2026-11-29T01:30:10.123456789Z", Some("1795915810.123456789")),
            ("2026-11-29T03:30:10.000000001+02:00", Some("1795915810.000000001")),
            ("1970-01-01T00:00:00Z", Some("0.000000000")),
            ("1969-12-31T23:59:59.9Z", None),
        ];
        for (time, expected) in cases {
            assert_eq!(since(time.parse().unwrap()).as_deref(), expected, "{time}");
        }
    }
}
