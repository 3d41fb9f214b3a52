//! What a recovery does about an interrupted recreation, decided from names, ids and states alone.
//!
//! Rules: docs/recreate.md, section 7.

use std::collections::BTreeMap;

use serde_json::Value;

use super::obstacle;
use super::served::{has_served, is_late};
use crate::container::replacement::Watch;
use crate::container::replacement::names::{Mode, TemporaryName};
use crate::container::{create_body, state};

/// A container under a temporary name.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: TemporaryName,
    /// Its inspect.
    pub(super) container: Value,
}

/// The containers of one name, inspected: lists may be late.
#[derive(Debug, Clone, Default)]
pub(super) struct ObservedState {
    pub(super) new: Vec<Named>,
    pub(super) old: Vec<Named>,
    /// The container that has the name itself.
    pub(super) holder: Option<Value>,
    /// A container whose id a temporary name has, and which somebody has given another name.
    pub(super) renamed: Option<Value>,
}

/// What the recovery does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing: the containers are not of one recreation.
    DoNothing,
    /// The engine is removing the container that has the name: observe again once it is gone.
    WaitForRemoval,
    /// A stop may be in progress in the engine: wait, then roll back.
    RollBackAfterStop,
    /// Roll back.
    RollBack,
    /// The old container was not touched: remove the new one and the standby.
    RemoveNew,
    /// Only the new container has the configuration: give it the name.
    Finish,
    /// Give the new container the name, start it and remove the standby of the `--rm` container.
    FinishAndRemoveOld,
    /// The new container has the name and was never started.
    StartNew,
    /// The new container has the name and was started.
    SettleNew,
    /// The new container has the name and is not to run.
    RemoveOld,
    /// The new container has the name and has served: it stays in the state that it is in, and the old one is removed.
    KeepNew,
}

impl ObservedState {
    /// The new container.
    pub(super) fn new_container(&self) -> Option<&Value> {
        let holder = || if self.old.is_empty() { None } else { self.holder.as_ref() };
        self.new.first().map(|new| &new.container).or_else(holder)
    }

    /// The old container.
    pub(super) fn old_container(&self) -> Option<&Value> {
        self.old.first().map(|old| &old.container).or(self.holder.as_ref())
    }

    /// Whether the new container references one that is gone, because the recreation of that was rolled back.
    pub(super) fn references_removed_container(&self, ids: &BTreeMap<String, String>) -> bool {
        // A reference by name, or by the beginning of an id, was not written for a new container.
        let references_gone =
            |container: &Value| create_body::referenced_containers(container).any(|id| id.len() == 64 && !ids.contains_key(id));
        self.new_container().is_some_and(references_gone) && !self.old_container().is_some_and(references_gone)
    }
}

impl Decision {
    /// The new container has the name.
    pub(super) fn new_has_name(self) -> bool {
        matches!(self, Self::StartNew | Self::SettleNew | Self::RemoveOld | Self::KeepNew)
    }
}

/// What a decision depends on besides the containers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    /// When the containers were listed, in seconds since 1970 by the engine's clock.
    pub(super) now: i64,
    /// How long the new container has to run.
    pub(super) watch: Watch,
    /// Whether commands are to run in the new container that the dead run had not come to.
    pub(super) hooks_are_pending: bool,
    /// A rollback would have to restore the volumes, and the snapshot that tells from which backups is not here.
    pub(super) backups_are_unknown: bool,
}

