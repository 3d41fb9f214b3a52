//! What is not recreated, or only when it is asked for in so many words.

use refit::Code;
use refit::container::RecreateOptions;
use refit_lab::{Lab, not_here};
use serde_json::{Value, json};

use crate::case::{Moving, assert_has, options};

fn allowing(allow: impl Fn(&mut RecreateOptions)) -> RecreateOptions {
    let mut options = options();
    allow(&mut options);
    options
}

#[test]
fn r44_those_that_hold_the_container_are_listed() {
    let moving = Moving::plain("r44");
    let held = moving.run(json!({"Volumes": {"/shared": {}}, "HostConfig": {"IpcMode": "shareable"}}));
    let mode = format!("container:{}", held["Id"].as_str().unwrap());
    moving.run_other("net", json!({"HostConfig": {"NetworkMode": mode}}));
    moving.run_other("volumes", json!({"HostConfig": {"VolumesFrom": [moving.name()]}}));
    moving.move_on();
    let error = moving.refused(options());
    assert_eq!(error.code(), Code::Conflict);
    for word in [moving.other("net"), moving.other("volumes"), "recreate_dependents".into()] {
        assert!(error.message().contains(&word), "{error}");
    }
    if moving.is_podman() {
        return; // it takes no links
    }
    moving.run_other("linked", json!({"HostConfig": {"Links": [format!("{}:z", moving.name())]}}));
    let error = moving.refused(allowing(|options| options.recreate_dependents = true));
    assert_eq!(error.code(), Code::Conflict);
    for holder in ["net", "volumes", "linked"] {
        assert!(error.message().contains(&moving.other(holder)), "{holder}: {error}");
    }
}

#[test]
fn r51_a_paused_container() {
    let moving = Moving::plain("r51");
    moving.run(json!({}));
    moving.engine().post(&format!("/containers/{}/pause", moving.name()), &Value::Null);
    moving.move_on();
    let error = moving.refused(options());
    assert_eq!(error.code(), Code::Conflict);
    if moving.is_podman() {
        // It stops no paused container.
        assert!(error.message().contains("unpause it first"), "{error}");
        moving.engine().post(&format!("/containers/{}/unpause", moving.name()), &Value::Null);
        moving.recreate_as_it_is(options());
        return;
    }
    assert!(error.message().contains("allow_paused"), "{error}");
    moving.recreate_as_it_is(allowing(|options| options.allow_paused = true));
    assert_eq!(moving.inspect()["State"]["Status"], "paused");
}

#[test]
fn r52_a_container_that_removes_itself() {
    let moving = Moving::plain("r52");
    moving.run(json!({"HostConfig": {"AutoRemove": true}}));
    moving.move_on();
    let error = moving.refused(options());
    assert_eq!(error.code(), Code::Conflict);
    assert!(error.message().contains("--rm"), "{error}");
}

#[test]
fn r55_a_source_that_is_gone_is_found_before_the_stop() {
    let folder = std::env::temp_dir().join(format!("refit-r55-{}", std::process::id()));
    if Lab::get().engine.is_podman() {
        return not_here("Podman shows a mount as a bind, whose folder is made again (r56)");
    }
    std::fs::create_dir_all(&folder).unwrap();
    let moving = Moving::plain("r55");
    let mount = json!([{"Type": "bind", "Source": folder, "Target": "/d"}]);
    moving.run(json!({"HostConfig": {"Mounts": mount}}));
    std::fs::remove_dir(&folder).unwrap();
    moving.move_on();
    let error = moving.refused(options());
    assert_eq!(error.code(), Code::Engine, "{error}");
    assert!(error.message().contains(folder.to_str().unwrap()), "{error}");
}

/// As a restart would: the engine makes the folder of a bind.
#[test]
fn r56_a_folder_of_a_bind_that_is_gone_is_made_again_empty() {
    let moving = Moving::plain("r56");
    let folder = std::env::temp_dir().join(&moving.case.scope.name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("file"), "gone").unwrap();
    let bind = format!("{}:/d", folder.display());
    moving.run(json!({"HostConfig": {"Binds": [bind]}}));
    std::fs::remove_dir_all(&folder).unwrap();
    let after = moving.recreate();
    // Podman adds the options that it has by default.
    let shown = after["HostConfig"]["Binds"][0].as_str().unwrap().to_owned();
    assert!(shown == bind || moving.is_podman() && shown.starts_with(&bind), "{shown}");
    assert_eq!(moving.exec("ls /d"), "");
    std::fs::remove_dir(&folder).unwrap();
}

