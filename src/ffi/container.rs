//! Containers in C.

use std::ffi::c_char;

use serde_json::Value;

use super::call_options::containers_options;
use super::entry::Entry;
use super::guard::Out;
use super::strings;
use super::types::{refit, refit_cancel, refit_code, refit_error};
use crate::Code;
use crate::container::RemoveOptions;

/// The containers, running or not: `containers [ {id, name, image, image_id, state, status, outdated, created, labels {}, operation?,
/// interrupted} ]`. A container that is being recreated is listed once, under its own name.
///
/// Options: `all` true, `names` [], `labels` {key: value; "" matches any}. Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED,
/// TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_list(
    r: *const refit,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_list", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        let options = containers_options(&mut entry.options)?;
        entry.read(|refit| async move { Ok(refit.containers(&options).await?) })
    })
}

/// Whether there is a container of that name or id: `*out_exists` is 1 or 0.
///
/// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT. `*out_exists` is 0 on an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_exists(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_exists: *mut i32,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::error_only("container_exists", err) };
    // SAFETY: by the convention.
    if let Some(exists) = unsafe { out_exists.as_mut() } {
        *exists = 0;
    }
    out.run_value(
        || {
            // SAFETY: by the convention.
            let entry = unsafe { Entry::new(r, options_json, cancel) }?;
            // SAFETY: by the convention.
            let container = unsafe { strings::required("container", container) }?;
            entry.read(|refit| async move { Ok(refit.container_exists(&container).await?) })
        },
        |found| {
            // SAFETY: by the convention.
            if let Some(exists) = unsafe { out_exists.as_mut() } {
                *exists = i32::from(found);
            }
        },
    )
}

/// The state of a container: `container, id, operation?, interrupted, state, health?, exit_code?, error?, started_at?, finished_at?,
/// restart_count, image, image_id`.
///
/// Codes: NOT_FOUND, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_status(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_status", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        entry.read(|refit| async move { Ok(refit.container_status(&container).await?) })
    })
}

/// The state and the configuration of a container: as `container_status`, and `name, created, env [], labels {}, ports [ {container_port,
/// protocol, host_ip?, host_port?} ], mounts [ {type, name?, source?, destination, read_write} ], networks [ {name, ip_address?,
/// ipv6_address?, mac_address?, aliases []} ], restart_policy, command [], entrypoint?, working_dir, user`.
///
/// Codes: NOT_FOUND, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_info(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_info", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        entry.read(|refit| async move { Ok(refit.container_info(&container).await?) })
    })
}

/// Creates a container from the engine's own create body (`spec_json`), not started: `id, warnings []`. Nothing is pulled.
///
/// Options: `platform`, `actor`. Codes: IMAGE_MISSING, CONFLICT (the name is taken), BUSY (it is being recreated), INVALID_ARGUMENT,
/// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_create(
    r: *const refit,
    name: *const c_char,
    spec_json: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_create", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let name = unsafe { strings::required("name", name) }?;
        // SAFETY: by the convention.
        let spec = unsafe { strings::required("spec_json", spec_json) }?;
        let spec: Value =
            serde_json::from_str(&spec).map_err(|error| Code::InvalidArgument.error(format!("spec_json is not JSON: {error}")))?;
        let platform = entry.options.string("platform")?;
        entry.change(|refit| async move { Ok(refit.create_container(&name, &spec, platform.as_deref()).await?) })
    })
}

/// Starts a container: `container, changed` (false: it was running). When an image of `require` [images] is not local the code is
/// IMAGE_MISSING, and the error's `missing` lists those images. Nothing is pulled.
///
/// Options: `require`, `actor`. Codes: NOT_FOUND, IMAGE_MISSING, BUSY, CONFLICT, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_start(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_start", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        let require = entry.options.strings("require")?.unwrap_or_default();
        entry.change(|refit| async move { Ok(refit.start_container(&container, &require).await?) })
    })
}

/// Stops a container: `container, changed` (false: it was stopped). When the engine has accepted the stop, a cancel does not end it.
///
/// Options: `stop_timeout_s` (the container's own), `actor`. Codes: NOT_FOUND, BUSY, CONFLICT, INVALID_ARGUMENT, UNREACHABLE, ENGINE,
/// CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_stop(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_stop", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        let grace = entry.options.seconds("stop_timeout_s", 0.0..=86_400.0)?;
        entry.change(move |refit| async move { Ok(refit.stop_container(&container, grace).await?) })
    })
}

/// Stops and starts a container: `container, changed`.
///
/// Options: `stop_timeout_s` (the container's own), `actor`. Codes: as `container_stop`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_restart(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_restart", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        let grace = entry.options.seconds("stop_timeout_s", 0.0..=86_400.0)?;
        entry.change(move |refit| async move { Ok(refit.restart_container(&container, grace).await?) })
    })
}

/// Removes a container: `container, changed`. Its volumes stay unless `remove_volumes` is set.
///
/// Options: `force` false (also while it runs), `remove_volumes` false (its anonymous volumes too), `actor`. Codes: NOT_FOUND, CONFLICT (it
/// runs), BUSY, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_remove(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_remove", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        let options = RemoveOptions {
            force: entry.options.boolean("force", false)?,
            remove_volumes: entry.options.boolean("remove_volumes", false)?,
        };
        entry.change(|refit| async move { Ok(refit.remove_container(&container, &options).await?) })
    })
}

/// Waits until a container is not running, for at most one day: `exit_code, error?`.
///
/// Codes: NOT_FOUND, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn container_wait(
    r: *const refit,
    container: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("container_wait", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let container = unsafe { strings::required("container", container) }?;
        entry.read(|refit| async move { Ok(refit.wait_container(&container).await?) })
    })
}