/// The decision, and the situation in words.
pub(super) fn decide(observed: &ObservedState, circumstances: Circumstances) -> (String, Decision) {
    let (new, old) = match (observed.new.as_slice(), observed.old.as_slice()) {
        ([_, _, ..], _) | (_, [_, _, ..]) => return (obstacle::several_runs(observed), Decision::DoNothing),
        (new, old) => (new.first(), old.first()),
    };
    if let (None, Some(renamed)) = (&observed.holder, &observed.renamed) {
        return (obstacle::renamed(observed, renamed), Decision::DoNothing);
    }
    let decided = match (new, &observed.holder, old) {
        (Some(new), Some(holder), None) => before_renames(new, holder),
        (Some(_), None, Some(old)) if state::is_auto_remove(&old.container) => {
            Some(("the --rm container has ended; the new one and its standby are created", Decision::FinishAndRemoveOld))
        }
        (Some(_), None, Some(_)) => Some(("interrupted between the two renames", Decision::RollBack)),
        (Some(_), None, None) if circumstances.backups_are_unknown => {
            // It may be the old one, created again by a rollback that has not restored its volumes.
            Some((
                "only one container is left, and the state_dir of the interrupted run is needed: it tells whether its volumes are restored",
                Decision::DoNothing,
            ))
        }
        (Some(_), None, None) => Some(("only the new container is left", Decision::Finish)),
        (Some(new), Some(holder), Some(old)) => with_standby(new, holder, old),
        (None, Some(holder), Some(old)) => after_renames(holder, old, circumstances),
        (None, None, Some(_)) => Some(("only the old container is left", Decision::RollBack)),
        (None, _, None) => Some(("nothing is left", Decision::DoNothing)),
    };
    match decided {
        Some((words, decision)) => (words.to_owned(), decision),
        None => (obstacle::foreign(observed), Decision::DoNothing),
    }
}

/// Whether a container is the one whose id a temporary name has.
fn is_other(container: &Value, name: &TemporaryName) -> bool {
    state::id(container).starts_with(&name.other)
}

