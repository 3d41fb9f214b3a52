//! What was found on the engine, and the steps that follow from it.

use serde_json::{Value, json};

use super::MemberState::{Failed, Pending, Restored, RolledBack};
use super::*;

const OLD: &str = "0aaaaaaaaaaa0000";
const NEW: &str = "0bbbbbbbbbbb0000";
const STANDBY: &str = "0ccccccccccc0000";
const NEW_NAME: &str = "web.refit-new-0aaaaaaaaaaa-r-65000000";
/// An hour after the old container was started.
const BACKED_UP: i64 = 1_795_528_800;
const OLD_NAME: &str = "web.refit-old-0bbbbbbbbbbb-r-65000000";

fn container(id: &str, name: &str, state: &str, policy: &str) -> Value {
    let running = matches!(state, "running" | "paused" | "restarting");
    let started = if state == "created" { "0001-01-01T00:00:00Z" } else { "2026-11-24T13:00:00Z" };
    json!({
        "Id": id,
        "Name": format!("/{name}"),
        "State": {"Status": state, "Running": running, "Paused": state == "paused", "StartedAt": started},
        "HostConfig": {"RestartPolicy": {"Name": policy, "MaximumRetryCount": 0}, "AutoRemove": false},
    })
}

#[allow(clippy::unnecessary_wraps)] // stands beside `None` in the cases
fn old(name: &str, state: &str, policy: &str) -> Option<Value> {
    Some(container(OLD, name, state, policy))
}

#[allow(clippy::unnecessary_wraps)] // likewise
fn new(name: &str, state: &str) -> Option<Value> {
    Some(container(NEW, name, state, "always"))
}

fn policy(name: &str) -> Step {
    Step::RestorePolicy(json!({"Name": name, "MaximumRetryCount": 0}))
}

fn target(mode: Mode, snapshot: Option<&Value>) -> Target<'_> {
    Target { name: "web", mode, snapshot, new_id: None, restores_volumes: false, backed_up_at: None }
}

fn steps_for(mode: Mode, snapshot: Option<&Value>, observed: &ObservedPair, extent: Extent) -> Option<Vec<Step>> {
    rollback_steps(&target(mode, snapshot), observed, extent)
}

#[test]
fn each_state_that_a_run_may_leave_has_its_steps() {
    use Step::{PauseOld, RemoveNew, RenameNew, RenameOld, StartOld, StopNew};
    let pair = |old: Option<Value>, new: Option<Value>| ObservedPair { old, new, ..ObservedPair::default() };
    let cases = [
        (
            "the old container was not stopped",
            Mode::Running,
            pair(old("web", "running", "always"), new(NEW_NAME, "created")),
            vec![RemoveNew],
        ),
        ("after the stop", Mode::Running, pair(old("web", "exited", "always"), new(NEW_NAME, "created")), vec![StartOld, RemoveNew]),
        (
            "between the renames",
            Mode::Running,
            pair(old(OLD_NAME, "exited", "always"), new(NEW_NAME, "created")),
            vec![RenameOld, StartOld, RemoveNew],
        ),
        (
            "after the renames",
            Mode::Running,
            pair(old(OLD_NAME, "exited", "always"), new("web", "created")),
            vec![RenameNew, StopNew, RenameOld, StartOld, RemoveNew],
        ),
        (
            "after the change of the restart policy",
            Mode::Running,
            pair(old(OLD_NAME, "exited", "no"), new("web", "created")),
            vec![RenameNew, StopNew, policy("always"), RenameOld, StartOld, RemoveNew],
        ),
        (
            "after the start",
            Mode::Running,
            pair(old(OLD_NAME, "exited", "no"), new("web", "running")),
            vec![StopNew, RenameNew, StopNew, policy("always"), RenameOld, StartOld, RemoveNew],
        ),
        (
            "a crash loop",
            Mode::Running,
            pair(old(OLD_NAME, "exited", "no"), new("web", "restarting")),
            vec![StopNew, RenameNew, StopNew, policy("always"), RenameOld, StartOld, RemoveNew],
        ),
        (
            "a rollback that was interrupted after the rename of the new container",
            Mode::Running,
            pair(old(OLD_NAME, "exited", "no"), new(NEW_NAME, "exited")),
            vec![policy("always"), RenameOld, StartOld, RemoveNew],
        ),
        (
            "an old container that has its name: somebody has changed its restart policy",
            Mode::Running,
            pair(old("web", "exited", "no"), new(NEW_NAME, "exited")),
            vec![StartOld, RemoveNew],
        ),
        (
            "a rollback that was interrupted before the removal",
            Mode::Running,
            pair(old("web", "running", "always"), new(NEW_NAME, "exited")),
            vec![RemoveNew],
        ),
        ("a complete rollback", Mode::Running, pair(old("web", "running", "always"), None), vec![]),
        ("the new container is gone", Mode::Running, pair(old(OLD_NAME, "exited", "always"), None), vec![StartOld, RenameOld]),
        (
            "an old container that did not run, after the renames",
            Mode::Stopped,
            pair(old(OLD_NAME, "exited", "always"), new("web", "created")),
            vec![RenameNew, StopNew, RenameOld, RemoveNew],
        ),
        (
            "an old container that was paused, after the start",
            Mode::Paused,
            pair(old(OLD_NAME, "exited", "always"), new("web", "running")),
            vec![StopNew, RenameNew, StopNew, RenameOld, StartOld, PauseOld, RemoveNew],
        ),
        (
            "an old container that was paused, before the pause",
            Mode::Paused,
            pair(old("web", "running", "always"), new(NEW_NAME, "created")),
            vec![PauseOld, RemoveNew],
        ),
        ("an old container that is paused", Mode::Paused, pair(old("web", "paused", "always"), new(NEW_NAME, "created")), vec![RemoveNew]),
    ];
    for (case, mode, observed, expected) in cases {
        assert_eq!(steps_for(mode, None, &observed, Extent::All), Some(expected.clone()), "{case}");
        let kept: Vec<Step> = expected.into_iter().filter(|step| *step != RemoveNew).collect();
        assert_eq!(steps_for(mode, None, &observed, Extent::KeepNew), Some(kept), "{case}, as one of a group");
    }
}

