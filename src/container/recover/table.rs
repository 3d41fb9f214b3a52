//! What an interrupted recreation left, and what is to be done about it: decided from names, ids and states alone.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::container::names::{Mode, TemporaryName};
use crate::container::{spec, state};

/// A container under a temporary name.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: TemporaryName,
    /// Its inspect.
    pub(super) container: Value,
}

/// Everything that stands for one name, inspected: lists may be late.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    pub(super) new: Vec<Named>,
    pub(super) old: Vec<Named>,
    /// The holder of the name itself.
    pub(super) holder: Option<Value>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing: it is not ours, or not to be told.
    Leave,
    /// The engine is removing the holder: look again once it is gone.
    WaitForRemoval,
    /// A stop may be under way in the engine: wait, then put the old container back.
    UndoAfterStop,
    /// Put the old container back.
    Undo,
    /// The old container goes on: remove the new one and the spare.
    RemoveNew,
    /// The new container is all that is left of the configuration: give it the name.
    Forward,
    /// Give the new container the name and start it; the spare of an `--rm` container goes.
    ForwardAndRemoveOld,
    /// The new container has the name and was never started.
    StartNew,
    /// The new container has the name and was started.
    SettleNew,
    /// The new container has the name and is not to run.
    RemoveOld,
}

impl Standing {
    /// The container that is to have the name, or has it.
    pub(super) fn successor(&self) -> Option<&Value> {
        let holder = || if self.old.is_empty() { None } else { self.holder.as_ref() };
        self.new.first().map(|new| &new.container).or_else(holder)
    }

    /// The container that had the name.
    pub(super) fn predecessor(&self) -> Option<&Value> {
        self.old.first().map(|old| &old.container).or(self.holder.as_ref())
    }

    /// Whether the successor is to hold a container that is gone, since the recreation of that one was undone.
    pub(super) fn is_orphan(&self, ids: &BTreeMap<String, String>) -> bool {
        // What is held by a name, or by the beginning of an id, was not made to hold a new container.
        let holds_gone = |container: &Value| spec::held(container).any(|id| id.len() == 64 && !ids.contains_key(id));
        self.successor().is_some_and(holds_gone) && !self.predecessor().is_some_and(holds_gone)
    }
}

impl Decision {
    /// The new container has the name.
    pub(super) fn is_after_the_swap(self) -> bool {
        matches!(self, Self::StartNew | Self::SettleNew | Self::RemoveOld)
    }
}

/// Decides, and says in words what was found.
pub(super) fn decide(standing: &Standing) -> (String, Decision) {
    let (new, old) = match (standing.new.as_slice(), standing.old.as_slice()) {
        ([_, _, ..], _) | (_, [_, _, ..]) => {
            return ("several recreations have left containers: remove one by hand".into(), Decision::Leave);
        }
        (new, old) => (new.first(), old.first()),
    };
    let (words, decision) = match (new, &standing.holder, old) {
        (Some(new), Some(holder), None) => before_the_swap(new, holder),
        (Some(_), None, Some(old)) if state::is_auto_remove(&old.container) => {
            ("the --rm container has ended; its successor and its spare wait", Decision::ForwardAndRemoveOld)
        }
        (Some(_), None, Some(_)) => ("interrupted between the two renames", Decision::Undo),
        (Some(_), None, None) => ("only the new container is left", Decision::Forward),
        (Some(new), Some(holder), Some(old)) => with_a_spare(new, holder, old),
        (None, Some(holder), Some(old)) => after_the_swap(holder, old),
        (None, None, Some(_)) => ("only the old container is left", Decision::Undo),
        (None, _, None) => ("nothing is left", Decision::Leave),
    };
    (words.to_owned(), decision)
}

/// Whether a container is the one that a temporary name tells of.
fn is_other(container: &Value, name: &TemporaryName) -> bool {
    state::id(container).starts_with(&name.other)
}

const FOREIGN: (&str, Decision) = ("another container has taken the name", Decision::Leave);

fn before_the_swap(new: &Named, holder: &Value) -> (&'static str, Decision) {
    if !is_other(holder, &new.name) {
        FOREIGN
    } else if state::is_going(holder) {
        ("the --rm container is being removed", Decision::WaitForRemoval)
    } else {
        ("interrupted before the old container had lost its name", Decision::UndoAfterStop)
    }
}

fn with_a_spare(new: &Named, holder: &Value, old: &Named) -> (&'static str, Decision) {
    if !is_other(holder, &new.name) || !state::is_auto_remove(&old.container) {
        FOREIGN
    } else if state::is_going(holder) {
        ("the --rm container is being removed", Decision::WaitForRemoval)
    } else if state::is_running(holder) {
        ("interrupted before the --rm container was stopped", Decision::RemoveNew)
    } else {
        FOREIGN
    }
}

