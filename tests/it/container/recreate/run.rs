//! Recreation of containers on a real engine.

use std::time::{Duration, Instant};

use crate::recreation::{
    Case, LIMIT, connect, connect_with_state, failed, quick, recreate, recreate_cancelled_after, recreate_cancelled_in, recreate_named,
    runtime, slow,
};
use refit::container::{ContainerState, RecreateOptions, Recreation, RecreationResult};
use refit::{Cancel, Code, Failure, Outcome};
use refit_lab::{Canned, Fault, Image, Lab, Proxy, When, not_here};
use serde_json::{Value, json};

/// Recreates through a proxy while something else is done; a request may be held for as long as the test likes.
fn recreate_held(
    proxy: &Proxy,
    case: &Case,
    options: RecreateOptions,
    limit: Option<Duration>,
    meanwhile: impl FnOnce(&Cancel),
) -> Outcome<Recreation> {
    let (runtime, cancel) = (runtime(), Cancel::new());
    let refit = runtime.block_on(connect(&proxy.host));
    let mut operation = refit.recreate_container(case.name.clone(), options).cancel(&cancel);
    if let Some(limit) = limit {
        operation = operation.timeout(limit);
    }
    let work = runtime.spawn(async move { operation.await });
    meanwhile(&cancel);
    runtime.block_on(work).unwrap()
}

/// The container that a run has made beside the old one.
fn made(case: &Case) -> String {
    let made = case.containers().into_iter().map(|(name, _)| name).find(|name| name.contains(".refit-new-"));
    case.inspect(&made.expect("a new container"))["Id"].as_str().unwrap().to_owned()
}

/// The file of the snapshot is named by a hash: a name of 255 characters and its ending would be too long for a file.
#[test]
fn a_container_whose_name_is_as_long_as_a_files_is_recreated_and_rolled_back_with_a_state_dir() {
    let lab = Lab::get();
    let scope = lab.scope("long-name");
    let image = scope.pull(&Image::new().version("1").build(), "t").reference;
    let name = format!("{:x<255}", scope.name("c"));
    lab.engine.run(&name, &json!({"Image": image, "StopTimeout": 1}));
    let folder = std::env::temp_dir().join(&scope.name);
    let (runtime, host) = (runtime(), lab.engine.host());
    let refit = runtime.block_on(connect_with_state(&host, folder.to_str().unwrap()));
    let recreate = || runtime.block_on(async { refit.recreate_container(&name, quick()).await });
    scope.pull(&Image::new().cmd(["sh", "-c", "exit 3"]).build(), "t");
    assert_eq!(recreate().unwrap_err().error.code(), Code::RolledBack);
    assert_eq!(lab.engine.status(&name).as_deref(), Some("running"));
    scope.pull(&Image::new().version("2").build(), "t");
    let report = recreate().unwrap();
    assert_eq!((report.result, report.container.as_str()), (RecreationResult::Recreated, name.as_str()));
    assert_eq!(lab.engine.status(&name).as_deref(), Some("running"));
    lab.engine.delete(&format!("/containers/{name}?force=1"));
    std::fs::remove_dir_all(folder).unwrap();
}

fn files_of_its_own(case: &Case) -> u64 {
    let changes = case.lab.engine.get(&format!("/containers/{}/changes", case.name));
    let outside =
        |change: &&serde_json::Value| !["/v", "/anonymous"].iter().any(|mount| change["Path"].as_str().unwrap().starts_with(mount));
    changes.as_array().into_iter().flatten().filter(outside).count() as u64
}

#[test]
fn a_running_container_gets_the_new_image_and_keeps_the_rest() {
    let case = Case::new("plain");
    let before = case.run_full("always");
    // Podman writes some files by itself.
    let own = if case.lab.engine.is_podman() { files_of_its_own(&case) } else { 0 };
    assert_eq!(case.lab.engine.exec(&case.name, &["sh", "-c", "echo lost > /of-its-own"]).code, 0);
    let new = case.moves_to(&Image::new().version("2").env("NEW", "2"));
    let report = recreate(&case, quick()).unwrap();
    let after = case.inspect(&case.name);
    assert_eq!(report.result, RecreationResult::Recreated, "{report:?}");
    assert_eq!(report.writable_layer_changes, Some(own + 1));
    let environment = report.changes.iter().find(|change| change.field == "Config.Env").expect("the new image's variable");
    assert_eq!(environment.because, "the new image's default, where the container does not set it");
    assert!(environment.after.as_array().unwrap().contains(&json!("NEW=2")), "{environment:?}");
    for change in &report.changes {
        let in_form_alone = change.because == "the engine shows it in another form" || change.because == "the mount is not the same";
        assert!(!change.because.is_empty() && !in_form_alone, "{change:?}");
    }
    assert_eq!(report.new_id.as_deref(), after["Id"].as_str());
    assert_eq!(after["Image"].as_str(), report.new_image_id.as_deref());
    assert_eq!(case.lab.engine.image(&new.reference).unwrap()["Id"], after["Image"]);
    assert_eq!(report.state, Some(ContainerState::Running));
    assert!(report.downtime_ms.is_some_and(|ms| ms < 10_000), "{report:?}");
    assert!(case.lab.engine.container(&report.old_id).is_none());
    case.assert_kept(&before, &after);
    case.assert_files();
    case.assert_alone();
}

