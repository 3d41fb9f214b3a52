//! What is not recreated, or only when it is asked for in so many words.

use refit::Code;
use refit::container::RecreateOptions;
use refit_lab::{Lab, not_here};
use serde_json::{Value, json};

use super::case::{Moving, assert_has, options, plain};

fn allowing(allow: impl Fn(&mut RecreateOptions)) -> RecreateOptions {
    let mut options = options();
    allow(&mut options);
    options
}

#[test]
fn r44_dependents_of_the_container_are_listed() {
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
    let error = moving.refused(options());
    assert_eq!(error.code(), Code::Conflict);
    for holder in ["net", "volumes", "linked"] {
        assert!(error.message().contains(&moving.other(holder)), "{holder}: {error}");
    }
}

#[test]
fn r51_a_paused_container_is_refused_unless_allowed() {
    let moving = Moving::plain("r51");
    moving.run(json!({}));
    moving.engine().pause(moving.name());
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
fn r52_an_auto_removed_container_is_refused_unless_allowed() {
    let moving = Moving::plain("r52");
    moving.run(json!({"HostConfig": {"AutoRemove": true}}));
    moving.move_on();
    let error = moving.refused(options());
    assert_eq!(error.code(), Code::Conflict);
    assert!(error.message().contains("--rm"), "{error}");
}

#[test]
fn r55_a_missing_bind_source_is_found_before_the_stop() {
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
fn r56_a_missing_folder_of_a_bind_is_created_again_empty() {
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
fn r57_a_container_that_another_tool_manages_is_refused_unless_allowed() {
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
fn r59_images_are_named_by_id_by_digest_and_without_tag() {
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
            moving.assert_reported("that it was created from an image id");
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

/// For another processor than its own the engine is asked for the variant too, and would answer the create with 404.
#[test]
fn an_image_of_another_variant_is_refused_before_anything_is_created() {
    let moving = Moving::plain("variant");
    let names = |platform: &str, version: &str| {
        let image = plain(version).platform(platform).build();
        moving.engine().load(&image.archive(&[moving.case.image()]));
    };
    // An image for the engine's own processor gets no other one's.
    moving.run(json!({}));
    for variant in ["linux/arm/v6", "linux/arm/v7"] {
        names(variant, "2");
        let error = moving.refused(options());
        assert!(error.code() == Code::Unsupported && error.message().contains(variant), "{error}");
    }
    moving.engine().delete(&format!("/containers/{}?force=1", moving.name()));

    names("linux/arm/v7", "1");
    let path = format!("/containers/create?name={}&platform=linux%2Farm%2Fv7", moving.name());
    let created = moving.engine().ask("POST", &path, &json!({"Image": moving.case.image(), "Cmd": ["true"]}));
    if created.status != 201 {
        return not_here(&format!("this engine creates no container of another processor: {}", created.text()));
    }
    names("linux/arm/v6", "2");
    let error = moving.refused(options());
    assert_eq!(error.code(), Code::Unsupported, "{error}");
    assert!(error.message().contains("linux/arm/v7") && error.message().contains("linux/arm/v6"), "{error}");
    names("linux/arm/v7", "3");
    moving.try_recreate(options()).unwrap_or_else(|failure| panic!("the same variant: {failure}"));
}

/// Something else has created the provider again, and the caller says which container it is now.
#[test]
fn a_container_whose_provider_is_gone_is_attached_to_the_one_that_the_caller_names() {
    let moving = Moving::plain("provider");
    let first = moving.run_other("vpn", json!({}))["Id"].as_str().unwrap().to_owned();
    let before = moving.run(json!({"HostConfig": {"NetworkMode": format!("container:{first}")}}));
    let named = |provider: &str| RecreateOptions { provider: Some(provider.to_owned()), ..options() };
    moving.move_on();
    // While the provider is there the option changes nothing.
    moving.try_recreate(named("refit-no-such-container")).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(moving.inspect()["HostConfig"], before["HostConfig"]);

    moving.engine().delete(&format!("/containers/{first}?force=1"));
    assert_eq!(moving.refused(options()).code(), Code::Conflict, "nobody says which one has its place");
    let error = moving.refused(named("refit-no-such-container"));
    assert!(error.code() == Code::NotFound && error.message().contains("refit-no-such-container"), "{error}");
    assert_eq!(moving.refused(named(moving.name())).code(), Code::InvalidArgument, "the container itself");
    let second = moving.run_other("vpn", json!({}))["Id"].as_str().unwrap().to_owned();
    moving.engine().post(&format!("/containers/{second}/stop?t=0"), &json!(null));
    let error = moving.refused(named(&moving.other("vpn")));
    assert!(error.code() == Code::Conflict && error.message().contains("does not run"), "{error}");
    moving.engine().post(&format!("/containers/{second}/start"), &json!(null));
    let report = moving.try_recreate(named(&moving.other("vpn"))).unwrap_or_else(|failure| panic!("{failure}"));
    let warning = report.warnings.iter().find(|warning| warning.code == "provider_replaced").expect("a warning");
    assert!(warning.message.contains("option provider"), "{warning:?}");
    let after = moving.inspect();
    assert_eq!(after["HostConfig"]["NetworkMode"], format!("container:{second}"));
    assert_eq!(after["State"]["Running"], true);
}

/// Something else has created the provider again; the labels of Compose say which container it is now.
#[test]
fn a_container_whose_provider_was_created_again_is_attached_to_the_new_one() {
    let moving = Moving::plain("attached");
    let label = |name: &str, value: &str| (format!("com.docker.compose.{name}"), value.to_owned());
    let labels = |service: &str, depends_on: &str| -> Value {
        let all = [label("project", moving.name()), label("service", service), label("depends_on", depends_on)];
        all.into_iter().map(|(name, value)| (name, json!(value))).collect()
    };
    let provider = || moving.run_other("vpn", json!({"Labels": labels("vpn", "")}))["Id"].as_str().unwrap().to_owned();
    let first = provider();
    let mode = json!({"NetworkMode": format!("container:{first}")});
    moving.run(json!({"Labels": labels("web", "vpn:service_started:true"), "HostConfig": mode}));
    moving.engine().delete(&format!("/containers/{first}?force=1"));
    moving.move_on();
    let error = moving.refused(options());
    assert_eq!(error.code(), Code::Conflict, "nobody has its place: {error}");
    let second = provider();
    let report = moving.try_recreate(options()).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.warnings.iter().any(|warning| warning.code == "provider_replaced"), "{:?}", report.warnings);
    let after = moving.inspect();
    assert_eq!(after["HostConfig"]["NetworkMode"], format!("container:{second}"));
    assert_eq!(after["State"]["Running"], true);
}
