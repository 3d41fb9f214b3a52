//! Updates of images in C.

use std::ffi::{c_char, c_void};

use super::call_options::{recreate_options, update_options};
use super::callback::Callback;
use super::entry::Entry;
use super::guard::Out;
use super::strings;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_progress_fn};
use crate::image::{RemoveOldOptions, RollbackOptions};

/// What `img_update` would do: `image, check, pull, expect_digest?, download_bytes?, containers [ {container, id, state, outdated, match,
/// action, reason?, order, dependents [], volumes [ {volume, size?} ], estimated_downtime_ms?} ], services [names], image_changes [ {field, before, after} ],
/// keep_as?, warnings [ {code, container?, message} ]`. `services` are those of the swarm that have this reference: `img_update` leaves them as they are, and
/// `service_update` updates them; empty too where the engine manages no swarm, and where it does not answer (warning `services_unknown`). `action` is
/// "recreate_and_start", "recreate", "up_to_date", "other_reference" or "refused". Nothing is changed or pulled. Every container whose recreation would be refused is listed as "refused"; that is no error. When the check fails, the plan
/// has the check alone.
///
/// With `backup_volumes`, `volumes` are those that would be backed up; what prevents that is the `reason` of "refused", and `estimated_downtime_ms` is the
/// time of the backups at 100 MB/s and a second, without what the container takes to stop (null where the engine did not tell a size within 2 s).
///
/// Options: those of `img_update`. Codes: those of `img_check_update`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_plan_update(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_plan_update", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let image = unsafe { strings::required("image", image) }?;
        let options = update_options(&mut entry.options)?;
        entry.watch(Callback::NONE, |refit| refit.plan_update(image, options))
    })
}

/// Checks, pulls, then recreates every container that was created from this reference and is outdated; a container that was running runs
/// again. The report comes with every code once the check has begun: `image, check?, pull?, tag? ("moved"/"restored"/"unchanged"; null:
/// the engine did not say), containers [ recreations, and {container, result: "not_attempted"} ], backups [ {volume, file} ], removed_old?, warnings
/// [ {code, container?, message} ] (what did not succeed beside the update: "remove_old_failed"), elapsed_ms, error?`. A recreation that
/// would be refused is refused before the download. The first container is recreated alone. When no container was recreated, the tag is
/// rolled back to the old image, where it still names what this update has pulled: one that somebody else has moved stays.
///
/// Options: `containers` [names or ids] (all), `force` false (also those that are not outdated), `expect_digest` (the plan's), `platform`
/// (the local image's), `on_failure` "stop" (no further container is begun)/"continue", `max_concurrency` (the handle's), 1 to 64,
/// `remove_old` false (as `img_remove_old` does, after a success), `actor`, and those of `container_recreate`; the report's backups are those
/// of all containers.
///
/// Codes: OK; ROLLBACK_FAILED (of a container or of the tag), else ROLLED_BACK (of a container); CANCELLED, STOPPED, TIMEOUT: the
/// recreations in progress are finished or rolled back, the other containers are "not_attempted"; BUSY (the same image is being updated);
/// CONFLICT (the registry has another digest than `expect_digest`, or a container cannot be recreated), UNSUPPORTED (a container cannot be
/// recreated); those of `img_check_update`, `img_pull` and `container_recreate`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_update(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    on_progress: refit_progress_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_update", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let image = unsafe { strings::required("image", image) }?;
        let options = update_options(&mut entry.options)?;
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.update(image, options))
    })
}

/// Updates each image of a JSON list, one after another; NULL: every image with a tag whose check says that there is an update. The
/// document: `images [ updates, each with its own error? ], elapsed_ms`. An image that cannot be updated keeps no other from its update and
/// does not fail the call. With NULL the images whose check failed are listed with its error; those that are current, or only local, are
/// not. In progress `step` of `steps` is the image, and `permille` covers all.
///
/// Options: those of `img_update`, for each image, without `containers` and `expect_digest`, which belong to one image: INVALID_ARGUMENT.
/// Codes: OK; INVALID_ARGUMENT (also for one reference of the list, before anything is changed), UNREACHABLE or ENGINE (the engine could
/// not list its images), CANCELLED, STOPPED, TIMEOUT (with the reports that there are).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_update_all(
    r: *const refit,
    images_json: *const c_char,
    options_json: *const c_char,
    on_progress: refit_progress_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_update_all", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let images = unsafe { strings::list("images_json", images_json) }?;
        let options = update_options(&mut entry.options)?;
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.update_all(images, options))
    })
}

/// Goes back to the image that the tag named before the last update, as an operator asks for it after an update that succeeded: the tag
/// names that image again, and every container of this reference is recreated from it, those that ran running again. Volumes stay as they
/// are; no registry is asked. The document is that of `img_update`, with `check` and `pull` null, and `to? {id, digest?, version?}`.
///
/// Without `to` the target is the image before the newest pull, update or rollback of the history that led to the current one, so that a
/// second rollback goes forward again; without such a record it is the one image of the repository that has lost its tag. A target that is
/// the current image is OK, and nothing is done.
///
/// Options: `to` (an image id), `actor`, and those of `container_recreate`. Codes: OK; NOT_FOUND (there is no earlier image); CONFLICT
/// (several may be meant: their ids are in the message; or a container cannot be recreated); IMAGE_MISSING (the target is not local any
/// more: the message has its digest where it is known); INVALID_ARGUMENT (`to` is no id, or of another repository); ROLLED_BACK (the
/// target's container does not run: the tag is "restored"); BUSY; those of `container_recreate`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_rollback(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    on_progress: refit_progress_fn,
    user_data: *mut c_void,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_rollback", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let image = unsafe { strings::required("image", image) }?;
        let options = RollbackOptions { to: entry.options.string("to")?, recreate: recreate_options(&mut entry.options)? };
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.rollback(image, options))
    })
}

/// Removes the untagged images of a repository that no container and no other tag uses; never by force: `image, removed [ {id, tags [],
/// bytes} ], kept [ {id, why} ], bytes_freed`.
///
/// Options: `keep_latest` true (false: the current image too, under the same rules), `dry_run` false, `actor`. Codes: INVALID_ARGUMENT,
/// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_remove_old(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_remove_old", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let image = unsafe { strings::required("image", image) }?;
        let options = RemoveOldOptions {
            keep_latest: entry.options.boolean("keep_latest", true)?,
            dry_run: entry.options.boolean("dry_run", false)?,
        };
        entry.watch(Callback::NONE, |refit| refit.remove_old_images(image, options))
    })
}
