//! Recreations of containers that reference one another by their ids belong together: all are finished, or all are rolled back.
//!
//! Rules: docs/recreate.md, section 8.

use serde_json::Value;

use super::leftovers::{inspect, read};
use super::run::{RecoveryRun, Takeover};
use super::table::{self, Decision, ObservedState};
use super::{IN_PROGRESS, LIVE, RecoverOptions, Recovered, RecoveryAction, found};
use crate::container::replacement::await_removal;
use crate::container::replacement::run_guard::RunGuard;
use crate::container::replacement::{self, PhaseReporter};
use crate::container::{create_body, state};
use crate::operation::call::Call;
use crate::{Code, Error, Refit, Result};

pub(super) const REFERENCED_CONTAINER_REMOVED: &str =
    "the container that it references is gone, because the recreation of that was rolled back";
const TO_UNDO: &str = "interrupted before this container and those that belong to it had all been replaced";
const TO_FINISH: &str = "interrupted when this container and those that belong to it had been replaced";

/// The names that belong together, each after what it references. A new container references the new container of what the old one
/// referenced, or mounts the volumes by their names where that one has others.
pub(super) fn groups(members: &[(String, ObservedState)]) -> Vec<Vec<String>> {
    let references_id = |one: Option<&Value>, other: Option<&Value>| match (one, other) {
        (Some(one), Some(other)) => {
            create_body::referenced_containers(one).any(|id| id == state::id(other)) || create_body::links_to(one, other)
        }
        _ => false,
    };
    let references = |at: usize, other: usize| {
        let (one, other) = (&members[at].1, &members[other].1);
        references_id(one.new_container(), other.new_container())
            || references_id(one.old_container(), other.old_container()) && !references_id(one.new_container(), other.old_container())
    };
    let mut group_of: Vec<usize> = (0..members.len()).collect();
    for at in 0..members.len() {
        for other in 0..members.len() {
            if at != other && references(at, other) {
                let (from, to) = (group_of[at], group_of[other]);
                group_of.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
            }
        }
    }
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for at in 0..members.len() {
        match groups.iter_mut().find(|group| group_of[group[0]] == group_of[at]) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    let in_order = |mut group: Vec<usize>| {
        let mut ordered: Vec<usize> = Vec::new();
        while !group.is_empty() {
            // No engine allows a circle of references.
            let free = group.iter().position(|at| !group.iter().any(|other| other != at && references(*at, *other)));
            ordered.push(group.remove(free.unwrap_or(0)));
        }
        ordered.into_iter().map(|at| members[at].0.clone()).collect()
    };
    groups.into_iter().map(in_order).collect()
}

type Found = Vec<(Recovered, Option<Error>)>;

/// Recovers the names of one run.
pub(super) async fn recover_group(
    refit: &Refit,
    call: &Call,
    names: &[String],
    options: &RecoverOptions,
    on_phase: PhaseReporter<'_>,
) -> Found {
    let all = |situation: &str, action: RecoveryAction, error: Option<Error>| -> Found {
        names.iter().map(|name| found(name, situation, action, error.clone())).collect()
    };
    let engine = refit.shared.engine.endpoint().to_string();
    let run_guard: Option<Vec<RunGuard>> = names.iter().map(|name| RunGuard::take(&engine, name, "recover")).collect();
    if run_guard.is_none() {
        return all(IN_PROGRESS, RecoveryAction::Busy, None);
    }
    let (members, clock) = loop {
        let mut left = match read(refit).await {
            Ok(left) => left,
            Err(error) => return all("the engine did not answer", RecoveryAction::WouldUndo, Some(error)),
        };
        let clock = left.clock;
        let leftovers: Vec<_> = names.iter().filter_map(|name| Some((name, left.by_name.remove(name)?))).collect();
        if leftovers.iter().any(|(_, leftover)| leftover.is_live(clock)) && !options.force {
            return all(LIVE, RecoveryAction::Busy, None);
        }
        let (mut members, mut removing) = (Vec::new(), None);
        for (name, leftover) in leftovers {
            let observed = match inspect(refit, &leftover).await {
                Ok(observed) => observed,
                Err(error) => return all("the containers could not be inspected", RecoveryAction::WouldUndo, Some(error)),
            };
            let (situation, decision) = table::decide(&observed, leftover.circumstances(&observed, options, clock));
            let situation = format!("container {name}: {situation}");
            match decision {
                Decision::DoNothing => return all(&situation, RecoveryAction::Foreign, None),
                Decision::WaitForRemoval if options.dry_run => return all(&situation, RecoveryAction::WouldFinish, None),
                Decision::WaitForRemoval => removing = observed.holder.as_ref().map(|holder| (situation, state::id(holder).to_owned())),
                _ => {}
            }
            let references_removed = observed.references_removed_container(&left.ids);
            members.push((Member { name, observed, decision, references_removed }, leftover.snapshot));
        }
        let Some((situation, id)) = removing else { break (members, clock) };
        if let Err(error) = call.run(await_removal(&refit.shared.engine, &id)).await {
            return all(&situation, RecoveryAction::WouldFinish, Some(error));
        }
    };
    if members.is_empty() {
        return Vec::new();
    }
    let finish = members.iter().all(|(member, _)| member.decision.new_has_name() && !member.references_removed);
    let (situation, would) = if finish { (TO_FINISH, RecoveryAction::WouldFinish) } else { (TO_UNDO, RecoveryAction::WouldUndo) };
    if options.dry_run {
        return all(situation, would, None);
    }
    let mut group = Vec::new();
    for (member, snapshot) in members {
        match RecoveryRun::take(Takeover { refit, call, name: member.name, clock, options, snapshot, on_phase }, &member.observed).await {
            Ok(run) => group.push((member, run)),
            Err(error) if error.code() == Code::Busy => return all(situation, RecoveryAction::Busy, None),
            Err(error) => return all(situation, would, Some(error)),
        }
    }
    let done = if finish { finish_all(&mut group).await } else { roll_back_all(&mut group).await };
    match done {
        Ok(action) => {
            for (_, run) in &group {
                run.remove_snapshot_file().await;
            }
            all(situation, action, None)
        }
        Err(error) => all(situation, would, Some(error)),
    }
}

/// One name of a group.
struct Member<'a> {
    name: &'a str,
    observed: ObservedState,
    decision: Decision,
    references_removed: bool,
}

