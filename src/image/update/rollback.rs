//! `img_rollback`: the image that was in use before gets the tag again, and the containers are recreated from it. No registry is asked.

use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::containers::recreate_in_order;
use super::plan::Purpose;
use super::report::worst;
use super::rollback_target::RollbackTarget;
use super::tag::OwnPull;
use super::{ContainerUpdate, TagFate, UpdateOptions, UpdateReport, update_of};
use crate::container::RecreateOptions;
use crate::container::inventory::Inventory;
use crate::container::replacement::run_guard::RunGuard;
use crate::engine::api::images;
use crate::error::shown;
use crate::history::{Draft, HistoryImage, HistoryKind};
use crate::image::{Check, CheckState, ImageIdentity, inspect};
use crate::json::optional_text;
use crate::operation::call::Call;
use crate::reference::Reference;
use crate::{Code, Failure, Operation, Outcome, Progress, Refit, Result};

/// How an image is rolled back.
#[derive(Debug, Clone, Default)]
pub struct RollbackOptions {
    /// The id of the image to go to. Default: the one that the tag named before the last update or pull.
    pub to: Option<String>,
    /// How each container is recreated.
    pub recreate: RecreateOptions,
}

/// What a rollback to an earlier image did.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "img_rollback")]
#[non_exhaustive]
pub struct RollbackReport {
    /// As an update; `check` and `pull` are `None`.
    #[serde(flatten)]
    pub update: UpdateReport,
    /// The image that was gone to, once it is known.
    pub to: Option<HistoryImage>,
}

impl Refit {
    /// Rolls an image back, as an operator asks for it after an update that succeeded: the tag names the earlier image again, and every
    /// container of this reference is recreated from it, those that ran running again. Volumes stay as they are.
    ///
    /// The target is the image that the tag named before the newest update, pull or rollback of the history that led to the current one, so
    /// that a second rollback goes forward again; without such a record it is the one image of the repository that has lost its tag.
    /// `NOT_FOUND`: there is none. `CONFLICT`: several, with their ids. `IMAGE_MISSING`: it is not local any more. A target whose container does
    /// not run is `ROLLED_BACK`, with the tag restored.
    pub fn rollback(&self, image: impl Into<String>, options: RollbackOptions) -> Operation<RollbackReport> {
        let image = image.into();
        let span = tracing::error_span!("img_rollback", image = %shown(&image));
        self.operation(span, move |refit, call| async move {
            let mut draft = Draft::of_image(HistoryKind::Rollback, &call, &image);
            let mut to = None;
            let outcome = refit.rollback_in(&call, &image, &options, &mut draft, &mut to).await;
            match refit.record_update(draft, outcome).await {
                Ok(update) => Ok(RollbackReport { update, to }),
                Err(failure) => {
                    let Failure { error, report } = *failure;
                    Err(Box::new(Failure { error, report: report.map(|update| RollbackReport { update, to }) }))
                }
            }
        })
    }

    async fn rollback_in(
        &self,
        call: &Call,
        image: &str,
        options: &RollbackOptions,
        draft: &mut Draft,
        to: &mut Option<HistoryImage>,
    ) -> Outcome<UpdateReport> {
        let begun = Instant::now();
        options.recreate.check()?;
        let reference = Reference::parse(image).map_err(|error| error.with_image(image))?;
        if reference.digest().is_some() {
            let message = format!("image {image} is pinned by its digest: name it by its tag");
            return Err(Code::InvalidArgument.error(message).with_image(image).into());
        }
        let engine = self.shared.engine.endpoint().to_string();
        let Some(_guard) = RunGuard::take(&engine, &update_of(&reference), "rollback") else {
            return Err(Code::Busy.error(format!("image {image} is being updated: try again later")).with_image(image).into());
        };
        call.report(Progress::whole("rollback", image, "checking", 0));
        let mut report = UpdateReport::begun(image);
        let result = self.run_rollback(call, &reference, options, draft, to, &mut report).await;
        if report.containers.iter().any(ContainerUpdate::has_moved) || report.tag == Some(TagFate::Moved) {
            self.shared.last_checks.forget(&reference).await;
        }
        report.elapsed_ms = begun.elapsed().as_millis() as u64;
        match result {
            Ok(()) => {
                call.report(Progress::whole("rollback", image, "done", 1000));
                Ok(report)
            }
            Err(error) => {
                let error = error.with_image(image);
                report.error = Some(error.clone().in_op("img_rollback").document());
                Err(Failure::with_report(error, report))
            }
        }
    }

