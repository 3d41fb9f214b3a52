//! Repairing what a recreation left that was killed: in this process or another, from the engine's state alone.

mod act;
mod from_file;
mod group;
mod table;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::in_hand::InHand;
use super::lease::Clock;
use super::names::{self, Role, TemporaryName};
use super::recreate::{KeptBody, KeptFile, OnPhase, engine_id, kept};
use super::{requests, state};
use crate::call::Call;
use crate::{Code, Error, ErrorDocument, Failure, Operation, Outcome, Progress, Refit, Result};
use act::Taking;
use from_file::FromFile;
use table::{Decision, Named, Standing};

/// How interrupted recreations are repaired.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RecoverOptions {
    /// Tell what would be done, and do nothing. Default: off.
    pub dry_run: bool,
    /// Do not wait for the lease of a run that may be alive to end, at most 30 s after its death. Default: off.
    pub force: bool,
}

/// What was found, and what was done about it.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[schemars(rename = "recovery")]
#[non_exhaustive]
pub struct Recovery {
    /// One for each name that a recreation has left.
    pub found: Vec<Recovered>,
}

/// One interrupted recreation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "recovered")]
#[non_exhaustive]
pub struct Recovered {
    /// The container's name.
    pub container: String,
    /// What was found, in words.
    pub situation: String,
    /// What was done; beside an error, what is still to be done.
    pub action: RecoveryAction,
    /// Why it could not be done.
    pub error: Option<ErrorDocument>,
}

/// What became of an interrupted recreation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecoveryAction {
    /// The new container has the name.
    Finished,
    /// The old one is back as before.
    Undone,
    /// The new one was in its place already; the old one was removed.
    RemovedOld,
    /// A run may be at work on it; nothing was touched.
    Busy,
    /// Other containers are in the way; nothing was touched.
    Foreign,
    /// It would be finished.
    WouldFinish,
    /// It would be undone.
    WouldUndo,
}

impl Refit {
    /// Repairs what interrupted recreations have left: of one container, or of all.
    ///
    /// Whether each is finished or undone follows from what stands on the engine. Runs that may be alive, and names that something else has
    /// taken, are told and not touched. What cannot be repaired has its own error, and the first is the call's.
    pub fn recover(&self, container: Option<&str>, options: RecoverOptions) -> Operation<Recovery> {
        let container = container.map(str::to_owned);
        self.operation(move |refit, call| async move {
            let report =
                |subject: &str, phase: &'static str, permille: u32| call.report(Progress::whole("recover", subject, phase, permille));
            let recovery = recover(&refit, &call, container.as_deref(), &options, &report).await?;
            report(container.as_deref().unwrap_or_default(), "done", 1000);
            Ok(recovery)
        })
    }
}

/// Repairs before a recreation, which is not begun when something stays that is not repaired.
pub(crate) async fn recover_first(refit: &Refit, call: &Call, container: &str, on_phase: OnPhase<'_>) -> Result<()> {
    let report = |_: &str, phase: &'static str, _: u32| on_phase(phase, 0);
    let recovery = recover(refit, call, Some(container), &RecoverOptions::default(), &report).await?;
    for found in &recovery.found {
        let code = match found.action {
            RecoveryAction::Busy => Code::Busy,
            RecoveryAction::Foreign => Code::Conflict,
            _ => continue,
        };
        return Err(code.error(format!("container {}: {}", found.container, found.situation)).with_container(found.container.clone()));
    }
    Ok(())
}

/// What one name has left.
#[derive(Debug, Default)]
struct Leftover {
    temporary: Vec<(String, TemporaryName)>,
    holder: Option<String>,
    kept: Option<(KeptBody, KeptFile)>,
}

