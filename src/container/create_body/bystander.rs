//! Another container that the engine lists and cannot inspect: what the list shows stands for it, so that one broken container does not keep
//! all others from being recreated.
//!
//! Rules: docs/recreate.md, section 2.1.

use serde_json::Value;

use super::value::{clean_path, is_id_of, list, text};
use super::{Warning, name};

/// Why it could not be inspected; an inspect has no such key.
const KEY: &str = "NotInspected";

/// What the list shows of a container, as one that could not be inspected for this reason. Not in it: the modes of its processes and memory (pid,
/// ipc), and the containers that it takes volumes from.
pub(crate) fn as_not_inspected(mut listed: Value, why: &str) -> Value {
    if let Some(fields) = listed.as_object_mut() {
        fields.insert(KEY.into(), why.into());
    }
    listed
}

/// Why the engine could not inspect it; `None` for what is an inspect.
pub(crate) fn not_inspected(container: &Value) -> Option<&str> {
    container.get(KEY).and_then(Value::as_str)
}

/// Whether it may use the container in a way that its list entry does not show. Memory can be shared only by a container that says so, and
/// whoever takes volumes from a container has all of them.
///
/// Shared processes are not assumed: any container could share its own, and then nothing on the host could be recreated.
pub(super) fn may_depend_on(bystander: &Value, container: &Value) -> Option<&'static str> {
    not_inspected(bystander)?;
    if text(&container["HostConfig"], "IpcMode") == "shareable" {
        return Some("may use its memory, which is shareable");
    }
    let key = |mount: &Value| {
        let source = if text(mount, "Name").is_empty() { text(mount, "Source") } else { text(mount, "Name") };
        (text(mount, "Type").to_owned(), source.to_owned(), clean_path(text(mount, "Destination")))
    };
    let mounts = list(container, "Mounts");
    let has = |mount: &Value| list(bystander, "Mounts").iter().any(|other| key(other) == key(mount));
    (!mounts.is_empty() && mounts.iter().all(has)).then_some("has the same mounts, and may take its volumes")
}

/// One warning for each container, but for the one that is asked about, that could not be inspected.
pub(crate) fn warnings(containers: &[Value], asked: &str) -> Vec<Warning> {
    let others = containers.iter().filter(|container| !is_id_of(text(container, "Id"), asked));
    let warning = |container: &Value| {
        let why = not_inspected(container)?;
        let message = format!(
            "the engine cannot inspect container {} ({}), so that only what its list shows is known of it; if it shares the processes (pid) \
             of a container that is recreated, it has to be created again: {why}",
            name(container),
            text(&container["State"], "Status"),
        );
        Some(Warning::of(container, "not_inspected", message))
    };
    others.filter_map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn broken(listed: &Value) -> Value {
        as_not_inspected(listed.clone(), "RWLayer is unexpectedly nil")
    }

    #[test]
    fn each_other_container_that_could_not_be_inspected_is_warned_of() {
        let db = json!({"Id": "b2", "Name": "/db", "State": {"Status": "running"}});
        let stands = broken(&db);
        assert!(not_inspected(&stands).is_some() && not_inspected(&db).is_none());
        let warned = warnings(&[stands.clone(), json!({"Id": "c3"})], "a1");
        assert_eq!(warned.iter().map(|one| one.container.as_deref()).collect::<Vec<_>>(), [Some("db")]);
        assert!(warnings(&[stands], "b2").is_empty());
    }

    #[test]
    fn only_shareable_memory_and_the_same_mounts_are_a_possible_dependence() {
        let mount = |name: &str, at: &str| json!({"Type": "volume", "Name": name, "Destination": at});
        let entry = |mounts: Value| json!({"Id": "b2", "Name": "/db", "State": {"Status": "exited"}, "Mounts": mounts});
        let container = |ipc: &str, mounts: Value| json!({"Id": "a1", "HostConfig": {"IpcMode": ipc}, "Mounts": mounts});
        let cases = [
            ("nothing in common", entry(json!([])), container("private", json!([])), false),
            ("shareable memory", entry(json!([])), container("shareable", json!([])), true),
            ("all its mounts", entry(json!([mount("v", "/v"), mount("x", "/x")])), container("private", json!([mount("v", "/v/")])), true),
            ("some", entry(json!([mount("v", "/v")])), container("private", json!([mount("v", "/v"), mount("w", "/w")])), false),
            ("elsewhere", entry(json!([mount("v", "/elsewhere")])), container("private", json!([mount("v", "/v")])), false),
        ];
        for (case, entry, container, expected) in cases {
            assert_eq!(may_depend_on(&broken(&entry), &container).is_some(), expected, "{case}");
            assert!(may_depend_on(&entry, &container).is_none(), "{case}: an inspect says what it is");
        }
    }
}