    async fn run_rollback(
        &self,
        call: &Call,
        reference: &Reference,
        options: &RollbackOptions,
        draft: &mut Draft,
        to: &mut Option<HistoryImage>,
        report: &mut UpdateReport,
    ) -> Result<()> {
        let image = report.image.clone();
        let recreate = UpdateOptions { force: true, recreate: options.recreate.clone(), ..UpdateOptions::default() };
        if options.recreate.recover_first {
            self.recover_containers(call, &image, &recreate).await?;
        }
        let current = call.run(inspect::find(&self.shared.engine, &image)).await?;
        let Some(current) = current else {
            let message = format!("image {image} is not local, so that there is nothing to roll back; img_pull pulls it");
            return Err(Code::NotFound.error(message));
        };
        let from = ImageIdentity::of(&current).in_history(reference);
        draft.from = Some(from.clone());
        let RollbackTarget { inspect: target, digest } = call.run(self.rollback_target(reference, &from.id, options.to.as_deref())).await?;
        let mut wanted = ImageIdentity::of(&target).in_history(reference);
        wanted.digest = wanted.digest.or(digest);
        (draft.to, *to) = (Some(wanted.clone()), Some(wanted.clone()));
        if wanted.id == from.id {
            return Ok(());
        }
        let (inventory, check) = (Inventory::default(), Check::new(&image, CheckState::UpToDate));
        let plan = call.run(self.plan_after(&image, &recreate, check, &inventory, Purpose::Update)).await?;
        if let Some(refused) = plan.refusal() {
            let reason = refused.reason.as_deref().unwrap_or_default();
            let message = format!("image {image} was not rolled back, nothing was changed: {reason}");
            return Err(plan.refused_with.unwrap_or(Code::Conflict).error(message).with_container(&refused.container));
        }
        let mut steps = plan.steps;
        steps.retain(|step| optional_text(&step.old_image, "/Id").as_deref() != Some(&wanted.id));
        let keep_as = self.keep_as(&image, &current).await?;
        call.check()?;
        if let Some(keep_as) = &keep_as {
            self.keep_previous(&current, keep_as).await?;
        }
        let moved = match self.name_image(reference, &wanted.id).await {
            Ok(()) => {
                let outcomes = recreate_in_order(self, call, &steps, &recreate, &inventory).await;
                report.backups = outcomes.backups();
                report.containers = outcomes.containers;
                worst(outcomes.errors).map_or(Ok(()), Err)
            }
            Err(error) => Err(error),
        };
        if moved.is_err() && !report.containers.iter().any(ContainerUpdate::has_moved) {
            let own = OwnPull::Moved { before: Some(from.id.clone()), after: wanted.id.clone() };
            report.tag = None;
            let back = self.rollback_tag(&image, Some(&current), keep_as.as_deref(), &own, &mut report.tag).await;
            back.map_err(|error| {
                let message = format!("the tag of image {image} could not be rolled back: {}", error.message());
                Code::RollbackFailed.error(message)
            })?;
            return moved;
        }
        report.tag = Some(TagFate::Moved);
        self.shared.replaced.remember(reference, &from.id);
        self.forget_kept(&image, reference, &target).await;
        moved
    }

    /// The target has the tag itself again: the one that kept it is not needed. It stays where it cannot be removed.
    async fn forget_kept(&self, image: &str, reference: &Reference, target: &Value) {
        // Somebody may have moved the tag meanwhile: then the other one is all that keeps the image.
        match self.tag_fate(image, Some(target)).await {
            Ok(TagFate::Unchanged) => {}
            _ => return,
        }
        for tag in crate::reference::listed_references(target, "/RepoTags") {
            let is_kept = Reference::parse(&tag).is_ok_and(|own| super::is_kept(&own) && own.name() == reference.name());
            if is_kept {
                let _ = images::remove(&self.shared.engine, &tag).await;
            }
        }
    }
}
