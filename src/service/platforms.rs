//! The platforms for which an image of a service has to be there.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::json::text;
use crate::platform::Platform;

/// Those of the nodes on which the service has tasks that are to run; where it has none, those of all nodes that take tasks.
pub(super) fn of_nodes(nodes: &[Value], tasks: &[Value]) -> Vec<Platform> {
    let is_to_run = |task: &&Value| matches!(text(task, "/DesiredState"), "running" | "ready");
    let used: BTreeSet<&str> = tasks.iter().filter(is_to_run).map(|task| text(task, "/NodeID")).filter(|id| !id.is_empty()).collect();
    let takes_tasks = |node: &&Value| text(node, "/Spec/Availability") == "active" && text(node, "/Status/State") == "ready";
    let with_tasks: Vec<&Value> = nodes.iter().filter(|node| used.contains(text(node, "/ID"))).collect();
    let counted = if with_tasks.is_empty() { nodes.iter().filter(takes_tasks).collect() } else { with_tasks };
    let mut platforms: Vec<Platform> = Vec::new();
    for platform in counted.into_iter().filter_map(of_node) {
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    platforms
}

/// A node has its processor as the kernel names it, an image as Go does.
fn of_node(node: &Value) -> Option<Platform> {
    let (architecture, variant) = match text(node, "/Description/Platform/Architecture") {
        "x86_64" => ("amd64", ""),
        "aarch64" => ("arm64", ""),
        "armv7l" => ("arm", "v7"),
        "armv6l" => ("arm", "v6"),
        "i386" | "i486" | "i586" | "i686" => ("386", ""),
        other => (other, ""),
    };
    Platform::known(text(node, "/Description/Platform/OS"), architecture, variant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_platforms_are_those_of_the_nodes_with_tasks_else_of_all_that_take_some() {
        let node = |id: &str, architecture: &str, availability: &str, state: &str| {
            json!({"ID": id, "Spec": {"Availability": availability}, "Status": {"State": state},
                "Description": {"Platform": {"OS": "linux", "Architecture": architecture}}})
        };
        let nodes = [
            node("a", "x86_64", "active", "ready"),
            node("b", "aarch64", "active", "ready"),
            node("c", "x86_64", "active", "ready"),
            node("d", "s390x", "drain", "ready"),
            node("e", "ppc64le", "active", "down"),
            node("f", "armv7l", "pause", "ready"),
        ];
        let task = |node: &str, desired: &str| json!({"NodeID": node, "DesiredState": desired});
        let shown = |tasks: &[Value]| of_nodes(&nodes, tasks).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(shown(&[]), ["linux/amd64", "linux/arm64"]);
        assert_eq!(shown(&[task("a", "running"), task("c", "ready"), task("b", "shutdown")]), ["linux/amd64"]);
        assert_eq!(shown(&[task("f", "running"), task("d", "running")]), ["linux/s390x", "linux/arm/v7"]);
        assert_eq!(shown(&[task("", "running")]), ["linux/amd64", "linux/arm64"], "no node was found for it yet");
    }
}
