//! What a restore finds in place of its volume, and whether it may replace it.
//!
//! Rules: docs/volumes.md, section 8.

use crate::engine::api::{container_list, volumes};
use crate::error::shown;
use crate::operation::call::Call;
use crate::volume::archive::{Piece, Scanner};
use crate::volume::backup::{VolumeSpec, spec};
use crate::volume::list::{users, users_that_run};
use crate::volume::storage::name::StorageName;
use crate::volume::storage::{Access, RESTORES, Storage, VolumePath, in_memory, is_in_memory, not_on_podman};
use crate::{Code, Error, Refit, Result};

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    Empty,
    /// With something in it, with what it was created, and whether containers have it, none of which runs.
    Full(VolumeSpec, Vec<String>),
}

/// How a volume is made empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Emptying {
    /// It is missing or empty.
    Nothing,
    /// `rm` runs in this image.
    Shell(String),
    /// It is removed and created again: no container has it, and all that is in it is the engine's.
    CreateAgain(VolumeSpec),
}

impl Found {
    /// CONFLICT when a container that runs has the volume, BUSY when another restore writes to it. With the engine's clock before anything is read.
    pub(super) async fn look(refit: &Refit, call: &Call, volume: &str) -> Result<(Self, i64)> {
        let engine = &refit.shared.engine;
        let looked = call.run(async {
            let inspected = volumes::inspect(engine, volume).await?;
            if engine.is_podman().await? {
                return Err(not_on_podman(volume));
            }
            let (containers, now) = container_list::list(engine).await?;
            Ok::<_, Error>((inspected, containers, now))
        });
        let (inspected, containers, now) = looked.await?;
        refuse_running(volume, &containers)?;
        let restores = |entry: &container_list::ListedEntry| {
            let label = entry.labels.iter().flatten().any(|(key, value)| key == RESTORES && value == volume);
            label && entry.name().and_then(StorageName::parse).is_some_and(|name| name.is_live(now))
        };
        if containers.iter().any(restores) {
            return Err(busy(volume));
        }
        let Some((inspect, _)) = inspected else { return Ok((Self::Missing, now)) };
        let spec = spec(&inspect);
        if is_in_memory(&spec.options) {
            return Err(in_memory(volume));
        }
        let storage = Storage::open(refit, call, volume, Access::Read).await?;
        let empty = call.run(is_empty(&storage)).await;
        let found = if storage.close(call, empty).await? { Self::Empty } else { Self::Full(spec, users(volume, &containers)) };
        Ok((found, now))
    }

    /// Whether it may be replaced, and how it is made empty.
    pub(super) fn emptying(&self, volume: &str, overwrite: bool, helper_image: Option<&str>) -> Result<Emptying> {
        let Self::Full(spec, users) = self else { return Ok(Emptying::Nothing) };
        if !overwrite {
            let message = format!(
                "volume {} is not empty: the option overwrite replaces all that is in it; back it up first (volume_backup)",
                shown(volume)
            );
            return Err(Code::Conflict.error(message));
        }
        match helper_image {
            Some(image) => Ok(Emptying::Shell(image.to_owned())),
            None if users.is_empty() && spec.driver == "local" && spec.options.is_empty() => Ok(Emptying::CreateAgain(spec.clone())),
            None => {
                let why = if users.is_empty() {
                    "what is in it is not removed with it, because it has a driver or driver options of its own".to_owned()
                } else {
                    format!("it cannot be removed and made again while containers have it ({})", shown(&users.join(", ")))
                };
                let message = format!(
                    "volume {} must be emptied before it is restored, and {why}: set helper_image to a local image with sh, rm and find (busybox, debian)",
                    shown(volume)
                );
                Err(Code::Unsupported.error(message))
            }
        }
    }
}

/// CONFLICT when a container that runs has the volume.
pub(super) fn refuse_running(volume: &str, containers: &[container_list::ListedEntry]) -> Result<()> {
    let running = users_that_run(volume, containers);
    let Some(first) = running.first() else { return Ok(()) };
    let message =
        format!("volume {} is mounted by {}, which runs: stop it first (container_stop)", shown(volume), shown(&running.join(", ")));
    Err(Code::Conflict.error(message).with_container(first.clone()))
}

pub(super) fn busy(volume: &str) -> Error {
    Code::Busy.error(format!("volume {} is being restored: wait for the end of that restore", shown(volume)))
}

/// Whether there is nothing but the root.
pub(super) async fn is_empty(storage: &Storage) -> Result<bool> {
    let root = storage.find(&VolumePath::parse("/")?, true).await?;
    let mut stream = storage.read(&root).await?;
    let (mut scanner, mut entries) = (Scanner::default(), 0);
    while let Some(bytes) = stream.next_or_quiet().await? {
        scanner.push(bytes);
        while let Some(piece) = scanner.next()? {
            entries += u32::from(matches!(piece, Piece::Entry(_)));
            if entries > 1 {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_emptied_in_the_way_that_loses_nothing_else() {
        let (local, nfs) = (VolumeSpec::default(), VolumeSpec { options: [("type".into(), "nfs".into())].into(), ..VolumeSpec::default() });
        let other = VolumeSpec { driver: "plugin".into(), ..VolumeSpec::default() };
        let user = || vec!["web".to_owned()];
        let emptying = |found: &Found, overwrite, image| found.emptying("data", overwrite, image).map_err(|error| error.code());
        for found in [Found::Missing, Found::Empty] {
            assert_eq!(emptying(&found, false, None), Ok(Emptying::Nothing));
        }
        let shell = Emptying::Shell("busybox".into());
        let cases = [
            (Found::Full(local.clone(), vec![]), Ok(Emptying::CreateAgain(local.clone())), Ok(shell.clone())),
            (Found::Full(local, user()), Err(Code::Unsupported), Ok(shell.clone())),
            (Found::Full(nfs, vec![]), Err(Code::Unsupported), Ok(shell.clone())),
            (Found::Full(other, vec![]), Err(Code::Unsupported), Ok(shell)),
        ];
        for (found, without, with) in cases {
            assert_eq!(emptying(&found, false, Some("busybox")), Err(Code::Conflict), "{found:?}");
            assert_eq!(emptying(&found, true, None), without, "{found:?}");
            assert_eq!(emptying(&found, true, Some("busybox")), with, "{found:?}");
        }
    }
}
