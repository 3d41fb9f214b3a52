//! Logs, commands and statistics of containers in C.

use std::ffi::{CString, c_char, c_void};

use super::call_options::{MAX_BYTES, exec_options, log_options};
use super::delivery::{Delivered, Taken};
use super::entry::Entry;
use super::guard::Out;
use super::strings;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_log_fn, refit_log_line, refit_write_fn};
use crate::container::{FollowedLogs, LogLine, LogStream};
use crate::operation::call::Call;
use crate::{Code, Failure, Outcome};

/// The log of a container so far as text, both streams in the order in which the engine has them: `text, lines, truncated`. Bytes that are
/// not UTF-8 are replaced. `lines` counts those of `text`. The text cannot tell the streams apart: container_follow_logs with
/// `"follow": false` can.
///
/// Options:
/// - `tail` (all): only so many of the last lines, 0 to 2147483647, or "all".
/// - `since` RFC 3339 (all): only what was written at this time or later, to the nanosecond.
/// - `timestamps` false: begins each line with its time, in RFC 3339 with nine digits, and a space.
/// - `max_bytes` 16777216, 1 to 1073741824: keeps the newest bytes; older ones that were left out make the document's truncated true. The library holds
///   about as many and no more, however long the log is. It is refused together with `follow`.
/// - `follow` false: waits until the container stops.
///
/// Codes: NOT_FOUND, UNSUPPORTED (its log driver keeps nothing that can be read, such as "none": the message names it), INVALID_ARGUMENT,
/// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_logs(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_logs", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        let mut options = log_options(&mut entry.options)?;
        options.max_bytes = entry.options.integer("max_bytes", 1..=MAX_BYTES)?.map(|most| most as usize);
        entry.read(|refit| async move { Ok(refit.container_logs(&container, &options).await?) })
    })
}

/// The log of a container, each line as it is written, to `on_line`, which must not be NULL: `lines, bytes`, the lines that were handed over
/// and their bytes without the lines' ends. The document comes with every code once the log was found.
///
/// A line that is longer than 256 KiB comes in pieces of at most 256 KiB; each but the last has `partial` 1. The last line has `partial` 0
/// also when the log ends before the line does. In a container with a terminal everything is stdout, and the carriage return before a line's
/// end is taken off. The engine stores the time of every 16 KiB of a line; the line has the first of them.
///
/// With `follow` the call goes on until the container stops, restarts or is recreated, and is then OK. A silence of any length is waited for
/// while the engine answers pings. The library reads ahead of `on_line` by about 1 MiB, and then waits for it.
///
/// Options: `follow` true (false: only the log so far), `tail` (all), `since` (all) and `timestamps` false, as in container_logs. Codes: as
/// `container_logs`, and STOPPED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_follow_logs(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    on_line: refit_log_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_follow_logs", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        let Some(function) = on_line else { return Err(Code::InvalidArgument.error("on_line is NULL").into()) };
        let options = log_options(&mut entry.options)?;
        let (mut lines, mut bytes, mut text) = (0, 0, Vec::new());
        let hand_over = |batch: Vec<LogLine>, call: &Call| {
            for line in batch {
                if let Some(interrupt) = call.interrupt() {
                    return Taken::Interrupted(interrupt);
                }
                lines += u64::from(!line.partial);
                bytes += line.text.len() as u64;
                text.clear();
                text.extend_from_slice(&line.text);
                text.push(0);
                let timestamp = line.timestamp.map(|time| CString::new(format!("{time:.9}")).unwrap_or_default());
                let line = refit_log_line {
                    struct_size: size_of::<refit_log_line>(),
                    timestamp: timestamp.as_ref().map_or(std::ptr::null(), |time| time.as_ptr()),
                    text: text.as_ptr().cast(),
                    length: line.text.len(),
                    stream: if line.stream == LogStream::Stderr { 2 } else { 1 },
                    partial: i32::from(line.partial),
                };
                // SAFETY: the function and its data are the caller's, valid until the call returns; the strings live until it returns.
                if unsafe { function(&raw const line, user_data) } != 0 {
                    return Taken::Stopped;
                }
            }
            Taken::All
        };
        let delivered = entry.deliver(
            |refit, call, feed| async move {
                let mut log = call.run(refit.follow_logs(&container, &options)).await?;
                feed.begin();
                while let Some(batch) = call.run(log.batch()).await? {
                    // A line has a size of its own, or a million empty ones would wait.
                    let size = batch.iter().map(|line| line.text.len() + size_of::<LogLine>()).sum();
                    call.run(async {
                        feed.push(batch, size).await;
                        Ok::<_, crate::Error>(())
                    })
                    .await?;
                }
                Ok(())
            },
            hand_over,
        );
        report(delivered, FollowedLogs::new(Some(lines), bytes))
    })
}

