//! Which volumes of a container are backed up before it is replaced, and what prevents that.
//!
//! Rules: docs/volumes.md, section 9.

use std::collections::BTreeMap;

use serde_json::Value;

use super::RecreateOptions;
use super::prepare::{EngineSnapshot, Prepared};
use crate::container::create_body::Warning;
use crate::container::state;
use crate::engine::api::container_list::ListedEntry;
use crate::engine::api::{images, volumes};
use crate::error::shown;
use crate::json::{list, text, text_map};
use crate::volume::backup::{LONGEST_VOLUME, in_use};
use crate::volume::other_users_that_run;
use crate::volume::storage::{is_in_memory, not_on_podman};
use crate::{Code, Refit, Result};

/// The volumes that a recreation backs up, and what its caller should know of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct VolumesPlan {
    pub(crate) volumes: Vec<PlannedBackup>,
    pub(crate) warnings: Vec<Warning>,
}

/// A volume that is backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedBackup {
    pub(crate) volume: String,
    /// The container may write to it.
    pub(crate) writable: bool,
}

/// Completes what was read of a container, and of those that are recreated with it, with the volumes that the options ask to back up. An error is
/// what prevents it. Nothing is asked where the options want no backup.
pub(crate) async fn plan_backups(refit: &Refit, around: &EngineSnapshot, prepared: &mut Prepared, options: &RecreateOptions) -> Result<()> {
    let Some(folder) = &options.backup_volumes else { return Ok(()) };
    let path = folder.clone();
    if !tokio::task::spawn_blocking(move || path.is_dir()).await.is_ok_and(|is_folder| is_folder) {
        let message = format!("backup_volumes: {} is no folder: make it first", shown(&folder.display().to_string()));
        return Err(Code::Io.error(message).with_container(prepared.name()));
    }
    let there = volumes::list(&refit.shared.engine).await?;
    let complete = |one: &mut Prepared| -> Result<()> {
        one.volumes = plan(&one.container, &there, &around.list, one.facts.podman).map_err(|error| error.with_container(one.name()))?;
        Ok(())
    };
    complete(prepared)?;
    prepared.dependents.iter_mut().try_for_each(complete)?;
    if options.restore_on_rollback && prepared.mode().runs() {
        can_restore(refit, around, prepared).await.map_err(|error| error.with_container(prepared.name()))?;
    }
    Ok(())
}

/// Whether a rollback could restore the volumes of a container that runs; an error says what to do.
async fn can_restore(refit: &Refit, around: &EngineSnapshot, prepared: &Prepared) -> Result<()> {
    let refuse = |why: &str| Code::Unsupported.error(format!("restore_on_rollback: {why}"));
    let is_needed =
        std::iter::once(prepared).chain(&prepared.dependents).any(|one| one.volumes.volumes.iter().any(|volume| volume.writable));
    if !is_needed {
        return Ok(());
    }
    if !prepared.dependents.is_empty() {
        return Err(refuse(
            "not for a container that is recreated together with its dependents; without it the backups can be restored by hand",
        ));
    }
    if state::is_auto_remove(&prepared.container) {
        return Err(refuse("not for a container with the --rm option; without it the backups can be restored by hand (volume_restore)"));
    }
    if refit.shared.state_dir.is_none() {
        return Err(refuse("the handle has no state_dir, in which a recovery finds what is to be restored: set it in refit_open"));
    }
    let Some(image) = &refit.shared.options.helper_image else {
        return Err(refuse(
            "the handle has no helper_image, which empties a volume: set it in refit_open to a local image with sh, rm and find (busybox, debian)",
        ));
    };
    if images::inspect(&refit.shared.engine, image, images::Detail::None).await?.is_none() {
        let message = format!("restore_on_rollback: helper_image {} is not local: pull it with img_pull first", shown(image));
        return Err(Code::ImageMissing.error(message).with_image(image).with_missing(vec![image.clone()]));
    }
    refuse_neighbours(&prepared.volumes.volumes, state::id(&prepared.container), &around.list)
}

/// CONFLICT when another container that runs mounts a volume that a rollback would restore: what it writes would be lost.
pub(super) fn refuse_neighbours(volumes: &[PlannedBackup], own: &str, listed: &[ListedEntry]) -> Result<()> {
    for volume in volumes.iter().filter(|volume| volume.writable) {
        if let [first, ..] = other_users_that_run(&volume.volume, own, listed).as_slice() {
            let message = format!(
                "restore_on_rollback: volume {} is mounted by {}, which runs, and what that writes would be lost in a rollback: stop it first \
                 (container_stop), or leave restore_on_rollback out",
                shown(&volume.volume),
                shown(first)
            );
            return Err(Code::Conflict.error(message).with_container(first));
        }
    }
    Ok(())
}

