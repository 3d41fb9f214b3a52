//! What an update would do, container by container; nothing is changed.

use futures_util::future;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::order::{self, Held};
use super::{PREVIOUS, UpdateOptions};
use crate::call::Call;
use crate::container::recover::recover_first;
use crate::container::recreate::{self, Prepared, find, preflight};
use crate::container::{ContainersOptions, ImageChange, Warning, libpod, spec, state};
use crate::engine::Store;
use crate::image::inspect::{self, text};
use crate::image::{Check, CheckOptions, State};
use crate::image::{ImageContainer, Match, RemoteImage};
use crate::reference::Reference;
use crate::{Code, Error, Failure, Outcome, Progress, Refit, Result};

/// What [`Refit::update`] would do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "img_plan_update")]
#[non_exhaustive]
pub struct UpdatePlan {
    /// As asked.
    pub image: String,
    /// What the registry said.
    pub check: Check,
    /// A newer image would be pulled.
    pub pull: bool,
    /// To be handed to the update, so that it does what was confirmed.
    pub expect_digest: Option<String>,
    /// What the pull would download.
    pub download_bytes: Option<u64>,
    /// Every container of the image, in the order of their turn.
    pub containers: Vec<PlannedContainer>,
    /// What differs between the two images, once both are known.
    pub image_changes: Vec<ImageChange>,
    /// The tag that will hold the old image, on a store that forgets untagged ones.
    pub keep_as: Option<String>,
    /// What the caller should look at before the confirm.
    pub warnings: Vec<Warning>,
    /// What the update itself needs.
    #[serde(skip)]
    pub(super) turns: Vec<Turn>,
    /// The image that the reference names before.
    #[serde(skip)]
    pub(super) before: Option<Value>,
    /// The kind of the first refusal.
    #[serde(skip)]
    pub(super) refused_with: Option<Code>,
}

/// A container of a plan.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct PlannedContainer {
    /// Its name.
    pub container: String,
    /// The engine's id.
    pub id: String,
    /// The engine's word.
    pub state: String,
    /// Its reference names another image now, before any pull.
    pub outdated: bool,
    /// Why it is here.
    #[serde(rename = "match")]
    pub matched: Match,
    /// What would be done with it.
    pub action: Action,
    /// Why it is refused, and which option would allow it.
    pub reason: Option<String>,
    /// 0 first; equal numbers may run side by side.
    pub order: u32,
    /// Those that hold it by its id.
    pub dependents: Vec<String>,
    /// `None`: not known.
    pub estimated_downtime_ms: Option<u64>,
}

/// What would be done with a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// It is rebuilt, and runs again.
    RecreateAndStart,
    /// It is rebuilt, and does not run, as before.
    Recreate,
    /// It is made from the current image.
    UpToDate,
    /// It was created from another reference.
    OtherReference,
    /// It cannot be rebuilt; an update that includes it does nothing.
    Refused,
}

/// A container whose turn will come, with what was read of it before the pull.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) order: u32,
    pub(super) runs: bool,
    /// Others are recreated with it, which another turn may be about too.
    pub(super) alone: bool,
    /// Its image, which some stores forget once it has lost its tag.
    pub(super) old_image: Value,
}

impl Refit {
    /// What an update of this image would do. Nothing is changed or pulled; every refusal of a recreation is found here.
    pub async fn plan_update(&self, image: &str, options: &UpdateOptions) -> Outcome<UpdatePlan> {
        Reference::parse(image).map_err(|error| error.with_image(image))?;
        options.recreate.check()?;
        let mut check_options = CheckOptions::default();
        check_options.platform.clone_from(&options.platform);
        let check = match self.check_update_in(&Call::default(), image, &check_options).await {
            Ok(check) => check,
            Err(failure) => {
                let Failure { error, report } = *failure;
                return Err(match report {
                    Some(check) => Failure::with_report(error, UpdatePlan::unknown(image, check)),
                    None => error.into(),
                });
            }
        };
        Ok(self.plan_after(image, options, check).await?)
    }

