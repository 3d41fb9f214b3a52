//! Recreations and their recovery in C.

use std::ffi::{c_char, c_void};

use super::call_options::recreate_options;
use super::callback::Callback;
use super::entry::Entry;
use super::guard::Out;
use super::strings;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_progress_fn};
use crate::Code;
use crate::container::RecoverOptions;

/// Replaces a container by a new one made from the image that its reference names now, with its whole configuration, networks and volumes;
/// running again if it ran. Nothing is pulled. The new container is made, and compared with the old one, before that is stopped; the old
/// one is removed once the new one has settled: it has kept running for `settle_s`, or has ended with exit code 0 under the policy "no" or
/// "on-failure", and is healthy where it has a healthcheck.
///
/// The report comes with every code once the container was found: `container, result, old_id, new_id?, image, old_image_id?,
/// new_image_id?, state?, downtime_ms?, changes [ {field, before, after, because} ], warnings [ {code, container?, message} ], dependents
/// [ as this one ], writable_layer_changes?, old_left, logs_tail?, error?, elapsed_ms`. `result` is
/// - "recreated": the new container has the name;
/// - "rolled_back": the old one was stopped, and runs again as before;
/// - "rollback_failed": it could not be put back; `container_recover` goes on;
/// - "refused": nothing was begun;
/// - "failed": the old one was never stopped, or did not run, and stands as before;
/// - "not_attempted", of a dependent alone: something failed before its successor was made.
///
/// `downtime_ms` is from the end of the old one to the start of the new one by the engine's clock, null where it did not run;
/// `writable_layer_changes` counts files outside of volumes, which are not kept; `old_left`: the old one could not be removed and stands
/// beside, `container_recover` removes it; `logs_tail` is of a new container that failed.
///
/// Options:
/// - `stop_timeout_s` (the container's own), 0 to 86400, rounded up to whole seconds: the grace before it is killed. For an `--rm`
///   container at most 265 s above its own, else UNSUPPORTED.
/// - `settle_s` 3, 0 to 600: how long the new container must keep running.
/// - `health_timeout_s` 60, 0 to 86400: how long its healthcheck may say "starting", never less than start period, interval and timeout
///   together; "unhealthy" fails at once. 0: its health does not count.
/// - `recreate_dependents` false: recreates those too that hold the container by its id (network, pid or ipc namespace, volumes-from); all
///   or none.
/// - `allow_paused` false: a paused container loses its frozen memory; the new one is paused once it has settled.
/// - `allow_auto_remove` false: an `--rm` container is lost when the engine restarts between its stop and the new one's start.
/// - `allow_pinned` false: one that was created from an image id is made from that image again.
/// - `allow_lossy` false: Podman does not tell all that a container was created with; what may be lost is in the warnings.
/// - `recover_first` false: first repairs what an interrupted run has left of it, as `container_recover` does; else that is CONFLICT.
/// - `hooks` {before: [argv], after: [argv]}: commands, each a list of its arguments (one alone may stand as that list), run in the
///   container one after another; an exit code other than 0 is a failure. before: in the old one ahead of the stop, when it runs and is not
///   paused; a failure ends the recreation with nothing changed. after: in the new one once it has settled, when it runs; a failure puts the
///   old one back. Not in dependents. Only the end of the call ends the wait for a hook, and then its command goes on in the container.
/// - `backup_volumes`: not in this version, UNSUPPORTED when set.
/// - `actor`.
///
/// Codes: OK; ROLLED_BACK (it failed after the stop and everything was put back); ROLLBACK_FAILED (the message says what stands where);
/// CONFLICT and UNSUPPORTED (refused: the message names the option that would allow it, where there is one); CONFLICT also when somebody
/// changed the container meanwhile (it was put back) or another run has taken it over (which goes on); BUSY, NOT_FOUND, IMAGE_MISSING,
/// UNREACHABLE, ENGINE, IO (`state_dir`; nothing was stopped), INVALID_ARGUMENT; CANCELLED, STOPPED, TIMEOUT: before the stop the new
/// container is removed, from the stop on everything is put back. Once the new container is settled it is finished and the code is OK.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_recreate(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    on_progress: refit_progress_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("container_recreate", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let container = unsafe { strings::required("container", container) }?;
        let options = recreate_options(&mut entry.options)?;
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.recreate_container(container, options))
    })
}

/// Finishes or undoes what an interrupted recreation left, of one container (its name, or 12 digits of its id at least) or, NULL,
/// of all: `found [ {container, situation, action, error?} ]`, empty where nothing was left. `action` is
/// - "finished": the new container has the name;
/// - "undone": the old one is back as before;
/// - "removed_old": the new one stood already, and the old one was removed;
/// - "busy": a run is at work on it, or was a moment ago (30 s; up to 5 min where it was stopping a container with a `stop_timeout_s` above
///   its own); nothing was touched;
/// - "foreign": other containers are in the way; nothing was touched;
/// - "would_finish", "would_undo": what is still to be done: in a dry run, and beside an `error`.
///
/// What is to be done follows from names, ids and states on the engine, so that any process may do it. A handle with the `state_dir` of the
/// interrupted run can also make an old container again that somebody has removed.
///
/// Options: `dry_run` false, `force` false (also where a run was at work a moment ago; not where one of this process is), `actor`. Codes: OK
/// (also for "busy" and "foreign"), else that of the first `error`: CONFLICT (another run has taken it over meanwhile), NOT_FOUND (a
/// container is gone, and nothing tells how it was made), UNREACHABLE, ENGINE, IO (`state_dir`), INVALID_ARGUMENT; CANCELLED, STOPPED,
/// TIMEOUT: a wait ends and what is left is for the next call; an undo that has begun is finished.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_recover(
    r: *const refit,
    container_or_null: *const c_char,
    options_json: *const c_char,
    on_progress: refit_progress_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("container_recover", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let container = unsafe { strings::optional("container_or_null", container_or_null) }?;
        if container.as_deref() == Some("") {
            return Err(Code::InvalidArgument.error("container_or_null is empty: NULL means all").into());
        }
        let options = RecoverOptions { dry_run: entry.options.boolean("dry_run", false)?, force: entry.options.boolean("force", false)? };
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.recover(container.as_deref(), options))
    })
}