#[test]
fn a_broken_image_leaves_the_same_container_running() {
    let case = Case::new("broken");
    let before = case.run_full("always");
    case.moves_to(&Image::new().version("2").cmd(["sh", "-c", "echo cannot open the database; exit 3"]));
    let (error, report) = failed(recreate(&case, quick()));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert!(error.message().contains("cannot open the database"), "{error}");
    assert!(report.logs_tail.is_some_and(|tail| tail.starts_with("cannot open the database")));
    let after = case.inspect(&case.name);
    for part in ["Id", "Config", "HostConfig"] {
        assert_eq!(after[part].to_string(), before[part].to_string(), "{part}");
    }
    assert_eq!(after["State"]["Status"], "running");
    case.assert_kept(&before, &after);
    case.assert_files();
    case.assert_alone();
}

#[test]
fn a_stopped_container_is_replaced_and_not_started() {
    let case = Case::new("stopped");
    case.run_full("always");
    case.lab.engine.post(&format!("/containers/{}/stop", case.name), &Value::Null);
    let before = case.inspect(&case.name);
    let new = case.moves_to(&Image::new().version("2"));
    let report = recreate(&case, quick()).unwrap();
    let after = case.inspect(&case.name);
    assert_eq!((report.result, report.downtime_ms), (RecreationResult::Recreated, None));
    assert_eq!((after["State"]["Status"].as_str(), report.state), (Some("created"), Some(ContainerState::Created)));
    assert_eq!(after["Image"], case.lab.engine.image(&new.reference).unwrap()["Id"]);
    case.assert_kept(&before, &after);
    case.lab.engine.post(&format!("/containers/{}/start", case.name), &Value::Null);
    case.assert_files();
    case.assert_alone();
}

#[test]
fn every_restart_policy_is_kept_and_rolled_back() {
    let case = Case::new("policies");
    let policies = [("no", 0), ("unless-stopped", 0), ("on-failure", 5), ("always", 0)];
    let names: Vec<String> = policies.iter().map(|(policy, _)| case.scope.name(policy)).collect();
    let mut before = Vec::new();
    for ((policy, count), name) in policies.iter().zip(&names) {
        let policy = json!({"Name": policy, "MaximumRetryCount": count});
        case.lab.engine.run(name, &json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"RestartPolicy": policy}}));
        before.push(case.inspect(name));
    }
    case.moves_to(&Image::new().cmd(["sh", "-c", "exit 3"]));
    for (name, before) in names.iter().zip(&before) {
        let (error, _) = failed(recreate_named(&case, name, quick()));
        assert_eq!(error.code(), Code::RolledBack, "{error}");
        let after = case.inspect(name);
        assert_eq!((&after["Id"], after["HostConfig"].to_string()), (&before["Id"], before["HostConfig"].to_string()));
        assert_eq!(after["State"]["Status"], "running");
    }
    case.moves_to(&Image::new().version("2"));
    for (name, before) in names.iter().zip(&before) {
        recreate_named(&case, name, quick()).unwrap();
        assert_eq!(case.inspect(name)["HostConfig"]["RestartPolicy"], before["HostConfig"]["RestartPolicy"]);
    }
    assert_eq!(case.containers().len(), names.len());
}

#[test]
fn a_crash_loop_is_replaced_by_a_good_image() {
    if Lab::get().engine.is_podman() {
        return not_here("Podman has no state `restarting`; between two starts such a container is exited, and is not started then");
    }
    let case = Case::of("loop", &Image::new().cmd(["sh", "-c", "exit 3"]));
    case.lab.engine.run(&case.name, &json!({"Image": case.image(), "HostConfig": {"RestartPolicy": {"Name": "always"}}}));
    case.lab.engine.wait_status(&case.name, "restarting", LIMIT);
    case.moves_to(&Image::new());
    recreate(&case, quick()).unwrap();
    let after = case.inspect(&case.name);
    assert_eq!((&after["State"]["Status"], &after["RestartCount"]), (&json!("running"), &json!(0)));
    case.assert_alone();
}

