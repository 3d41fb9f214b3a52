//! The update: plan, pull, containers, and the rollback of the tag when no container was replaced.

use std::time::Instant;

use super::containers::{self, recreate_in_order};
use super::plan::{Purpose, UpdatePlan};
use super::report::{UpdateReport, worst};
use super::tag::OwnPull;
use super::{UpdateOptions, update_of};
use crate::container::Warning;
use crate::container::inventory::Inventory;
use crate::container::replacement::run_guard::RunGuard;
use crate::engine::image_facts::digest_of;
use crate::error::shown;
use crate::history::{Draft, HistoryKind};
use crate::image::{ImageIdentity, PullOptions, PullResult, RemoveOldOptions};
use crate::json::optional_text;
use crate::operation::call::Call;
use crate::reference::Reference;
use crate::{Code, Error, Failure, Operation, Outcome, Progress, Refit, Result};

impl Refit {
    /// Updates an image: checks, pulls while everything runs, then rebuilds every container that was created from this reference and is
    /// outdated, those that ran running again.
    ///
    /// What a recreation would refuse is refused before the download. When no container was replaced, the tag is rolled back. When the call is
    /// cancelled, containers in progress are finished or rolled back, and the rest are not attempted.
    pub fn update(&self, image: impl Into<String>, options: UpdateOptions) -> Operation<UpdateReport> {
        let image = image.into();
        let span = tracing::error_span!("img_update", image = %shown(&image));
        self.operation(span, move |refit, call| async move { refit.update_and_record(&call, &image, &options).await })
    }

    /// An update with its record in the history, one of a batch too.
    pub(super) async fn update_and_record(&self, call: &Call, image: &str, options: &UpdateOptions) -> Outcome<UpdateReport> {
        let mut draft = Draft::of_image(HistoryKind::Update, call, image);
        let outcome = self.update_in(call, image, options, &mut draft).await;
        self.record_update(draft, outcome).await
    }

    async fn update_in(&self, call: &Call, image: &str, options: &UpdateOptions, draft: &mut Draft) -> Outcome<UpdateReport> {
        let begun = Instant::now();
        options.recreate.check()?;
        let reference = Reference::parse(image).map_err(|error| error.with_image(image))?;
        let engine = self.shared.engine.endpoint().to_string();
        let Some(_guard) = RunGuard::take(&engine, &update_of(&reference), "update") else {
            return Err(Code::Busy.error(format!("image {image} is being updated: try again later")).with_image(image).into());
        };
        call.report(Progress::whole("update", image, "checking", 0));
        let mut report = UpdateReport::begun(image);
        let result = self.run_update(call, &reference, options, draft, &mut report).await;
        if let Some(pulled) = &report.pull {
            draft.to = Some(pulled.after.in_history(&reference));
        }
        if report.pull.is_some() || report.containers.iter().any(super::ContainerUpdate::has_moved) {
            self.shared.last_checks.forget(&reference).await;
        }
        report.elapsed_ms = begun.elapsed().as_millis() as u64;
        match result {
            Ok(()) => {
                call.report(Progress::whole("update", image, "done", 1000));
                Ok(report)
            }
            Err(error) => {
                let error = error.with_image(image);
                report.error = Some(error.clone().in_op("img_update").document());
                Err(Failure::with_report(error, report))
            }
        }
    }

