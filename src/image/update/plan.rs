//! What an update would do, container by container; nothing is changed.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::UpdateOptions;
use super::order::{self, Held};
use super::planned_volumes::PlannedVolume;
use super::preflight::Preflight;
use crate::container::inventory::Inventory;
use crate::container::recover::recover_first;
use crate::container::replacement::Phase;
use crate::container::{ContainerState, ContainersOptions, ImageChange, Warning, create_body, libpod};
use crate::engine::api::system;
use crate::error::shown;
use crate::image::inspect;
use crate::image::{Check, CheckOptions, CheckState};
use crate::image::{ContainerMatch, ImageContainer, RemoteImage};
use crate::operation::call::Call;
use crate::reference::Reference;
use crate::{Code, Error, Failure, Operation, Outcome, Progress, Refit, Result};

/// What [`Refit::update`] would do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
    /// The services of the swarm that have this reference, by their names: an update of the image leaves them as they are (`service_update`). Empty
    /// too where this engine manages no swarm, and where it does not answer, which the warning `services_unknown` says.
    pub services: Vec<String>,
    /// What differs between the two images, once both are known.
    pub image_changes: Vec<ImageChange>,
    /// The tag that will hold the old image, on a store that forgets untagged ones.
    pub keep_as: Option<String>,
    /// What the caller should look at before the confirm.
    pub warnings: Vec<Warning>,
    /// What the update itself needs.
    #[serde(skip)]
    pub(super) steps: Vec<UpdateStep>,
    /// The image that the reference names before.
    #[serde(skip)]
    pub(super) before: Option<Value>,
    /// The kind of the first refusal.
    #[serde(skip)]
    pub(super) refused_with: Option<Code>,
}

/// A container of a plan.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct PlannedContainer {
    /// Its name.
    pub container: String,
    /// The engine's id.
    pub id: String,
    /// The engine's word.
    pub state: ContainerState,
    /// Its reference names another image now, before any pull.
    pub outdated: bool,
    /// Why it is here.
    #[serde(rename = "match")]
    pub matched: ContainerMatch,
    /// What would be done with it.
    pub action: PlannedAction,
    /// Why it is refused, and which option would allow it; why it is left as it is, where a digest pins it or it has another reference.
    pub reason: Option<String>,
    /// 0 first; equal numbers may run side by side.
    pub order: u32,
    /// Those that hold it by its id.
    pub dependents: Vec<String>,
    /// The volumes that would be backed up before, those of its dependents too, where `backup_volumes` asks for it.
    pub volumes: Vec<PlannedVolume>,
    /// With backups, how long it would not run: their time at 100 MB/s, and a second. Not in it is how long it takes to stop. `None`: not known.
    pub estimated_downtime_ms: Option<u64>,
}

/// What would be done with a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PlannedAction {
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
pub(super) struct UpdateStep {
    pub(super) id: String,
    pub(super) name: String,
    /// The reference that it was created from.
    pub(super) reference: String,
    pub(super) order: u32,
    pub(super) runs: bool,
    /// Others are recreated with it, which another turn may be about too.
    pub(super) alone: bool,
    /// Its image, which some stores forget once it has lost its tag.
    pub(super) old_image: Arc<Value>,
}

/// What a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be shown: of many containers the list is enough.
    Plan,
    /// To be carried out: all containers are inspected.
    Update,
}