/// Rolls back all of them. A stop may be pending only in a run that had come to stopping that container.
async fn roll_back_all(group: &mut [(Member<'_>, RecoveryRun<'_>)]) -> Result<RecoveryAction> {
    let first_was_stopped = group.first().is_some_and(|(first, _)| first.decision.new_has_name());
    let mut members = Vec::new();
    for (at, (member, run)) in group.iter_mut().enumerate() {
        let may_be_stopping = member.decision == Decision::RollBackAfterStop && (at == 0 || first_was_stopped);
        let pending_stop = if may_be_stopping { run.pending_stop(&member.observed).await } else { None };
        run.step("rolling_back", 400);
        members.push(replacement::Member { pair: &mut run.pair, pending_stop });
    }
    let rollback = replacement::roll_back_group(&mut members, true).await;
    match rollback.errors.into_iter().next() {
        None => Ok(RecoveryAction::Undone),
        Some((_, error)) => Err(error),
    }
}

/// All have been replaced. As long as no old container was removed, a failure rolls all of them back.
async fn finish_all(group: &mut [(Member<'_>, RecoveryRun<'_>)]) -> Result<RecoveryAction> {
    if let Err(error) = settle_all(group).await {
        let names: Vec<&str> = group.iter().map(|(member, _)| member.name).collect();
        // A container that has served is never rolled back, nor what was replaced with it. One whose old one was removed already is not in the
        // group any more.
        let mut removal_has_begun = group.iter().any(|(member, _)| member.decision == Decision::KeepNew);
        for (_, run) in &*group {
            if run.must_end() {
                return Err(error);
            }
            removal_has_begun |= run.is_referenced(&names).await?;
        }
        if !removal_has_begun {
            return roll_back_all(group).await.map_err(|rollback| rollback.caused_by(&error));
        }
    }
    for (_, run) in group.iter_mut().rev() {
        run.remove_old().await?;
    }
    Ok(RecoveryAction::Finished)
}