    /// Repairs what interrupted runs have left of the containers that the update is about: a plan refuses them.
    pub(super) async fn recover_containers(&self, call: &Call, image: &str, options: &UpdateOptions) -> Result<()> {
        let containers_options = ContainersOptions::default();
        let members = call.run(self.image_containers(image, &containers_options)).await?.containers;
        // One that was created from another reference is no part of the update.
        for member in chosen(members, options)?.into_iter().filter(|member| member.matched == Match::Reference) {
            let name = member.container.name;
            let on_phase = |phase: &'static str, _: u32| call.report(Progress::whole("update", name.as_str(), phase, 0));
            recover_first(self, call, &name, &on_phase).await?;
        }
        Ok(())
    }

    async fn plan_after(&self, image: &str, options: &UpdateOptions, check: Check) -> Result<UpdatePlan> {
        let mut before = inspect::find(&self.shared.engine, image).await?;
        if let Some(before) = &mut before {
            libpod::complete_image(&self.shared.engine, before).await?;
        }
        let new_comes = matches!(check.state, State::UpdateAvailable | State::NotLocal);
        let mut plan = UpdatePlan {
            pull: new_comes,
            expect_digest: check.remote.as_ref().map(|remote| remote.digest.clone()),
            download_bytes: check.remote.as_ref().and_then(|remote| remote.download_bytes).filter(|_| new_comes),
            ..UpdatePlan::unknown(image, check)
        };
        let members = self.image_containers(image, &ContainersOptions::default()).await?.containers;
        let members = chosen(members, options)?;
        let look = recreate::look(&self.shared.engine).await?;
        let looked = future::try_join_all(members.iter().map(|member| self.look_at(&look, member, new_comes, options))).await?;
        let held: Vec<Held> = looked.iter().map(Look::held).collect();
        for ((member, look), order) in members.iter().zip(&looked).zip(order::of(&held)) {
            plan.containers.push(look.planned(member, order));
            plan.turns.extend(look.turn(order));
        }
        plan.containers.sort_by_key(|container| (container.order, container.action != Action::RecreateAndStart));
        plan.turns.sort_by_key(|turn| (turn.order, !turn.runs));
        let first = looked.iter().find_map(|look| look.prepared.as_ref());
        let new_image = if new_comes { plan.check.remote.as_ref().and_then(RemoteImage::inspect) } else { before.clone() };
        let old_image = if new_comes { before.clone() } else { first.map(|prepared| prepared.old_image.clone()) };
        if let (Some(old), Some(new)) = (old_image, new_image) {
            plan.image_changes = spec::image_changes(&old, &new);
            let concerned: Vec<Value> = looked.iter().filter_map(|look| Some(look.prepared.as_ref()?.container.clone())).collect();
            plan.warnings = spec::plan_warnings(&old, &new, &concerned);
        }
        if let Some(bytes) = plan.download_bytes {
            let info = self.shared.engine.get("asking the engine for its free disk", "/info").await?;
            plan.warnings.extend(spec::disk_warning(&info, bytes));
        }
        if new_comes && let Some(before) = &before {
            plan.keep_as = self.keep_as(image, before).await?;
        }
        plan.refused_with = looked.iter().find_map(|look| look.refused.as_ref()).map(Error::code);
        plan.before = before;
        Ok(plan)
    }

    /// Engine 26 with containerd's store deletes an image that has lost its tag; 28 keeps it while a container uses it.
    async fn keep_as(&self, image: &str, before: &Value) -> Result<Option<String>> {
        let facts = self.shared.engine.facts().await?;
        let major = facts.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if facts.store != Store::Containerd || major.is_none_or(|major| major >= 28) {
            return Ok(None);
        }
        let id = text(before, "/Id").unwrap_or_default();
        let digits: String = id.trim_start_matches("sha256:").chars().take(12).collect();
        Ok(Some(format!("{}:{PREVIOUS}{digits}", Reference::parse(image)?.familiar_name())))
    }

