//! The options of `refit_open`.

use super::options::Options;
use crate::{CheckVia, ConnectOptions, RegistryOptions, Result};

/// The names of [`CheckVia`] in options.
pub(super) const CHECK_VIA: [(&str, CheckVia); 3] =
    [("auto", CheckVia::Auto), ("registry", CheckVia::Registry), ("engine", CheckVia::Engine)];

/// Reads all of them except `worker_threads`, which only the C handle has.
pub(super) fn read(mut options: Options) -> Result<ConnectOptions> {
    let mut connect = ConnectOptions {
        host: options.string("host")?,
        lazy: options.choice("connect", &[("now", false), ("lazy", true)])?.unwrap_or(false),
        state_dir: options.string("state_dir")?.map(Into::into),
        docker_config: options.string("docker_config")?.map(Into::into),
        tls_dir: options.string("tls_dir")?.map(Into::into),
        helper_image: options.string("helper_image")?,
        ..ConnectOptions::default()
    };
    if let Some(timeout) = options.seconds("timeout_s", 1.0..=3600.0)? {
        connect.timeout = timeout;
    }
    if let Some(timeout) = options.seconds("long_timeout_s", 1.0..=3600.0)? {
        connect.long_timeout = timeout;
    }
    if let Some(wait) = options.seconds("engine_wait_s", 0.0..=3600.0)? {
        connect.engine_wait = wait;
    }
    if let Some(via) = options.choice("check_via", &CHECK_VIA)? {
        connect.check_via = via;
    }
    if let Some(most) = options.integer("max_concurrency", 1..=64)? {
        connect.max_concurrency = most as usize;
    }
    if let Some(most) = options.integer("history_max_entries", 1..=10_000_000)? {
        connect.history_max_entries = most as usize;
    }
    if let Some(most) = options.integer("history_max_age_days", 1..=36_500)? {
        connect.history_max_age_days = most as u32;
    }
    if let Some(mut registries) = options.object("registries")? {
        for host in registries.names() {
            if let Some(registry) = registries.object(&host)? {
                connect.registries.insert(host, self::registry(registry)?);
            }
        }
        registries.finish()?;
    }
    options.finish()?;
    Ok(connect)
}

fn registry(mut options: Options) -> Result<RegistryOptions> {
    let registry = RegistryOptions {
        username: options.string("username")?,
        password: options.string("password")?,
        token: options.string("token")?,
        ca_file: options.string("ca_file")?.map(Into::into),
        insecure: options.boolean("insecure", false)?,
        mirror: options.string("mirror")?,
    };
    options.finish()?;
    Ok(registry)
}