/// Of one container. `there` are the engine's volumes, and `listed` its containers.
fn plan(container: &Value, there: &[Value], listed: &[ListedEntry], is_podman: bool) -> Result<VolumesPlan> {
    let mut plan = VolumesPlan::default();
    let warning = |code: &str, message: String| Warning { code: code.into(), container: Some(state::name(container).into()), message };
    for (volume, writable) in mounted(container) {
        if is_podman {
            return Err(not_on_podman(&volume));
        }
        if volume.len() > LONGEST_VOLUME {
            let message = format!("backup_volumes: the name of volume {} is too long for that of a file with its backup", shown(&volume));
            return Err(Code::Unsupported.error(message));
        }
        let inspect = there.iter().find(|one| text(one, "/Name") == volume);
        if inspect.is_some_and(|inspect| is_in_memory(&text_map(inspect, "/Options"))) {
            let message =
                format!("volume {} is in memory (tmpfs), and is not backed up: it is empty once no container runs with it", shown(&volume));
            plan.warnings.push(warning("volume_in_memory", message));
            continue;
        }
        let others = other_users_that_run(&volume, state::id(container), listed);
        if !others.is_empty() {
            plan.warnings.push(in_use(&volume, &others));
        }
        plan.volumes.push(PlannedBackup { volume, writable });
    }
    Ok(plan)
}

/// The volumes that a container mounts, each once, and whether it may write to them.
fn mounted(container: &Value) -> BTreeMap<String, bool> {
    let mut mounted = BTreeMap::new();
    for mount in list(container, "/Mounts").iter().filter(|mount| text(mount, "/Type") == "volume" && !text(mount, "/Name").is_empty()) {
        let writable = mount["RW"].as_bool() != Some(false);
        mounted.entry(text(mount, "/Name").to_owned()).and_modify(|known| *known |= writable).or_insert(writable);
    }
    mounted
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn container(mounts: &[(&str, &str, bool)]) -> Value {
        let mounts: Vec<Value> = mounts.iter().map(|(kind, name, rw)| json!({"Type": kind, "Name": name, "RW": rw})).collect();
        json!({"Id": "own", "Name": "/web", "Mounts": mounts})
    }

    fn entry(id: &str, state: &str, volume: &str) -> ListedEntry {
        serde_json::from_value(json!({"Id": id, "Names": [format!("/{id}")], "State": state, "Mounts": [{"Name": volume}]})).unwrap()
    }

    #[test]
    fn every_volume_is_backed_up_once_and_those_in_memory_are_not() {
        let mounts =
            [("volume", "data", false), ("volume", "data", true), ("volume", "config", false), ("bind", "", true), ("tmpfs", "", true)];
        let there = [json!({"Name": "data", "Options": null}), json!({"Name": "memory", "Options": {"type": "tmpfs"}})];
        let listed = [entry("own", "running", "data"), entry("other", "running", "config"), entry("stopped", "exited", "data")];
        let mut container = container(&mounts);
        container["Mounts"].as_array_mut().unwrap().push(json!({"Type": "volume", "Name": "memory", "RW": true}));
        let planned = plan(&container, &there, &listed, false).unwrap();
        let volumes: Vec<(&str, bool)> = planned.volumes.iter().map(|one| (one.volume.as_str(), one.writable)).collect();
        assert_eq!(volumes, [("config", false), ("data", true)]);
        let warnings: Vec<(&str, Option<&str>)> =
            planned.warnings.iter().map(|warning| (warning.code.as_str(), warning.container.as_deref())).collect();
        assert_eq!(warnings, [("volume_in_use", Some("other")), ("volume_in_memory", Some("web"))]);
    }

    #[test]
    fn another_container_that_runs_is_in_the_way_of_a_restore_where_the_container_may_write() {
        let volumes = |writable| [PlannedBackup { volume: "data".into(), writable }];
        let listed = [entry("own", "running", "data"), entry("stopped", "exited", "data")];
        assert_eq!(refuse_neighbours(&volumes(true), "own", &listed), Ok(()));
        let listed = [entry("own", "running", "data"), entry("other", "paused", "data")];
        let error = refuse_neighbours(&volumes(true), "own", &listed).unwrap_err();
        assert_eq!((error.code(), error.context().container.as_deref()), (Code::Conflict, Some("other")));
        assert_eq!(refuse_neighbours(&volumes(false), "own", &listed), Ok(()), "a container that only reads changes nothing");
    }

    #[test]
    fn what_cannot_be_backed_up_is_refused() {
        let code = |container: &Value, podman| plan(container, &[], &[], podman).map(|_| ()).map_err(|error| error.code());
        assert_eq!(code(&container(&[("volume", "data", true)]), true), Err(Code::Unsupported));
        assert_eq!(code(&container(&[("bind", "", true)]), true), Ok(()));
        assert_eq!(code(&container(&[("volume", &"v".repeat(255), true)]), false), Err(Code::Unsupported));
    }
}
