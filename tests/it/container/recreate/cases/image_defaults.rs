//! What the image gives and what the user gave.

use refit_lab::Lab;
use serde_json::{Value, json};

use super::case::{LOOP, Moving, assert_has, plain, v1, v2, volume_at};
use super::config::as_podman;
use super::podman::users_environment;

fn environment(container: &Value) -> Vec<&str> {
    if Lab::get().engine.is_podman() {
        return users_environment(container);
    }
    container["Config"]["Env"].as_array().unwrap().iter().filter_map(Value::as_str).filter(|entry| !entry.starts_with("PATH=")).collect()
}

fn signal(moving: &Moving, name: &str) -> String {
    if moving.is_podman() { as_podman("StopSignal", name) } else { name.to_owned() }
}

#[test]
fn r01_everything_follows_the_image() {
    let moving = Moving::versions("r01");
    let before = moving.run(json!({}));
    let after = moving.recreate();
    assert_eq!(environment(&after), ["A=2", "C=new", "COMMON=same"]);
    assert_has(
        &after,
        json!({"Config": {
            "User": "1001", "StopSignal": signal(&moving, "SIGUSR2"), "Entrypoint": ["/bin/sh", "-c"], "Cmd": [format!("{LOOP} # v2")],
            "ExposedPorts": {"90/tcp": {}}, "Healthcheck": {"Test": ["CMD-SHELL", "/bin/true-v2"], "Interval": 2_000_000_000, "Retries": 4},
        }}),
    );
    assert_eq!(after["Config"]["WorkingDir"].as_str().unwrap().trim_end_matches('/'), "/w2");
    assert_eq!(after["Config"]["ExposedPorts"].as_object().unwrap().len(), 1);
    let labels = after["Config"]["Labels"].as_object().unwrap();
    assert_eq!((&labels["l1"], &labels["lnew"], labels.get("lold")), (&json!("two"), &json!("y"), None));
    assert_eq!(volume_at(&after, "/data"), volume_at(&before, "/data"));
    assert!(!volume_at(&after, "/data2").is_empty());
    assert_eq!(moving.exec("cat /data/seed"), "1");
}

#[test]
fn r02_r04_variables_and_labels_of_the_user_stay() {
    let moving = Moving::versions("r02");
    moving.run(json!({"Env": ["A=9", "MINE=1", "COMMON=same", "EMPTY="], "Labels": {"l1": "mine", "own": "1", "lsame": "s"}}));
    let after = moving.recreate();
    let mut found = environment(&after);
    found.sort_unstable();
    assert_eq!(found, ["A=9", "C=new", "COMMON=same", "EMPTY=", "MINE=1"]);
    assert_eq!(after["Config"]["Labels"], json!({"l1": "mine", "own": "1", "lsame": "s", "lnew": "y", "refit-lab": "1"}));
}

#[test]
fn r03_variables_that_the_user_removed_stay_removed() {
    let moving = Moving::versions("r03");
    moving.run(json!({"Env": ["B", "A=7", "C"]}));
    let after = moving.recreate();
    if moving.is_podman() {
        // To Podman an entry without a value is nothing: the container had the image's B all the time.
        assert_eq!(environment(&after), ["A=7", "C=new", "COMMON=same"]);
    } else {
        assert_eq!(environment(&after), ["B", "A=7", "C", "COMMON=same"]);
    }
}

#[test]
fn r05_user_workdir_and_stop_signal_of_the_user_stay() {
    let moving = Moving::versions("r05");
    moving.run(json!({"User": "7:8", "WorkingDir": "/zz", "StopSignal": "SIGTERM"}));
    let signal = signal(&moving, "SIGTERM");
    assert_has(&moving.recreate(), json!({"Config": {"User": "7:8", "WorkingDir": "/zz", "StopSignal": signal}}));
}

