//! Recreations of containers that hold one another by their ids belong together: all are finished, or all are undone.

use serde_json::Value;

use super::act::{Repair, Taking};
use super::table::{self, Decision, Standing};
use super::{IN_HAND, LIVE, RecoverOptions, Recovered, RecoveryAction, found, inspect, read};
use crate::call::Call;
use crate::container::in_hand::InHand;
use crate::container::lease::Clock;
use crate::container::recreate::OnPhase;
use crate::container::{spec, state};
use crate::{Code, Error, Refit, Result};

pub(super) const ORPHAN: &str = "what it was to hold is gone, since the recreation of that was undone";
const TO_UNDO: &str = "interrupted before it and those that belong to it had all been replaced";
const TO_FINISH: &str = "interrupted when it and those that belong to it had been replaced";

/// The names that belong together, each after what it holds. A successor names the successor of what its predecessor held, or takes the
/// volumes by their names where that one has others.
pub(super) fn groups(members: &[(String, Standing)]) -> Vec<Vec<String>> {
    let holds_id = |one: Option<&Value>, other: Option<&Value>| match (one, other) {
        (Some(one), Some(other)) => spec::held(one).any(|id| id == state::id(other)),
        _ => false,
    };
    let holds = |at: usize, other: usize| {
        let (one, other) = (&members[at].1, &members[other].1);
        holds_id(one.successor(), other.successor())
            || holds_id(one.predecessor(), other.predecessor()) && !holds_id(one.successor(), other.predecessor())
    };
    let mut group_of: Vec<usize> = (0..members.len()).collect();
    for at in 0..members.len() {
        for other in 0..members.len() {
            if at != other && holds(at, other) {
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
            // No engine makes a circle; one would be taken as it comes.
            let free = group.iter().position(|at| !group.iter().any(|other| other != at && holds(*at, *other)));
            ordered.push(group.remove(free.unwrap_or(0)));
        }
        ordered.into_iter().map(|at| members[at].0.clone()).collect()
    };
    groups.into_iter().map(in_order).collect()
}

type Found = Vec<(Recovered, Option<Error>)>;

/// Repairs the names of one run.
pub(super) async fn together(refit: &Refit, call: &Call, names: &[String], options: &RecoverOptions, on_phase: OnPhase<'_>) -> Found {
    let all = |situation: &str, action: RecoveryAction, error: Option<Error>| -> Found {
        names.iter().map(|name| found(name, situation, action, error.clone())).collect()
    };
    let engine = refit.shared.engine.endpoint().to_string();
    let in_hand: Option<Vec<InHand>> = names.iter().map(|name| InHand::take(&engine, name, "recover")).collect();
    if in_hand.is_none() {
        return all(IN_HAND, RecoveryAction::Busy, None);
    }
    let mut left = match read(refit).await {
        Ok(left) => left,
        Err(error) => return all("the engine could not be asked", RecoveryAction::WouldUndo, Some(error)),
    };
    let clock = left.clock;
    let leftovers: Vec<_> = names.iter().filter_map(|name| Some((name, left.by_name.remove(name)?))).collect();
    if leftovers.iter().any(|(_, leftover)| leftover.is_live(clock)) && !options.force {
        return all(LIVE, RecoveryAction::Busy, None);
    }
    let mut members = Vec::new();
    for (name, leftover) in leftovers {
        let standing = match inspect(refit, &leftover).await {
            Ok(standing) => standing,
            Err(error) => return all("the containers could not be inspected", RecoveryAction::WouldUndo, Some(error)),
        };
        let (situation, decision) = table::decide(&standing);
        if matches!(decision, Decision::Leave | Decision::WaitForRemoval) {
            return all(&format!("container {name}: {situation}"), RecoveryAction::Foreign, None);
        }
        let orphan = standing.is_orphan(&left.ids);
        members.push((Member { name, standing, decision, orphan }, leftover.kept));
    }
    if members.is_empty() {
        return Vec::new();
    }
    let finish = members.iter().all(|(member, _)| member.decision.is_after_the_swap() && !member.orphan);
    let (situation, would) = if finish { (TO_FINISH, RecoveryAction::WouldFinish) } else { (TO_UNDO, RecoveryAction::WouldUndo) };
    if options.dry_run {
        return all(situation, would, None);
    }
    let mut group = Vec::new();
    for (member, kept) in members {
        match Repair::take(Taking { refit, call, name: member.name, clock, kept, on_phase }, &member.standing).await {
            Ok(repair) => group.push((member, repair)),
            Err(error) if error.code() == Code::Busy => return all(situation, RecoveryAction::Busy, None),
            Err(error) => return all(situation, would, Some(error)),
        }
    }
    let done = if finish { finish_all(&mut group, clock).await } else { undo_all(&mut group, clock).await };
    match done {
        Ok(action) => {
            for (_, repair) in &group {
                repair.forget().await;
            }
            all(situation, action, None)
        }
        Err(error) => all(situation, would, Some(error)),
    }
}

/// One name of a group.
struct Member<'a> {
    name: &'a str,
    standing: Standing,
    decision: Decision,
    orphan: bool,
}

