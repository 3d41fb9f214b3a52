//! Replaces a container by a new one, created from the image that its reference names now.
//!
//! Rules: docs/recreate.md, section 4.

mod backup;
mod create;
mod finish;
mod group;
mod late_create;
mod options;
mod prepare;
mod probe;
mod replace;
mod report;
mod rollback;
mod run;
mod turn;
mod volumes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::inventory::{Depth, Inventory};
use super::replacement::{Phase, PhaseReporter};
pub use options::{Hooks, RecreateOptions};
pub(crate) use prepare::{EngineSnapshot, Prepared, find, preflight, read_engine};
pub use report::{Recreation, RecreationResult, TakenBackup};
pub(crate) use turn::Turns;
pub(crate) use volumes::plan_backups;

use super::replacement::{RunGuard, grace};
use super::state;
use crate::operation::call::Call;
use crate::{Code, Error, Failure, Outcome, Refit, Result};
use group::Group;

/// By how much the grace of the stop of an `--rm` container may exceed its own: where the engine's events do not tell whether a stop is in
/// progress, a recovery has to wait for so long.
const LONGEST_GRACE_BEYOND: Duration = Duration::from_secs(265);

/// How often the tag may move between the inspection of the image and the create.
const ATTEMPTS: u32 = 3;

/// What the caller has read before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// The old image, before a pull: some stores forget an image that has lost its tag.
    pub(crate) old_image: Option<&'a Arc<Value>>,
    /// The other containers.
    pub(crate) inventory: &'a Inventory,
    /// How many containers of the same update are stopped and started at a time.
    pub(crate) turns: Option<&'a Turns>,
}

/// Recreates one container.
pub(crate) async fn recreate(
    refit: &Refit,
    call: &Call,
    container: &str,
    options: &RecreateOptions,
    known: Known<'_>,
    on_phase: PhaseReporter<'_>,
) -> Outcome<Recreation> {
    let begun = Instant::now();
    let engine = &refit.shared.engine;
    let found = call.run(find(engine, container)).await?;
    let name = state::name(&found).to_owned();
    let refuse = |error: Error, found: &Value| Failure::with_report(error.clone(), refused(found, &error, begun));
    let take = |name: &str| {
        RunGuard::take(&engine.endpoint().to_string(), name, "recreate").ok_or_else(|| {
            Code::Busy.error(format!("container {name} is being recreated or recovered by this process")).with_container(name)
        })
    };
    let run_guard = take(&name).map_err(|error| refuse(error, &found))?;
    let on_phase = |phase: Phase| {
        run_guard.phase(phase.name, phase.permille);
        on_phase(phase);
    };
    let dependents_options = RecreateOptions { hooks: Hooks::default(), ..options.clone() };
    let mut attempt = 1;
    loop {
        // Another run may have replaced the container before this one had its guard.
        let found = call.run(find(engine, state::id(&found))).await?;
        let prepared = call.run(async {
            let around = read_engine(engine, known.inventory, Depth::Whole).await?;
            let mut prepared = preflight(engine, &around, &found, options, known.old_image).await?;
            plan_backups(refit, &around, &mut prepared, options).await?;
            Ok::<_, Error>(prepared)
        });
        let prepared = prepared.await.map_err(|error| refuse(error, &found))?;
        if let Some(missing) = prepared.without_image() {
            return Err(refuse(image_missing(missing), &found));
        }
        prepared.stop_can_be_recovered(options).map_err(|error| refuse(error, &found))?;
        let dependents: Result<Vec<_>> = prepared.dependents.iter().map(|dependent| take(dependent.name())).collect();
        let _dependents = dependents.map_err(|error| refuse(error, &found))?;
        let mut group = Group::new(refit, call, prepared, options, &dependents_options, &on_phase, known.turns);
        let result = group.perform().await;
        known.inventory.changed(group.ids());
        if result.is_err() && group.may_retry() && attempt < ATTEMPTS {
            attempt += 1;
            continue;
        }
        return group.conclude(result, begun).await;
    }
}

impl Prepared {
    /// A recovery that assumes that a stop has ended, while it is in progress and ends an `--rm` container, would lose that container.
    fn stop_can_be_recovered(&self, options: &RecreateOptions) -> Result<()> {
        let beyond = grace(&self.container, options.stop_timeout).saturating_sub(grace(&self.container, None));
        if !state::is_auto_remove(&self.container) || beyond <= LONGEST_GRACE_BEYOND {
            return Ok(());
        }
        let message = format!(
            "container {} has the --rm option, and stop_timeout_s is more than {} s above its own: a recovery could not know when such a stop \
             has ended",
            self.name(),
            LONGEST_GRACE_BEYOND.as_secs()
        );
        Err(Code::Unsupported.error(message).with_container(self.name()))
    }
}

fn image_missing(prepared: &Prepared) -> Error {
    let (name, reference) = (prepared.name(), prepared.reference());
    Code::ImageMissing
        .error(format!(
            "cannot recreate container {name}: its image {reference} is not local; pull it first, because a recreation never pulls"
        ))
        .with_container(name)
        .with_image(reference)
        .with_missing(vec![reference.to_owned()])
}

fn refused(container: &Value, error: &Error, begun: Instant) -> Recreation {
    let mut report = Recreation::of(container);
    report.error = Some(error.document());
    report.state = Some(state::status(container).into());
    report.elapsed_ms = begun.elapsed().as_millis() as u64;
    report
}

impl Recreation {
    /// Nothing was begun.
    fn of(container: &Value) -> Self {
        Self {
            container: state::name(container).to_owned(),
            result: RecreationResult::Refused,
            old_id: state::id(container).to_owned(),
            new_id: None,
            image: prepare::reference(container).to_owned(),
            old_image_id: container.get("Image").and_then(Value::as_str).map(str::to_owned),
            new_image_id: None,
            state: None,
            downtime_ms: None,
            changes: Vec::new(),
            warnings: Vec::new(),
            dependents: Vec::new(),
            backups: Vec::new(),
            writable_layer_changes: None,
            old_left: false,
            logs_tail: None,
            error: None,
            elapsed_ms: 0,
        }
    }

    /// Nothing was begun, because the container was not found or the engine did not answer about it: what a plan had read is reported.
    pub(crate) fn refused_before(id: &str, name: &str, reference: &str, old_image: &Value, error: &Error) -> Self {
        let planned = json!({"Id": id, "Name": name, "Config": {"Image": reference}, "Image": old_image["Id"]});
        Self { error: Some(error.document()), ..Self::of(&planned) }
    }

    /// The run of the group ended before this container.
    fn not_attempted(prepared: &Prepared) -> Self {
        Self { result: RecreationResult::NotAttempted, ..Self::of(&prepared.container) }
    }

    fn begun(prepared: &Prepared) -> Self {
        let id = |image: &Value| image.get("Id").and_then(Value::as_str).map(str::to_owned);
        Self { new_image_id: prepared.new_image.as_deref().and_then(id), result: RecreationResult::Failed, ..Self::of(&prepared.container) }
    }
}