/// The log of a container in the engine's own frames, to `on_data`, which must not be NULL: `lines` null, `bytes`, those that were handed
/// over. The document comes with every code once the log was found.
///
/// A frame is the number of its stream (1 stdout, 2 stderr, 3 a message of the engine about a failure of its own), three zeros, the length of
/// the rest as four bytes, the highest first, and the bytes. A container with a terminal has no frames. A call of `on_data` need not end
/// where a frame does.
///
/// Options: `follow` false (true: until the container stops), `tail` (all), `since` (all) and `timestamps` false (the engine's own, before
/// every line and every 16 KiB of a longer one), as in container_logs. Codes: as `container_logs`, and STOPPED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_raw_logs(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    on_data: refit_write_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_raw_logs", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        let Some(function) = on_data else { return Err(Code::InvalidArgument.error("on_data is NULL").into()) };
        let options = log_options(&mut entry.options)?;
        let mut bytes = 0;
        let hand_over = |data: bytes::Bytes, _: &Call| {
            bytes += data.len() as u64;
            // SAFETY: the function and its data are the caller's, valid until the call returns; the bytes live until it returns.
            if unsafe { function(data.as_ptr(), data.len(), user_data) } == 0 { Taken::All } else { Taken::Stopped }
        };
        let delivered = entry.deliver(
            |refit, call, feed| async move {
                let mut log = call.run(refit.raw_logs(&container, &options)).await?;
                feed.begin();
                while let Some(data) = call.run(log.next()).await? {
                    let size = data.len();
                    call.run(async {
                        feed.push(data, size).await;
                        Ok::<_, crate::Error>(())
                    })
                    .await?;
                }
                Ok(())
            },
            hand_over,
        );
        report(delivered, FollowedLogs::new(None, bytes))
    })
}

fn report(delivered: Delivered, document: FollowedLogs) -> Outcome<FollowedLogs> {
    match delivered.result {
        Ok(()) => Ok(document),
        Err(error) if delivered.begun => Err(Failure::with_report(error, document)),
        Err(error) => Err(error.into()),
    }
}

/// Runs a command (`argv_json`, a list of the program and its arguments) in a running container and waits for its end: `exit_code, stdout,
/// stderr, truncated`. It has no terminal. Bytes that are not UTF-8 are replaced. No shell is involved unless the program is one:
/// `["sh", "-c", "ls /data | wc -l"]`.
///
/// A command that cannot be started, such as one that does not exist, is OK with the exit code 126 or 127 (engines differ), and the engine's
/// words are in the output.
/// After a cancel or a timeout the command goes on in the container: the engine has no way to end it.
///
/// Options:
/// - `user` (the container's own): "user", "user:group" or numbers.
/// - `working_dir` (the container's own).
/// - `env` []: "KEY=value", in addition to the container's own.
/// - `stdin` string: what the command reads. Without it a command that reads sees the end at once.
/// - `max_output_bytes` 1048576, 0 to 1073741824: the first bytes are kept, of both streams together; when there were more, or the
///   connection ended before the command did, the document's truncated is true. The exit code comes all the same.
/// - `actor`.
///
/// Codes: NOT_FOUND, CONFLICT (the container is not running or is paused, or it stopped meanwhile), INVALID_ARGUMENT, UNSUPPORTED (`stdin`
/// through a proxy that does not upgrade connections), UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_exec(
    r: *const refit,
    container: *const c_char,
    argv_json: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_exec", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        // SAFETY: by the convention.
        let argv = unsafe { strings::required_list("argv_json", argv_json) }?;
        let options = exec_options(&mut entry.options)?;
        entry.change(|refit| async move { Ok(refit.exec_container(&container, &argv, &options).await?) })
    })
}

/// What a running container uses, as `docker stats` counts it: `cpu_percent` (of one processor: 200 when two are busy), `cpu_cores` (of the
/// engine's machine), `memory_usage_bytes` (without the pages of files that can be dropped, `inactive_file`), `memory_limit_bytes` (the
/// machine's memory when there is no limit), `memory_percent, network_rx_bytes?, network_tx_bytes?` (null with the machine's network),
/// `block_read_bytes, block_write_bytes, pids?, sampled_at`. It takes two samples, a second apart.
///
/// Codes: NOT_FOUND, CONFLICT (it is not running), INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_stats(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_stats", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        entry.read(|refit| async move { Ok(refit.container_stats(&container).await?) })
    })
}