/// The first is put back before the others, which can only start once it runs, and its successor goes last: a recovery that is asked for the
/// first finds them by it. One that cannot be put back does not keep the others from it.
async fn undo_all(group: &mut [(Member<'_>, Repair<'_>)], clock: Clock) -> Result<RecoveryAction> {
    let first_was_stopped = group.first().is_some_and(|(first, _)| first.decision.is_after_the_swap());
    let (mut restored, mut failed) = (Vec::new(), None);
    for (at, (member, repair)) in group.iter_mut().enumerate() {
        let may_be_stopping = member.decision == Decision::UndoAfterStop && (at == 0 || first_was_stopped);
        match put_back(member, repair, may_be_stopping.then_some(clock)).await {
            Ok(()) => restored.push(repair),
            Err(error) if at == 0 || repair.is_final() => return Err(error),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let first_stays = usize::from(failed.is_some());
    for repair in restored.into_iter().skip(first_stays).rev() {
        repair.undo().await?;
    }
    failed.map_or(Ok(RecoveryAction::Undone), Err)
}

async fn put_back(member: &Member<'_>, repair: &mut Repair<'_>, may_be_stopping: Option<Clock>) -> Result<()> {
    if let Some(clock) = may_be_stopping {
        repair.await_any_stop(&member.standing, clock).await?;
    }
    repair.restore().await
}

/// Each has taken its place. As long as nothing was removed, a failure undoes all of them.
async fn finish_all(group: &mut [(Member<'_>, Repair<'_>)], clock: Clock) -> Result<RecoveryAction> {
    if let Err(error) = settle_all(group).await {
        let names: Vec<&str> = group.iter().map(|(member, _)| member.name).collect();
        // What was removed first has nothing left by which it would be in the group.
        let mut removal_has_begun = false;
        for (_, repair) in &*group {
            if repair.is_final() {
                return Err(error);
            }
            removal_has_begun |= repair.is_held(&names).await?;
        }
        if !removal_has_begun {
            return undo_all(group, clock).await.map_err(|undo| undo.caused_by(&error));
        }
    }
    for (_, repair) in group.iter_mut().rev() {
        repair.remove_old().await?;
    }
    Ok(RecoveryAction::Finished)
}

async fn settle_all(group: &mut [(Member<'_>, Repair<'_>)]) -> Result<()> {
    for (member, repair) in group {
        if member.decision == Decision::StartNew {
            repair.start().await?;
        }
        if member.decision != Decision::RemoveOld {
            repair.settle().await?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::table::Named;
    use super::*;
    use crate::container::names::TemporaryName;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn id(digit: char) -> String {
        std::iter::repeat_n(digit, 64).collect()
    }

    /// A container that holds others by their ids.
    fn container(own: char, holds: &[char]) -> Value {
        let mode = |at: usize| holds.get(at).map(|digit| format!("container:{}", id(*digit)));
        json!({"Id": id(own), "HostConfig": {"NetworkMode": mode(0), "PidMode": mode(1)}})
    }

    fn before_the_swap(new: Value, holder: Value) -> Standing {
        let name = TemporaryName::parse(&format!("web.refit-new-{}-r-65000000", &state::id(&holder)[..12])).unwrap();
        Standing { new: vec![Named { name, container: new }], old: Vec::new(), holder: Some(holder) }
    }

    fn after_the_swap(new: Value, old: Value) -> Standing {
        let name = TemporaryName::parse(&format!("web.refit-old-{}-r-65000000", &state::id(&new)[..12])).unwrap();
        Standing { new: Vec::new(), old: vec![Named { name, container: old }], holder: Some(new) }
    }

    #[test]
    fn names_belong_together_by_what_their_successors_hold() {
        let member = |name: &str, standing: Standing| (name.to_owned(), standing);
        // b, replaced already, holds c; a, not replaced yet, holds b; d holds the old container of c, as before.
        let members = [
            member("a", before_the_swap(container('1', &['2']), container('a', &['b']))),
            member("b", after_the_swap(container('2', &['3']), container('b', &['c']))),
            member("c", after_the_swap(container('3', &[]), container('c', &[]))),
            member("d", before_the_swap(container('4', &['c']), container('d', &['c']))),
            // It held the old container of c, and takes the volumes by their names now.
            member("e", before_the_swap(container('5', &[]), container('e', &['c']))),
            member("kept only", Standing::default()),
        ];
        assert_eq!(groups(&members), [vec!["c", "b", "a", "e"], vec!["d"], vec!["kept only"]]);
        assert!(groups(&[]).is_empty());
    }

    #[test]
    fn a_successor_of_a_run_that_was_undone_is_an_orphan() {
        let there: BTreeMap<String, String> = ['a', 'b', '1'].map(|digit| (id(digit), String::new())).into();
        let cases = [
            ("its provider's successor is gone", before_the_swap(container('1', &['9']), container('b', &['a'])), true),
            ("likewise, after its swap", after_the_swap(container('1', &['9']), container('b', &['a'])), true),
            ("its provider is there", before_the_swap(container('1', &['a']), container('b', &['a'])), false),
            ("its provider was gone before", before_the_swap(container('1', &['9']), container('b', &['9'])), false),
            ("it holds nobody", before_the_swap(container('1', &[]), container('b', &[])), false),
        ];
        for (case, standing, expected) in cases {
            assert_eq!(standing.is_orphan(&there), expected, "{case}");
        }
    }
}
