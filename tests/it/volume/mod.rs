//! Volumes on a real engine: themselves, the files in them, and what calls leave behind.

mod archive;
mod backup;
mod create;
mod files;
mod in_recreation;
mod kills;
mod leftovers;
mod links;
mod postgres;
mod restore;
mod restore_ended;
mod restore_in_rollback;

use refit::Refit;
use refit::volume::{ListFilesOptions, ReadFileOptions, WriteFileOptions};
use refit_lab::{Image, Lab, Scope, not_here};
use serde_json::json;

/// Podman's archives do not reach the files of a volume: `files` has the test of what it answers.
fn has_files(lab: &Lab) -> bool {
    if lab.engine.is_podman() {
        not_here("Podman's archives do not reach the files of a volume");
    }
    !lab.engine.is_podman()
}

async fn write(refit: &Refit, volume: &str, path: &str, content: &[u8]) {
    let written = refit.write_volume_file(volume, path, content.to_vec(), WriteFileOptions::default()).await.unwrap();
    assert_eq!((written.path.as_str(), written.bytes, written.changed), (path, Some(content.len() as u64), true));
}

async fn read(refit: &Refit, volume: &str, path: &str) -> Vec<u8> {
    refit.read_volume_file(volume, path, ReadFileOptions::default()).await.unwrap()
}

/// The paths of all that is in a volume.
async fn paths(refit: &Refit, volume: &str) -> Vec<String> {
    let files = refit.volume_files(volume, "/", ListFilesOptions { recursive: true, ..ListFilesOptions::default() }).await.unwrap().files;
    files.into_iter().map(|file| file.path).collect()
}

/// A shell with the volume at /v, which runs until the scope ends: its name.
fn shell(scope: &Scope<'_>, volume: &str) -> String {
    let image = scope.pull(&Image::new().build(), "shell");
    let name = scope.name("shell");
    let mounts = json!([{"Type": "volume", "Source": volume, "Target": "/v"}]);
    scope
        .lab
        .engine
        .run(&name, &json!({"Image": image.reference, "Cmd": ["sleep", "3600"], "HostConfig": {"Mounts": mounts, "Init": false}}));
    name
}

/// Runs a script in the shell's container.
fn sh(scope: &Scope<'_>, shell: &str, script: &str) -> String {
    let done = scope.lab.engine.exec(shell, &["sh", "-c", script]);
    assert_eq!(done.code, 0, "{script}: {}", done.output);
    done.output
}

/// The storage containers of a volume that are there now.
fn storage_containers(scope: &Scope<'_>, volume: &str) -> Vec<String> {
    let filters = json!({"label": [format!("refit.volume={volume}")]}).to_string();
    let filters: String = filters.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let list = scope.lab.engine.get(&format!("/containers/json?all=1&filters={filters}"));
    list.as_array().unwrap().iter().map(|entry| entry["Names"][0].as_str().unwrap().trim_start_matches('/').to_owned()).collect()
}