#[test]
fn a_recreation_cancelled_before_the_stop_changes_nothing() {
    for phase in ["checking", "creating", "verifying"] {
        let case = Case::new("early");
        let before = case.run_full("always");
        case.moves_to(&Image::new());
        let proxy = Proxy::engine(case.lab);
        let created = proxy.hold_answer(When::first("POST /containers/create"));
        let looked = proxy.hold(When::first(&format!("GET /containers/{}/json", case.name)));
        let outcome = recreate_held(&proxy, &case, quick(), None, |cancel| {
            let mut held = looked.wait(LIMIT);
            if phase != "checking" {
                held.release();
                held = created.wait(LIMIT);
            }
            if phase == "verifying" {
                let verified = proxy.hold(When::first(&format!("GET /containers/{}/json", made(&case))));
                held.release();
                held = verified.wait(LIMIT);
            }
            cancel.fire();
            held.release();
        });
        let Failure { error, report } = *outcome.unwrap_err();
        assert_eq!(error.code(), Code::Cancelled, "{phase}: {error}");
        assert!(report.is_none_or(|report| matches!(report.result, RecreationResult::Failed | RecreationResult::Refused)), "{phase}");
        let after = case.inspect(&case.name);
        assert_eq!((&after["Id"], &after["State"]["StartedAt"]), (&before["Id"], &before["State"]["StartedAt"]), "{phase}");
        assert_eq!(proxy.count("POST */stop"), 0, "{phase}");
        case.assert_alone();
    }
}

#[test]
fn a_recreation_cancelled_after_the_stop_is_rolled_back() {
    for phase in ["renaming", "starting", "waiting"] {
        let case = Case::new("late");
        let before = case.run_full("always");
        case.moves_to(&Image::new());
        let (error, report) = failed(recreate_cancelled_in(&case, slow(), phase));
        assert_eq!((error.code(), report.result), (Code::Cancelled, RecreationResult::RolledBack), "{phase}: {error}");
        let after = case.inspect(&case.name);
        assert_eq!((&after["Id"], after["HostConfig"].to_string()), (&before["Id"], before["HostConfig"].to_string()), "{phase}");
        assert_eq!(after["State"]["Status"], "running", "{phase}");
        case.assert_alone();
    }
}

#[test]
fn a_recreation_cancelled_after_it_has_settled_is_finished() {
    let case = Case::new("settled");
    case.run_full("always");
    case.moves_to(&Image::new());
    let report = recreate_cancelled_in(&case, quick(), "removing").unwrap();
    assert_eq!(report.result, RecreationResult::Recreated);
    case.assert_alone();
}

#[test]
fn a_cancel_during_the_stop_waits_for_the_stop_and_rolls_back() {
    let stubborn = Image::new().cmd(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.2; done"]);
    let case = Case::of("grace", &stubborn);
    let id = case.lab.engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 6}));
    let before = case.inspect(&id);
    case.moves_to(&Image::new());
    let begun = Instant::now();
    let (error, report) = failed(recreate_cancelled_after(&case, quick(), "stopping", Duration::from_secs(1)));
    assert_eq!((error.code(), report.result), (Code::Cancelled, RecreationResult::RolledBack), "{error}");
    assert!(begun.elapsed() >= Duration::from_secs(6), "an accepted stop cannot be shortened");
    let after = case.inspect(&case.name);
    assert_eq!((&after["Id"], after["State"]["Status"].as_str()), (&before["Id"], Some("running")));
    case.assert_alone();
}

#[test]
fn a_recreation_beyond_its_time_limit_is_rolled_back() {
    let case = Case::new("limit");
    let before = case.run_full("no");
    case.moves_to(&Image::new());
    let proxy = Proxy::engine(case.lab);
    let stopped = proxy.hold_answer(When::first("POST */stop"));
    let (begun, limit) = (Instant::now(), Duration::from_secs(20));
    let outcome = recreate_held(&proxy, &case, quick(), Some(limit), |_| {
        let held = stopped.wait(LIMIT);
        std::thread::sleep((limit + Duration::from_millis(200)).saturating_sub(begun.elapsed()));
        held.release();
    });
    let (error, report) = failed(outcome);
    assert_eq!((error.code(), report.result), (Code::Timeout, RecreationResult::RolledBack), "{error}");
    let after = case.inspect(&case.name);
    assert_eq!((&after["Id"], after["State"]["Status"].as_str()), (&before["Id"], Some("running")));
    case.assert_alone();
}

