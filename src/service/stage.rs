//! Where an update of a service stands, decided from one answer of the engine.
//!
//! Rules: docs/services.md, section 4.

use serde_json::Value;

use super::spec::Service;
use super::target::Target;
use super::tasks::{Counts, count};

/// Where an update stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// The engine replaces tasks, or those of the new spec do not run yet.
    Updating,
    /// Every task that is to run is of the new spec, and runs.
    Converged,
    /// The engine has stopped the update because a task failed.
    Paused,
    /// The engine goes back to the spec before.
    RollingBack,
    /// It has gone back.
    RolledBack,
    /// The rollback has ended, and the spec before is not what runs: the engine has stopped it because a task failed, or the spec before was one
    /// with the new image.
    RollbackFailed,
    /// Somebody else has updated the service since.
    Changed,
}

/// Where the update to a target stands.
pub(super) fn of(service: &Service, tasks: &[Value], target: &Target) -> (Stage, Counts) {
    let counts = count(service, tasks, target);
    let is_ours = target.is_spec_of(service);
    let runs = counts.running >= counts.wanted && counts.other == 0;
    let stage = match service.update_state().as_deref() {
        Some("rollback_started") => Stage::RollingBack,
        Some("rollback_completed") if !is_ours => Stage::RolledBack,
        Some("rollback_paused" | "rollback_completed") => Stage::RollbackFailed,
        _ if !is_ours => Stage::Changed,
        Some("paused") => Stage::Paused,
        // With the failure action `continue` an update is completed also where tasks do not run. One that finds no task to replace, as of a
        // service without replicas, has no state.
        Some("completed") | None if runs => Stage::Converged,
        _ => Stage::Updating,
    };
    (stage, counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(image: &str, replicas: u64, state: Option<&str>) -> Service {
        let mut inspect =
            json!({"Spec": {"Mode": {"Replicated": {"Replicas": replicas}}, "TaskTemplate": {"ContainerSpec": {"Image": image}}}});
        if let Some(state) = state {
            inspect["UpdateStatus"] = json!({"State": state});
        }
        Service::new(inspect)
    }

    fn task(image: &str, state: &str) -> Value {
        json!({"DesiredState": "running", "Status": {"State": state}, "Spec": {"ContainerSpec": {"Image": image}}})
    }

    #[test]
    fn the_engines_word_and_the_tasks_tell_where_an_update_stands() {
        let (old, new, starts) = (task("old", "running"), task("new", "running"), task("new", "starting"));
        let table = [
            ("new", 1, Some("updating"), vec![&new], Stage::Updating),
            ("new", 1, Some("completed"), vec![&new], Stage::Converged),
            ("new", 2, Some("completed"), vec![&new, &starts], Stage::Updating),
            ("new", 1, None, vec![&old], Stage::Updating),
            ("new", 1, None, vec![&new], Stage::Converged),
            ("new", 0, None, vec![], Stage::Converged),
            ("new", 0, None, vec![&old], Stage::Updating),
            ("new", 1, Some("paused"), vec![&old], Stage::Paused),
            ("old", 1, Some("rollback_started"), vec![&new], Stage::RollingBack),
            ("old", 1, Some("rollback_completed"), vec![&old], Stage::RolledBack),
            ("old", 1, Some("rollback_paused"), vec![&new], Stage::RollbackFailed),
            ("new", 1, Some("rollback_completed"), vec![&new], Stage::RollbackFailed),
            ("other", 1, Some("updating"), vec![&new], Stage::Changed),
            ("other", 1, None, vec![&new], Stage::Changed),
            ("other", 1, Some("paused"), vec![&new], Stage::Changed),
        ];
        let target = Target { image: "new".into(), force: 0 };
        for (image, replicas, state, tasks, expected) in table {
            let tasks: Vec<Value> = tasks.into_iter().cloned().collect();
            let (stage, _) = of(&service(image, replicas, state), &tasks, &target);
            assert_eq!(stage, expected, "{image} {replicas} {state:?} {tasks:?}");
        }
    }
}
