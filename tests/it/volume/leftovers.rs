//! Storage containers after a cancel, an error and the end of a process.
//!
//! Rules: docs/volumes.md, section 4.

use std::time::{Duration, Instant};

use refit::container::{ContainersOptions, RecoverOptions, RecoveryAction};
use refit::volume::{ReadFileOptions, VolumesOptions, WriteFileOptions};
use refit::{Cancel, Code, ConnectOptions, Refit, Timestamp};
use refit_lab::{Canned, Fault, Lab, Proxy, Scope, When};
use serde_json::json;

use super::{has_files, read, storage_containers, write};
use crate::connected::refit;

/// Nothing here takes as long on any machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn through(proxy: &Proxy) -> Refit {
    let options = ConnectOptions { host: Some(proxy.host.clone()), timeout: PATIENCE, ..ConnectOptions::default() };
    Refit::connect(options).await.unwrap()
}

async fn until_none(scope: &Scope<'_>, volume: &str) {
    let begun = Instant::now();
    while !storage_containers(scope, volume).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{:?}", storage_containers(scope, volume));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_at_each_request_leaves_no_container() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("storage-cancel");
    let (direct, volume) = (refit().await, scope.volume("data"));
    write(&direct, &volume, "d/f", b"content").await;
    for pattern in ["GET /volumes/*", "POST /containers/create", "HEAD /containers/*/archive", "GET /containers/*/archive"] {
        let proxy = Proxy::engine(lab);
        let refit = through(&proxy).await;
        let gate = proxy.hold(When::first(pattern));
        let cancel = Cancel::new();
        let reading = refit.read_volume_file(&volume, "d/f", ReadFileOptions::default()).cancel(&cancel);
        let reading = tokio::spawn(async move { reading.await });
        let held = tokio::task::spawn_blocking(move || gate.wait(PATIENCE)).await.unwrap();
        cancel.fire();
        let failure = tokio::time::timeout(PATIENCE, reading).await.unwrap().unwrap().unwrap_err();
        assert_eq!(failure.error.code(), Code::Cancelled, "{pattern}");
        held.release();
        tokio::time::timeout(PATIENCE, refit.close()).await.unwrap();
        assert!(storage_containers(&scope, &volume).is_empty(), "{pattern}: a close waits until they are removed");
    }
    assert_eq!(read(&direct, &volume, "d/f").await, b"content");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_engine_leaves_no_container() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("storage-error");
    let volume = scope.volume("data");
    for pattern in ["HEAD /containers/*/archive", "PUT /containers/*/archive"] {
        let proxy = Proxy::engine(lab);
        let refit = through(&proxy).await;
        proxy.on(When::first(pattern), Fault::Answer(Canned::message(500, "no space left on device")));
        let failure = refit.write_volume_file(&volume, "d/f", b"x".to_vec(), WriteFileOptions::default()).await.unwrap_err();
        assert_eq!(failure.error.code(), Code::Engine, "{pattern}: {failure}");
        assert!(storage_containers(&scope, &volume).is_empty(), "{pattern}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_has_left_is_recovered_and_listed_nowhere() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("storage-killed");
    let (direct, volume) = (refit().await, scope.volume("data"));
    write(&direct, &volume, "f", b"content").await;
    // A runtime that is shut down runs nothing to its end, as a killed process.
    let proxy = Proxy::engine(lab);
    let gate = proxy.hold(When::first("GET /containers/*/archive"));
    let (host, name) = (proxy.host.clone(), volume.clone());
    let held = tokio::task::spawn_blocking(move || {
        let killed = tokio::runtime::Runtime::new().unwrap();
        killed.spawn(async move {
            let refit = Refit::connect(ConnectOptions { host: Some(host), ..ConnectOptions::default() }).await.unwrap();
            let _ = refit.read_volume_file(&name, "f", ReadFileOptions::default()).await;
        });
        let held = gate.wait(PATIENCE);
        killed.shutdown_timeout(PATIENCE);
        held
    });
    held.await.unwrap().cut();
    let left = storage_containers(&scope, &volume);
    assert_eq!(left.len(), 1, "{left:?}");
    let left = left[0].as_str();

    let listed = direct.containers(&ContainersOptions::default()).await.unwrap().containers;
    assert!(listed.iter().all(|container| container.name != left));
    assert!(!direct.container_exists(left).await.unwrap());
    let volumes = direct.volumes(&VolumesOptions { names: vec![volume.clone()], ..VolumesOptions::default() }).await.unwrap();
    assert!(volumes.volumes[0].containers.is_empty(), "{volumes:?}");
    assert_eq!(direct.remove_volume(&volume).await.unwrap_err().code(), Code::Conflict);

    let recover = async |options: RecoverOptions| direct.recover(Some(left), options).await.unwrap().found;
    let forced = RecoverOptions { force: true, ..RecoverOptions::default() };
    let found = recover(RecoverOptions { dry_run: true, ..forced.clone() }).await;
    assert_eq!((found.len(), found[0].container.as_str(), found[0].action), (1, left, RecoveryAction::WouldFinish));
    let found = recover(forced).await;
    assert_eq!((found.len(), found[0].action), (1, RecoveryAction::RemovedHelper));
    assert!(storage_containers(&scope, &volume).is_empty());
    assert_eq!(read(&direct, &volume, "f").await, b"content");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_lease_and_an_archive_that_is_being_read_are_busy_and_an_ended_one_is_not() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("storage-lease");
    let (direct, volume) = (refit().await, scope.volume("data"));
    write(&direct, &volume, "f", b"content").await;
    let image = lab.engine.get("/images/json");
    let image = image.as_array().unwrap().iter().find(|image| image["Labels"]["refit.storage"].is_string()).unwrap()["Id"].clone();
    let now = Timestamp::now().as_second();
    // The lease is far from its end by any clock, and the other one long over.
    for (lease, action) in [(now + 150, RecoveryAction::Busy), (now - 100_000, RecoveryAction::RemovedHelper)] {
        let random = u32::from_str_radix(&scope.name[scope.name.len() - 8..], 16).unwrap();
        let name = format!("refit-volume-{random:08x}-{lease:08x}");
        lab.engine.create(&name, &json!({"Image": image, "Cmd": ["none"], "Labels": {"refit.volume": volume}}));
        let found = direct.recover(Some(&name), RecoverOptions::default()).await.unwrap().found;
        assert_eq!((found.len(), found[0].container.as_str(), found[0].action), (1, name.as_str(), action));
        if action == RecoveryAction::Busy {
            lab.engine.delete(&format!("/containers/{name}?force=1"));
        }
    }
    until_none(&scope, &volume).await;
}
