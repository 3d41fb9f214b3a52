//! `img_update_all`: one image after another, each with its own report.

use std::collections::BTreeSet;
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{UpdateOptions, UpdateReport, is_kept};
use crate::image::{Check, CheckOptions, ListOptions};
use crate::operation::call::Call;
use crate::reference::Reference;
use crate::{Code, Error, Failure, Operation, Outcome, Progress, Refit, Result};

/// Thousandths of a batch that is over all images at which the updates begin: the checks are before.
const BEGIN: u32 = 50;

/// What a batch did.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "img_update_all")]
#[non_exhaustive]
pub struct UpdateList {
    /// One for each image, each with its own error.
    pub images: Vec<UpdateReport>,
    /// How long it took.
    pub elapsed_ms: u64,
}

impl Refit {
    /// Updates these images, one after another; by default every image with a tag whose check says that there is an update.
    ///
    /// An image that cannot be updated has its error in its own report and keeps no other from its update. By default images whose check
    /// failed are listed with its error, and those that are current or only local are not. A call that is ended early comes with the
    /// reports that there are. `containers` and `expect_digest` belong to one image and are `INVALID_ARGUMENT`.
    pub fn update_all(&self, images: Option<Vec<String>>, options: UpdateOptions) -> Operation<UpdateList> {
        self.operation(tracing::error_span!("img_update_all"), move |refit, call| async move {
            refit.update_all_in(&call, images, &options).await
        })
    }

    async fn update_all_in(&self, call: &Call, images: Option<Vec<String>>, options: &UpdateOptions) -> Outcome<UpdateList> {
        let begun = Instant::now();
        options.recreate.check()?;
        check_options(options)?;
        let mut list = UpdateList::default();
        let result = match images {
            Some(images) => match distinct(images) {
                Ok(images) => self.update_each(call, &images, 0, options, &mut list).await,
                Err(error) => return Err(error.into()),
            },
            None => match self.with_update(call, options, &mut list).await {
                Ok(images) => self.update_each(call, &images, BEGIN, options, &mut list).await,
                Err(error) => Err(error),
            },
        };
        list.elapsed_ms = begun.elapsed().as_millis() as u64;
        match result {
            Ok(()) => {
                call.report(Progress::whole("update", "", "done", 1000));
                Ok(list)
            }
            Err(error) => Err(Failure::with_report(error, list)),
        }
    }

    /// The images that have an update. Those whose check failed are in the list already.
    async fn with_update(&self, call: &Call, options: &UpdateOptions, list: &mut UpdateList) -> Result<Vec<String>> {
        call.report(Progress::whole("update", "", "checking", 0));
        let tags = call.run(self.tags()).await?;
        let check_options = CheckOptions { platform: options.platform.clone(), ..CheckOptions::default() };
        let part = call.part(|progress| Progress { operation: "update", permille: progress.permille * BEGIN / 1000, ..progress });
        let checks = self.check_updates_in(&part, Some(tags), &check_options).await.map_err(|failure| failure.error)?;
        let mut updatable = Vec::new();
        for check in checks.images {
            if check.has_update == Some(true) {
                updatable.push(check.image);
            } else if check.error.is_some() {
                list.images.push(UpdateReport::of_failed_check(check));
            }
        }
        Ok(updatable)
    }

    /// Every tag but those under which refit keeps images itself.
    async fn tags(&self) -> Result<Vec<String>> {
        let listed = self.images(&ListOptions::default()).await?;
        let tags: BTreeSet<String> = listed.images.into_iter().flat_map(|image| image.tags).collect();
        let is_kept = |tag: &String| Reference::parse(tag).is_ok_and(|own| is_kept(&own));
        Ok(tags.into_iter().filter(|tag| !is_kept(tag)).collect())
    }

    async fn update_each(&self, call: &Call, images: &[String], begin: u32, options: &UpdateOptions, list: &mut UpdateList) -> Result<()> {
        let steps = images.len() as u32;
        for (index, image) in images.iter().enumerate() {
            call.check()?;
            let index = index as u32;
            // Images that share containers or providers must not be updated side by side.
            let part = call.part(move |progress| Progress {
                step: index + 1,
                steps,
                permille: begin + (1000 - begin) * index / steps + (1000 - begin) * progress.permille / steps / 1000,
                phase: if progress.phase == "done" && progress.layer.is_none() { "verifying" } else { progress.phase },
                ..progress
            });
            match self.update_and_record(&part, image, options).await {
                Ok(report) => list.images.push(report),
                Err(failure) => {
                    let Failure { error, report } = *failure;
                    list.images.push(report.unwrap_or_else(|| UpdateReport::failed(image, &error)));
                    call.check()?;
                }
            }
        }
        Ok(())
    }
}

fn check_options(options: &UpdateOptions) -> Result<()> {
    let refused = |option: &str| Err(Code::InvalidArgument.error(format!("option {option:?} belongs to one image: use img_update")));
    match options {
        UpdateOptions { containers: Some(_), .. } => refused("containers"),
        UpdateOptions { expect_digest: Some(_), .. } => refused("expect_digest"),
        _ => Ok(()),
    }
}

/// Each image once, in the order asked. A reference that is none refuses the whole call before anything is changed.
fn distinct(images: Vec<String>) -> Result<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for image in images {
        let reference = Reference::parse(&image).map_err(|error| error.with_image(&image))?;
        if seen.insert(reference.normalised()) {
            kept.push(image);
        }
    }
    Ok(kept)
}

impl UpdateReport {
    fn failed(image: &str, error: &Error) -> Self {
        Self { error: Some(error.clone().in_op("img_update").document()), ..Self::begun(image) }
    }

    fn of_failed_check(check: Check) -> Self {
        let error = check.error.as_ref().map(|error| error.clone().in_op("img_update").document());
        let image = check.image.clone();
        Self { error, check: Some(check), ..Self::begun(&image) }
    }
}
