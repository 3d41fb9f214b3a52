//! Updates of images in C.

#![allow(unused_variables, reason = "calls that are not built yet have their parameters already")]

use std::ffi::{c_char, c_void};

use super::call_options::update_options;
use super::callback::Callback;
use super::entry::Entry;
use super::guard::Out;
use super::strings;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_progress_fn};
use crate::image::RemoveOldOptions;

/// What `img_update` would do: `image, check, pull, expect_digest?, download_bytes?, containers [ {container, id, state, outdated, match,
/// action, reason?, order, dependents [], estimated_downtime_ms?} ], image_changes [ {field, before, after} ], keep_as?, warnings [ {code,
/// container?, message} ]`. `action` is "recreate_and_start", "recreate", "up_to_date", "other_reference" or "refused". Nothing is changed
/// or pulled; every refusal of a recreation is found here, and is no error. Without a verdict of the check the plan comes with that alone.
///
/// Options: those of `img_update`. Codes: those of `img_check_update`.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_plan_update(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("img_plan_update", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let image = unsafe { strings::required("image", image) }?;
        let options = update_options(&mut entry.options)?;
        // One object of options serves the plan and the update that follows it.
        entry.options.string("actor")?;
        entry.read(|refit| async move { refit.plan_update(&image, &options).await })
    })
}

/// Checks, pulls, then recreates every container that was created from this reference and is outdated; those that ran run again. The report
/// comes with every code once the check has begun: `image, check?, pull?, tag ("moved"/"restored"/"unchanged"), containers [ recreations,
/// and {container, result: "not_attempted"} ], backups [], removed_old?, elapsed_ms, error?`. What a recreation would refuse is refused
/// before the download. The first container goes alone. When none has moved, the tag is put back on the old image.
///
/// Options: `containers` [names or ids] (all), `force` false (also those that are current), `expect_digest` (the plan's), `platform` (the
/// local image's), `on_failure` "stop" (nothing new starts)/"continue", `max_concurrency` (the handle's), 1 to 64, `remove_old` false (as
/// `img_remove_old` does, after a success), `restore_on_rollback` false (not in this version: UNSUPPORTED when true), `actor`, and those of
/// `container_recreate`.
///
/// Codes: OK; ROLLBACK_FAILED (of a container, or the tag could not be put back), else ROLLED_BACK (of a container); CANCELLED, STOPPED,
/// TIMEOUT: the containers in hand are finished or undone, the rest are "not_attempted"; BUSY (the same image is being updated); CONFLICT
/// (the registry has another digest than `expect_digest`, or a container cannot be recreated), UNSUPPORTED (a container cannot be
/// recreated); those of `img_check_update`, `img_pull` and `container_recreate`.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
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
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("img_update", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let image = unsafe { strings::required("image", image) }?;
        let options = update_options(&mut entry.options)?;
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.update(image, options))
    })
}

/// `img_update` for each image of a JSON list, NULL: every image that has an update: `images [ updates ], elapsed_ms`.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
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
    // SAFETY: as the convention says.
    unsafe { Out::json("img_update_all", out_json, err) }.unsupported()
}

/// Back to the image that was in use before, as long as it is local.
///
/// Not in this version: UNSUPPORTED.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
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
    // SAFETY: as the convention says.
    unsafe { Out::json("img_rollback", out_json, err) }.unsupported()
}

/// Removes the untagged images of a repository that no container and no other tag uses; never by force: `image, removed [ {id, tags [],
/// bytes} ], kept [ {id, why} ], bytes_freed`.
///
/// Options: `keep_latest` true (false: the current image too, under the same rules), `dry_run` false, `actor`. Codes: INVALID_ARGUMENT,
/// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_remove_old(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("img_remove_old", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let image = unsafe { strings::required("image", image) }?;
        let options = RemoveOldOptions {
            keep_latest: entry.options.boolean("keep_latest", true)?,
            dry_run: entry.options.boolean("dry_run", false)?,
        };
        entry.change(|refit| async move { Ok(refit.remove_old_images(&image, &options).await?) })
    })
}