    async fn look_at(&self, around: &recreate::Look, member: &ImageContainer, new_comes: bool, options: &UpdateOptions) -> Result<Look> {
        let moves = member.matched == Match::Reference && (new_comes || member.container.outdated || options.force);
        let mut look = Look { moves, ..Look::default() };
        if !moves {
            return Ok(look);
        }
        let engine = &self.shared.engine;
        let prepared = match find(engine, &member.container.id).await {
            Ok(found) => preflight(engine, around, &found, &options.recreate, None).await,
            Err(error) => Err(error),
        };
        match prepared {
            Ok(prepared) => look.prepared = Some(prepared),
            // An engine that does not answer is no property of the container.
            Err(error) if error.code() == Code::Unreachable => return Err(error),
            Err(error) => look.refused = Some(error),
        }
        Ok(look)
    }
}

/// The containers that the options name; one that is not of this image is an error.
fn chosen(members: Vec<ImageContainer>, options: &UpdateOptions) -> Result<Vec<ImageContainer>> {
    let Some(wanted) = &options.containers else { return Ok(members) };
    let is = |member: &ImageContainer, name: &String| member.container.name == *name || member.container.id == *name;
    if let Some(unknown) = wanted.iter().find(|name| !members.iter().any(|member| is(member, name))) {
        let message = format!("option \"containers\": {unknown} is no container of this image (img_containers lists them)");
        return Err(Code::InvalidArgument.error(message).with_container(unknown));
    }
    Ok(members.into_iter().filter(|member| wanted.iter().any(|name| is(member, name))).collect())
}

/// What was found out about one container.
#[derive(Default)]
struct Look {
    moves: bool,
    prepared: Option<Prepared>,
    refused: Option<Error>,
}

impl Look {
    fn held(&self) -> Held {
        match &self.prepared {
            Some(prepared) => Held {
                id: state::id(&prepared.container).to_owned(),
                dependents: spec::dependents(&prepared.container, &prepared.around.containers).into_iter().map(|one| one.id).collect(),
            },
            None => Held::default(),
        }
    }

    fn planned(&self, member: &ImageContainer, order: u32) -> PlannedContainer {
        let runs = matches!(member.container.state.as_str(), "running" | "restarting" | "paused");
        let action = match (&self.refused, member.matched) {
            (_, Match::SameImage) => Action::OtherReference,
            (Some(_), _) => Action::Refused,
            (None, _) if !self.moves => Action::UpToDate,
            (None, _) if runs => Action::RecreateAndStart,
            (None, _) => Action::Recreate,
        };
        let dependents = self.prepared.as_ref().map(|prepared| spec::dependents(&prepared.container, &prepared.around.containers));
        PlannedContainer {
            container: member.container.name.clone(),
            id: member.container.id.clone(),
            state: member.container.state.clone(),
            outdated: member.container.outdated,
            matched: member.matched,
            action,
            reason: self.refused.as_ref().map(|error| error.message().to_owned()),
            order,
            dependents: dependents.into_iter().flatten().map(|dependent| dependent.name).collect(),
            estimated_downtime_ms: None,
        }
    }

    fn turn(&self, order: u32) -> Option<Turn> {
        let prepared = self.prepared.as_ref()?;
        Some(Turn {
            id: state::id(&prepared.container).to_owned(),
            name: prepared.name().to_owned(),
            order,
            runs: state::mode(&prepared.container).runs(),
            alone: !prepared.dependents.is_empty(),
            old_image: prepared.old_image.clone(),
        })
    }
}

impl UpdatePlan {
    /// Nothing but what the check said.
    fn unknown(image: &str, check: Check) -> Self {
        Self {
            image: image.to_owned(),
            check,
            pull: false,
            expect_digest: None,
            download_bytes: None,
            containers: Vec::new(),
            image_changes: Vec::new(),
            keep_as: None,
            warnings: Vec::new(),
            turns: Vec::new(),
            before: None,
            refused_with: None,
        }
    }

    /// The first refusal, as the error of an update that includes it.
    pub(super) fn refusal(&self) -> Option<&PlannedContainer> {
        self.containers.iter().find(|container| container.action == Action::Refused)
    }
}