#[test]
fn an_old_container_that_is_gone_is_recreated_from_the_snapshot() {
    use Step::{NameOldInNew, RecreateOld, RemoveIncomplete, RemoveNew, RenameNew, RenameOld, StartOld, StopNew};
    let snapshot = container(OLD, "web", "running", "always");
    let another = container(STANDBY, OLD_NAME, "created", "always");
    let cases = [
        ("both are gone", ObservedPair::default(), vec![RecreateOld, StartOld, RenameOld]),
        (
            "the new container is left",
            ObservedPair { new: new("web", "running"), ..ObservedPair::default() },
            vec![StopNew, RenameNew, StopNew, RecreateOld, NameOldInNew, RenameOld, StartOld, RemoveNew],
        ),
        (
            "the new container is left, under its temporary name",
            ObservedPair { new: new(NEW_NAME, "exited"), ..ObservedPair::default() },
            vec![RecreateOld, NameOldInNew, RenameOld, StartOld, RemoveNew],
        ),
        (
            "an earlier rollback did not complete it",
            ObservedPair { new: new(NEW_NAME, "exited"), incomplete: Some(another.clone()), ..ObservedPair::default() },
            vec![RemoveIncomplete, RecreateOld, NameOldInNew, RenameOld, StartOld, RemoveNew],
        ),
        (
            "an earlier rollback has completed it",
            ObservedPair { old: Some(another), new: new(NEW_NAME, "exited"), ..ObservedPair::default() },
            vec![NameOldInNew, RenameOld, StartOld, RemoveNew],
        ),
    ];
    for (case, observed, expected) in cases {
        assert_eq!(steps_for(Mode::Running, Some(&snapshot), &observed, Extent::All), Some(expected), "{case}");
    }
    let only_new = ObservedPair { new: new("web", "running"), ..ObservedPair::default() };
    assert_eq!(steps_for(Mode::Running, None, &only_new, Extent::All), None, "without a snapshot");
    assert_eq!(steps_for(Mode::Running, None, &only_new, Extent::NewOnly), Some(vec![Step::RemoveNew]), "the old one was not touched");
}