async fn settle_all(group: &mut [(Member<'_>, RecoveryRun<'_>)]) -> Result<()> {
    for (member, run) in group {
        if member.decision == Decision::StartNew {
            run.start().await?;
        }
        if !matches!(member.decision, Decision::RemoveOld | Decision::KeepNew) {
            run.settle().await?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::table::Named;
    use super::*;
    use crate::container::replacement::names::TemporaryName;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn id(digit: char) -> String {
        std::iter::repeat_n(digit, 64).collect()
    }

    /// A container that references others by their ids.
    fn container(own: char, references: &[char]) -> Value {
        let mode = |at: usize| references.get(at).map(|digit| format!("container:{}", id(*digit)));
        json!({"Id": id(own), "HostConfig": {"NetworkMode": mode(0), "PidMode": mode(1)}})
    }

    fn before_renames(new: Value, holder: Value) -> ObservedState {
        let name = TemporaryName::parse(&format!("web.refit-new-{}-r-65000000", &state::id(&holder)[..12])).unwrap();
        ObservedState { new: vec![Named { name, container: new }], old: Vec::new(), holder: Some(holder), renamed: None }
    }

    fn after_renames(new: Value, old: Value) -> ObservedState {
        let name = TemporaryName::parse(&format!("web.refit-old-{}-r-65000000", &state::id(&new)[..12])).unwrap();
        ObservedState { new: Vec::new(), old: vec![Named { name, container: old }], holder: Some(new), renamed: None }
    }

    #[test]
    fn names_belong_together_by_what_their_new_containers_reference() {
        let member = |name: &str, observed: ObservedState| (name.to_owned(), observed);
        // b, replaced already, references c; a, not replaced yet, references b; d references the old container of c, as before.
        let members = [
            member("a", before_renames(container('1', &['2']), container('a', &['b']))),
            member("b", after_renames(container('2', &['3']), container('b', &['c']))),
            member("c", after_renames(container('3', &[]), container('c', &[]))),
            member("d", before_renames(container('4', &['c']), container('d', &['c']))),
            // It referenced the old container of c, and mounts the volumes by their names now.
            member("e", before_renames(container('5', &[]), container('e', &['c']))),
            member("snapshot only", ObservedState::default()),
        ];
        assert_eq!(groups(&members), [vec!["c", "b", "a", "e"], vec!["d"], vec!["snapshot only"]]);
        assert!(groups(&[]).is_empty());
    }

    #[test]
    fn a_new_container_may_reference_one_that_a_rollback_has_removed() {
        let there: BTreeMap<String, String> = ['a', 'b', '1'].map(|digit| (id(digit), String::new())).into();
        let cases = [
            ("its provider's new container is gone", before_renames(container('1', &['9']), container('b', &['a'])), true),
            ("likewise, after the renames", after_renames(container('1', &['9']), container('b', &['a'])), true),
            ("its provider is there", before_renames(container('1', &['a']), container('b', &['a'])), false),
            ("its provider was gone before", before_renames(container('1', &['9']), container('b', &['9'])), false),
            ("it references no container", before_renames(container('1', &[]), container('b', &[])), false),
        ];
        for (case, observed, expected) in cases {
            assert_eq!(observed.references_removed_container(&there), expected, "{case}");
        }
    }
}
