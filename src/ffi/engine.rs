//! The engine and the history in C.

use std::ffi::c_char;

use jiff::Timestamp;

use super::entry::Entry;
use super::guard::Out;
use super::options::Options;
use super::types::{refit, refit_cancel, refit_code, refit_error};
use crate::error::shown;
use crate::{Code, HistoryFilter, HistoryKind, Result};

/// The engine and its settings: `engine ("docker"/"podman"), version, api_version, min_api_version, os, architecture, store
/// ("classic"/"containerd"/"podman"), storage_driver, host, root_dir, swarm, mirrors [], insecure_registries [], state_dir?`.
///
/// Codes: UNREACHABLE, ENGINE, UNSUPPORTED, INVALID_ARGUMENT, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_engine_info(
    r: *const refit,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("refit_engine_info", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        entry.read(|refit| async move { Ok(refit.engine_info().await?) })
    })
}

/// The calls that changed something, or tried to, through this handle or through any with the same `state_dir`, newest first: `entries
/// [ {id, at, kind, actor?, image?, container?, volume?, service?, from? {id, digest?, version?}, to? {id, digest?, version?}, result,
/// error?, elapsed_ms, containers [ {container, result, error?} ], backups [ {volume, file} ]} ]`. `kind` is "pull", "update", "recreate", "rollback", "remove_old",
/// "backup", "restore" or "service_update": one record a call; what an update pulls and recreates is in the update's own, a batch has one
/// an image, a removal one for each image that is gone. `result` is "done", "unchanged", "rolled_back", "rollback_failed", "failed" or
/// "cancelled". Reads, dry runs and refused arguments leave none. Without `state_dir` the records end with the handle. A record that cannot
/// be written fails no call: it is a warning `history_not_written` of that call.
///
/// Options: `image` (in any form), `container` (updates that recreated it too), `actor`, `kind`, `since` (RFC 3339), `limit` 100, 1 to
/// 1000000. Codes: INVALID_ARGUMENT, IO (the file cannot be read), CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refit_history_list(
    r: *const refit,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("refit_history_list", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        let filter = history_filter(&mut entry.options)?;
        entry.read(|refit| async move { Ok(refit.history(&filter).await?) })
    })
}

fn history_filter(options: &mut Options) -> Result<HistoryFilter> {
    let defaults = HistoryFilter::default();
    let kind = match options.string("kind")? {
        Some(word) => Some(
            HistoryKind::of_word(&word)
                .ok_or_else(|| Code::InvalidArgument.error(format!("option \"kind\": {} is no kind of the history", shown(&word))))?,
        ),
        None => None,
    };
    let since = match options.string("since")? {
        Some(text) => Some(text.parse::<Timestamp>().map_err(|error| {
            Code::InvalidArgument.error(format!("option \"since\": {} is no time as RFC 3339 has it", shown(&text))).caused_by(&error)
        })?),
        None => None,
    };
    Ok(HistoryFilter {
        image: options.string("image")?,
        container: options.string("container")?,
        actor: options.string("actor")?,
        kind,
        since,
        limit: options.integer("limit", 1..=1_000_000)?.map_or(defaults.limit, |limit| limit as usize),
    })
}
