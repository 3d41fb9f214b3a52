//! The update: plan, pull, containers, and the tag put back when nothing moved.

use std::time::Instant;

use super::containers::{self, take_turns};
use super::plan::UpdatePlan;
use super::report::{UpdateReport, worst};
use super::{TagFate, UpdateOptions};
use crate::call::Call;
use crate::container::in_hand::InHand;
use crate::image::inspect::text;
use crate::image::{PullOptions, RemoveOldOptions};
use crate::reference::Reference;
use crate::{Code, Error, Failure, Operation, Outcome, Progress, Refit, Result};

impl Refit {
    /// Updates an image: checks, pulls while everything runs, then rebuilds every container that was created from this reference and is
    /// outdated, those that ran running again.
    ///
    /// What a recreation would refuse is refused before the download. When no container has moved, the tag is put back. Cancelled, the
    /// containers in hand are finished or undone, and the rest are not attempted.
    pub fn update(&self, image: impl Into<String>, options: UpdateOptions) -> Operation<UpdateReport> {
        let image = image.into();
        self.operation(move |refit, call| async move { refit.update_in(&call, &image, &options).await })
    }

    async fn update_in(&self, call: &Call, image: &str, options: &UpdateOptions) -> Outcome<UpdateReport> {
        let begun = Instant::now();
        options.recreate.check()?;
        let reference = Reference::parse(image).map_err(|error| error.with_image(image))?;
        let engine = self.shared.engine.endpoint().to_string();
        // No container's name has a colon, so that the two kinds of work cannot meet.
        let Some(_in_hand) = InHand::take(&engine, &format!("image:{}", reference.normalised()), "update") else {
            return Err(Code::Busy.error(format!("image {image} is being updated: try again later")).with_image(image).into());
        };
        call.report(Progress::whole("update", image, "checking", 0));
        let mut report = UpdateReport {
            image: image.to_owned(),
            check: None,
            pull: None,
            tag: TagFate::Unchanged,
            containers: Vec::new(),
            backups: Vec::new(),
            removed_old: None,
            elapsed_ms: 0,
            error: None,
        };
        let result = self.carry_out(call, &reference, options, &mut report).await;
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

    async fn carry_out(&self, call: &Call, reference: &Reference, options: &UpdateOptions, report: &mut UpdateReport) -> Result<()> {
        let image = report.image.clone();
        if options.recreate.recover_first {
            self.recover_containers(call, &image, options).await?;
        }
        let plan = match call.run(self.plan_update(&image, options)).await {
            Ok(plan) => plan,
            Err(failure) => {
                let Failure { error, report: plan } = *failure;
                report.check = plan.map(|plan| plan.check);
                return Err(error);
            }
        };
        report.check = Some(plan.check.clone());
        as_confirmed(options, plan.expect_digest.as_deref(), &image)?;
        if let Some(refused) = plan.refusal() {
            return Err(refusal(&image, refused.reason.as_deref().unwrap_or_default(), &refused.container, plan.refused_with));
        }
        let moved = self.pull_and_rebuild(call, reference, options, &plan, report).await;
        let stands = report.containers.iter().any(super::ContainerUpdate::has_moved);
        if moved.is_err() && !stands {
            // Also when the call was cancelled: everything stands as before.
            let back = self.put_tag_back(&image, plan.before.as_ref(), plan.keep_as.as_deref()).await;
            match back {
                Ok(fate) => report.tag = fate,
                Err(error) => {
                    report.tag = TagFate::Moved;
                    let message = format!("the tag of image {image} could not be put back on the old image: {}", error.message());
                    let code = Code::RollbackFailed;
                    return Err(moved
                        .err()
                        .map_or_else(|| code.error(message.clone()), |cause| cause.into_cause_of(code, message.clone())));
                }
            }
        } else {
            report.tag = self.tag_fate(&image, plan.before.as_ref()).await.unwrap_or(TagFate::Moved);
        }
        if moved.is_ok() && options.remove_old {
            report.removed_old = Some(self.remove_old_images(&image, &RemoveOldOptions::default()).await?);
        }
        moved
    }

    async fn pull_and_rebuild(
        &self,
        call: &Call,
        reference: &Reference,
        options: &UpdateOptions,
        plan: &UpdatePlan,
        report: &mut UpdateReport,
    ) -> Result<()> {
        let image = report.image.clone();
        if plan.pull {
            if let (Some(before), Some(keep_as)) = (&plan.before, &plan.keep_as) {
                call.check()?;
                self.keep_previous(before, keep_as).await?;
            }
            let mut pull_options = PullOptions::default();
            pull_options.platform.clone_from(&options.platform);
            let part = call.part(|progress| Progress {
                operation: "update",
                permille: progress.permille * containers::BEGIN / 1000,
                // The end of the pull is not the end of the update.
                phase: if progress.phase == "done" && progress.layer.is_none() { "verifying" } else { progress.phase },
                ..progress
            });
            let pulled = self.pull_in(&part, &image, &pull_options).await?;
            let digest = pulled.digest.clone();
            report.pull = Some(pulled);
            as_confirmed(options, digest.as_deref(), &image)?;
            if let Some(before) = plan.before.as_ref().and_then(|before| text(before, "/Id")) {
                self.shared.replaced.remember(reference, &before);
            }
        }
        let turned = take_turns(self, call, &plan.turns, options).await;
        report.containers = turned.containers;
        match worst(turned.errors) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }
}

/// The registry still has what the caller has confirmed.
fn as_confirmed(options: &UpdateOptions, digest: Option<&str>, image: &str) -> Result<()> {
    match (&options.expect_digest, digest) {
        (Some(expected), Some(digest)) if expected != digest => Err(Code::Conflict
            .error(format!("image {image}: the registry has {digest} now, and {expected} was confirmed; plan the update again"))
            .with_image(image)),
        _ => Ok(()),
    }
}

fn refusal(image: &str, reason: &str, container: &str, code: Option<Code>) -> Error {
    let message = format!("image {image} was not updated, nothing was changed: {reason}; or leave it out with \"containers\"");
    code.unwrap_or(Code::Conflict).error(message).with_container(container)
}
