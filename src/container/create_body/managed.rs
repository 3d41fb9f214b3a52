//! Containers that other software creates, watches or owns.
//!
//! Rules: docs/recreate.md, section 3.8.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::value::{list, text};
use super::{EngineFacts, Warning};
use crate::container::libpod;

/// Who manages a container that carries this label.
const MANAGERS: [(&str, &str); 10] = [
    ("com.docker.swarm.task.id", "a Docker swarm: update its service"),
    ("com.docker.swarm.service.id", "a Docker swarm: update its service"),
    ("io.kubernetes.pod.name", "Kubernetes"),
    ("io.kubernetes.container.name", "Kubernetes"),
    ("PODMAN_SYSTEMD_UNIT", "a systemd unit"),
    ("com.hashicorp.nomad.alloc_id", "Nomad"),
    ("com.amazonaws.ecs.task-arn", "Amazon ECS"),
    ("io.rancher.container.uuid", "Rancher"),
    ("io.balena.supervised", "balena"),
    ("supervisor_managed", "the Home Assistant supervisor"),
];

const COMPOSE_IMAGE: &str = "com.docker.compose.image";
const COMPOSE_PROJECT: &str = "com.docker.compose.project";

/// Who manages the container, if not a human.
pub(super) fn manager(container: &Value, facts: &EngineFacts) -> Option<String> {
    let own = |id: &str| facts.own_containers.iter().any(|own| own == id);
    if own(text(container, "Id")) {
        return Some("this very process, which runs in it".into());
    }
    // Its files of the network are those of the provider, so that the two cannot be distinguished.
    if text(&container["HostConfig"], "NetworkMode").strip_prefix("container:").is_some_and(own) {
        return Some("this very process, which runs in it or in another container of the same network".into());
    }
    let label = MANAGERS.iter().find(|(label, _)| container["Config"]["Labels"].get(label).is_some());
    if let Some((label, manager)) = label {
        return Some(format!("{manager} (label {label})"));
    }
    let pod = text(&container[libpod::KEY], "Pod");
    (!pod.is_empty()).then(|| format!("the Podman pod {pod}"))
}

/// The ids of the containers in which this process may run, from `/proc/self/mountinfo` and `/proc/self/cgroup`. With the network of another
/// container, that one's files are mounted, and the control group, where it has an id, is its own.
pub(crate) fn own_containers(mountinfo: &str, cgroup: &str) -> Vec<String> {
    let mounted = mountinfo.lines().filter(|line| ["/hostname", "/hosts", "/resolv.conf"].iter().any(|file| line.contains(file)));
    let id = |part: &str| {
        let part = part.trim_end_matches(".scope").rsplit('-').next().unwrap_or_default();
        (part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| part.to_owned())
    };
    let mut found: Vec<String> = mounted.chain(cgroup.lines()).flat_map(|line| line.split(['/', ' '])).filter_map(id).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Compose compares this label with the image, and recreates once more where it is not the new one's.
pub(super) fn update_compose_label(config: &mut Map<String, Value>, old_image: &Value, new_image: &Value) {
    let Some(Value::Object(labels)) = config.get_mut("Labels") else { return };
    let Some(label) = labels.get_mut(COMPOSE_IMAGE) else { return };
    let Some(stored) = label.as_str().filter(|stored| !stored.is_empty()) else { return };
    let redirected = if stored == text(old_image, "Id") { Some(text(new_image, "Id")) } else { manifest(new_image, old_image, stored) };
    if let Some(id) = redirected.filter(|id| !id.is_empty()) {
        *label = id.into();
    }
}

/// With several manifests compose stores that of the platform.
fn manifest<'a>(new_image: &'a Value, old_image: &Value, stored: &str) -> Option<&'a str> {
    let platform = |manifest: &Value| manifest["Descriptor"]["platform"].clone();
    let old = list(old_image, "Manifests").iter().find(|manifest| text(manifest, "ID") == stored)?;
    let same = |manifest: &&Value| text(manifest, "Kind") == "image" && platform(manifest) == platform(old);
    list(new_image, "Manifests").iter().find(same).map(|manifest| text(manifest, "ID"))
}

/// The code of the warning about a container that was started in the foreground.
pub(crate) const FOREGROUND: &str = "foreground";

/// Whoever runs a container in the foreground starts it as soon as it is created.
const STARTED_AT_ONCE: SignedDuration = SignedDuration::from_secs(10);

/// A client that waits on the container's output ends when it stops, and its supervisor may start another. `docker create` asks for the output
/// too, with nobody who reads it; and since a later start nobody has.
pub(super) fn foreground(container: &Value) -> Option<Warning> {
    let attached = container["Config"]["AttachStdout"] == true && container["State"]["Running"] == true;
    let composed = container["Config"]["Labels"].get(COMPOSE_PROJECT).is_some();
    let at = |path: &str| container.pointer(path).and_then(Value::as_str).and_then(|time| time.parse::<Timestamp>().ok());
    let times = at("/Created").zip(at("/State/StartedAt"));
    let at_once = times.is_none_or(|(created, started)| started.duration_since(created) < STARTED_AT_ONCE);
    let is_first = container["RestartCount"].as_i64().unwrap_or_default() == 0;
    let message = "it was started in the foreground: the client that runs it ends when it stops, and whatever watches that client may \
                   start another container";
    (attached && !composed && at_once && is_first).then(|| Warning::of(container, FOREGROUND, message))
}

