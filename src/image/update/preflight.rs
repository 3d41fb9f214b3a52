//! What a plan finds out about each container: whether it would be refused, with which others it is recreated, which of its files are lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::UpdateOptions;
use super::order::Held;
use super::plan::{PlannedAction, PlannedContainer, Purpose, UpdateStep};
use super::planned_volumes;
use crate::container::inventory::{Depth, INSPECTS_AT_ONCE, Inventory};
use crate::container::lost_files::LostFiles;
use crate::container::recreate::{self, EngineSnapshot, Prepared, find, plan_backups, preflight};
use crate::container::{Warning, state};
use crate::engine::Engine;
use crate::image::{ContainerMatch, ImageContainer};
use crate::{Code, Error, Refit, Result};

impl Refit {
    /// The files of the writable layers, which will be lost; an engine that does not tell in time is no failure of a plan.
    pub(super) async fn lost_files(&self, containers: impl Iterator<Item = &Value>) -> Vec<Warning> {
        let reading: Vec<_> = containers.map(|container| lost_files_of(&self.shared.engine, container)).collect();
        let mut reading = stream::iter(reading).buffer_unordered(INSPECTS_AT_ONCE);
        let (mut warnings, mut unknown) = (Vec::new(), Vec::new());
        while let Some((container, lost)) = reading.next().await {
            match lost {
                Some(lost) => warnings.extend(lost.warning(container)),
                None => unknown.push(state::name(container).to_owned()),
            }
        }
        warnings.sort_by(|one, other| one.container.cmp(&other.container));
        if !unknown.is_empty() {
            unknown.sort();
            let message = format!("the engine did not tell within 2 s which files outside of volumes will be lost: {}", unknown.join(", "));
            warnings.push(Warning { code: "writable_layer_unknown".into(), container: None, message });
        }
        warnings
    }

    /// The containers of the image are inspected first, then what is around them is read once.
    pub(super) async fn preflight_all(
        &self,
        members: &[ImageContainer],
        will_pull: bool,
        options: &UpdateOptions,
        inventory: &Inventory,
        purpose: Purpose,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<Preflight>> {
        let engine = &self.shared.engine;
        let moves = |member: &ImageContainer| {
            member.matched == ContainerMatch::Reference && (will_pull || member.container.outdated || options.force)
        };
        let finding: Vec<_> = members.iter().map(|member| find_moved(engine, member, moves(member))).collect();
        let found: Vec<Option<Result<Value>>> = stream::iter(finding).buffered(INSPECTS_AT_ONCE).try_collect().await?;
        found.iter().flatten().flatten().for_each(|inspect| inventory.learn(inspect));
        let ids: BTreeSet<String> = found.iter().flatten().flatten().map(|inspect| state::id(inspect).to_owned()).collect();
        let depth = match purpose {
            Purpose::Plan => Depth::Plan(&ids),
            Purpose::Update => Depth::Whole,
        };
        let around = recreate::read_engine(engine, inventory, depth).await?;
        warnings.extend(only_listed(around.only_listed));
        warnings.extend(around.bystander_warnings());
        let preflights: Vec<_> = found.into_iter().map(|found| Preflight::of(self, &around, found, options)).collect();
        stream::iter(preflights).buffered(INSPECTS_AT_ONCE).try_collect().await
    }
}

async fn lost_files_of<'a>(engine: &Engine, container: &'a Value) -> (&'a Value, Option<LostFiles>) {
    (container, LostFiles::read(engine, container).await)
}

/// The inspect of a container that would be recreated, or why it would be refused.
async fn find_moved(engine: &Engine, member: &ImageContainer, moves: bool) -> Result<Option<Result<Value>>> {
    if !moves {
        return Ok(None);
    }
    match find(engine, &member.container.id).await {
        // An engine that does not answer is no property of the container.
        Err(error) if error.code() == Code::Unreachable => Err(error),
        found => Ok(Some(found)),
    }
}

