//! What a recreation does only when an option allows it, and the commands that run around it.

use crate::recreation;
use crate::recreation::{Case, assert_auto_removed, auto_removed, failed, quick, recreate, recreate_through};
use refit::Code;
use refit::container::{ContainerState, RecreateOptions, Recreation, RecreationResult};
use refit_lab::{Canned, Fault, Image, Proxy, When};
use serde_json::{Value, json};

fn allowing(allow: impl Fn(&mut RecreateOptions)) -> RecreateOptions {
    let mut options = quick();
    allow(&mut options);
    options
}

#[test]
fn an_auto_removed_container_is_replaced_only_when_allowed() {
    let case = Case::new("rm");
    let before = auto_removed(&case);
    case.moves_to(&Image::new().version("2"));
    let (error, report) = failed(recreate(&case, quick()));
    assert_eq!((error.code(), report.result), (Code::Conflict, RecreationResult::Refused), "{error}");
    assert!(error.message().contains("allow_auto_remove"), "{error}");
    assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], before["State"]["StartedAt"]);
    let report = recreate(&case, allowing(|options| options.allow_auto_remove = true)).unwrap();
    assert_eq!((report.result, report.downtime_ms), (RecreationResult::Recreated, None));
    assert_ne!(case.inspect(&case.name)["Image"], before["Image"]);
    assert_auto_removed(&case, &before, "replaced");
}

#[test]
fn an_auto_removed_container_is_rolled_back_to_its_standby() {
    for broken in [Image::new().entrypoint(["/no/such/file"]), Image::new().cmd(["sh", "-c", "exit 3"])] {
        let case = Case::new("rmbroken");
        let before = auto_removed(&case);
        case.moves_to(&broken);
        let (error, report) = failed(recreate(&case, allowing(|options| options.allow_auto_remove = true)));
        assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
        assert!(report.warnings.iter().any(|warning| warning.code == "made_again"), "{report:?}");
        assert_eq!(case.inspect(&case.name)["Image"], before["Image"]);
        assert_auto_removed(&case, &before, "rolled back");
    }
}

#[test]
fn a_paused_container_is_paused_again() {
    let case = Case::new("paused");
    case.run_full("always");
    case.lab.engine.pause(&case.name);
    let before = case.inspect(&case.name);
    case.moves_to(&Image::new().version("2"));
    let (error, report) = failed(recreate(&case, quick()));
    assert_eq!((error.code(), report.result), (Code::Conflict, RecreationResult::Refused), "{error}");
    let allowed = || allowing(|options| options.allow_paused = true);
    if case.lab.engine.is_podman() {
        let (error, _) = failed(recreate(&case, allowed()));
        assert!(error.code() == Code::Conflict && error.message().contains("unpause it first"), "{error}");
        assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], before["State"]["StartedAt"]);
        return case.assert_alone();
    }
    // runc on a busy machine does not freeze it at once.
    let proxy = Proxy::engine(case.lab);
    let words = "cannot pause container x: OCI runtime pause failed: unable to freeze";
    proxy.on(When::first("POST */pause"), Fault::Answer(Canned::message(500, words)));
    proxy.on(When::nth_of("POST */pause", 2), Fault::Answer(Canned::message(500, words)));
    let report = recreate_through(&proxy, &case, allowed(), || ()).unwrap();
    assert_eq!((report.result, report.state), (RecreationResult::Recreated, Some(ContainerState::Paused)));
    let after = case.inspect(&case.name);
    case.assert_kept(&before, &after);
    case.moves_to(&Image::new().cmd(["sh", "-c", "exit 3"]));
    let (error, report) = failed(recreate(&case, allowed()));
    assert_eq!((error.code(), report.state), (Code::RolledBack, Some(ContainerState::Paused)), "{error}");
    assert_eq!(case.inspect(&case.name)["Id"], after["Id"]);
    case.lab.engine.post(&format!("/containers/{}/unpause", case.name), &Value::Null);
    case.assert_files();
    case.assert_alone();
}

