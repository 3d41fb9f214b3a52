//! Replacing a container by a new one, made from the image that its reference names now.

mod body_kept;
mod create;
mod group;
mod hook;
mod last_words;
mod options;
mod prepare;
mod put_back;
mod report;
mod settle;
mod steps;
mod stop;
mod undo;

use std::time::Instant;

use serde_json::Value;

pub(crate) use body_kept::{KeptBody, KeptFile, engine_id, kept};
pub use options::{Hooks, RecreateOptions};
pub(crate) use prepare::{Look, Prepared, find, look, preflight};
pub use report::{Recreation, RecreationResult};
pub(crate) use settle::{Watch, settle};
pub(crate) use steps::OnPhase;
pub(crate) use stop::{FOR_EVER, exited_by, grace};
pub(crate) use undo::{Remake, Swap};

use super::in_hand::InHand;
use super::lease::LONGEST_GRACE_BEYOND;
use super::recover::recover_first;
use super::state;
use crate::call::Call;
use crate::{Code, Error, Failure, Operation, Outcome, Progress, Refit, Result};
use group::Group;

/// How often the tag may move between the look at the image and the create.
const ATTEMPTS: u32 = 3;

impl Refit {
    /// Replaces a container, named or by id, by a new one from the image that its reference names now, which must be local.
    ///
    /// Configuration, networks and volumes are kept; a container that ran runs again, one that did not is not started. A failure after the
    /// stop is `ROLLED_BACK`: the same container runs again as before. A run that was killed is CONFLICT for the next one, and repaired by
    /// [`Refit::recover`]. Cancelled before the stop it changes nothing; from the stop on it is undone; once the new container is settled
    /// it is finished.
    pub fn recreate_container(&self, container: impl Into<String>, options: RecreateOptions) -> Operation<Recreation> {
        let container = container.into();
        self.operation(move |refit, call| async move {
            let report = |phase: &'static str, permille: u32| call.report(Progress::whole("recreate", container.as_str(), phase, permille));
            let recreation = recreate(&refit, &call, &container, &options, None, &report).await?;
            report("done", 1000);
            Ok(recreation)
        })
    }
}

/// The recreation of one container, as a part of a call that reports in its own way and may have read the old image before a pull.
pub(crate) async fn recreate(
    refit: &Refit,
    call: &Call,
    container: &str,
    options: &RecreateOptions,
    old_image: Option<&Value>,
    on_phase: OnPhase<'_>,
) -> Outcome<Recreation> {
    let begun = Instant::now();
    let engine = &refit.shared.engine;
    on_phase("checking", 0);
    options.check()?;
    if options.recover_first {
        recover_first(refit, call, container, on_phase).await?;
    }
    let found = call.run(find(engine, container)).await?;
    let name = state::name(&found).to_owned();
    let refuse = |error: Error, found: &Value| Failure::with_report(error.clone(), refused(found, &error, begun));
    let take = |name: &str| {
        InHand::take(&engine.endpoint().to_string(), name, "recreate").ok_or_else(|| {
            Code::Busy.error(format!("container {name} is being recreated or recovered by this process")).with_container(name)
        })
    };
    let in_hand = take(&name).map_err(|error| refuse(error, &found))?;
    let on_phase = |phase: &'static str, permille: u32| {
        in_hand.phase(phase, permille);
        on_phase(phase, permille);
    };
    let dependents_options = RecreateOptions { hooks: Hooks::default(), ..options.clone() };
    let mut attempt = 1;
    loop {
        // What was found may have been replaced until it was in hand.
        let found = call.run(find(engine, state::id(&found))).await?;
        let prepared = call.run(async { preflight(engine, &look(engine).await?, &found, options, old_image).await });
        let prepared = prepared.await.map_err(|error| refuse(error, &found))?;
        if let Some(missing) = prepared.without_image() {
            return Err(refuse(image_missing(missing), &found));
        }
        prepared.stop_can_be_recovered(options).map_err(|error| refuse(error, &found))?;
        let dependents: Result<Vec<_>> = prepared.dependents.iter().map(|dependent| take(dependent.name())).collect();
        let _dependents = dependents.map_err(|error| refuse(error, &found))?;
        let mut group = Group::new(refit, call, prepared, options, &dependents_options, &on_phase);
        let result = group.perform().await;
        if result.is_err() && group.may_try_again() && attempt < ATTEMPTS {
            attempt += 1;
            continue;
        }
        return group.conclude(result, begun).await;
    }
}

impl Prepared {
    /// A recovery that takes a stop for ended, which then ends an `--rm` container, would lose it.
    fn stop_can_be_recovered(&self, options: &RecreateOptions) -> Result<()> {
        let beyond = grace(&self.container, options.stop_timeout).saturating_sub(grace(&self.container, None));
        if !state::is_auto_remove(&self.container) || beyond <= LONGEST_GRACE_BEYOND {
            return Ok(());
        }
        let message = format!(
            "container {} has the --rm option, and stop_timeout_s is more than {} s above its own: a recovery could not tell when such a stop \
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
        .error(format!("cannot recreate container {name}: its image {reference} is not local; pull it by hand, a recreation never does"))
        .with_container(name)
        .with_image(reference)
        .with_missing(vec![reference.to_owned()])
}

fn refused(container: &Value, error: &Error, begun: Instant) -> Recreation {
    let mut report = Recreation::of(container);
    report.error = Some(error.document());
    report.state = Some(state::status(container).to_owned());
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
            writable_layer_changes: None,
            old_left: false,
            logs_tail: None,
            error: None,
            elapsed_ms: 0,
        }
    }

    /// Its turn never came.
    fn not_attempted(prepared: &Prepared) -> Self {
        Self { result: RecreationResult::NotAttempted, ..Self::of(&prepared.container) }
    }

    fn begun(prepared: &Prepared) -> Self {
        let id = |image: &Value| image.get("Id").and_then(Value::as_str).map(str::to_owned);
        Self { new_image_id: prepared.new_image.as_ref().and_then(id), result: RecreationResult::Failed, ..Self::of(&prepared.container) }
    }
}
