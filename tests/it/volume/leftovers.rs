//! Storage containers after a cancel, an error and the end of a process.
//!
//! Rules: docs/volumes.md, section 4.

use std::time::{Duration, Instant};

use refit::container::{ContainersOptions, RecoverOptions, RecoveryAction};
use refit::volume::{ReadFileOptions, VolumesOptions, WriteFileOptions};
use refit::{Cancel, Code, ConnectOptions, Refit, Timestamp};
use refit_lab::{Canned, Fault, Lab, Proxy, Scope, When};
use serde_json::{Value, json};

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

/// The image of storage containers, which a call has loaded.
fn storage_image(lab: &Lab) -> Value {
    let images = lab.engine.get("/images/json");
    images.as_array().unwrap().iter().find(|image| image["Labels"]["refit.storage"].is_string()).unwrap()["Id"].clone()
}

/// The name of a storage container of this test, whose lease ends in so many seconds. Each `number` is another one.
fn storage_name(scope: &Scope<'_>, number: u32, ends_in: i64) -> String {
    let random = u32::from_str_radix(&scope.name[scope.name.len() - 8..], 16).unwrap().wrapping_add(number);
    format!("refit-volume-{random:08x}-{:08x}", Timestamp::now().as_second() + ends_in)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_of_a_container_removes_what_is_left_of_its_volumes() {
    let lab = Lab::get();
    if !has_files(lab) {
        return;
    }
    let scope = lab.scope("storage-of-container");
    let (refit, own, other) = (refit().await, scope.volume("own"), scope.volume("other"));
    write(&refit, &own, "f", b"content").await;
    let (image, app) = (storage_image(lab), scope.name("app"));
    let mounts = json!([{"Type": "volume", "Source": own, "Target": "/v"}]);
    let id = lab.engine.create(&app, &json!({"Image": image, "Cmd": ["none"], "HostConfig": {"Mounts": mounts}}));
    let left = |number: u32, ends_in: i64, volume: &str| {
        let name = storage_name(&scope, number, ends_in);
        lab.engine.create(&name, &json!({"Image": image, "Cmd": ["none"], "Labels": {"refit.volume": volume}}));
        name
    };
    let (ended, live, others) = (left(0, -100_000, &own), left(1, 150, &own), left(2, -100_000, &other));
    let recover = async |container: &str, options: RecoverOptions| {
        let found = refit.recover(Some(container), options).await.unwrap().found;
        found.into_iter().map(|found| (found.container, found.action)).collect::<Vec<_>>()
    };
    let dry = RecoverOptions { dry_run: true, ..RecoverOptions::default() };
    assert_eq!(recover(&app, dry).await, [(ended.clone(), RecoveryAction::WouldFinish)]);
    assert_eq!(recover(&id[..12], RecoverOptions::default()).await, [(ended, RecoveryAction::RemovedHelper)]);
    assert_eq!(storage_containers(&scope, &own), [live.as_str()], "a call that goes on with a volume of the container is left alone");
    let forced = RecoverOptions { force: true, ..RecoverOptions::default() };
    assert_eq!(recover(&app, forced).await, [(live, RecoveryAction::RemovedHelper)]);
    assert_eq!(storage_containers(&scope, &other), [others.as_str()], "what is left of another volume is");
    assert_eq!(recover(&others, RecoverOptions::default()).await, [(others, RecoveryAction::RemovedHelper)]);
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
    let image = storage_image(lab);
    // The lease is far from its end by any clock, and the other one long over.
    for (ends_in, action) in [(150, RecoveryAction::Busy), (-100_000, RecoveryAction::RemovedHelper)] {
        let name = storage_name(&scope, 0, ends_in);
        lab.engine.create(&name, &json!({"Image": image, "Cmd": ["none"], "Labels": {"refit.volume": volume}}));
        let found = direct.recover(Some(&name), RecoverOptions::default()).await.unwrap().found;
        assert_eq!((found.len(), found[0].container.as_str(), found[0].action), (1, name.as_str(), action));
        if action == RecoveryAction::Busy {
            lab.engine.delete(&format!("/containers/{name}?force=1"));
        }
    }
    until_none(&scope, &volume).await;
}
