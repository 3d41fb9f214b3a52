//! The library's calls, as the tests make them.

use std::path::Path;
use std::time::Duration;

use refit::container::{RecoverOptions, Recovery, RecreateOptions, Recreation};
use refit::{Cancel, ConnectOptions, Failure, Outcome, Refit};
use refit_lab::Proxy;

use super::Case;

/// Short windows, so that a test tells soon.
pub fn quick() -> RecreateOptions {
    let mut options = RecreateOptions::default();
    options.settle = Duration::from_millis(300);
    options.allow_lossy = true; // Podman's inspect hides things; elsewhere it allows nothing
    options
}

/// A window that a test ends before it does.
pub fn slow() -> RecreateOptions {
    let mut options = quick();
    options.settle = Duration::from_secs(60);
    options
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub async fn connect(host: &str) -> Refit {
    connect_with_state(host, "").await
}

pub async fn connect_with_state(host: &str, state_dir: &str) -> Refit {
    let mut options = ConnectOptions::default();
    options.host = Some(host.to_owned());
    options.state_dir = (!state_dir.is_empty()).then(|| state_dir.into());
    Refit::connect(options).await.unwrap()
}

/// Recovers at once.
pub fn recover(case: &Case) -> Outcome<Recovery> {
    let mut options = RecoverOptions::default();
    options.force = true;
    recover_as(case, "", options)
}

/// Recovers what is dead for sure.
pub fn recover_gently(case: &Case) -> Outcome<Recovery> {
    recover_as(case, "", RecoverOptions::default())
}

pub fn recover_dry(case: &Case) -> Recovery {
    let mut options = RecoverOptions::default();
    options.dry_run = true;
    recover_as(case, "", options).unwrap()
}

pub fn recover_with_state(case: &Case, state_dir: &Path) -> Recovery {
    recover_as(case, state_dir.to_str().unwrap(), RecoverOptions::default()).unwrap()
}

/// Recovers at once, with what another process has kept.
pub fn recover_with_state_by_force(case: &Case, state_dir: &Path) -> Recovery {
    let mut options = RecoverOptions::default();
    options.force = true;
    recover_as(case, state_dir.to_str().unwrap(), options).unwrap()
}

/// Recovers at once, at any engine.
pub fn recover_at(host: &str, container: &str) -> Outcome<Recovery> {
    let mut options = RecoverOptions::default();
    options.force = true;
    runtime().block_on(async { connect(host).await.recover(Some(container), options).await })
}

/// Recreates through a proxy, by a handle that waits 2 s for an answer, while something else is done.
pub fn recreate_through(proxy: &Proxy, case: &Case, options: RecreateOptions, meanwhile: impl FnOnce()) -> Outcome<Recreation> {
    recreate_at(proxy, &case.name, options, meanwhile)
}

pub fn recreate_at(proxy: &Proxy, container: &str, options: RecreateOptions, meanwhile: impl FnOnce()) -> Outcome<Recreation> {
    let runtime = runtime();
    let mut connect = ConnectOptions::default();
    connect.host = Some(proxy.host.clone());
    connect.timeout = Duration::from_secs(2);
    let refit = runtime.block_on(Refit::connect(connect)).unwrap();
    let container = container.to_owned();
    let work = runtime.spawn(async move { refit.recreate_container(container, options).await });
    meanwhile();
    runtime.block_on(work).unwrap()
}

fn recover_as(case: &Case, state_dir: &str, options: RecoverOptions) -> Outcome<Recovery> {
    let host = case.lab.engine.host();
    runtime().block_on(async { connect_with_state(&host, state_dir).await.recover(Some(&case.name), options).await })
}

/// Recreates through the lab's engine.
pub fn recreate(case: &Case, options: RecreateOptions) -> Outcome<Recreation> {
    recreate_named(case, &case.name, options)
}

pub fn recreate_named(case: &Case, name: &str, options: RecreateOptions) -> Outcome<Recreation> {
    let host = case.lab.engine.host();
    runtime().block_on(async { connect(&host).await.recreate_container(name, options).await })
}

/// Recreates, and fires a token when a phase begins.
pub fn recreate_cancelled_in(case: &Case, options: RecreateOptions, phase: &'static str) -> Outcome<Recreation> {
    recreate_cancelled_after(case, options, phase, Duration::ZERO)
}

/// Recreates, and fires a token some time after a phase has begun.
pub fn recreate_cancelled_after(case: &Case, options: RecreateOptions, phase: &'static str, wait: Duration) -> Outcome<Recreation> {
    let host = case.lab.engine.host();
    runtime().block_on(async {
        let (refit, cancel) = (connect(&host).await, Cancel::new());
        let fired = cancel.clone();
        let operation = refit.recreate_container(case.name.clone(), options).cancel(&cancel).on_progress(move |progress| {
            if progress.phase == phase {
                let fired = fired.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    fired.fire();
                });
            }
            std::ops::ControlFlow::Continue(())
        });
        operation.await
    })
}

pub fn failed(outcome: Outcome<Recreation>) -> (refit::Error, Recreation) {
    let Failure { error, report } = *outcome.expect_err("the recreation should have failed");
    (error, report.expect("a report"))
}
