//! Images in C.

use std::ffi::{c_char, c_void};

use super::call_options::{check_options, containers_options, pull_options};
use super::callback::Callback;
use super::entry::Entry;
use super::guard::Out;
use super::strings;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_progress_fn};
use crate::image::ListOptions;

/// Whether an image (a reference or an id) is local: `*out_exists` is 1 or 0.
///
/// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT. `*out_exists` is 0 on an error.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_exists(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_exists: *mut i32,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::error_only("img_exists", err) };
    // SAFETY: as the convention says.
    if let Some(exists) = unsafe { out_exists.as_mut() } {
        *exists = 0;
    }
    out.run_value(
        || {
            // SAFETY: as the convention says.
            let entry = unsafe { Entry::new(r, options_json, cancel) }?;
            // SAFETY: as the convention says.
            let image = unsafe { strings::required("image", image) }?;
            entry.read(|refit| async move { Ok(refit.image_exists(&image).await?) })
        },
        |found| {
            // SAFETY: as the convention says.
            if let Some(exists) = unsafe { out_exists.as_mut() } {
                *exists = i32::from(found);
            }
        },
    )
}

/// The local images: `images [ {id, tags [], digests [], size, created?, containers} ]`.
///
/// Options: `names` [references], `labels` {key: value; "" matches any}, `reference` pattern with `*` and `?`. Codes: INVALID_ARGUMENT,
/// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_list(
    r: *const refit,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("img_list", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        let options = ListOptions {
            names: entry.options.strings("names")?.unwrap_or_default(),
            labels: entry.options.string_map("labels")?.unwrap_or_default(),
            reference: entry.options.string("reference")?,
        };
        entry.read(|refit| async move { Ok(refit.images(&options).await?) })
    })
}

/// A local image by reference or id: `image, id, tags [], digests [], os, architecture, variant?, size, created?, version?, labels {},
/// env [], exposed_ports [], volumes [], user, working_dir, entrypoint?, cmd?, healthcheck?, layers [], last_checked?, last_check_state?,
/// last_pulled?`.
///
/// Codes: NOT_FOUND (not local), INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_info(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("img_info", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let image = unsafe { strings::required("image", image) }?;
        entry.read(|refit| async move { Ok(refit.image_info(&image).await?) })
    })
}

/// How a local image was built, newest step first: `layers [ {id?, created?, created_by, size, comment} ]`.
///
/// Codes: NOT_FOUND (not local), INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_history(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("img_history", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let image = unsafe { strings::required("image", image) }?;
        entry.read(|refit| async move { Ok(refit.image_history(&image).await?) })
    })
}

/// Whether an image is there and what this handle does to it: `image, exists, pulling, ready, operation? {kind, phase, permille, current,
/// total?, bytes_per_second?, eta_seconds?, started_at, layers [ {id, status, current, total?} ]}, last_check?, last_error? {code, name,
/// message, at}`. `ready` stays true while a local image is updated.
///
/// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_status(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("img_status", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let image = unsafe { strings::required("image", image) }?;
        entry.read(|refit| async move { Ok(refit.image_status(&image).await?) })
    })
}

/// Which of the images in `images_json` (a JSON list of references) are not local: `missing [], present []`, each in the order asked. NULL
/// is the empty list. An error of the engine fails the whole call; nothing is pulled.
///
/// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_missing(
    r: *const refit,
    images_json: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("img_missing", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let images = unsafe { strings::list("images_json", images_json) }?.unwrap_or_default();
        entry.read(|refit| async move { Ok(refit.missing_images(&images).await?) })
    })
}

/// Every container, running or not, that was created from this reference, or whose image is the one that it names now: `containers [ {id,
/// name, image, image_id, match, state, status, outdated, created, labels {}, operation?, interrupted} ]`. `match` is "reference" (an update
/// recreates it) or "same_image" (made from another reference of the same image: shown, never recreated); `outdated`: its reference names
/// another image now.
///
/// Options: `all` true, `names` [], `labels` {}. Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_containers(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("img_containers", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let image = unsafe { strings::required("image", image) }?;
        let options = containers_options(&mut entry.options)?;
        entry.read(|refit| async move { Ok(refit.image_containers(&image, &options).await?) })
    })
}

/// Whether the registry has a newer image; nothing is pulled. The document (a check) comes with every code: `image, state, reason?,
/// has_update (true/false/null), platform?, local? {id, digests [], created?, version?}, remote? {digest, created?, version?,
/// download_bytes?}, via, certainty, requests, elapsed_ms, checked_at, retry_at?, limit?, remaining?, credential?, maybe_missing?,
/// maybe_local?, tag_moved?, newer_tag?, outdated_containers [], notes [ {code, message} ], error?`. "No update" (`has_update` false) is
/// said only when the registry said so.
///
/// Options: `check_via` "auto"/"registry"/"engine" (the handle's), `platform` "os/arch[/variant]" (the local image's), `newer_tag` {} (not
/// in this version: UNSUPPORTED when set), `actor`. Codes: OK for every answer, also "update_available"; NOT_FOUND (neither local nor in
/// the registry), UNAUTHORIZED, RATE_LIMITED, UNREACHABLE, REGISTRY, UNSUPPORTED, INVALID_ARGUMENT, ENGINE, CANCELLED, TIMEOUT.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_check_update(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: as the convention says.
    let out = unsafe { Out::json("img_check_update", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let image = unsafe { strings::required("image", image) }?;
        let options = check_options(&mut entry.options)?;
        entry.watch(Callback::NONE, |refit| refit.check_update(image, options))
    })
}

/// The same for many images at once: `images_json` is a JSON list of references, NULL is every tagged local image. `images [ checks, in the
/// order asked ], requests, elapsed_ms`. OK with a document an image; a failed one has its own error in it and spoils no other.
///
/// Options: those of `img_check_update`. Codes: OK, INVALID_ARGUMENT, UNSUPPORTED (`newer_tag`), UNREACHABLE or ENGINE (the engine's list
/// failed), CANCELLED, STOPPED, TIMEOUT (with those that were ready).
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_check_updates(
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
    let out = unsafe { Out::json("img_check_updates", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let images = unsafe { strings::list("images_json", images_json) }?;
        let options = check_options(&mut entry.options)?;
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.check_updates(images, options))
    })
}

/// Pulls an image through the engine: `image, changed, before? {id, digests []}, after {id, digests []}, digest?, bytes_downloaded,
/// elapsed_ms, shared`. Pulls of one image share one download; it stops when its last caller has left, and the engine keeps the layers that
/// came.
///
/// Options: `platform` (the local image's, else the engine's), `registry_auth` {username, password, token}, `actor`. Progress: phases
/// "resolving", "downloading", "extracting", "verifying", "done", and a report a layer. Codes: NOT_FOUND, UNAUTHORIZED, RATE_LIMITED,
/// UNREACHABLE, DATA, ENGINE (with the engine's words), INVALID_ARGUMENT, CANCELLED, STOPPED, TIMEOUT.
///
/// # Safety
/// Every pointer is NULL or as the convention at the top says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_pull(
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
    let out = unsafe { Out::json("img_pull", out_json, err) };
    out.run(|| {
        // SAFETY: as the convention says.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: as the convention says.
        let image = unsafe { strings::required("image", image) }?;
        let options = pull_options(&mut entry.options)?;
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.pull(image, options))
    })
}
