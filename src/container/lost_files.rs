//! The files of a container's writable layer, which its replacement does not get.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::create_body::Warning;
use super::state;
use crate::engine::Engine;
use crate::engine::api::containers;
use crate::json::{integer, list, text};

/// On a containerd store the engine walks two trees for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many paths a warning has.
const PATHS: usize = 20;

/// What was added or changed outside of what is mounted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LostFiles {
    /// Folders included.
    pub(crate) count: u64,
    /// Without the folders that have another path below them.
    paths: Vec<String>,
}

impl LostFiles {
    /// `None` where the engine does not tell, or not in time.
    pub(crate) async fn read(engine: &Engine, container: &Value) -> Option<Self> {
        let changes = tokio::time::timeout(PATIENCE, containers::changes(engine, state::id(container))).await;
        Some(Self::of(&changes.ok()?.ok()?, container))
    }

    fn of(changes: &Value, container: &Value) -> Self {
        const DELETED: i64 = 2;
        let mounted: Vec<&str> = list(container, "/Mounts").iter().map(|mount| text(mount, "/Destination")).collect();
        let is_mounted = |path: &str| mounted.iter().any(|mount| is_at_or_below(path, mount));
        let kept = |change: &&Value| integer(change, "/Kind") != Some(DELETED);
        let all: BTreeSet<&str> = changes.as_array().into_iter().flatten().filter(kept).map(|change| text(change, "/Path")).collect();
        let is_folder =
            |path: &str| all.range(path..).skip(1).take_while(|other| other.starts_with(path)).any(|other| is_at_or_below(other, path));
        let outside = || all.iter().filter(|path| !is_mounted(path));
        let paths = outside().filter(|path| !is_folder(path)).map(|path| (*path).to_owned());
        Self { count: outside().count() as u64, paths: paths.collect() }
    }

    /// What a plan says of them.
    pub(crate) fn warning(&self, container: &Value) -> Option<Warning> {
        let first = self.paths.get(..PATHS).unwrap_or(&self.paths).join(", ");
        let more = self.paths.len().saturating_sub(PATHS);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let message =
            format!("files outside of its volumes will be lost, because they are in the container's writable layer: {first}{more}");
        let warning = Warning { code: "writable_layer".into(), container: Some(state::name(container).into()), message };
        (!self.paths.is_empty()).then_some(warning)
    }
}

fn is_at_or_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(path: &str, kind: u64) -> Value {
        json!({"Path": path, "Kind": kind})
    }

    #[test]
    fn files_in_mounts_and_deleted_ones_are_not_lost() {
        let changes = json!([
            change("/etc", 0),
            change("/etc/new", 1),
            change("/gone", 2),
            change("/mnt", 1),
            change("/mnt/data", 1),
            change("/mnt/data/x", 1),
            change("/mnt/data2", 1),
            change("/etc-x", 1)
        ]);
        let container = json!({"Name": "/web", "Mounts": [{"Destination": "/mnt/data/"}, {"Destination": "/run"}]});
        let lost = LostFiles::of(&changes, &container);
        assert_eq!((lost.count, lost.paths.as_slice()), (5, &["/etc-x", "/etc/new", "/mnt/data2"].map(String::from)[..]));
        let warning = lost.warning(&container).unwrap();
        assert!(
            warning.message.ends_with("layer: /etc-x, /etc/new, /mnt/data2") && warning.container.as_deref() == Some("web"),
            "{warning:?}"
        );
        let none = LostFiles::of(&Value::Null, &container);
        assert_eq!((none.count, none.warning(&container)), (0, None));
    }

    #[test]
    fn a_folder_that_was_made_for_a_mount_is_not_lost() {
        let changes = json!([change("/a", 1), change("/a/b", 1)]);
        let lost = LostFiles::of(&changes, &json!({"Mounts": [{"Destination": "/a/b"}]}));
        assert!(lost.paths.is_empty(), "{lost:?}");
    }

    #[test]
    fn a_warning_has_the_first_paths() {
        let changes: Vec<Value> = (10..40).map(|number| change(&format!("/f{number}"), 1)).collect();
        let message = LostFiles::of(&Value::Array(changes), &json!({})).warning(&json!({})).unwrap().message;
        assert!(message.contains("/f29 and 10 more") && !message.contains("/f30"), "{message}");
    }
}
