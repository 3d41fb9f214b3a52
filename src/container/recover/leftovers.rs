//! What interrupted recreations have left: on the engine, and in the handle's folder.
//!
//! Rules: docs/recreate.md, section 7.

use std::collections::BTreeMap;

use super::served::is_late;
use super::table::{Circumstances, Decision, Named, ObservedState};
use super::{RecoverOptions, group};
use crate::container::replacement::lease::Clock;
use crate::container::replacement::names::{self, Role, TemporaryName};
use crate::container::replacement::{RecoverySnapshot, SnapshotFile, engine_id, read_snapshots};
use crate::container::state;
use crate::engine::api::containers;
use crate::{Refit, Result};

/// What an interrupted recreation of one name has left.
#[derive(Debug, Default)]
pub(super) struct Leftover {
    pub(super) temporary: Vec<(String, TemporaryName)>,
    holder: Option<String>,
    /// A container whose id one of the temporary names has, and which has another name than it was given.
    renamed: Option<String>,
    pub(super) snapshot: Option<(RecoverySnapshot, SnapshotFile)>,
}

/// What was read from the engine, and from the handle's folder.
pub(super) struct Leftovers {
    /// By the container's own name.
    pub(super) by_name: BTreeMap<String, Leftover>,
    /// The ids of all containers, with their own names.
    pub(super) ids: BTreeMap<String, String>,
    pub(super) clock: Clock,
}

/// The names that an interrupted recreation has left, those of one run together.
pub(super) async fn groups(refit: &Refit, container: Option<&str>) -> Result<Vec<Vec<String>>> {
    let left = read(refit).await?;
    let wanted = container.map(|container| {
        let container = container.trim_start_matches('/');
        TemporaryName::parse(container).map_or_else(|| container.to_owned(), |temporary| temporary.container)
    });
    let mut members = Vec::new();
    for (name, leftover) in &left.by_name {
        let observed = inspect(refit, leftover).await?;
        members.push((name.clone(), observed));
    }
    // The caller may have given an id.
    let wanted = wanted.map(|wanted| left.own_name_of(&wanted).unwrap_or(wanted));
    let groups = group::groups(&members).into_iter();
    Ok(groups.filter(|names| wanted.as_ref().is_none_or(|wanted| names.contains(wanted))).collect())
}

pub(super) async fn read(refit: &Refit) -> Result<Leftovers> {
    let engine = &refit.shared.engine;
    let (list, now) = containers::list(engine).await?;
    let clock = Clock::at(now);
    let mut by_name: BTreeMap<String, Leftover> = BTreeMap::new();
    let named = |entry: &serde_json::Value| Some((names::own_name(entry)?.to_owned(), entry.get("Id")?.as_str()?.to_owned()));
    let entries: Vec<(String, String)> = list.iter().filter_map(named).collect();
    for (name, id) in &entries {
        if let Some(temporary) = TemporaryName::parse(name) {
            by_name.entry(temporary.container.clone()).or_default().temporary.push((id.clone(), temporary));
        }
    }
    if let Some(state_dir) = &refit.shared.state_dir {
        for (body, file) in read_snapshots(state_dir, &engine_id(engine).await?).await? {
            let name = body.container.clone();
            by_name.entry(name).or_default().snapshot = Some((body, file));
        }
    }
    let own = |name: &String| TemporaryName::parse(name).map_or_else(|| name.clone(), |temporary| temporary.container);
    for (own_name, leftover) in &mut by_name {
        let renamed = |(name, id): &&(String, String)| {
            name != own_name
                && leftover.temporary.iter().any(|(_, temporary)| id.starts_with(&temporary.other))
                && !leftover.temporary.iter().any(|(temporary, _)| temporary == id)
        };
        leftover.renamed = entries.iter().find(renamed).map(|(_, id)| id.clone());
    }
    let ids = entries.iter().map(|(name, id)| (id.clone(), own(name))).collect();
    for (name, id) in entries {
        if let Some(leftover) = by_name.get_mut(&name) {
            leftover.holder = Some(id);
        }
    }
    Ok(Leftovers { by_name, ids, clock })
}

