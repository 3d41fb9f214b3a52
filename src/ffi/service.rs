//! Swarm services in C.

use std::ffi::{c_char, c_void};

use super::call_options::{check_options, service_update_options};
use super::callback::Callback;
use super::entry::Entry;
use super::guard::Out;
use super::strings;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_progress_fn};

/// The services of the swarm that this engine manages: `services [ {id, name, image, replicas_running, replicas_wanted, update_state?} ]`, in
/// the order of their names. `image` is the spec's, mostly `NAME:TAG@DIGEST`. `replicas_wanted` is what `docker service ls` shows: the replicas, of a global
/// service a task a node that fits, of a job the tasks that it runs at the same time and that have not completed. `update_state` is the engine's word:
/// "updating", "paused", "completed", "rollback_started", "rollback_paused", "rollback_completed"; null: never updated.
///
/// Codes: UNSUPPORTED (the engine manages no swarm: the message says what to do), UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn service_list(
    r: *const refit,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("service_list", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        entry.read(|refit| async move { Ok(refit.services().await?) })
    })
}

/// Is there a newer image than a service runs? The document of `img_check_update`, and `service` (its name). The digest to which the spec is pinned is
/// compared with what its tag names now, for the platforms of the nodes on which its tasks are to run; where these differ, the verdict that
/// matters most counts, and the note "platforms" has all. `image` is `NAME:TAG`; `local` is what the service runs, read from the registry where it is not the
/// same. Of a spec without a digest the service's containers on this engine are compared, which the note "not_pinned" says; where there are none,
/// `has_update` is null.
///
/// Options: those of `img_check_update`; `platform` instead of those of the nodes. Codes: those of `img_check_update`; NOT_FOUND (no such service, or
/// the registry has no such image), UNSUPPORTED (the engine manages no swarm; the service runs no containers).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn service_check_update(
    r: *const refit,
    service: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("service_check_update", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let service = unsafe { strings::required("service", service) }?;
        let options = check_options(&mut entry.options)?;
        entry.watch(Callback::NONE, |refit| refit.check_service(service, options))
    })
}

/// Updates a service by the engine's own rolling update: its spec gets `NAME:TAG@DIGEST` with the digest that the tag names now, everything else in it stays,
/// and the nodes get the credential for the registry. It returns when every task runs. The document: `service, result, from {image}, to {image},
/// update_state?, replicas_running?, replicas_wanted?, logs_tail?, warnings [ {code, container?, message} ], elapsed_ms, error?`. `result` is
/// "updated", "unchanged" (it is at that digest: nothing was sent), "rolled_back", "rollback_failed", "updating" or "rolling_back" (the call has ended,
/// and the engine goes on), "changed_meanwhile" (somebody else has updated or removed the service since), "failed" (the service is as before). In
/// progress `current` of `total` tasks run.
///
/// A task that fails makes the engine stop (the failure action `pause`, which is the default) or go back (`rollback`); where it stops, its rollback is
/// asked for. Either is waited for: the code is ROLLED_BACK, the causes of the error are the engine's words about the task and the last lines of its log,
/// which are `logs_tail` too. With `continue` the engine goes on: the call waits until every task runs. Parallelism, delay and monitor are the service's.
///
/// Options: `expect_digest` (`remote.digest` of the check), `force` false (replaces the tasks of a service that is at that digest), `wait_s` 300, 1 to 86400
/// (then the engine goes on by itself), `actor`. Codes: OK; ROLLED_BACK; ROLLBACK_FAILED; TIMEOUT (`wait_s` or `timeout_s` has passed), CANCELLED, STOPPED (the
/// engine goes on once it has the update, and the report says how far it was); CONFLICT (the registry has another digest than `expect_digest`; somebody else
/// has changed the image); BUSY (this process updates the service, or the engine is rolling it back); NOT_FOUND (no such service; the registry has no such tag,
/// or not for the platform of a node); UNSUPPORTED (the engine manages no swarm; a job); those of `service_check_update`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn service_update(
    r: *const refit,
    service: *const c_char,
    options_json: *const c_char,
    on_progress: refit_progress_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("service_update", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let service = unsafe { strings::required("service", service) }?;
        let options = service_update_options(&mut entry.options)?;
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.update_service(service, options))
    })
}