#[test]
fn a_standby_takes_the_place_of_an_auto_removed_container_or_is_removed() {
    use Step::{NameOldInNew, RemoveNew, RemoveStandby, RenameOld, StartOld};
    let auto_removed = |id: &str, name: &str, state: &str| {
        let mut container = container(id, name, state, "no");
        container["HostConfig"]["AutoRemove"] = true.into();
        Some(container)
    };
    let in_place = ObservedPair {
        old: auto_removed(STANDBY, OLD_NAME, "created"),
        new: auto_removed(NEW, NEW_NAME, "created"),
        ..ObservedPair::default()
    };
    let steps = steps_for(Mode::Running, None, &in_place, Extent::All);
    assert_eq!(steps, Some(vec![NameOldInNew, RenameOld, StartOld, RemoveNew]));
    let beside = ObservedPair {
        old: auto_removed(OLD, "web", "running"),
        new: auto_removed(NEW, NEW_NAME, "created"),
        standby: auto_removed(STANDBY, OLD_NAME, "created"),
        ..ObservedPair::default()
    };
    for extent in [Extent::All, Extent::NewOnly] {
        let steps = steps_for(Mode::Running, None, &beside, extent);
        assert_eq!(steps, Some(vec![RemoveStandby, RemoveNew]), "{extent:?}: the new one last, by which a recovery finds both");
    }
}

#[test]
fn the_restart_policy_is_restored_where_it_is_no_because_of_the_run() {
    use Step::RenameOld;
    let observed =
        |policy: &str| ObservedPair { old: old(OLD_NAME, "running", policy), new: new(NEW_NAME, "created"), ..ObservedPair::default() };
    let cases = [
        ("always", "no", Some("always")),
        ("on-failure", "", Some("on-failure")),
        ("always", "always", None),
        ("always", "unless-stopped", None),
        ("unless-stopped", "no", None),
        ("", "no", None),
        ("no", "", None),
        ("", "always", None),
    ];
    for (before, now, expected) in cases {
        let snapshot = container(OLD, "web", "running", before);
        let steps = steps_for(Mode::Running, Some(&snapshot), &observed(now), Extent::KeepNew);
        let expected = expected.map(policy).into_iter().chain([RenameOld]).collect();
        assert_eq!(steps, Some(expected), "{before:?} and {now:?} now");
    }
    let of_new = steps_for(Mode::Running, None, &observed("no"), Extent::KeepNew);
    assert_eq!(of_new, Some(vec![policy("always"), RenameOld]), "of the new container");
    let stopped = ObservedPair { old: old(OLD_NAME, "exited", "no"), new: new(NEW_NAME, "created"), ..ObservedPair::default() };
    assert_eq!(steps_for(Mode::Stopped, None, &stopped, Extent::KeepNew), Some(vec![RenameOld]), "the run changes none that did not run");
}

#[test]
fn a_dependent_joins_the_namespaces_of_a_provider_that_was_started_after_it() {
    use Step::{StartOld, StopOld};
    let observed = |state: &str, provider: &str| ObservedPair {
        old: old("web", state, "always"),
        new: new(NEW_NAME, "created"),
        provider_started: provider.parse().ok(),
        ..ObservedPair::default()
    };
    let cases = [
        ("started after it", observed("running", "2026-11-24T13:00:01Z"), vec![StopOld, StartOld]),
        ("started before it", observed("running", "2026-11-24T12:59:59Z"), vec![]),
        ("not inspected", observed("running", ""), vec![]),
        ("it does not run", observed("exited", "2026-11-24T13:00:01Z"), vec![StartOld]),
    ];
    for (case, observed, expected) in cases {
        assert_eq!(steps_for(Mode::Running, None, &observed, Extent::KeepNew), Some(expected), "{case}");
    }
    let sharing = |id: &str, provider: &str| {
        let mut container = container(id, "web", "running", "no");
        container["HostConfig"]["NetworkMode"] = format!("container:{provider}").into();
        container
    };
    assert!(needs_providers(Mode::Running, &sharing(OLD, "p"), &sharing(NEW, "q")));
    assert!(!needs_providers(Mode::Running, &sharing(OLD, "p"), &sharing(NEW, "p")), "its provider was not replaced");
    assert!(!needs_providers(Mode::Stopped, &sharing(OLD, "p"), &sharing(NEW, "q")), "it is not to run");
}