/// Whether a client is attached to the container, by the engine's events of that container since it was created; `None` where they do not reach
/// back so far.
pub(crate) fn is_attached(events: &[Value]) -> Option<bool> {
    let action = |event: &Value| event["Action"].as_str().or_else(|| event["status"].as_str()).map(str::to_owned);
    let actions: Vec<String> = events.iter().filter_map(action).collect();
    match actions.iter().rev().find(|action| matches!(action.as_str(), "attach" | "detach")) {
        Some(last) => Some(last == "attach"),
        None => actions.iter().any(|action| action == "create").then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn r57_every_manager_is_recognised_by_its_label() {
        for (label, _) in MANAGERS {
            let container = json!({"Config": {"Labels": {label: "x"}}});
            assert!(manager(&container, &EngineFacts::default()).is_some_and(|who| who.contains(label)), "{label}");
        }
        let composed = json!({"Id": "ab", "Config": {"Labels": {COMPOSE_PROJECT: "x"}}});
        assert_eq!(manager(&composed, &EngineFacts::default()), None);
        assert!(manager(&composed, &EngineFacts { own_containers: vec!["ab".into()], ..EngineFacts::default() }).is_some());
        let facts = EngineFacts { own_containers: vec!["provider".into()], ..EngineFacts::default() };
        let sharing = |id: &str| json!({"Id": "cd", "HostConfig": {"NetworkMode": format!("container:{id}")}});
        assert!(manager(&sharing("provider"), &facts).is_some());
        assert_eq!(manager(&sharing("another"), &facts), None);
        assert!(manager(&json!({libpod::KEY: {"Pod": "abc"}}), &EngineFacts::default()).is_some());
    }

    #[test]
    fn a_container_in_the_foreground_runs_since_it_was_created_and_has_a_client() {
        let container = |attached: bool, state: Value, started: &str, restarts: u32| {
            json!({"Created": "2026-11-29T10:00:00.5Z", "Config": {"AttachStdout": attached}, "RestartCount": restarts,
                "State": {"Running": state, "StartedAt": format!("2026-11-29T{started}Z")}})
        };
        let cases = [
            (container(true, json!(true), "10:00:01", 0), true),
            (container(false, json!(true), "10:00:01", 0), false),
            (container(true, json!(false), "10:00:01", 0), false),
            (container(true, json!(true), "10:05:00", 0), false),
            (container(true, json!(true), "10:00:01", 1), false),
        ];
        for (container, expected) in cases {
            assert_eq!(foreground(&container).is_some(), expected, "{container}");
        }
        let events = |actions: &[&str]| is_attached(&actions.iter().map(|action| json!({"Action": action})).collect::<Vec<_>>());
        assert_eq!(events(&["create", "attach", "start"]), Some(true));
        assert_eq!(events(&["create", "start"]), Some(false));
        assert_eq!(events(&["create", "attach", "start", "detach"]), Some(false));
        assert_eq!(events(&["start"]), None);
        assert_eq!(events(&[]), None);
    }

    #[test]
    fn the_own_container_is_found_on_both_cgroup_versions() {
        let id = "0123456789abcdef".repeat(4);
        let mountinfo = format!("600 581 254:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/vda1 rw");
        assert_eq!(own_containers(&mountinfo, ""), std::slice::from_ref(&id));
        assert_eq!(own_containers("", &format!("12:memory:/docker/{id}")), std::slice::from_ref(&id));
        assert_eq!(own_containers("", &format!("0::/system.slice/docker-{id}.scope")), std::slice::from_ref(&id));
        assert!(own_containers("1 2 8:1 / / rw - ext4 /dev/sda1 rw", "0::/user.slice").is_empty());
        let other = "fedcba9876543210".repeat(4);
        assert_eq!(own_containers(&mountinfo, &format!("12:memory:/docker/{other}")), [id, other], "with another's network");
    }

    #[test]
    fn r58_the_label_of_compose_follows_the_new_image() {
        let label = |stored: &str, old: Value, new: Value| {
            let mut config = Map::from_iter([("Labels".into(), json!({COMPOSE_IMAGE: stored, "other": stored}))]);
            update_compose_label(&mut config, &old, &new);
            assert_eq!(config["Labels"]["other"], stored);
            config["Labels"][COMPOSE_IMAGE].clone()
        };
        let manifests = |first: &str, second: &str| {
            json!({"Id": "sha256:index", "Manifests": [
                {"ID": first, "Kind": "image", "Descriptor": {"platform": {"os": "linux", "architecture": "arm64"}}},
                {"ID": second, "Kind": "image", "Descriptor": {"platform": {"os": "linux", "architecture": "amd64"}}},
            ]})
        };
        assert_eq!(label("sha256:old", json!({"Id": "sha256:old"}), json!({"Id": "sha256:new"})), "sha256:new");
        assert_eq!(label("sha256:other", json!({"Id": "sha256:old"}), json!({"Id": "sha256:new"})), "sha256:other");
        assert_eq!(label("sha256:old-amd", manifests("sha256:old-arm", "sha256:old-amd"), manifests("n-arm", "n-amd")), "n-amd");
        assert_eq!(label("sha256:old-amd", manifests("sha256:old-arm", "sha256:old-amd"), json!({"Id": "sha256:new"})), "sha256:old-amd");
    }
}