#[test]
fn r06_a_workdir_that_the_image_writes_with_a_slash_is_still_the_images() {
    let moving = Moving::versions("r06");
    moving.run(json!({"User": "7"}));
    let after = moving.recreate();
    assert_eq!(after["Config"]["User"], "7");
    assert_eq!(after["Config"]["WorkingDir"].as_str().unwrap().trim_end_matches('/'), "/w2");
}

/// Entrypoint and command of a container made so, after the recreation.
fn commands(what: &str, entrypoint: Value, command: Value, runs: bool) -> (Value, Value) {
    let moving = Moving::versions(what);
    let body = json!({"Entrypoint": entrypoint, "Cmd": command});
    if runs {
        moving.run(body)
    } else {
        moving.create(body)
    };
    let after = moving.recreate();
    let (entrypoint, command) = (after["Config"]["Entrypoint"].clone(), after["Config"]["Cmd"].clone());
    if !moving.is_podman() {
        return (entrypoint, command);
    }
    // Podman writes none in two more forms.
    let form = |value: Value| if value == json!([]) || value == json!([""]) { Value::Null } else { value };
    let (entrypoint, command) = (form(entrypoint), form(command));
    if !entrypoint.is_null() || !command.is_null() {
        return (entrypoint, command);
    }
    // The image's command beside no words at all is not shown; what it runs tells. A program without arguments is shown as its own.
    let mut words = vec![after["Path"].clone()];
    words.extend(after["Args"].as_array().cloned().unwrap_or_default());
    words.dedup();
    (entrypoint, words.into())
}

#[test]
fn r07_to_r11_entrypoint_and_command_are_decided_together() {
    let shell = json!(["/bin/sh", "-c"]);
    let mine = json!([format!("{LOOP} # mine")]);
    let of_new = json!([format!("{LOOP} # v2")]);
    assert_eq!(commands("r07", Value::Null, mine.clone(), true), (shell.clone(), mine));
    assert_eq!(commands("r08", json!(["/bin/busybox"]), Value::Null, false), (json!(["/bin/busybox"]), Value::Null));
    assert_eq!(commands("r09", shell.clone(), Value::Null, false), (shell, Value::Null), "the image's command was cancelled");
    let sleep = json!(["/bin/sleep", "1000000"]);
    assert_eq!(commands("r10", json!([""]), sleep.clone(), true), (Value::Null, sleep));
    let no_words = if Lab::get().engine.is_podman() { Value::Null } else { json!([]) };
    assert_eq!(commands("r11", json!([]), Value::Null, false), (no_words, of_new));
}

#[test]
fn r12_r13_each_field_of_the_healthcheck_follows_by_itself() {
    let moving = Moving::versions("r12");
    let (test, expected) = if moving.is_podman() {
        // It takes a healthcheck only whole, and so keeps it.
        let test = json!(["CMD-SHELL", "/bin/true-v1"]);
        (test.clone(), json!({"Test": test, "Interval": 7_000_000_000_u64, "Timeout": 30_000_000_000_u64, "Retries": 3}))
    } else {
        (Value::Null, json!({"Test": ["CMD-SHELL", "/bin/true-v2"], "Interval": 7_000_000_000_u64, "Retries": 4}))
    };
    moving.run(json!({"Healthcheck": {"Test": test, "Interval": 7_000_000_000_u64}}));
    assert_eq!(moving.recreate()["Config"]["Healthcheck"], expected);

    let moving = Moving::versions("r13");
    moving.run(json!({"Healthcheck": {"Test": ["NONE"]}}));
    let after = moving.recreate();
    assert_eq!(after["Config"]["Healthcheck"]["Test"], json!(["NONE"]));
    assert!(after["State"]["Health"].is_null());
}

#[test]
fn r14_a_healthcheck_comes_or_goes_with_the_image() {
    let moving = Moving::new("r14", plain("1"), v2());
    moving.run(json!({}));
    assert_eq!(moving.recreate()["Config"]["Healthcheck"]["Retries"], 4);
    let moving = Moving::new("r14-gone", v1(), plain("2"));
    moving.run(json!({}));
    assert!(moving.recreate()["Config"]["Healthcheck"].is_null());
}