type Report<'a> = &'a (dyn Fn(&str, &'static str, u32) + Send + Sync);

async fn recover(refit: &Refit, call: &Call, container: Option<&str>, options: &RecoverOptions, report: Report<'_>) -> Outcome<Recovery> {
    report(container.unwrap_or_default(), "checking", 0);
    let groups = call.run(leftovers(refit, container)).await?;
    let (count, mut recovery, mut first) = (groups.len() as u32, Recovery::default(), None);
    for (index, names) in groups.into_iter().enumerate() {
        if let Err(error) = call.check() {
            return Err(Failure::with_report(error, recovery));
        }
        let on_phase = |phase: &'static str, permille: u32| {
            report(names.first().map_or("", String::as_str), phase, (index as u32 * 1000 + permille) / count);
        };
        let found = match names.as_slice() {
            [name] => one(refit, call, name, options, &on_phase).await.into_iter().collect(),
            names => group::together(refit, call, names, options, &on_phase).await,
        };
        for (found, error) in found {
            recovery.found.push(found);
            first = first.or(error);
        }
    }
    match first {
        None => Ok(recovery),
        Some(error) => Err(Failure::with_report(error, recovery)),
    }
}

/// The names that have something left; those of one run together.
async fn leftovers(refit: &Refit, container: Option<&str>) -> Result<Vec<Vec<String>>> {
    let left = read(refit).await?;
    let wanted = container.map(|container| {
        let container = container.trim_start_matches('/');
        TemporaryName::parse(container).map_or_else(|| container.to_owned(), |temporary| temporary.container)
    });
    let mut members = Vec::new();
    for (name, leftover) in &left.by_name {
        let standing = inspect(refit, leftover).await?;
        members.push((name.clone(), standing));
    }
    // By its id, a container has a name.
    let wanted = wanted.map(|wanted| left.own_name_of(&wanted).unwrap_or(wanted));
    let groups = group::groups(&members).into_iter();
    Ok(groups.filter(|names| wanted.as_ref().is_none_or(|wanted| names.contains(wanted))).collect())
}

/// What was read from the engine, and from the handle's folder.
struct Left {
    /// Every name that has something left.
    by_name: BTreeMap<String, Leftover>,
    /// The ids of all containers, with the names that they have in their ordinary life.
    ids: BTreeMap<String, String>,
    clock: Clock,
}

impl Left {
    /// Of the one container whose id this is, or begins with it.
    fn own_name_of(&self, id: &str) -> Option<String> {
        let mut found = self.ids.iter().filter(|(whole, _)| id.len() >= 12 && whole.starts_with(id)).map(|(_, name)| name);
        found.next().filter(|_| found.next().is_none()).cloned()
    }
}

async fn read(refit: &Refit) -> Result<Left> {
    let engine = &refit.shared.engine;
    let (list, now) = requests::list(engine).await?;
    let clock = Clock::at(now);
    let mut by_name: BTreeMap<String, Leftover> = BTreeMap::new();
    let named = |entry: &serde_json::Value| Some((names::own_name(entry)?.to_owned(), entry.get("Id")?.as_str()?.to_owned()));
    let entries: Vec<(String, String)> = list.iter().filter_map(named).collect();
    for (name, id) in &entries {
        if let Some(temporary) = TemporaryName::parse(name) {
            by_name.entry(temporary.container.clone()).or_default().temporary.push((id.clone(), temporary));
        }
    }
    if let Some(state_dir) = &refit.shared.options.state_dir {
        for (body, file) in kept(state_dir, &engine_id(engine).await?).await? {
            let name = body.container.clone();
            by_name.entry(name).or_default().kept = Some((body, file));
        }
    }
    let own = |name: &String| TemporaryName::parse(name).map_or_else(|| name.clone(), |temporary| temporary.container);
    let ids = entries.iter().map(|(name, id)| (id.clone(), own(name))).collect();
    for (name, id) in entries {
        if let Some(leftover) = by_name.get_mut(&name) {
            leftover.holder = Some(id);
        }
    }
    Ok(Left { by_name, ids, clock })
}

impl Leftover {
    /// Whether the old container can be made again that the new one was to replace.
    fn keeps_old_of(&self, standing: &Standing) -> bool {
        let is_new =
            |(kept, _): &(KeptBody, KeptFile)| standing.new.iter().any(|new| kept.is_of_failed(&new.name, state::id(&new.container)));
        self.kept.as_ref().is_some_and(is_new)
    }

    fn is_live(&self, clock: Clock) -> bool {
        self.temporary.iter().any(|(_, temporary)| temporary.is_live(clock.now()))
    }
}

/// What is told of a name, with the error as the call's.
fn found(name: &str, situation: &str, action: RecoveryAction, error: Option<Error>) -> (Recovered, Option<Error>) {
    let error = error.map(|error| error.with_container(name));
    let document = error.as_ref().map(Error::document);
    (Recovered { container: name.to_owned(), situation: situation.to_owned(), action, error: document }, error)
}

const IN_HAND: &str = "this process works on it";
const LIVE: &str = "a recreation is at work on it, or was until a moment ago";

/// Repairs one name; `None` when nothing was left after all.
async fn one(
    refit: &Refit,
    call: &Call,
    name: &str,
    options: &RecoverOptions,
    on_phase: OnPhase<'_>,
) -> Option<(Recovered, Option<Error>)> {
    let found = |situation: &str, action, error: Option<Error>| Some(found(name, situation, action, error));
    let Some(in_hand) = InHand::take(&refit.shared.engine.endpoint().to_string(), name, "recover") else {
        return found(IN_HAND, RecoveryAction::Busy, None);
    };
    let on_phase = |phase: &'static str, permille: u32| {
        in_hand.phase(phase, permille);
        on_phase(phase, permille);
    };
    loop {
        let (leftover, ids, clock) = match read(refit).await {
            Ok(mut left) => (left.by_name.remove(name)?, left.ids, left.clock),
            Err(error) => return found("the engine could not be asked", RecoveryAction::WouldUndo, Some(error)),
        };
        if leftover.is_live(clock) && !options.force {
            return found(LIVE, RecoveryAction::Busy, None);
        }
        let standing = match inspect(refit, &leftover).await {
            Ok(standing) => standing,
            Err(error) => return found("the containers could not be inspected", RecoveryAction::WouldUndo, Some(error)),
        };
        if leftover.temporary.is_empty() {
            let (kept, file) = leftover.kept?;
            let from_file = FromFile { refit, name, clock, kept, file, holder: standing.holder };
            let (situation, action, error) = from_file.act(options.dry_run, &on_phase).await?;
            return found(situation, action, error);
        }
        let (mut situation, mut decision) = table::decide(&standing);
        if decision.is_after_the_swap() && standing.is_orphan(&ids) {
            (situation, decision) = (group::ORPHAN.to_owned(), Decision::Undo);
        }
        if decision == Decision::Forward && leftover.keeps_old_of(&standing) {
            (situation, decision) = ("only the new container is left; the old one's configuration was kept".to_owned(), Decision::Undo);
        }
        if decision == Decision::WaitForRemoval && !options.dry_run {
            let holder = standing.holder.as_ref().map(state::id).unwrap_or_default();
            match call.run(requests::await_removal(&refit.shared.engine, holder)).await {
                Ok(()) => continue,
                Err(error) => return found(&situation, RecoveryAction::WouldFinish, Some(error)),
            }
        }
        if options.dry_run || decision == Decision::Leave {
            return found(&situation, act::would(decision), None);
        }
        let taking = Taking { refit, call, name, clock, kept: leftover.kept, on_phase: &on_phase };
        let (action, error) = act::act(taking, &standing, decision).await;
        if error.as_ref().is_some_and(|error| error.code() == Code::Busy) {
            return found(&situation, RecoveryAction::Busy, None);
        }
        return found(&situation, action, error);
    }
}

async fn inspect(refit: &Refit, leftover: &Leftover) -> Result<Standing> {
    let engine = &refit.shared.engine;
    let mut standing = Standing::default();
    for (id, name) in &leftover.temporary {
        let Some(container) = requests::inspect(engine, id).await? else { continue };
        let named = Named { name: name.clone(), container };
        if name.role == Role::New { standing.new.push(named) } else { standing.old.push(named) }
    }
    if let Some(holder) = &leftover.holder {
        standing.holder = requests::inspect(engine, holder).await?;
    }
    Ok(standing)
}
