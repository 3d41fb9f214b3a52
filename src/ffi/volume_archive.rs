//! Archives of volumes in C, as streams.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::delivery::{Feed, Taken};
use super::entry::Entry;
use super::guard::Out;
use super::strings;
use super::supply;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_read_fn, refit_write_fn};
use super::volume_files::write_options;
use crate::operation::call::Call;
use crate::volume::{self, Exported, ImportOptions, Sink};
use crate::{Code, Failure, Result};

/// The engine's pieces for a callback, and how many entries they had.
struct Handed {
    feed: Feed<Bytes>,
}

impl Sink for Handed {
    fn begin(&mut self) {
        self.feed.begin();
    }

    async fn take(&mut self, bytes: Bytes) -> Result<()> {
        let size = bytes.len();
        self.feed.push(bytes, size).await;
        Ok(())
    }
}

/// Exports a file or a folder of a volume as a tar archive to `on_data`, which must not be NULL: `bytes` (those that were handed over), `entries`.
/// The names in it are relative to the folder and begin with `./`; a file has its own name. The library holds about 1 MiB of it. It has modes, owners
/// by number, hard links, pipes, devices and the attribute security.capability; the engine leaves out sockets, fractions of times and the
/// attributes user.*.
///
/// Paths, links and containers: volume_list_files. A file that grows meanwhile is as long as it was. The document comes with every code once the
/// archive was begun; with another code than OK it is not whole.
///
/// Options: none. Codes: NOT_FOUND (no such volume or file), CONFLICT (a file became shorter meanwhile: export again), INVALID_ARGUMENT, STOPPED,
/// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_export(
    r: *const refit,
    volume: *const c_char,
    path: *const c_char,
    options_json: *const c_char,
    on_data: refit_write_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("volume_export", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let (volume, path) = unsafe { (strings::required("volume", volume)?, strings::required("path", path)?) };
        let Some(function) = on_data else { return Err(Code::InvalidArgument.error("on_data is NULL").into()) };
        let (mut bytes, entries) = (0, Arc::new(AtomicU64::new(0)));
        let hand_over = |data: Bytes, _: &Call| {
            bytes += data.len() as u64;
            // SAFETY: the function and its data are the caller's, valid until the call returns; the bytes live until it returns.
            if unsafe { function(data.as_ptr(), data.len(), user_data) } == 0 { Taken::All } else { Taken::Stopped }
        };
        let counted = entries.clone();
        let delivered = entry.deliver(
            |refit, call, feed| async move {
                let outcome = volume::export(&refit, &call, &volume, &path, &mut Handed { feed }).await;
                let (exported, result) = match outcome {
                    Ok(exported) => (Some(exported), Ok(())),
                    Err(failure) => (failure.report, Err(failure.error)),
                };
                counted.store(exported.map_or(0, |exported| exported.entries), Ordering::Relaxed);
                result
            },
            hand_over,
        );
        let document = Exported { bytes, entries: entries.load(Ordering::Relaxed) };
        match delivered.result {
            Ok(()) => Ok(document),
            Err(error) if delivered.begun => Err(Failure::with_report(error, document)),
            Err(error) => Err(error.into()),
        }
    })
}

/// Unpacks a tar archive, which `read` supplies and which must not be compressed, into a folder of a volume, which is made when it is missing: `path`
/// (as asked), `bytes` (of the archive, that were read), `changed`. `read` must not be NULL; it is called on the caller's thread, at least until the
/// archive's end mark, and not after it has returned 0 or a negative number. The call returns after `read` has, also when it has failed.
///
/// Modes, owners and times are the archive's, those of folders that are there too, and fractions of times and attributes are kept. A file replaces a
/// file; a folder where a file is, or the other way round, is INVALID_ARGUMENT, and so are entries whose name or link leads out of the volume or
/// through a link, and devices. Extended headers may have 1 MiB. What came before an entry that is refused stays in the volume: the document comes
/// with every code once the archive was begun, and its `changed` is false when nothing was sent to the engine.
///
/// Paths, links and containers: volume_list_files. A cancel leaves what was unpacked.
///
/// Options: `mode` (number, 0 to 4095; of files only), `uid`, `gid` (numbers), `modified` RFC 3339: instead of the archive's. `actor`. Codes: NOT_FOUND
/// (no such volume), DATA (no archive, an empty, damaged or compressed one, or one without its end mark), INVALID_ARGUMENT, UNSUPPORTED (the volume is
/// in memory, and no running container has it), CONFLICT (a folder became a link meanwhile), STOPPED, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_import(
    r: *const refit,
    volume: *const c_char,
    path: *const c_char,
    options_json: *const c_char,
    read: refit_read_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("volume_import", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let (volume, path) = unsafe { (strings::required("volume", volume)?, strings::required("path", path)?) };
        let Some(function) = read else { return Err(Code::InvalidArgument.error("read is NULL").into()) };
        let options = write_options(&mut entry.options)?;
        let options = ImportOptions { mode: options.mode, uid: options.uid, gid: options.gid, modified: options.modified };
        let (supplier, mut supply) = supply::channel();
        let start = |refit: &crate::Refit| {
            refit.operation(tracing::Span::none(), move |refit, call| async move {
                volume::import(&refit, &call, &volume, &path, &mut supply, &options).await
            })
        };
        entry.supply(start, |operation| {
            supplier.run(operation, |buffer| {
                // SAFETY: the function and its data are the caller's, valid until the call returns; the buffer lives until it returns.
                unsafe { function(buffer.as_mut_ptr(), buffer.len(), user_data) }
            })
        })
    })
}
