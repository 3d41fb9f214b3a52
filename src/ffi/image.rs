//! Images in C.

use std::ffi::{c_char, c_void};

use super::call_options::{check_options, containers_options, pull_options};
use super::callback::Callback;
use super::entry::Entry;
use super::guard::Out;
use super::strings;
use super::types::{refit, refit_cancel, refit_code, refit_error, refit_progress_fn};
use crate::image::ListOptions;

/// Whether an image is local, by its reference or id: `*out_exists` is 1 or 0.
///
/// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT. `*out_exists` is 0 on an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_exists(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_exists: *mut i32,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::error_only("img_exists", err) };
    // SAFETY: by the convention.
    if let Some(exists) = unsafe { out_exists.as_mut() } {
        *exists = 0;
    }
    out.run_value(
        || {
            // SAFETY: by the convention.
            let entry = unsafe { Entry::new(r, options_json, cancel) }?;
            // SAFETY: by the convention.
            let image = unsafe { strings::required("image", image) }?;
            entry.read(|refit| async move { Ok(refit.image_exists(&image).await?) })
        },
        |found| {
            // SAFETY: by the convention.
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
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_list(
    r: *const refit,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_list", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
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
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_info(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_info", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let image = unsafe { strings::required("image", image) }?;
        entry.read(|refit| async move { Ok(refit.image_info(&image).await?) })
    })
}

/// How a local image was built, newest step first: `layers [ {id?, created?, created_by, size, comment} ]`.
///
/// Codes: NOT_FOUND (not local), INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_history(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_history", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let image = unsafe { strings::required("image", image) }?;
        entry.read(|refit| async move { Ok(refit.image_history(&image).await?) })
    })
}

/// Whether an image is local, and what this handle is doing to it: `image, exists, pulling, ready, operation? {kind, phase, permille,
/// current, total?, bytes_per_second?, eta_seconds?, started_at, layers [ {id, status, current, total?} ]}, last_check?, last_error? {code,
/// name, message, at}`. `ready` stays true while a newer version of a local image is pulled.
///
/// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_status(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_status", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let image = unsafe { strings::required("image", image) }?;
        entry.read(|refit| async move { Ok(refit.image_status(&image).await?) })
    })
}

/// Which of the images in `images_json` (a JSON list of references; NULL, "" and null are INVALID_ARGUMENT) are not local: `missing [],
/// present []`, each in the order asked. An error of the engine fails the whole call. Nothing is pulled.
///
/// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_missing(
    r: *const refit,
    images_json: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_missing", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let images = unsafe { strings::required_list("images_json", images_json) }?;
        entry.read(|refit| async move { Ok(refit.missing_images(&images).await?) })
    })
}

/// Every container, running or not, that was created from this reference, or whose image is the one that the reference names now:
/// `containers [ {id, name, image, image_id, match, state, status, outdated, created, labels {}, operation?, interrupted} ]`. `match` is
/// "reference" (an update recreates it) or "same_image" (it was created from another reference of the same image: it is listed, never
/// recreated). `outdated`: its reference names another image now.
///
/// Options: `all` true, `names` [], `labels` {}. Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_containers(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_containers", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let image = unsafe { strings::required("image", image) }?;
        let options = containers_options(&mut entry.options)?;
        entry.read(|refit| async move { Ok(refit.image_containers(&image, &options).await?) })
    })
}

/// Whether the registry has a newer image. Nothing is pulled. The document, a check, comes with every code: `image, state, reason?,
/// has_update (true/false/null), platform?, local? {id, digests [], created?, version?}, remote? {digest, created?, version?,
/// download_bytes?}, via, certainty, requests, elapsed_ms, checked_at, retry_at?, limit?, remaining?, credential?, maybe_missing?,
/// maybe_local?, tag_moved?, newer_tag?, outdated_containers [], notes [ {code, message} ], error?`. `has_update` is false
/// only when the registry, or the engine that was asked in its place, answered so.
///
/// Options: `check_via` "auto"/"registry"/"engine" (the handle's), `platform` "os/arch[/variant]" (the local image's), `newer_tag` {} (this
/// version does not have it: UNSUPPORTED when set), `actor`. Codes: OK for every answer, also "update_available"; NOT_FOUND (neither local
/// nor in the registry), UNAUTHORIZED, RATE_LIMITED, UNREACHABLE, REGISTRY, UNSUPPORTED, INVALID_ARGUMENT, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn img_check_update(
    r: *const refit,
    image: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_check_update", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let image = unsafe { strings::required("image", image) }?;
        let options = check_options(&mut entry.options)?;
        entry.watch(Callback::NONE, |refit| refit.check_update(image, options))
    })
}

/// Checks many images at once. `images_json` is a JSON list of references; NULL means every local image that has a tag. The document:
/// `images [ checks, in the order of the list ], requests, elapsed_ms`. A check that fails has its own `error` and fails no other.
///
/// Options: those of `img_check_update`. Codes: OK, INVALID_ARGUMENT, UNSUPPORTED (`newer_tag`), UNREACHABLE or ENGINE (the engine could
/// not list its images), CANCELLED, STOPPED, TIMEOUT (with the checks that had ended).
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
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_check_updates", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let images = unsafe { strings::list("images_json", images_json) }?;
        let options = check_options(&mut entry.options)?;
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.check_updates(images, options))
    })
}

/// Pulls an image through the engine: `image, changed, before? {id, digests []}, after {id, digests []}, digest?, bytes_downloaded,
/// elapsed_ms, shared, notes [ {code, message} ]` (`credential_rejected`: the registry refused the credential, and the image was pulled
/// without one). An image for another platform than the wanted one is NOT_FOUND, and the tag names the image of before again where no
/// container uses the new one. Pulls of one image share one download: it stops when no caller waits for it any more, and the engine keeps the
/// complete layers.
///
/// Options: `platform` (the local image's, else the engine's), `registry_auth` {username, password, token}, `actor`. Progress: phases
/// "resolving", "downloading", "extracting", "verifying", "done", and reports for each layer. Codes: NOT_FOUND, UNAUTHORIZED, RATE_LIMITED,
/// UNREACHABLE, DATA, ENGINE (with the engine's message), INVALID_ARGUMENT, CANCELLED, STOPPED, TIMEOUT.
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
    // SAFETY: by the convention.
    let out = unsafe { Out::json("img_pull", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let image = unsafe { strings::required("image", image) }?;
        let options = pull_options(&mut entry.options)?;
        entry.watch(Callback { function: on_progress, user_data }, |refit| refit.pull(image, options))
    })
}