#[test]
fn hooks_run_before_and_after_and_their_failure_fails_the_run() {
    let case = Case::new("hooks");
    let before = case.run_full("always");
    case.moves_to(&Image::new().version("2"));
    let command = |text: &str| vec![vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()]];
    let (error, report) = failed(recreate(&case, allowing(|options| options.hooks.before = command("echo no; exit 7"))));
    assert_eq!((error.code(), report.result), (Code::Engine, RecreationResult::Failed), "{error}");
    assert!(error.message().contains("exit code 7") && error.message().ends_with("no"), "{error}");
    assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], before["State"]["StartedAt"]);
    let (error, report) = failed(recreate(&case, allowing(|options| options.hooks.after = command("exit 7"))));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert_eq!(case.inspect(&case.name)["Id"], before["Id"]);
    let both = allowing(|options| {
        options.hooks.before = [command("cat /version >> /v/hooks"), command("printf - >> /v/hooks")].concat();
        options.hooks.after = command("cat /version >> /v/hooks");
    });
    recreate(&case, both).unwrap();
    assert_eq!(case.lab.engine.exec(&case.name, &["cat", "/v/hooks"]).output, "1-2");
    case.assert_files();
    case.assert_alone();
}

#[test]
fn an_image_that_is_not_local_is_not_pulled() {
    let case = Case::new("missing");
    case.run_full("always");
    // With another tag, since Podman removes no image of a container, and not its only tag either; and some stores would forget it.
    case.lab.engine.tag(case.image(), &case.scope.reference("other"));
    case.lab.engine.delete(&format!("/images/{}", case.image()));
    let proxy = Proxy::engine(case.lab);
    let (error, report) = failed(recreation::recreate_through(&proxy, &case, quick(), || {}));
    assert_eq!(error.code(), Code::ImageMissing, "{error}");
    assert_eq!((report.result, proxy.count("POST *")), (RecreationResult::Refused, 0));
}

/// Podman's inspect hides some of what a container was created with.
#[test]
fn losses_on_podman_are_refused_or_listed_and_docker_loses_nothing() {
    let case = Case::new("lossy");
    let engine = &case.lab.engine;
    let network = case.scope.network("n");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let body = json!({
        "Image": case.image(), "StopTimeout": 1, "Env": ["MINE=1"], "Labels": {"own": "1"}, "Volumes": {"/anonymous": {}},
        "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"NetworkMode": network, "Binds": [format!("{}:/v", case.scope.volume("v"))], "RestartPolicy": {"Name": "always"},
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}},
    });
    engine.run(&case.name, &body);
    assert_eq!(engine.exec(&case.name, &["sh", "-c", "echo kept > /v/file; echo kept > /anonymous/file"]).code, 0);
    let before = case.inspect(&case.name);
    let lossy = |report: &Recreation| report.warnings.iter().filter(|one| one.code == "lossy").map(|one| one.message.clone()).collect();
    case.moves_to(&Image::new().version("2"));
    if engine.is_podman() {
        let (error, report) = failed(recreate(&case, allowing(|options| options.allow_lossy = false)));
        assert_eq!((error.code(), report.result), (Code::Unsupported, RecreationResult::Refused), "{error}");
        for word in ["allow_lossy", "MAC address", "sysctls", "image id", "static address on", &network, "host port"] {
            assert!(error.message().contains(word), "{word}: {error}");
        }
        assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], before["State"]["StartedAt"]);
        case.assert_alone();
    }
    let report = recreate(&case, quick()).unwrap();
    let losses: Vec<String> = lossy(&report);
    assert_eq!(losses.is_empty(), !engine.is_podman(), "{losses:?}");
    let known =
        ["MAC address", "sysctls", "rules for devices", "single paths", "image id", "static address", "its interface", "host port", "HOME"];
    for loss in losses {
        assert!(known.iter().any(|word| loss.contains(word)), "{loss}");
    }
    let after = case.inspect(&case.name);
    assert_ne!(after["Image"], before["Image"]);
    assert_eq!(recreation::mounts(&after), recreation::mounts(&before));
    for part in ["/HostConfig/RestartPolicy", "/HostConfig/PortBindings", "/HostConfig/NetworkMode", "/Config/Labels/own"] {
        assert_eq!(after.pointer(part), before.pointer(part), "{part}");
    }
    assert!(after["Config"]["Env"].as_array().unwrap().contains(&json!("MINE=1")));
    assert!(after["NetworkSettings"]["Networks"].get(&network).is_some());
    case.assert_files();
    case.assert_alone();

    // A new image that fails: as before, also where a published port is held for a moment after a stop.
    case.moves_to(&Image::new().cmd(["sh", "-c", "exit 3"]));
    let (error, _) = failed(recreate(&case, quick()));
    assert_eq!(error.code(), Code::RolledBack, "{error}");
    assert_eq!((case.inspect(&case.name)["Id"].clone(), engine.status(&case.name).as_deref()), (after["Id"].clone(), Some("running")));
    case.assert_files();
    case.assert_alone();
}
