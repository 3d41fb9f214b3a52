//! Concurrent checks of many images, with a queue for each registry, so that a slow registry delays no other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::checker::Checker;
use super::local::LocalImages;
use super::{Check, CheckList, CheckOptions, report};
use crate::operation::call::Call;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::registry::EngineRegistries;
use crate::{Error, Failure, Outcome, Progress, Refit, Result};

/// Maximum checks per registry that have begun: those whose turn it is, of which the registry's own limit allows 64 at the most, and those whose
/// tokens are asked for ahead.
const MAX_STARTED_PER_REGISTRY: usize = 96;

/// Checks one image; an error comes with its check.
pub(super) async fn one(refit: &Refit, call: &Call, image: &str, options: &CheckOptions) -> Outcome<Check> {
    let platform = platform(options)?;
    call.report(Progress::whole("check", image, "checking", 0));
    let work = async {
        // An invalid reference is refused before any request.
        if let Err(invalid) = Reference::parse(image) {
            return report::invalid(image, invalid);
        }
        match prepare(refit, Some(1), options, platform).await {
            Ok(checks) => checks.check(image).await,
            Err(error) => report::engine_failed(image, &error),
        }
    };
    let check = tokio::select! {
        biased;
        interrupt = call.interrupted() => report::cancelled(image, &interrupt.error()),
        check = work => check,
    };
    match check.error.clone() {
        None => {
            call.report(Progress::whole("check", image, "done", 1000));
            Ok(check)
        }
        Some(error) => Err(Failure::with_report(error, check)),
    }
}

/// Checks many; `None`: all that have a tag.
pub(super) async fn many(refit: &Refit, call: &Call, images: Option<Vec<String>>, options: &CheckOptions) -> Outcome<CheckList> {
    let started = Instant::now();
    let platform = platform(options)?;
    let wanted = images.as_ref().map(Vec::len);
    let prepared = tokio::select! {
        biased;
        interrupt = call.interrupted() => {
            let error = interrupt.error();
            let list = cancelled(&images.unwrap_or_default(), &error);
            return Err(Failure::with_report(error, CheckList { elapsed_ms: started.elapsed().as_millis() as u64, ..list }));
        }
        prepared = prepare(refit, wanted, options, platform) => prepared,
    };
    let (checks, images) = match (prepared, images) {
        (Ok(checks), images) => {
            let images = images.unwrap_or_else(|| checks.locals.tags());
            (checks, images)
        }
        (Err(error), Some(images)) => return Ok(list(images.iter().map(|image| without_engine(image, &error)).collect(), started)),
        (Err(error), None) => return Err(error.into()),
    };
    let done = Mutex::new(Finished { checks: vec![None; images.len()], count: 0 });
    let interrupt = tokio::select! {
        biased;
        interrupt = call.interrupted() => Some(interrupt.error()),
        () = run(&checks, call, &images, &done) => None,
    };
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner).checks;
    match interrupt {
        None => {
            call.report(Progress { step: images.len() as u32, steps: images.len() as u32, ..Progress::whole("check", "", "done", 1000) });
            Ok(list(done.into_iter().flatten().collect(), started))
        }
        Some(error) => {
            let whole = done.into_iter().zip(&images).map(|(check, image)| check.unwrap_or_else(|| report::cancelled(image, &error)));
            let list = list(whole.collect(), started);
            Err(Failure::with_report(error, list))
        }
    }
}

pub(super) fn platform(options: &CheckOptions) -> Result<Option<Platform>> {
    options.platform.as_deref().map(Platform::parse).transpose()
}

pub(super) async fn prepare<'a>(
    refit: &'a Refit,
    wanted: Option<usize>,
    options: &CheckOptions,
    platform: Option<Platform>,
) -> Result<Checker<'a>> {
    let shared = &refit.shared;
    let locals = LocalImages::read(refit, wanted).await?;
    let facts = shared.engine.facts().await?;
    let registries = EngineRegistries { mirrors: facts.mirrors, insecure: facts.insecure_registries };
    let session = shared.registries.session(Some(registries));
    Ok(Checker::new(refit, session, locals, options.via.unwrap_or(shared.options.check_via), platform))
}

/// The finished checks in the order of the images, and their number.
struct Finished {
    checks: Vec<Option<Check>>,
    count: usize,
}

async fn run(checks: &Checker<'_>, call: &Call, images: &[String], done: &Mutex<Finished>) {
    checks.announce(images);
    let mut queues: BTreeMap<String, VecDeque<usize>> = BTreeMap::new();
    for (number, image) in images.iter().enumerate() {
        let registry = Reference::parse(image).map(|reference| reference.registry().to_owned()).unwrap_or_default();
        queues.entry(registry).or_default().push_back(number);
    }
    let queues: Vec<Mutex<VecDeque<usize>>> = queues.into_values().map(Mutex::new).collect();
    let workers = FuturesUnordered::new();
    for queue in &queues {
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let count = queue.lock().unwrap_or_else(PoisonError::into_inner).len().min(MAX_STARTED_PER_REGISTRY);
        for _ in 0..count {
            workers.push(async move {
                while let Some(number) = next() {
                    let check = checks.check(&images[number]).await;
                    record(done, call, number, check);
                }
            });
        }
    }
    workers.collect::<()>().await;
}

fn record(done: &Mutex<Finished>, call: &Call, number: usize, check: Check) {
    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
    let image = check.image.clone();
    done.checks[number] = Some(check);
    done.count += 1;
    let (count, steps) = (done.count, done.checks.len());
    drop(done);
    let permille = (count * 999 / steps.max(1)) as u32;
    let (current, total) = (count as u64, Some(steps as u64));
    call.report(Progress {
        current,
        total,
        step: count as u32,
        steps: steps as u32,
        ..Progress::whole("check", image, "checking", permille)
    });
}

/// The checks of a call that ended before the first one.
pub(super) fn cancelled(images: &[String], error: &Error) -> CheckList {
    list(images.iter().map(|image| report::cancelled(image, error)).collect(), Instant::now())
}

fn list(images: Vec<Check>, started: Instant) -> CheckList {
    let requests = images.iter().map(|check| u64::from(check.requests)).sum();
    CheckList { images, requests, elapsed_ms: started.elapsed().as_millis() as u64 }
}

fn without_engine(image: &str, error: &Error) -> Check {
    match Reference::parse(image) {
        Ok(_) => report::engine_failed(image, error),
        Err(invalid) => report::invalid(image, invalid),
    }
}
