//! What was made is compared with what was to be made before anything is stopped.

use refit::Code;
use refit::container::RecreationResult;
use refit_lab::{Canned, Engine, Fault, Proxy, When};
use serde_json::json;

use crate::case::{Moving, options, plain};
use crate::recreation::{LIMIT, failed, recreate_at};

#[test]
fn one_that_was_made_otherwise_is_removed_and_the_old_one_never_stopped() {
    let moving = Moving::plain("otherwise");
    let before = moving.run(json!({"Env": ["MINE=1"]}));
    moving.move_on();
    let proxy = Proxy::engine(moving.case.lab);
    let made = proxy.hold_answer(When::first("POST /containers/create"));
    let outcome = recreate_at(&proxy, moving.name(), options(), || {
        let held = made.wait(LIMIT);
        // An engine that loses a variable.
        let new = moving.case.containers().into_iter().find(|(name, _)| name.contains(".refit-new-")).unwrap().0;
        let mut shown = moving.case.inspect(&new);
        shown["Config"]["Env"].as_array_mut().unwrap().retain(|entry| entry != "MINE=1");
        let id = shown["Id"].as_str().unwrap().to_owned();
        proxy.on(When::each(&format!("GET /containers/{id}/json")), Fault::Answer(Canned::json(200, &shown)));
        held.release();
    });
    let (error, report) = failed(outcome);
    assert_eq!((error.code(), report.result), (Code::Engine, RecreationResult::Failed), "{error}");
    assert!(error.message().contains("made otherwise") && error.message().contains("Config.Env"), "{error}");
    let after = moving.inspect();
    assert_eq!((&after["Id"], &after["State"]["StartedAt"]), (&before["Id"], &before["State"]["StartedAt"]));
    assert_eq!(proxy.count("POST /containers/*/stop*"), 0);
    moving.case.assert_alone();
}

#[test]
fn a_tag_that_moves_before_the_create_is_followed() {
    let moving = Moving::plain("moved");
    let before = moving.run(json!({}));
    moving.move_on();
    let proxy = Proxy::engine(moving.case.lab);
    let create = proxy.hold(When::first("POST /containers/create"));
    let outcome = recreate_at(&proxy, moving.name(), options(), || {
        let held = create.wait(LIMIT);
        let direct: &Engine = moving.engine();
        let third = moving.case.scope.publish(&plain("3").build(), "third");
        direct.pull(&third.reference).unwrap();
        direct.tag(&third.reference, moving.case.image());
        held.release();
    });
    let report = outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let after = moving.inspect();
    let tagged = moving.engine().image(moving.case.image()).unwrap();
    assert_eq!(report.result, RecreationResult::Recreated);
    assert_eq!((&after["Image"], report.new_image_id.as_deref()), (&tagged["Id"], tagged["Id"].as_str()));
    assert_ne!(after["Id"], before["Id"]);
    assert!(after["Config"]["Env"].to_string().contains("P=3"), "{after}");
    assert_eq!(proxy.count("POST /containers/create*"), 2);
    moving.case.assert_alone();
}

#[test]
fn every_change_is_told_with_its_reason() {
    let moving = Moving::new("reasons", plain("1"), plain("2").version("2"));
    moving.run(json!({}));
    moving.exec("echo lost > /mine");
    moving.move_on();
    let report = moving.try_recreate(options()).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.writable_layer_changes, Some(1));
    let reason = |field: &str| report.changes.iter().find(|change| change.field == field).map(|change| change.because.as_str());
    assert_eq!(reason("Config.Env"), Some("the new image's default, where the container does not set it"));
    for change in &report.changes {
        let expected = ["Config.Env", "Config.Labels", "Config.Hostname", "HostConfig.NetworkMode"].contains(&change.field.as_str())
            || change.field.starts_with("NetworkSettings.Networks.")
                && ["IPAddress", "MacAddress"].iter().any(|key| change.field.ends_with(key));
        assert!(expected || moving.engine().is_podman(), "{change:?}");
    }
}
