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

/// Replaces a container by a new one that is created from the image that its reference names now, with the same configuration, networks and
/// volumes. The new one runs if the old one ran. Nothing is pulled. The new container is created and compared with the old one before the
/// old one is stopped. The old one is removed once the new one has settled: it has been running for `settle_s`, or has ended with exit code
/// 0 under the restart policy "no" or "on-failure", and is healthy where it has a healthcheck.
///
/// The report comes with every code once the container was found: `container, result, old_id, new_id?, image, old_image_id?,
/// new_image_id?, state?, downtime_ms?, changes [ {field, before, after, because} ], warnings [ {code, container?, message} ], dependents
/// [ as this one ], backups [ {volume, file} ], writable_layer_changes?, old_left, logs_tail?, error?, elapsed_ms`. `result` is
/// - "recreated": the new container has the name;
/// - "rolled_back": the old one was stopped, and runs again as before;
/// - "rollback_failed": the rollback failed; `container_recover` tries it again;
/// - "refused": nothing was begun;
/// - "failed": the old one was not stopped, or was not running, and is as before;
/// - "not_attempted", only of a dependent: the recreation failed before its new container was created.
///
/// `downtime_ms` is from `State.FinishedAt` of the old one to `State.StartedAt` of the new one, which is the engine's clock at its events
/// "die" and "start"; null when the old one was not running, or had `--rm` and was gone before it could be inspected.
/// `writable_layer_changes` counts changed files outside of volumes, which are lost; null when they were not counted. `old_left`: the old one could not be removed, and
/// `container_recover` removes it. `logs_tail` is the end of the log of a new container that failed.
///
/// Options:
/// - `stop_timeout_s` (the container's own), 0 to 86400, rounded up to whole seconds: how long the engine waits before it kills it.
///   For an `--rm` container at most 265 s above its own, else UNSUPPORTED.
/// - `settle_s` 3, 0 to 600: how long the new container must run without ending. 0: it is enough that it was started, whatever becomes of
///   it.
/// - `health_timeout_s`, 0 to 86400: how long its health may be "starting"; a warning says where that is less than its healthcheck needs.
///   "unhealthy" fails at once. 0: the health is not looked at. The default is when the engine says "unhealthy" at the latest: start period
///   + retries x (interval + timeout), and at least 60.
/// - `recreate_dependents` false: also recreates the containers that refer to this one by its id (network, pid or ipc namespace,
///   volumes-from), or link to it, all or none of them.
/// - `allow_paused` false: also a paused container. Its memory is lost; the new one is paused once it has settled.
/// - `allow_auto_remove` false: also an `--rm` container. It is lost when the engine restarts between its stop and the new one's start.
/// - `allow_pinned` false: also a container that was created from an image id. The new one is created from the same image.
/// - `allow_lossy` false: also on Podman, which does not report all of a container's configuration. The warnings list what may be lost.
/// - `allow_own_connection` false: also the container through which this handle reaches its engine (a socket proxy, an agent, a tunnel). Its
///   stop cuts the connection, and `container_recover` has to be called through another one.
/// - `count_layer_changes` true: counts the changed files outside of volumes, for which the engine gets 2 s.
/// - `provider` container: a name or an id. Where the container's network, pid or ipc namespace is that of a container which is gone
///   (`--network container:ID`), the new one is attached to this one, which has to run; the warning "provider_replaced" says so. Default: the
///   one that its labels of Compose name, else CONFLICT. NOT_FOUND: it is needed, and there is none.
/// - `recover_first` false: first repairs what an interrupted run left of this container, as `container_recover` does. Otherwise such a
///   rest is CONFLICT.
/// - `accept_changes` [fields]: fields in which the new container may differ from the old one, named as in the error of a recreation that found
///   such a difference ("HostConfig.Memory"); the report lists them under changes. What the engine discards whatever is asked needs no such
///   option: it is a warning "discarded".
/// - `hooks` {before: [argv], after: [argv], timeout_s 600, 1 to 86400}: commands, each a list of its arguments (a single command may be given as that list), run in
///   the container one after another; an exit code other than 0 is a failure. before: in the old one before the stop, when it is running
///   and not paused; a failure ends the recreation with nothing changed. after: in the new one once it has settled, when it is running; a
///   failure rolls back. Hooks do not run in dependents. Each has failed when it has not ended within `timeout_s`; its command goes on in
///   the container then, and when the call ends. Of its output only the last line is shown, and the last 1 MiB is kept in memory.
/// - `backup_volumes` folder: backs up every volume of the container, as `volume_backup` does, to a new file `<volume>-<UTC time>.tar.zst` in this
///   folder of the library's machine, while the container is stopped and before the new one starts: the downtime is longer by so much. No file is
///   replaced. A backup that fails or is cancelled leaves no file of this call, and the recreation is rolled back. A volume in memory (tmpfs) is not backed up
///   (warning "volume_in_memory"), and one that another running container mounts is of no single moment (warning "volume_in_use"). The report lists
///   the files under backups, also beside an error; what is restored, and when, is up to the caller (`volume_restore`). UNSUPPORTED on Podman where
///   the container has volumes; IO where the folder is missing. Progress: "backing_up", whose bytes are those of the volume's archive.
/// - `restore_on_rollback` false: with `backup_volumes` (else INVALID_ARGUMENT). When the new container fails, the volumes that the container may
///   write to are restored from these backups before the old one starts (warning "volumes_restored"); what was written since the stop is gone, and
///   so is what no backup holds (sockets, fractions of times, attributes user.*). Progress: "verifying" and then "restoring" for each, with the bytes
///   of the backup's file.
///   Refused before anything is changed: UNSUPPORTED without helper_image and state_dir of `refit_open`, with `--rm`, and where dependents are
///   recreated with it; IMAGE_MISSING when the helper_image is not local; CONFLICT, which names it, when another running container mounts such a volume.
///   Where a volume cannot be restored, nothing starts the old container: ROLLBACK_FAILED, and `container_recover` through a handle with the same
///   state_dir goes on.
/// - `actor`.
///
/// Codes: OK; ROLLED_BACK (it failed after the stop and was rolled back); ROLLBACK_FAILED (the message says what state it left); CONFLICT
/// and UNSUPPORTED (refused: the message names the option that allows it, where there is one); CONFLICT also when the container was changed
/// concurrently (then it was rolled back) or another run took over (which goes on); BUSY, NOT_FOUND, IMAGE_MISSING, UNREACHABLE, ENGINE, IO
/// (`state_dir`, `backup_volumes`; nothing was stopped), INVALID_ARGUMENT; CANCELLED, STOPPED, TIMEOUT: before the stop the new container is removed, after
/// the stop the recreation is rolled back, and once the new container has settled the recreation is finished and the code is OK.
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
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_recreate", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        let options = recreate_options(&mut entry.options)?;
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.recreate_container(container, options))
    })
}

