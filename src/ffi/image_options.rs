//! The options of the image calls.

use super::options::Options;
use crate::Result;
use crate::container::ContainersOptions;
use crate::image::{PullOptions, RegistryAuth};

pub(super) fn containers_options(options: &mut Options) -> Result<ContainersOptions> {
    Ok(ContainersOptions {
        all: options.boolean("all", true)?,
        names: options.strings("names")?.unwrap_or_default(),
        labels: options.string_map("labels")?.unwrap_or_default(),
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