    async fn run_update(
        &self,
        call: &Call,
        reference: &Reference,
        options: &UpdateOptions,
        draft: &mut Draft,
        report: &mut UpdateReport,
    ) -> Result<()> {
        let image = report.image.clone();
        if options.recreate.recover_first {
            self.recover_containers(call, &image, options).await?;
        }
        let inventory = Inventory::default();
        let plan = match call.run(self.plan_update_in(&image, options, &inventory, Purpose::Update)).await {
            Ok(plan) => plan,
            Err(failure) => {
                let Failure { error, report: plan } = *failure;
                report.check = plan.map(|plan| plan.check);
                return Err(error);
            }
        };
        report.check = Some(plan.check.clone());
        draft.from = plan.before.as_ref().map(|before| ImageIdentity::of(before).in_history(reference));
        draft.to = draft.from.clone().filter(|_| !plan.pull);
        check_confirmed(options, plan.expect_digest.as_deref(), &image)?;
        if let Some(refused) = plan.refusal() {
            return Err(refusal(&image, refused.reason.as_deref().unwrap_or_default(), &refused.container, plan.refused_with));
        }
        let mut pull = OwnPull::No;
        let moved = self.pull_and_rebuild(call, options, &plan, &inventory, report, &mut pull).await;
        let any_moved = report.containers.iter().any(super::ContainerUpdate::has_moved);
        if moved.is_err() && !any_moved {
            // Also when the call was cancelled: the observed state is then as before.
            report.tag = None;
            let back = self.rollback_tag(&image, plan.before.as_ref(), plan.keep_as.as_deref(), &pull, &mut report.tag).await;
            if let Err(error) = back {
                let message = format!("the tag of image {image} could not be rolled back to the old image: {}", error.message());
                let code = Code::RollbackFailed;
                return Err(moved.err().map_or_else(|| code.error(message.clone()), |cause| cause.into_cause_of(code, message.clone())));
            }
        } else {
            report.tag = self.tag_fate(&image, plan.before.as_ref()).await.ok();
        }
        if moved.is_ok() && options.remove_old {
            match self.remove_old_in(call, &image, &RemoveOldOptions::default()).await {
                Ok(removed) => report.removed_old = Some(removed),
                // The update itself is done.
                Err(error) => {
                    let message = format!("the old images of {image} were not removed: {}; try img_remove_old", error.message());
                    report.warnings.push(Warning { code: "remove_old_failed".into(), container: None, message });
                }
            }
        }
        moved
    }

    async fn pull_and_rebuild(
        &self,
        call: &Call,
        options: &UpdateOptions,
        plan: &UpdatePlan,
        inventory: &Inventory,
        report: &mut UpdateReport,
        own: &mut OwnPull,
    ) -> Result<()> {
        let image = report.image.clone();
        if plan.pull {
            if let (Some(before), Some(keep_as)) = (&plan.before, &plan.keep_as) {
                call.check()?;
                self.keep_previous(before, keep_as).await?;
            }
            let pull_options = PullOptions { platform: options.platform.clone(), ..PullOptions::default() };
            let part = call.part(|progress| Progress {
                operation: "update",
                permille: progress.permille * containers::BEGIN / 1000,
                // The end of the pull is not the end of the update.
                phase: if progress.phase == "done" && progress.layer.is_none() { "verifying" } else { progress.phase },
                ..progress
            });
            *own = OwnPull::Begun { digest: plan.expect_digest.clone() };
            let pulled = self.pull_in(&part, &image, &pull_options).await?;
            *own = OwnPull::of(&pulled);
            let came = came_as(&pulled, options.expect_digest.as_deref());
            report.pull = Some(pulled);
            check_confirmed(options, came.as_deref(), &image)?;
            if let Some(before) = plan.before.as_ref().and_then(|before| optional_text(before, "/Id")) {
                self.shared.replaced.remember(&Reference::parse(&image)?, &before);
            }
        }
        let outcomes = recreate_in_order(self, call, &plan.steps, options, inventory).await;
        report.backups = outcomes.backups();
        report.containers = outcomes.containers;
        match worst(outcomes.errors) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }
}

/// The digest of the image that came: the expected one, if it is known by that and the engine does not say otherwise. Podman says nothing.
fn came_as(pulled: &PullResult, expected: Option<&str>) -> Option<String> {
    let said = pulled.digest.as_deref();
    if pulled.after.digests.is_empty() {
        return said.map(str::to_owned);
    }
    let known = |digest: &str| pulled.after.id == digest || pulled.after.digests.iter().any(|own| digest_of(own) == digest);
    match expected {
        Some(expected) if known(expected) => said.unwrap_or(expected).to_owned().into(),
        // The digest that was said belongs to no image that is here under this name.
        Some(expected) if said == Some(expected) => {
            Some(pulled.after.digests.first().map_or(&*pulled.after.id, |own| digest_of(own)).to_owned())
        }
        _ => said.or(pulled.after.digests.first().map(|own| digest_of(own))).map(str::to_owned),
    }
}

/// The registry still has what the caller has confirmed.
fn check_confirmed(options: &UpdateOptions, digest: Option<&str>, image: &str) -> Result<()> {
    match (&options.expect_digest, digest) {
        (Some(expected), Some(digest)) if expected != digest => Err(Code::Conflict
            .error(format!("image {image}: the registry has {digest} now, and {} was confirmed; plan the update again", shown(expected)))
            .with_image(image)),
        _ => Ok(()),
    }
}

fn refusal(image: &str, reason: &str, container: &str, code: Option<Code>) -> Error {
    let message = format!("image {image} was not updated, nothing was changed: {reason}; or leave it out with \"containers\"");
    code.unwrap_or(Code::Conflict).error(message).with_container(container)
}
