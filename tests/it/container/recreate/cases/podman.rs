//! What Podman shows otherwise, and what only Podman has; read apart from the library's own normalisation.

use refit::Code;
use refit_lab::not_here;
use serde_json::{Value, json};

use super::case::{LOOP, Moving, options, plain};
use super::equality::is_empty;

impl Moving {
    pub fn is_podman(&self) -> bool {
        self.engine().is_podman()
    }

    /// `NetworkMode` as inspect shows it: Podman says `bridge` for every network.
    pub fn mode_of(&self, network: &str) -> Value {
        if self.is_podman() { "bridge".into() } else { network.into() }
    }

    /// What Podman's own API says of the container.
    pub fn own_inspect(&self) -> Value {
        self.engine().get(&format!("/v4.0.0/libpod/containers/{}/json", self.name()))
    }

    /// The last recreation has listed this among what it may have lost.
    pub fn assert_reported(&self, loss: &str) {
        let losses = self.losses.borrow();
        assert!(losses.iter().any(|reported| reported.contains(loss)), "{loss} is not in {losses:?}");
    }

    /// A value that Docker keeps; Podman does not show that it was asked for, and so the report says that it may be lost.
    pub fn assert_kept_or_reported(&self, found: &Value, expected: impl Into<Value>, loss: &str) {
        if self.is_podman() {
            return self.assert_reported(loss);
        }
        assert_eq!(*found, expected.into());
    }
}

/// Without the variables that Podman sets in each container, in an order of their own.
pub fn users_environment(container: &Value) -> Vec<&str> {
    let all = container["Config"]["Env"].as_array().unwrap().iter().filter_map(Value::as_str);
    let own = ["container=", "HOME=", "HOSTNAME=", "PATH=", "TERM="];
    let mut users: Vec<&str> = all.filter(|entry| !own.iter().any(|name| entry.starts_with(name))).collect();
    users.sort_unstable();
    users
}

/// Those of the fields that Podman shows are the same afterwards, whatever its form of them; each of them is shown.
pub fn assert_same(before: &Value, after: &Value, fields: &Value) {
    for (key, _) in fields.as_object().unwrap() {
        assert!(!is_empty(&before[key]) && before[key] != 0, "{key} is not shown");
        assert_eq!(after[key], before[key], "{key}");
    }
}

#[test]
fn r57_containers_of_a_pod_are_refused() {
    let moving = Moving::plain("pod");
    if !moving.is_podman() {
        return not_here("only Podman has pods");
    }
    let engine = moving.engine();
    let pod = moving.other("pod");
    let made = engine.post("/v4.0.0/libpod/pods/create", &json!({"name": pod, "infra_name": moving.other("infra")}));
    let id = made["Id"].as_str().unwrap();
    let member = json!({"name": moving.name(), "image": moving.case.image(), "command": ["sh", "-c", LOOP], "pod": pod, "stop_timeout": 1});
    engine.post("/v4.0.0/libpod/containers/create", &member);
    moving.start();
    moving.move_on();
    let mut reported = vec![moving.refused(options())];
    // The container that holds the pod's namespaces; all others depend on it.
    reported.push(crate::recreation::failed(crate::recreation::recreate_named(&moving.case, &moving.other("infra"), options())).0);
    engine.delete(&format!("/v4.0.0/libpod/pods/{pod}?force=true"));
    for error in reported {
        assert_eq!(error.code(), Code::Unsupported, "{error}");
        assert!(error.message().contains("pod") && error.message().contains(id), "{error}");
    }
}

/// Settings that only Podman's own create takes are reported where they differ from what the compatible create makes.
#[test]
fn settings_that_only_podmans_own_create_takes_are_reported() {
    let moving = Moving::plain("own-create");
    if !moving.is_podman() {
        return not_here("only Podman has an API of its own");
    }
    let body = json!({
        "name": moving.name(), "image": moving.case.image(), "command": ["sh", "-c", LOOP], "stop_timeout": 1, "umask": "0027", "timeout": 600,
        "labels": {"refit-lab": "1"}, "env": {"MINE": "1"},
    });
    moving.engine().post("/v4.0.0/libpod/containers/create", &body);
    moving.start();
    moving.recreate();
    for loss in ["its umask (0027)", "the machine's names in its /etc/hosts", "the time after which it is ended"] {
        moving.assert_reported(loss);
    }
}

/// Of these Podman's compatible inspect shows nothing, and its own does.
#[test]
fn r48_the_log_and_the_runtime_stay_that_only_podmans_own_inspect_shows() {
    let moving = Moving::new("own-inspect", plain("1"), plain("2"));
    if !moving.is_podman() {
        return not_here("only Podman has an inspect of its own");
    }
    let log = json!({"Type": "k8s-file", "Config": {"max-size": "3m"}});
    moving.run(json!({"HostConfig": {"LogConfig": log, "Runtime": "runc"}}));
    let shown = |own: Value| (own["HostConfig"]["LogConfig"]["Size"].clone(), own["OCIRuntime"].clone());
    let before = shown(moving.own_inspect());
    assert_eq!(before, (json!("3MB"), json!("runc")));
    moving.recreate();
    assert_eq!(shown(moving.own_inspect()), before);
}