/// Finishes or rolls back interrupted recreations, of one container (its name, or at least 12 digits of its id) or, NULL, of all
/// containers: `found [ {container, volume?, situation, action, error?} ]`, empty when there are none. With NULL also restores of volumes that were
/// interrupted (volume_restore): `volume` is set then, and `container` is "". `action` is
/// - "finished": the new container has the name; the volume is restored;
/// - "undone": it was rolled back, the old one is as before;
/// - "removed_old": the new one had the name already, and the old one was removed;
/// - "removed_helper": it was the storage container of a call about a volume that was interrupted (volume_list_files), and was removed; with a container
///   those of the volumes that it mounts;
/// - "busy": a run is working on it, or was within its lease (30 s); nothing was changed;
/// - "foreign": another container has the name, or somebody has renamed one of the two; nothing was changed, and `situation` names what
///   stands in the way and how it is removed. With an `error`: a restore is not finished, because something was written to the volume since, or its
///   backup is gone or another one;
/// - "would_finish", "would_undo": what remains to be done, in a dry run and beside an `error`.
///
/// It reads names, ids and states from the engine, so any process can do it. A handle with the `state_dir` of the interrupted run can also
/// create an old container anew that was removed meanwhile. A new container that has run longer than it had to settle is never rolled back:
/// it stays in the state that it is in, and the old one is removed.
///
/// Options: `dry_run` false, `force` false (does not wait for a lease to end; a run of this process is never disturbed), `settle_s` 3, 0 to 600,
/// `health_timeout_s`, 0 to 86400, and `stop_timeout_s` (the container's own), 0 to 86400, as `container_recreate` has them, for what neither
/// the state folder nor the names on the engine tell of the interrupted run; `volume` (all): only the interrupted restore of this volume, and no
/// container; `actor`. Codes: OK (also for "busy", and "foreign" without an `error`), else that
/// of the first `error`: CONFLICT (another run took over meanwhile), NOT_FOUND (a container is gone, and its configuration is not known),
/// UNREACHABLE, ENGINE, IO (`state_dir`), INVALID_ARGUMENT; CANCELLED, STOPPED, TIMEOUT: a wait ends and the rest is left for the next
/// call; a rollback that has begun is finished.
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
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_recover", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::optional("container_or_null", container_or_null) }?;
        if container.as_deref() == Some("") {
            return Err(Code::InvalidArgument.error("container_or_null is empty: NULL means all").into());
        }
        let options = RecoverOptions {
            dry_run: entry.options.boolean("dry_run", false)?,
            force: entry.options.boolean("force", false)?,
            settle: entry.options.seconds("settle_s", 0.0..=600.0)?,
            health_timeout: entry.options.seconds("health_timeout_s", 0.0..=86_400.0)?,
            volume: entry.options.string("volume")?,
            stop_timeout: entry.options.seconds("stop_timeout_s", 0.0..=86_400.0)?,
        };
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.recover(container.as_deref(), options))
    })
}