#[test]
fn a_group_is_restored_in_its_order_and_the_new_containers_are_removed_in_reverse() {
    let cases = [
        ("one container", vec![Pending], Some((0, Extent::All))),
        ("one container, rolled back", vec![RolledBack], None),
        ("one container that failed", vec![Failed], None),
        ("the first before the others", vec![Pending, Pending, Pending], Some((0, Extent::KeepNew))),
        ("each after what it references", vec![Restored, Pending, Pending], Some((1, Extent::KeepNew))),
        ("no other one without the first", vec![Failed, Pending, Pending], None),
        ("the others without one that failed", vec![Restored, Failed, Pending], Some((2, Extent::KeepNew))),
        ("the last is removed first", vec![Restored, Restored, Restored], Some((2, Extent::All))),
        ("then the one before it", vec![Restored, Restored, RolledBack], Some((1, Extent::All))),
        ("the first is removed last", vec![Restored, RolledBack, RolledBack], Some((0, Extent::All))),
        ("all are rolled back", vec![RolledBack, RolledBack, RolledBack], None),
        ("the others are removed beside one that failed", vec![Restored, Failed, Restored], Some((2, Extent::All))),
        ("the first's new container stays beside one that failed", vec![Restored, Failed, RolledBack], None),
    ];
    for (case, members, expected) in cases {
        assert_eq!(next_in_group(&members, true), expected, "{case}");
    }
    let untouched = [
        (vec![Pending, Pending], Some((1, Extent::NewOnly))),
        (vec![Pending, Failed], Some((0, Extent::NewOnly))),
        (vec![RolledBack, RolledBack], None),
    ];
    for (members, expected) in untouched {
        assert_eq!(next_in_group(&members, false), expected, "{members:?}, and no old container was touched");
    }
}

#[test]
fn volumes_are_restored_before_the_old_container_starts_where_the_new_one_has_run() {
    use Step::{KeepNewStopped, RecreateOld, RemoveNew, RenameNew, RenameOld, RestoreVolumes, StartOld, StopNew};
    let started = |id: &str, name: &str, state: &str, policy: &str, at: &str| {
        let mut container = container(id, name, state, policy);
        container["State"]["StartedAt"] = json!(at);
        Some(container)
    };
    let before = container(OLD, "web", "running", "always");
    let pair = |old: Option<Value>, new: Option<Value>| ObservedPair { old, new, ..ObservedPair::default() };
    let stopped = || old(OLD_NAME, "exited", "no");
    let cases = [
        (
            "the new container runs",
            pair(stopped(), new("web", "running")),
            vec![StopNew, RenameNew, StopNew, KeepNewStopped, RestoreVolumes, policy("always"), RenameOld, StartOld, RemoveNew],
        ),
        (
            "a rollback was interrupted in its restore",
            pair(stopped(), started(NEW, NEW_NAME, "exited", "no", "2026-11-24T14:30:00Z")),
            vec![RestoreVolumes, policy("always"), RenameOld, StartOld, RemoveNew],
        ),
        (
            "the new container has never run",
            pair(stopped(), new("web", "created")),
            vec![RenameNew, StopNew, policy("always"), RenameOld, StartOld, RemoveNew],
        ),
        ("the new container is gone, and may have run", pair(stopped(), None), vec![RestoreVolumes, policy("always"), StartOld, RenameOld]),
        ("both are gone", pair(None, None), vec![RecreateOld, RestoreVolumes, StartOld, RenameOld]),
        (
            "somebody has started the old container",
            pair(started(OLD, OLD_NAME, "running", "no", "2026-11-24T15:00:00Z"), new("web", "exited")),
            vec![RenameNew, StopNew, policy("always"), RenameOld, RemoveNew],
        ),
        (
            "somebody has started it, and it has ended since",
            pair(started(OLD, OLD_NAME, "exited", "no", "2026-11-24T15:00:00Z"), new("web", "exited")),
            vec![RenameNew, StopNew, policy("always"), RenameOld, StartOld, RemoveNew],
        ),
    ];
    for (case, observed, steps) in cases {
        let restoring =
            Target { new_id: Some(NEW), restores_volumes: true, backed_up_at: Some(BACKED_UP), ..target(Mode::Running, Some(&before)) };
        assert_eq!(rollback_steps(&restoring, &observed, Extent::All), Some(steps), "{case}");
        assert_eq!(leaves_volumes(&restoring, &observed), case.starts_with("somebody"), "{case}");
        let stopped = Target { mode: Mode::Stopped, ..restoring };
        let steps = rollback_steps(&stopped, &observed, Extent::All).unwrap_or_default();
        assert!(!steps.contains(&RestoreVolumes), "{case}: nothing was started of a container that did not run");
    }
    // What has the new container's name is the old one, created again.
    let again = pair(None, started("0ddddddddddd0000", NEW_NAME, "created", "always", "0001-01-01T00:00:00Z"));
    let restoring =
        Target { new_id: Some(NEW), restores_volumes: true, backed_up_at: Some(BACKED_UP), ..target(Mode::Running, Some(&before)) };
    assert!(rollback_steps(&restoring, &again, Extent::All).is_some_and(|steps| steps.contains(&RestoreVolumes)));
}