/// What the containers of one run need; `None`: another container has the name.
type OfOneRun = Option<(&'static str, Decision)>;

fn before_renames(new: &Named, holder: &Value) -> OfOneRun {
    if !is_other(holder, &new.name) {
        None
    } else if state::is_being_removed(holder) {
        Some(("the --rm container is being removed", Decision::WaitForRemoval))
    } else {
        Some(("interrupted before the old container had lost its name", Decision::RollBackAfterStop))
    }
}

fn with_standby(new: &Named, holder: &Value, old: &Named) -> OfOneRun {
    if !is_other(holder, &new.name) || !state::is_auto_remove(&old.container) {
        None
    } else if state::is_being_removed(holder) {
        Some(("the --rm container is being removed", Decision::WaitForRemoval))
    } else if state::is_running(holder) {
        Some(("interrupted before the --rm container was stopped", Decision::RemoveNew))
    } else {
        None
    }
}

fn after_renames(holder: &Value, old: &Named, circumstances: Circumstances) -> OfOneRun {
    let Circumstances { now, watch, hooks_are_pending, backups_are_unknown } = circumstances;
    let may_be_kept = !hooks_are_pending || is_late(old.name.lease, now, watch);
    let never_started = state::started_at(holder).is_none();
    Some(match old.name.mode {
        _ if !is_other(holder, &old.name) => return None,
        Mode::Stopped if state::is_running(&old.container) => {
            ("the old container was started after it had lost its name", Decision::RollBack)
        }
        Mode::Stopped => ("only the removal of the old container was left", Decision::RemoveOld),
        _ if never_started && state::is_running(&old.container) => {
            ("the old container runs again under its temporary name", Decision::RollBack)
        }
        // One that failed could not be rolled back.
        _ if never_started && backups_are_unknown => {
            ("interrupted before the new container was started, and its volumes could not be restored if it failed", Decision::RollBack)
        }
        _ if never_started => ("interrupted before the new container was started", Decision::StartNew),
        _ if may_be_kept && has_served(holder, &old.container, old.name.lease, now, watch) => {
            ("the new container has served; only the removal of the old one was left", Decision::KeepNew)
        }
        _ => ("interrupted after the new container was started", Decision::SettleNew),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    const O: &str = "0aaaaaaaaaaa0000";
    const W: &str = "0bbbbbbbbbbb0000";
    const X: &str = "0ccccccccccc0000";

    fn container(id: &str, state: &str, auto_remove: bool) -> Value {
        let started = if state == "created" { "0001-01-01T00:00:00Z" } else { "2026-11-24T13:00:00Z" };
        let running = matches!(state, "running" | "paused");
        json!({"Id": id, "State": {"Status": state, "Running": running, "StartedAt": started}, "HostConfig": {"AutoRemove": auto_remove}})
    }

    fn observed(new: &[(&str, char, Value)], holder: Option<Value>, old: &[(&str, char, Value)]) -> ObservedState {
        let named = |role: &str, (other, mode, container): &(&str, char, Value)| {
            let name = format!("web.refit-{role}-{}-{mode}-6b058a65", &other[..12]);
            Named { name: TemporaryName::parse(&name).unwrap(), container: container.clone() }
        };
        let [new, old] = [new.iter().map(|n| named("new", n)).collect(), old.iter().map(|o| named("old", o)).collect()];
        ObservedState { new, old, holder, renamed: None }
    }

    /// Somebody has given a container whose id a temporary name has another name.
    fn renamed(id: &str, mut observed: ObservedState) -> ObservedState {
        observed.renamed = Some(json!({"Id": id, "Name": "/web2", "State": {"Running": true}}));
        observed
    }

    #[test]
    #[allow(clippy::too_many_lines)] // a table
    fn each_situation_has_its_decision() {
        let w = |state: &str| (O, 'r', container(W, state, false));
        let o = |mode: char, state: &str| (W, mode, container(O, state, false));
        let standby = || (W, 'r', container(X, "created", true));
        let cases = [
            ("killed before the stop", observed(&[w("created")], Some(container(O, "running", false)), &[]), Decision::RollBackAfterStop),
            ("killed after the stop", observed(&[w("created")], Some(container(O, "exited", false)), &[]), Decision::RollBackAfterStop),
            ("--rm, going", observed(&[w("created")], Some(container(O, "removing", true)), &[]), Decision::WaitForRemoval),
            ("--rm, exited", observed(&[w("created")], Some(container(O, "exited", true)), &[]), Decision::WaitForRemoval),
            ("name taken before the renames", observed(&[w("created")], Some(container(X, "running", false)), &[]), Decision::DoNothing),
            ("between the renames", observed(&[w("created")], None, &[o('r', "exited")]), Decision::RollBack),
            ("--rm is gone", observed(&[w("created")], None, &[standby()]), Decision::FinishAndRemoveOld),
            ("old one gone", observed(&[w("created")], None, &[]), Decision::Finish),
            ("old one renamed by hand", renamed(O, observed(&[w("created")], None, &[])), Decision::DoNothing),
            ("--rm renamed by hand", renamed(O, observed(&[w("created")], None, &[standby()])), Decision::DoNothing),
            ("new one renamed by hand", renamed(W, observed(&[], None, &[o('r', "exited")])), Decision::DoNothing),
            ("--rm, before the stop", observed(&[w("created")], Some(container(O, "running", true)), &[standby()]), Decision::RemoveNew),
            ("--rm, ending", observed(&[w("created")], Some(container(O, "exited", true)), &[standby()]), Decision::WaitForRemoval),
            ("--rm, name taken", observed(&[w("created")], Some(container(X, "running", false)), &[standby()]), Decision::DoNothing),
            (
                "three that are not one run",
                observed(&[w("created")], Some(container(O, "running", false)), &[o('r', "exited")]),
                Decision::DoNothing,
            ),
            ("renamed", observed(&[], Some(container(W, "created", false)), &[o('r', "exited")]), Decision::StartNew),
            ("renamed, paused", observed(&[], Some(container(W, "created", false)), &[o('p', "exited")]), Decision::StartNew),
            ("renamed, old runs", observed(&[], Some(container(W, "created", false)), &[o('r', "running")]), Decision::RollBack),
            ("started", observed(&[], Some(container(W, "running", false)), &[o('r', "exited")]), Decision::SettleNew),
            ("started, old runs", observed(&[], Some(container(W, "running", false)), &[o('r', "running")]), Decision::SettleNew),
            ("started and ended", observed(&[], Some(container(W, "exited", false)), &[o('r', "exited")]), Decision::SettleNew),
            ("stopped ones", observed(&[], Some(container(W, "created", false)), &[o('s', "exited")]), Decision::RemoveOld),
            ("stopped ones, old runs", observed(&[], Some(container(W, "created", false)), &[o('s', "running")]), Decision::RollBack),
            ("name taken after the renames", observed(&[], Some(container(X, "running", false)), &[o('r', "exited")]), Decision::DoNothing),
            ("only the old one", observed(&[], None, &[o('r', "exited")]), Decision::RollBack),
            ("two new ones", observed(&[w("created"), w("created")], None, &[]), Decision::DoNothing),
            ("two old ones", observed(&[], None, &[o('r', "exited"), o('r', "exited")]), Decision::DoNothing),
            ("nothing", observed(&[], Some(container(O, "running", false)), &[]), Decision::DoNothing),
        ];
        for (case, observed, expected) in cases {
            // A second after the start; the lease ends 20 s later.
            let now = Circumstances { now: 1_795_525_201, watch: Watch::default(), hooks_are_pending: false, backups_are_unknown: false };
            assert_eq!(decide(&observed, now).1, expected, "{case}");
        }
    }

    #[test]
    fn a_container_that_has_served_is_kept_in_every_state() {
        for state in ["running", "paused", "exited"] {
            let mut new = container(W, state, false);
            new["State"]["FinishedAt"] = json!("2026-11-24T14:00:00Z");
            let observed = observed(&[], Some(new), &[(W, 'r', container(O, "exited", false))]);
            let now = Circumstances { now: 1_795_535_200, watch: Watch::default(), hooks_are_pending: false, backups_are_unknown: false };
            assert_eq!(decide(&observed, now).1, Decision::KeepNew, "{state}");
        }
    }

    #[test]
    fn nothing_is_started_that_could_not_be_rolled_back_for_want_of_the_backups() {
        let now = Circumstances { now: 1_795_525_201, watch: Watch::default(), hooks_are_pending: false, backups_are_unknown: true };
        let new = |state: &str| observed(&[], Some(container(W, state, false)), &[(W, 'r', container(O, "exited", false))]);
        assert_eq!(decide(&new("created"), now).1, Decision::RollBack);
        assert_eq!(decide(&new("running"), now).1, Decision::SettleNew);
        let left = observed(&[(O, 'r', container(W, "created", false))], None, &[]);
        assert_eq!(decide(&left, now).1, Decision::DoNothing);
    }

    #[test]
    fn what_stands_in_the_way_is_named_with_what_to_do() {
        let now = Circumstances { now: 1_795_525_201, watch: Watch::default(), hooks_are_pending: false, backups_are_unknown: false };
        let new = || (O, 'r', container(W, "created", false));
        let old = || (W, 'r', container(O, "exited", false));
        let new_name = format!("web.refit-new-{O12}-r-6b058a65", O12 = &O[..12]);
        let old_name = format!("web.refit-old-{}-r-6b058a65", &W[..12]);
        let cases = [
            (observed(&[new()], Some(container(X, "running", false)), &[]), vec![&X[..12], &new_name, "docker rm -v"]),
            (observed(&[], Some(container(X, "running", false)), &[old()]), vec![&X[..12], &old_name, "docker rm "]),
            (renamed(O, observed(&[new()], None, &[])), vec!["web2", "docker rename web2 web", &new_name]),
            (observed(&[new(), new()], None, &[]), vec![new_name.as_str(), "docker rm"]),
        ];
        for (observed, words) in cases {
            let (situation, _) = decide(&observed, now);
            for word in words {
                assert!(situation.contains(word), "{situation}: {word}");
            }
        }
    }
}