/// A plan among many containers does not inspect all of them.
fn only_listed(count: usize) -> Option<Warning> {
    let message = format!(
        "{count} of the engine's containers were only listed, and the list does not show whose processes, memory or volumes they use: if one \
         uses those of a container of this image, the update refuses, before anything is changed, or recreates it too where recreate_dependents \
         is set"
    );
    (count > 0).then(|| Warning { code: "only_listed".into(), container: None, message })
}

async fn prepare(refit: &Refit, around: &EngineSnapshot, found: &Value, options: &UpdateOptions) -> Result<Prepared> {
    let mut prepared = preflight(&refit.shared.engine, around, found, &options.recreate, None).await?;
    plan_backups(refit, around, &mut prepared, &options.recreate).await?;
    Ok(prepared)
}

/// What was found out about one container.
#[derive(Default)]
pub(super) struct Preflight {
    moves: bool,
    pub(super) prepared: Option<Prepared>,
    pub(super) refused: Option<Error>,
}

impl Preflight {
    async fn of(refit: &Refit, around: &EngineSnapshot, found: Option<Result<Value>>, options: &UpdateOptions) -> Result<Self> {
        let prepared = match found {
            None => return Ok(Self::default()),
            Some(Ok(found)) => prepare(refit, around, &found, options).await,
            Some(Err(error)) => Err(error),
        };
        match prepared {
            Ok(prepared) => Ok(Self { moves: true, prepared: Some(prepared), refused: None }),
            Err(error) if error.code() == Code::Unreachable => Err(error),
            Err(error) => Ok(Self { moves: true, prepared: None, refused: Some(error) }),
        }
    }

    pub(super) fn held(&self) -> Held {
        match &self.prepared {
            Some(prepared) => Held {
                id: state::id(&prepared.container).to_owned(),
                dependents: prepared.dependents.iter().map(|one| state::id(&one.container).to_owned()).collect(),
            },
            None => Held::default(),
        }
    }

    pub(super) fn planned(&self, member: &ImageContainer, order: u32) -> PlannedContainer {
        let runs = member.container.state.is_running();
        let action = match (&self.refused, member.matched) {
            (_, ContainerMatch::SameImage) => PlannedAction::OtherReference,
            (Some(_), _) => PlannedAction::Refused,
            (None, _) if !self.moves => PlannedAction::UpToDate,
            (None, _) if runs => PlannedAction::RecreateAndStart,
            (None, _) => PlannedAction::Recreate,
        };
        let dependents = self.prepared.iter().flat_map(|prepared| &prepared.dependents);
        PlannedContainer {
            container: member.container.name.clone(),
            id: member.container.id.clone(),
            state: member.container.state.clone(),
            outdated: member.container.outdated,
            matched: member.matched,
            action,
            reason: self.refused.as_ref().map(|error| error.message().to_owned()).or_else(|| why_not(member, action)),
            order,
            dependents: dependents.map(|dependent| dependent.name().to_owned()).collect(),
            volumes: self.prepared.as_ref().map(planned_volumes::of).unwrap_or_default(),
            estimated_downtime_ms: None,
        }
    }

    pub(super) fn step(&self, order: u32) -> Option<UpdateStep> {
        let prepared = self.prepared.as_ref()?;
        Some(UpdateStep {
            id: state::id(&prepared.container).to_owned(),
            name: prepared.name().to_owned(),
            reference: prepared.reference().to_owned(),
            order,
            runs: prepared.mode().runs(),
            alone: !prepared.dependents.is_empty(),
            old_image: Arc::clone(&prepared.old_image),
        })
    }
}

/// Why a container that is not refused is left as it is, where that is not plain.
fn why_not(member: &ImageContainer, action: PlannedAction) -> Option<String> {
    let reference = &member.container.image;
    if matches!(action, PlannedAction::UpToDate | PlannedAction::OtherReference)
        && let Some((name, digest)) = reference.split_once('@')
    {
        return Some(format!("it was created from {reference}: the digest {digest} pins it to that image, whatever {name} names"));
    }
    let message = || format!("it was created from {reference}, which names the same image now: an update of that reference recreates it");
    (action == PlannedAction::OtherReference).then(message)
}
