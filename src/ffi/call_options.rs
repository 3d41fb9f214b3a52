//! The options of calls that have many, or share them with another call.

use super::open_options::CHECK_VIA;
use super::options::Options;
use crate::container::{ContainersOptions, ExecOptions, Hooks, LogOptions, RecreateOptions};
use crate::image::{CheckOptions, OnFailure, PullOptions, RegistryAuth, UpdateOptions};
use crate::service::ServiceUpdateOptions;
use crate::{Code, Result};

pub(super) fn containers_options(options: &mut Options) -> Result<ContainersOptions> {
    Ok(ContainersOptions {
        all: options.boolean("all", true)?,
        names: options.strings("names")?.unwrap_or_default(),
        labels: options.string_map("labels")?.unwrap_or_default(),
    })
}

/// The most that `max_bytes` and `max_output_bytes` may be.
pub(super) const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// Those of the calls that read a log.
pub(super) fn log_options(options: &mut Options) -> Result<LogOptions> {
    let tail = options.integer_or("tail", 0..=i32::MAX as u64, "all")?.map(|tail| tail as u32);
    let timestamps = options.boolean("timestamps", false)?;
    let follow = options.flag("follow")?;
    Ok(LogOptions { tail, since: options.time("since")?, timestamps, follow, max_bytes: None })
}

pub(super) fn exec_options(options: &mut Options) -> Result<ExecOptions> {
    let defaults = ExecOptions::default();
    Ok(ExecOptions {
        user: options.string("user")?,
        working_dir: options.string("working_dir")?,
        env: options.strings("env")?.unwrap_or_default(),
        stdin: options.string("stdin")?.map(String::into_bytes),
        max_output_bytes: options.integer("max_output_bytes", 0..=MAX_BYTES)?.map_or(defaults.max_output_bytes, |most| most as usize),
    })
}

pub(super) fn pull_options(options: &mut Options) -> Result<PullOptions> {
    let registry_auth = match options.object("registry_auth")? {
        None => None,
        Some(mut auth) => {
            let read =
                RegistryAuth { username: auth.string("username")?, password: auth.string("password")?, token: auth.string("token")? };
            auth.finish()?;
            Some(read)
        }
    };
    Ok(PullOptions { platform: options.string("platform")?, registry_auth })
}

/// Those of `container_recreate`, which `img_update` takes too.
pub(super) fn recreate_options(options: &mut Options) -> Result<RecreateOptions> {
    let defaults = RecreateOptions::default();
    let hooks = match options.object("hooks")? {
        None => Hooks::default(),
        Some(mut hooks) => {
            let timeout = hooks.seconds("timeout_s", 1.0..=86_400.0)?.unwrap_or(defaults.hooks.timeout);
            let read = Hooks { before: hooks.commands("before")?, after: hooks.commands("after")?, timeout };
            hooks.finish()?;
            read
        }
    };
    Ok(RecreateOptions {
        stop_timeout: options.seconds("stop_timeout_s", 0.0..=86_400.0)?,
        settle: options.seconds("settle_s", 0.0..=600.0)?.unwrap_or(defaults.settle),
        health_timeout: options.seconds("health_timeout_s", 0.0..=86_400.0)?,
        recreate_dependents: options.boolean("recreate_dependents", false)?,
        allow_paused: options.boolean("allow_paused", false)?,
        allow_auto_remove: options.boolean("allow_auto_remove", false)?,
        allow_pinned: options.boolean("allow_pinned", false)?,
        allow_lossy: options.boolean("allow_lossy", false)?,
        accept_changes: options.strings("accept_changes")?.unwrap_or_default(),
        allow_own_connection: options.boolean("allow_own_connection", false)?,
        count_layer_changes: options.boolean("count_layer_changes", true)?,
        provider: options.string("provider")?,
        recover_first: options.boolean("recover_first", false)?,
        hooks,
        backup_volumes: options.string("backup_volumes")?.map(Into::into),
        restore_on_rollback: options.boolean("restore_on_rollback", false)?,
    })
}

/// Those of `img_plan_update` and `img_update`.
pub(super) fn update_options(options: &mut Options) -> Result<UpdateOptions> {
    let on_failure = options.choice("on_failure", &[("stop", OnFailure::Stop), ("continue", OnFailure::Continue)])?;
    let recreate = recreate_options(options)?;
    Ok(UpdateOptions {
        containers: options.strings("containers")?,
        force: options.boolean("force", false)?,
        expect_digest: options.string("expect_digest")?,
        platform: options.string("platform")?,
        on_failure: on_failure.unwrap_or_default(),
        max_concurrency: options.integer("max_concurrency", 1..=64)?.map(|most| most as usize),
        remove_old: options.boolean("remove_old", false)?,
        recreate,
    })
}

/// Those of `img_check_update` and `img_check_updates`.
pub(super) fn check_options(options: &mut Options) -> Result<CheckOptions> {
    if options.object("newer_tag")?.is_some() {
        return Err(Code::Unsupported.error("newer_tag: not in this version"));
    }
    Ok(CheckOptions { via: options.choice("check_via", &CHECK_VIA)?, platform: options.string("platform")? })
}

/// Those of `service_update`.
pub(super) fn service_update_options(options: &mut Options) -> Result<ServiceUpdateOptions> {
    let defaults = ServiceUpdateOptions::default();
    Ok(ServiceUpdateOptions {
        expect_digest: options.string("expect_digest")?,
        force: options.boolean("force", false)?,
        wait: options.seconds("wait_s", 1.0..=86_400.0)?.unwrap_or(defaults.wait),
    })
}