impl Refit {
    /// What an update of this image would do. Nothing is changed or pulled. A container whose recreation would be refused is listed as
    /// [`Refused`](PlannedAction::Refused).
    ///
    /// On an engine with more than 60 containers beside those of the image, some of the others are only listed, which the warning
    /// `only_listed` says: the list does not show whose processes, memory or volumes a container uses. An update inspects all of them before
    /// it changes anything.
    ///
    /// ```no_run
    /// use refit::Refit;
    /// use refit::image::UpdateOptions;
    ///
    /// # async fn example(refit: Refit) -> Result<(), Box<dyn std::error::Error>> {
    /// let plan = refit.plan_update("alpine:3", UpdateOptions::default()).await?;
    /// for container in &plan.containers {
    ///     println!("{}: {:?}", container.container, container.action);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn plan_update(&self, image: impl Into<String>, options: UpdateOptions) -> Operation<UpdatePlan> {
        let image = image.into();
        let span = tracing::error_span!("img_plan_update", image = %shown(&image));
        self.operation(span, move |refit, call| async move {
            call.run(refit.plan_update_in(&image, &options, &Inventory::default(), Purpose::Plan)).await
        })
    }

    /// The same as a part of a larger call. It may be dropped at any point.
    pub(super) async fn plan_update_in(
        &self,
        image: &str,
        options: &UpdateOptions,
        inventory: &Inventory,
        purpose: Purpose,
    ) -> Outcome<UpdatePlan> {
        Reference::parse(image).map_err(|error| error.with_image(image))?;
        options.recreate.check()?;
        let check_options = CheckOptions { platform: options.platform.clone(), ..CheckOptions::default() };
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
        Ok(self.plan_after(image, options, check, inventory, purpose).await?)
    }

    /// Repairs what interrupted runs have left of the containers that the update is about: a plan refuses them.
    pub(super) async fn recover_containers(&self, call: &Call, image: &str, options: &UpdateOptions) -> Result<()> {
        let containers_options = ContainersOptions::default();
        let members = call.run(self.image_containers(image, &containers_options)).await?.containers;
        // One that was created from another reference is no part of the update.
        for member in selected(members, options)?.into_iter().filter(|member| member.matched == ContainerMatch::Reference) {
            let name = member.container.name;
            let on_phase = |phase: Phase| call.report(Progress::whole("update", name.as_str(), phase.name, 0));
            recover_first(self, call, &name, &on_phase).await?;
        }
        Ok(())
    }

    pub(super) async fn plan_after(
        &self,
        image: &str,
        options: &UpdateOptions,
        check: Check,
        inventory: &Inventory,
        purpose: Purpose,
    ) -> Result<UpdatePlan> {
        let mut before = inspect::find(&self.shared.engine, image).await?;
        if let Some(before) = &mut before {
            libpod::complete_image(&self.shared.engine, before).await?;
        }
        let will_pull = matches!(check.state, CheckState::UpdateAvailable | CheckState::NotLocal);
        let mut plan = UpdatePlan {
            pull: will_pull,
            expect_digest: check.remote.as_ref().map(|remote| remote.digest.clone()),
            download_bytes: check.remote.as_ref().and_then(|remote| remote.download_bytes).filter(|_| will_pull),
            ..UpdatePlan::unknown(image, check)
        };
        let members = self.image_containers(image, &ContainersOptions::default()).await?.containers;
        let members = selected(members, options)?;
        let looked = self.preflight_all(&members, will_pull, options, inventory, purpose, &mut plan.warnings).await?;
        let held: Vec<Held> = looked.iter().map(Preflight::held).collect();
        for ((member, look), order) in members.iter().zip(&looked).zip(order::of(&held)) {
            plan.containers.push(look.planned(member, order));
            plan.steps.extend(look.step(order));
        }
        plan.containers.sort_by_key(|container| (container.order, container.action != PlannedAction::RecreateAndStart));
        plan.steps.sort_by_key(|turn| (turn.order, !turn.runs));
        let first = looked.iter().find_map(|look| look.prepared.as_ref());
        let new_image = if will_pull { plan.check.remote.as_ref().and_then(RemoteImage::inspect) } else { before.clone() };
        let old_image = if will_pull { before.clone() } else { first.map(|prepared| Value::clone(&prepared.old_image)) };
        if let (Some(old), Some(new)) = (old_image, new_image) {
            plan.image_changes = create_body::image_changes(&old, &new);
            let concerned: Vec<Value> = looked.iter().filter_map(|look| Some(look.prepared.as_ref()?.container.clone())).collect();
            plan.warnings.extend(create_body::plan_warnings(&old, &new, &concerned));
        }
        let new_image = plan.check.remote.as_ref().and_then(RemoteImage::inspect).filter(|_| will_pull);
        let recreated = looked.iter().filter_map(|look| look.prepared.as_ref());
        for prepared in recreated.flat_map(|prepared| [prepared].into_iter().chain(&prepared.dependents)).filter(|one| one.mode().runs()) {
            let new_image = new_image.as_ref().or(prepared.new_image.as_deref()).unwrap_or(&prepared.old_image);
            let healthcheck = create_body::healthcheck_of_new(&prepared.container, &prepared.old_image, new_image);
            plan.warnings.extend(options.recreate.watch_warnings(&prepared.container, &healthcheck));
        }
        if purpose == Purpose::Plan && options.recreate.count_layer_changes {
            let prepared = looked.iter().filter_map(|look| look.prepared.as_ref());
            plan.warnings.extend(self.lost_files(prepared.map(|prepared| &prepared.container)).await);
        }
        if purpose == Purpose::Plan {
            let prepared = looked.iter().filter_map(|look| look.prepared.as_ref());
            let all = prepared.flat_map(|prepared| [prepared].into_iter().chain(&prepared.dependents));
            plan.warnings.extend(all.flat_map(|one| one.volumes.warnings.iter().cloned()));
            self.complete_volumes(&mut plan).await;
        }
        if let Some((name, digest)) = image.split_once('@') {
            let message = format!("the digest {digest} pins it to one image, whatever {name} names: it never has an update");
            plan.warnings.push(Warning { code: "pinned".into(), container: None, message });
        }
        let mut info = None;
        if let Some(bytes) = plan.download_bytes {
            let read = system::info(&self.shared.engine).await?;
            plan.warnings.extend(create_body::disk_warning(&read, bytes));
            info = Some(read);
        }
        if purpose == Purpose::Plan {
            match self.services_of(image, info.as_ref()).await {
                Ok(services) => plan.services = services,
                // An update leaves services as they are, so that a plan is of use without them.
                Err(error) => {
                    let message = format!("whether services of the swarm have this image is not known: {}", error.message());
                    plan.warnings.push(Warning { code: "services_unknown".into(), container: None, message });
                }
            }
        }
        if will_pull && let Some(before) = &before {
            plan.keep_as = self.keep_as(image, before).await?;
        }
        plan.refused_with = looked.iter().find_map(|look| look.refused.as_ref()).map(Error::code);
        plan.before = before;
        Ok(plan)
    }

    /// The tag that holds the image while its own is moved, where it would be deleted without one.
    pub(super) async fn keep_as(&self, image: &str, before: &Value) -> Result<Option<String>> {
        if self.forgets_untagged().await? { self.previous_tag(image, before).map(Some) } else { Ok(None) }
    }
}

/// The containers that the options name; one that is not of this image is an error.
fn selected(members: Vec<ImageContainer>, options: &UpdateOptions) -> Result<Vec<ImageContainer>> {
    let Some(wanted) = &options.containers else { return Ok(members) };
    let is = |member: &ImageContainer, name: &String| member.container.name == *name || member.container.id == *name;
    if let Some(unknown) = wanted.iter().find(|name| !members.iter().any(|member| is(member, name))) {
        let message = format!("option \"containers\": {} is not a container of this image (img_containers lists them)", shown(unknown));
        return Err(Code::InvalidArgument.error(message).with_container(unknown));
    }
    Ok(members.into_iter().filter(|member| wanted.iter().any(|name| is(member, name))).collect())
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
            services: Vec::new(),
            image_changes: Vec::new(),
            keep_as: None,
            warnings: Vec::new(),
            steps: Vec::new(),
            before: None,
            refused_with: None,
        }
    }

    /// The first refusal, as the error of an update that includes it.
    pub(super) fn refusal(&self) -> Option<&PlannedContainer> {
        self.containers.iter().find(|container| container.action == PlannedAction::Refused)
    }
}