fn after_the_swap(holder: &Value, old: &Named) -> (&'static str, Decision) {
    let never_started = state::started_at(holder).is_none();
    match old.name.mode {
        _ if !is_other(holder, &old.name) => FOREIGN,
        Mode::Stopped if state::is_running(&old.container) => ("the old container was started after it had lost its name", Decision::Undo),
        Mode::Stopped => ("only the removal of the old container was left", Decision::RemoveOld),
        _ if never_started && state::is_running(&old.container) => {
            ("the old container runs again under its temporary name", Decision::Undo)
        }
        _ if never_started => ("interrupted before the new container was started", Decision::StartNew),
        _ => ("interrupted after the new container was started", Decision::SettleNew),
    }
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

    fn standing(new: &[(&str, char, Value)], holder: Option<Value>, old: &[(&str, char, Value)]) -> Standing {
        let named = |role: &str, (other, mode, container): &(&str, char, Value)| {
            let name = format!("web.refit-{role}-{}-{mode}-65000000", &other[..12]);
            Named { name: TemporaryName::parse(&name).unwrap(), container: container.clone() }
        };
        Standing { new: new.iter().map(|n| named("new", n)).collect(), old: old.iter().map(|o| named("old", o)).collect(), holder }
    }

    #[test]
    #[allow(clippy::too_many_lines)] // a table
    fn every_row_of_the_table() {
        let w = |state: &str| (O, 'r', container(W, state, false));
        let o = |mode: char, state: &str| (W, mode, container(O, state, false));
        let spare = || (W, 'r', container(X, "created", true));
        let cases = [
            ("killed before the stop", standing(&[w("created")], Some(container(O, "running", false)), &[]), Decision::UndoAfterStop),
            ("killed after the stop", standing(&[w("created")], Some(container(O, "exited", false)), &[]), Decision::UndoAfterStop),
            ("--rm, going", standing(&[w("created")], Some(container(O, "removing", true)), &[]), Decision::WaitForRemoval),
            ("--rm, exited", standing(&[w("created")], Some(container(O, "exited", true)), &[]), Decision::WaitForRemoval),
            ("name taken before the swap", standing(&[w("created")], Some(container(X, "running", false)), &[]), Decision::Leave),
            ("between the renames", standing(&[w("created")], None, &[o('r', "exited")]), Decision::Undo),
            ("--rm is gone", standing(&[w("created")], None, &[spare()]), Decision::ForwardAndRemoveOld),
            ("old one gone", standing(&[w("created")], None, &[]), Decision::Forward),
            ("--rm, before the stop", standing(&[w("created")], Some(container(O, "running", true)), &[spare()]), Decision::RemoveNew),
            ("--rm, ending", standing(&[w("created")], Some(container(O, "exited", true)), &[spare()]), Decision::WaitForRemoval),
            ("--rm, name taken", standing(&[w("created")], Some(container(X, "running", false)), &[spare()]), Decision::Leave),
            (
                "three that are not one run",
                standing(&[w("created")], Some(container(O, "running", false)), &[o('r', "exited")]),
                Decision::Leave,
            ),
            ("swapped", standing(&[], Some(container(W, "created", false)), &[o('r', "exited")]), Decision::StartNew),
            ("swapped, paused", standing(&[], Some(container(W, "created", false)), &[o('p', "exited")]), Decision::StartNew),
            ("swapped, old runs", standing(&[], Some(container(W, "created", false)), &[o('r', "running")]), Decision::Undo),
            ("started", standing(&[], Some(container(W, "running", false)), &[o('r', "exited")]), Decision::SettleNew),
            ("started, old runs", standing(&[], Some(container(W, "running", false)), &[o('r', "running")]), Decision::SettleNew),
            ("started and ended", standing(&[], Some(container(W, "exited", false)), &[o('r', "exited")]), Decision::SettleNew),
            ("stopped ones", standing(&[], Some(container(W, "created", false)), &[o('s', "exited")]), Decision::RemoveOld),
            ("stopped ones, old runs", standing(&[], Some(container(W, "created", false)), &[o('s', "running")]), Decision::Undo),
            ("name taken after the swap", standing(&[], Some(container(X, "running", false)), &[o('r', "exited")]), Decision::Leave),
            ("only the old one", standing(&[], None, &[o('r', "exited")]), Decision::Undo),
            ("two new ones", standing(&[w("created"), w("created")], None, &[]), Decision::Leave),
            ("two old ones", standing(&[], None, &[o('r', "exited"), o('r', "exited")]), Decision::Leave),
            ("nothing", standing(&[], Some(container(O, "running", false)), &[]), Decision::Leave),
        ];
        for (case, standing, expected) in cases {
            assert_eq!(decide(&standing).1, expected, "{case}");
        }
    }
}
