//! `volume_list`, `_create`, `_exists`, `_remove`.
//!
//! Rules: docs/volumes.md, section 1.

use std::collections::BTreeMap;

use refit::Code;
use refit::volume::{CreateVolumeOptions, VolumesOptions};
use refit_lab::{Image, Lab};
use serde_json::json;

use crate::connected::refit;

fn map(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_created_listed_with_its_users_and_removed() {
    let lab = Lab::get();
    let scope = lab.scope("volume");
    let refit = refit().await;
    let volume = scope.name("data");
    let options = CreateVolumeOptions { labels: map("team", "games"), ..CreateVolumeOptions::default() };
    assert!(!refit.volume_exists(&volume).await.unwrap());
    assert!(refit.create_volume(&volume, &options).await.unwrap().changed);
    assert!(!refit.create_volume(&volume, &options).await.unwrap().changed, "it is there, and the same");
    assert!(refit.volume_exists(&volume).await.unwrap());
    let by_label = VolumesOptions { names: Vec::new(), labels: map("team", "games") };
    let listed = refit.volumes(&VolumesOptions { names: vec![volume.clone()], ..by_label.clone() }).await.unwrap().volumes;
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].name.as_str(), listed[0].driver.as_str(), &listed[0].labels), (volume.as_str(), "local", &map("team", "games")));
    assert!(listed[0].created.is_some() && listed[0].containers.is_empty(), "{listed:?}");
    let other = VolumesOptions { names: vec![volume.clone()], labels: map("team", "other") };
    assert!(refit.volumes(&other).await.unwrap().volumes.is_empty());

    let image = scope.pull(&Image::new().build(), "t");
    let user = scope.name("user");
    let mounts = json!([{"Type": "volume", "Source": volume, "Target": "/v"}]);
    lab.engine.create(&user, &json!({"Image": image.reference, "HostConfig": {"Mounts": mounts}}));
    let listed = refit.volumes(&VolumesOptions { names: vec![volume.clone()], ..VolumesOptions::default() }).await.unwrap().volumes;
    assert_eq!(listed[0].containers, std::slice::from_ref(&user));
    let error = refit.remove_volume(&volume).await.unwrap_err();
    assert!(error.code() == Code::Conflict && error.message().contains(&user), "{error}");
    assert!(refit.volume_exists(&volume).await.unwrap());
    lab.engine.delete(&format!("/containers/{user}?force=1"));
    assert!(refit.remove_volume(&volume).await.unwrap().changed);
    assert_eq!(refit.remove_volume(&volume).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_there_with_something_else_is_a_conflict_that_names_it() {
    let lab = Lab::get();
    let scope = lab.scope("volume-other");
    let refit = refit().await;
    let volume = scope.volume("data");
    let error = refit.create_volume(&volume, &CreateVolumeOptions::default()).await.unwrap_err();
    assert!(error.code() == Code::Conflict && error.message().contains("refit-lab"), "{error}");
    let labels = map("refit-lab", "1");
    let same = CreateVolumeOptions { labels: labels.clone(), ..CreateVolumeOptions::default() };
    assert!(!refit.create_volume(&volume, &same).await.unwrap().changed);
    let tmpfs = CreateVolumeOptions { driver_options: map("type", "tmpfs"), labels, ..CreateVolumeOptions::default() };
    let error = refit.create_volume(&volume, &tmpfs).await.unwrap_err();
    assert!(error.code() == Code::Conflict && error.message().contains("driver option type"), "{error}");
    for name in ["", "..", "a/b", "..%2fvolumes%2fx", "-a"] {
        assert_eq!(refit.create_volume(name, &same).await.unwrap_err().code(), Code::InvalidArgument, "{name}");
        assert_eq!(refit.remove_volume(name).await.unwrap_err().code(), Code::InvalidArgument, "{name}");
        assert_eq!(refit.volume_exists(name).await.unwrap_err().code(), Code::InvalidArgument, "{name}");
    }
}