#[test]
fn r57_a_container_that_something_else_manages() {
    for label in ["com.docker.swarm.task.id", "io.kubernetes.pod.name", "PODMAN_SYSTEMD_UNIT"] {
        let moving = Moving::plain("r57");
        moving.run(json!({"Labels": {label: "x"}}));
        moving.move_on();
        let error = moving.refused(options());
        assert_eq!(error.code(), Code::Unsupported);
        assert!(error.message().contains(label), "{error}");
    }
}

#[test]
fn r58_compose_finds_its_labels_and_the_new_image() {
    let moving = Moving::plain("r58");
    let old = moving.engine().image(moving.case.image()).unwrap()["Id"].clone();
    let label = |name: &str| format!("com.docker.compose.{name}");
    let names =
        ["project", "service", "container-number", "oneoff", "config-hash", "version", "project.working_dir", "project.config_files"];
    let mut labels: Value = names.iter().map(|name| (label(name), json!(format!("value of {name}")))).collect();
    labels[label("image")] = old;
    moving.run(json!({"Labels": labels}));
    let after = moving.recreate();
    labels[label("image")] = after["Image"].clone();
    assert_has(&after["Config"]["Labels"], labels);
}

#[test]
fn r59_images_by_id_by_digest_and_without_tag() {
    let id = |moving: &Moving| moving.engine().image(moving.case.image()).unwrap()["Id"].as_str().unwrap().to_owned();
    for short in [false, true] {
        let moving = Moving::plain("r59-id");
        let id = id(&moving);
        let reference = if short { &id[7..19] } else { &id };
        let before = moving.run(json!({"Image": reference}));
        moving.move_on();
        if moving.is_podman() {
            // It shows the image's name in the place of its id.
            moving.recreate_as_it_is(options());
            moving.assert_told("that it was created from an image id");
            continue;
        }
        let error = moving.refused(options());
        assert_eq!(error.code(), Code::Unsupported);
        assert!(error.message().contains("allow_pinned"), "{error}");
        let after = moving.recreate_as_it_is(allowing(|options| options.allow_pinned = true));
        assert_eq!(after["Image"], before["Image"]);
    }

    let moving = Moving::plain("r59-digest");
    // 28 with containerd's store forgets the digest, though not the image, once the tag has moved.
    moving.engine().tag(moving.case.image(), &moving.case.scope.reference("kept"));
    let before = moving.run(json!({"Image": moving.case.old.by_digest()}));
    if moving.is_podman() {
        // It may show one of the image's names in the place of the digest: at once, so that it is followed, or in the new one.
        moving.move_on();
        let report = moving.try_recreate(options()).unwrap_or_else(|failure| panic!("{failure}"));
        assert!(report.warnings.iter().any(|warning| warning.message.contains("an image id or a digest")), "{report:?}");
        if before["Config"]["Image"].as_str().unwrap().contains('@') {
            assert_eq!(moving.inspect()["Image"], before["Image"]);
        }
    } else {
        assert_eq!(moving.recreate()["Image"], before["Image"]);
    }

    let moving = Moving::plain("r59-untagged");
    let untagged = moving.case.image().strip_suffix(":t").unwrap().to_owned();
    moving.engine().tag(moving.case.image(), &format!("{untagged}:latest"));
    let before = moving.run(json!({"Image": untagged}));
    moving.move_on();
    moving.engine().tag(moving.case.image(), &format!("{untagged}:latest"));
    let after = moving.recreate_as_it_is(options());
    assert_ne!(after["Image"], before["Image"]);
    // Podman writes the tag out.
    let shown = if moving.is_podman() { format!("{untagged}:latest") } else { untagged };
    assert_eq!(after["Config"]["Image"], shown.as_str());
}