pub(super) async fn inspect(refit: &Refit, leftover: &Leftover) -> Result<ObservedState> {
    let engine = &refit.shared.engine;
    let mut observed = ObservedState::default();
    for (id, name) in &leftover.temporary {
        let Some(container) = containers::inspect(engine, id).await? else { continue };
        let named = Named { name: name.clone(), container };
        if name.role == Role::New { observed.new.push(named) } else { observed.old.push(named) }
    }
    if let Some(holder) = &leftover.holder {
        observed.holder = containers::inspect(engine, holder).await?;
    }
    if let Some(renamed) = &leftover.renamed {
        observed.renamed = containers::inspect(engine, renamed).await?;
    }
    Ok(observed)
}

impl Leftovers {
    /// Of the one container whose id this is, or begins with it.
    fn own_name_of(&self, id: &str) -> Option<String> {
        let mut found = self.ids.iter().filter(|(whole, _)| id.len() >= 12 && whole.starts_with(id)).map(|(_, name)| name);
        found.next().filter(|_| found.next().is_none()).cloned()
    }
}

impl Leftover {
    /// Whether the old container of this new one can be recreated.
    pub(super) fn has_snapshot_of_old(&self, observed: &ObservedState) -> bool {
        let is_new = |(snapshot, _): &(RecoverySnapshot, SnapshotFile)| {
            observed.new.iter().any(|new| snapshot.is_of_same_run(&new.name, state::id(&new.container)))
        };
        self.snapshot.as_ref().is_some_and(is_new)
    }

    pub(super) fn is_live(&self, clock: Clock) -> bool {
        self.temporary.iter().any(|(_, temporary)| temporary.is_live(clock.now()))
    }

    /// What the decision depends on: the run's own options where its snapshot tells them, else those of the call.
    pub(super) fn circumstances(&self, observed: &ObservedState, options: &RecoverOptions, clock: Clock) -> Circumstances {
        let snapshot = self.snapshot_of_new(observed);
        Circumstances {
            now: clock.now(),
            watch: snapshot.and_then(|snapshot| snapshot.watch).unwrap_or(options.watch()),
            hooks_are_pending: snapshot.is_some_and(|snapshot| !snapshot.after_hooks.is_empty()),
            backups_are_unknown: self.snapshot.is_none() && self.temporary.iter().any(|(_, name)| name.marks.restores_volumes),
        }
    }

    fn snapshot_of_new(&self, observed: &ObservedState) -> Option<&RecoverySnapshot> {
        let new = observed.new_container().map(state::id)?;
        self.snapshot.as_ref().map(|(snapshot, _)| snapshot).filter(|snapshot| snapshot.new_id == new)
    }

    /// What the report has to say beside the situation, because this recovery does not do it.
    pub(super) fn what_is_unknown(&self, observed: &ObservedState, decision: Decision, circumstances: Circumstances) -> String {
        let mut words = String::new();
        let named = observed.new.iter().chain(&observed.old).next();
        let Some(named) = named else { return words };
        let (name, late) = (&named.name, is_late(named.name.lease, circumstances.now, circumstances.watch));
        let starts = matches!(decision, Decision::StartNew | Decision::SettleNew | Decision::Finish | Decision::FinishAndRemoveOld);
        let hooks_are_known = self.snapshot_of_new(observed).is_some();
        if name.marks.after_hooks && ((starts && !hooks_are_known) || (decision == Decision::KeepNew && !hooks_are_known && !late)) {
            words.push_str("; the hooks that were to run after the start are not known here and were not run again");
        } else if decision == Decision::KeepNew && circumstances.hooks_are_pending {
            words.push_str("; the hooks that were to run after the start may not have run, and are not run now");
        }
        let only_old_is_left = observed.new.is_empty() && observed.holder.is_none() && self.snapshot.is_none();
        if let (true, true, [old]) = (only_old_is_left, name.mode.runs(), observed.old.as_slice())
            && state::restart_policy(&old.container) == "no"
            && !state::is_auto_remove(&old.container)
        {
            let sentence = format!(
                "; its restart policy is \"no\", which the interrupted recreation may have set, and nothing tells any more what it was: set it with \
                 docker update --restart POLICY {}",
                name.container
            );
            words.push_str(&sentence);
        }
        words
    }
}
