//! The tasks of a service, as the engine lists them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::spec::{Mode, Service};
use super::target::Target;
use crate::json::{integer, text, unsigned};

/// How far an update is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Tasks of the new spec that run. One with a healthcheck runs once it is healthy.
    pub(super) running: u64,
    /// Tasks that are to run.
    pub(super) wanted: u64,
    /// Tasks of another spec that are still to run.
    pub(super) other: u64,
}

/// Counts those that are to run. Docker keeps the tasks that have ended for a while.
pub(super) fn count(service: &Service, tasks: &[Value], target: &Target) -> Counts {
    let to_run: Vec<&Value> = tasks.iter().filter(|task| matches!(text(task, "/DesiredState"), "running" | "ready")).collect();
    let (new, other): (Vec<&Value>, Vec<&Value>) = to_run.iter().partition(|task| is_of(task, target));
    let runs = |task: &&&Value| text(task, "/Status/State") == "running" && text(task, "/DesiredState") == "running";
    let nodes: BTreeSet<&str> = to_run.iter().map(|task| text(task, "/NodeID")).collect();
    let wanted = match service.mode() {
        Mode::Replicated(replicas) => replicas,
        Mode::Global | Mode::Job => nodes.len() as u64,
    };
    Counts { running: new.iter().filter(runs).count() as u64, wanted, other: other.len() as u64 }
}

/// Whether a task was made of the spec that the update has sent.
fn is_of(task: &Value, target: &Target) -> bool {
    text(task, "/Spec/ContainerSpec/Image") == target.image && unsigned(task, "/Spec/ForceUpdate").unwrap_or_default() == target.force
}

/// The newest task of the new spec that has failed.
pub(super) fn failed<'a>(tasks: &'a [Value], target: &Target) -> Option<&'a Value> {
    let has_failed =
        |task: &&Value| matches!(text(task, "/Status/State"), "failed" | "rejected" | "orphaned" | "complete") && is_of(task, target);
    tasks.iter().filter(has_failed).max_by_key(|task| text(task, "/Status/Timestamp"))
}

/// The task of the new spec that is to run and does not yet, with the engine's word for it: why an update waits.
pub(super) fn waiting(tasks: &[Value], target: &Target) -> Option<String> {
    let waits = |task: &&Value| matches!(text(task, "/DesiredState"), "running" | "ready") && text(task, "/Status/State") != "running";
    let task = tasks.iter().filter(|task| is_of(task, target)).find(waits)?;
    let words = Some(text(task, "/Status/Err")).filter(|words| !words.is_empty()).unwrap_or_else(|| text(task, "/Status/Message"));
    Some(format!("{} is {}: {words}", named(task), text(task, "/Status/State")))
}

/// `task 2`; a global service does not number its tasks.
pub(super) fn named(task: &Value) -> String {
    match integer(task, "/Slot").filter(|slot| *slot > 0) {
        Some(slot) => format!("task {slot}"),
        None => "the task".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task(slot: u64, image: &str, desired: &str, state: &str) -> Value {
        json!({"Slot": slot, "NodeID": format!("n{slot}"), "DesiredState": desired, "Status": {"State": state, "Timestamp": format!("2026-01-01T00:00:0{slot}Z")},
            "Spec": {"ContainerSpec": {"Image": image}}})
    }

    fn target() -> Target {
        Target { image: "new".into(), force: 0 }
    }

    #[test]
    fn tasks_of_the_new_spec_are_counted_once_they_run() {
        let service = |mode: Value| Service::new(json!({"Spec": {"Mode": mode}}));
        let tasks = [
            task(1, "old", "shutdown", "shutdown"),
            task(1, "new", "running", "running"),
            task(2, "old", "running", "running"),
            task(2, "new", "ready", "preparing"),
            task(3, "new", "running", "starting"),
            task(4, "new", "shutdown", "failed"),
        ];
        let replicated = count(&service(json!({"Replicated": {"Replicas": 4}})), &tasks, &target());
        assert_eq!(replicated, Counts { running: 1, wanted: 4, other: 1 });
        assert_eq!(count(&service(json!({"Global": {}})), &tasks, &target()), Counts { running: 1, wanted: 3, other: 1 });
        let forced = Target { image: "new".into(), force: 1 };
        assert_eq!(count(&service(json!({"Replicated": {"Replicas": 4}})), &tasks, &forced), Counts { running: 0, wanted: 4, other: 4 });
    }

    #[test]
    fn the_newest_failure_of_the_new_spec_is_found() {
        let tasks = [task(1, "new", "shutdown", "failed"), task(3, "old", "shutdown", "failed"), task(2, "new", "shutdown", "rejected")];
        assert_eq!(failed(&tasks, &target()).unwrap()["Slot"], 2);
        assert!(failed(&[task(1, "new", "shutdown", "shutdown")], &target()).is_none(), "it was stopped, and has not failed");
    }
}