/// What the engine does, or says, otherwise than it was asked is found before anything is stopped.
#[test]
fn a_new_container_whose_configuration_differs_is_removed_and_the_old_one_not_stopped() {
    type Alteration = (&'static str, fn(&mut Value));
    let alterations: [Alteration; 4] = [
        ("Config.Env", |made| made["Config"]["Env"].as_array_mut().unwrap().push("STRAY=1".into())),
        ("HostConfig.Privileged", |made| made["HostConfig"]["Privileged"] = true.into()),
        ("Mounts", |made| made["Mounts"] = json!([])),
        ("Networks", |made| made["NetworkSettings"]["Networks"] = json!({})),
    ];
    let case = Case::new("otherwise");
    let before = case.run_full("always");
    case.moves_to(&Image::new().version("2"));
    let fails = |what: &str, alter: &dyn Fn(&Proxy, &str)| {
        let proxy = Proxy::engine(case.lab);
        let created = proxy.hold_answer(When::first("POST /containers/create"));
        let outcome = recreate_held(&proxy, &case, quick(), None, |_| {
            let held = created.wait(LIMIT);
            alter(&proxy, &made(&case));
            held.release();
        });
        let (error, report) = failed(outcome);
        assert_eq!((error.code(), report.result), (Code::Engine, RecreationResult::Failed), "{what}: {error}");
        assert!(error.message().contains("configuration differs") && error.message().contains(what), "{what}: {error}");
        let after = case.inspect(&case.name);
        for part in ["/Id", "/State/StartedAt", "/Config", "/HostConfig"] {
            assert_eq!(after.pointer(part), before.pointer(part), "{what}: {part}");
        }
        assert_eq!((proxy.count("POST */stop"), proxy.count("POST /containers/create")), (0, 1), "{what}");
        case.assert_alone();
    };
    fails("HostConfig.CpuShares", &|_, new| {
        case.lab.engine.post(&format!("/containers/{new}/update"), &json!({"CpuShares": 512}));
    });
    for (what, alter) in alterations {
        fails(what, &|proxy, new| {
            let mut reported = case.inspect(new);
            alter(&mut reported);
            // A difference is looked at twice: the first answer may be older than the create.
            for look in 1..=2 {
                proxy.on(When::nth_of(&format!("GET /containers/{new}/json"), look), Fault::Answer(Canned::json(200, &reported)));
            }
        });
    }
    case.assert_files();
}

#[test]
fn an_image_whose_tag_moves_before_the_create_is_inspected_again() {
    let case = Case::new("moved");
    let before = case.run_full("always");
    case.moves_to(&Image::new().version("2"));
    let proxy = Proxy::engine(case.lab);
    let create = proxy.hold(When::each("POST /containers/create"));
    let id = || case.lab.engine.image(case.image()).unwrap()["Id"].clone();
    let outcome = recreate_held(&proxy, &case, quick(), None, |_| {
        for version in ["3", "4", "5"] {
            let held = create.wait(LIMIT);
            case.moves_to(&Image::new().version(version));
            held.release();
        }
    });
    let (error, report) = failed(outcome);
    assert_eq!((error.code(), report.result), (Code::Engine, RecreationResult::Failed), "it moves for ever: {error}");
    assert!(error.message().contains("Image"), "{error}");
    let after = case.inspect(&case.name);
    assert_eq!((&after["Id"], &after["State"]["StartedAt"]), (&before["Id"], &before["State"]["StartedAt"]));
    assert_eq!((proxy.count("POST /containers/create"), proxy.count("POST */stop")), (3, 0));
    case.assert_alone();

    proxy.reset();
    let create = proxy.hold(When::first("POST /containers/create"));
    let report = recreate_held(&proxy, &case, quick(), None, |_| {
        let held = create.wait(LIMIT);
        case.moves_to(&Image::new().version("6"));
        held.release();
    });
    let report = report.unwrap();
    assert_eq!(report.result, RecreationResult::Recreated);
    assert_eq!((report.new_image_id.map(Value::from), case.inspect(&case.name)["Image"].clone()), (Some(id()), id()));
    assert_eq!((proxy.count("POST /containers/create"), proxy.count("POST */stop")), (2, 1));
    case.assert_files();
    case.assert_alone();
}
