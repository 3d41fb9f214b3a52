//! Every change is reported with its reason.

use serde_json::json;

use super::case::{Moving, options, plain};

#[test]
fn every_change_is_reported_with_its_reason() {
    let moving = Moving::new("reasons", plain("1"), plain("2").version("2"));
    let id = moving.run(json!({}))["Id"].as_str().unwrap().to_owned();
    // Podman writes some by itself.
    let own = moving.engine().get(&format!("/containers/{id}/changes")).as_array().map_or(0, Vec::len) as u64;
    assert!(own == 0 || moving.is_podman(), "{own}");
    moving.exec("echo lost > /mine");
    moving.move_on();
    let report = moving.try_recreate(options()).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.writable_layer_changes, Some(own + 1));
    let reason = |field: &str| report.changes.iter().find(|change| change.field == field).map(|change| change.because.as_str());
    assert_eq!(reason("Config.Env"), Some("the new image's default, where the container does not set it"));
    for change in &report.changes {
        let expected = ["Config.Env", "Config.Labels", "Config.Hostname", "HostConfig.NetworkMode"].contains(&change.field.as_str())
            || change.field.starts_with("NetworkSettings.Networks.")
                && ["IPAddress", "MacAddress"].iter().any(|key| change.field.ends_with(key));
        assert!(expected || moving.is_podman(), "{change:?}");
    }
}
