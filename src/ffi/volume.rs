//! Volumes in C.

use std::ffi::c_char;

use super::entry::Entry;
use super::guard::Out;
use super::strings;
use super::types::{refit, refit_cancel, refit_code, refit_error};
use crate::volume::{CreateVolumeOptions, VolumesOptions};

/// The volumes: `volumes [ {name, driver, created?, labels {}, containers []} ]`, by name. `containers` are the names of those that mount it,
/// running or not. `created` is what the engine says; Docker says when the volume's root was changed last.
///
/// Options: `names` [], `labels` {key: value; "" matches any}. Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_list(
    r: *const refit,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("volume_list", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        let options = VolumesOptions {
            names: entry.options.strings("names")?.unwrap_or_default(),
            labels: entry.options.string_map("labels")?.unwrap_or_default(),
        };
        entry.read(|refit| async move { Ok(refit.volumes(&options).await?) })
    })
}

/// Creates a volume: `volume, changed` (false: it was there, with the same driver, options and labels). One that is there with others is CONFLICT,
/// and the message names the difference; it is not changed.
///
/// Options: `driver` "local", `driver_options` {}, `labels` {}, `actor`. Codes: CONFLICT, INVALID_ARGUMENT, NOT_FOUND (no such driver; Docker takes
/// 15 s to say so), UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_create(
    r: *const refit,
    volume: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("volume_create", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let mut entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let volume = unsafe { strings::required("volume", volume) }?;
        let defaults = CreateVolumeOptions::default();
        let options = CreateVolumeOptions {
            driver: entry.options.string("driver")?.unwrap_or(defaults.driver),
            driver_options: entry.options.string_map("driver_options")?.unwrap_or_default(),
            labels: entry.options.string_map("labels")?.unwrap_or_default(),
        };
        entry.change(|refit| async move { Ok(refit.create_volume(&volume, &options).await?) })
    })
}

/// Whether there is a volume of that name: `*out_exists` is 1 or 0.
///
/// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT. `*out_exists` is 0 on an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_exists(
    r: *const refit,
    volume: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_exists: *mut i32,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::error_only("volume_exists", err) };
    // SAFETY: by the convention.
    if let Some(exists) = unsafe { out_exists.as_mut() } {
        *exists = 0;
    }
    out.run_value(
        || {
            // SAFETY: by the convention.
            let entry = unsafe { Entry::new(r, options_json, cancel) }?;
            // SAFETY: by the convention.
            let volume = unsafe { strings::required("volume", volume) }?;
            entry.read(|refit| async move { Ok(refit.volume_exists(&volume).await?) })
        },
        |found| {
            // SAFETY: by the convention.
            if let Some(exists) = unsafe { out_exists.as_mut() } {
                *exists = i32::from(found);
            }
        },
    )
}

/// Removes a volume and everything in it: `volume, changed`.
///
/// Options: `actor`. Codes: NOT_FOUND, CONFLICT (containers have it, running or not: the message names them), INVALID_ARGUMENT, UNREACHABLE, ENGINE,
/// CANCELLED, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn volume_remove(
    r: *const refit,
    volume: *const c_char,
    options_json: *const c_char,
    cancel: *const refit_cancel,
    out_json: *mut *mut c_char,
    err: *mut *mut refit_error,
) -> refit_code {
    // SAFETY: by the convention.
    let out = unsafe { Out::json("volume_remove", out_json, err) };
    out.run(|| {
        // SAFETY: by the convention.
        let entry = unsafe { Entry::new(r, options_json, cancel) }?;
        // SAFETY: by the convention.
        let volume = unsafe { strings::required("volume", volume) }?;
        entry.change(|refit| async move { Ok(refit.remove_volume(&volume).await?) })
    })
}
