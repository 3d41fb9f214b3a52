//! The library's calls, as the tests make them.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::Duration;

use refit::container::{RecoverOptions, Recovery, RecreateOptions, Recreation};
use refit::{Cancel, ConnectOptions, Failure, Outcome, Refit};
use refit_lab::Proxy;

use super::Case;

/// Options with a short time to settle.
pub fn quick() -> RecreateOptions {
    RecreateOptions {
        settle: Duration::from_millis(300),
        allow_lossy: true, // Podman's inspect hides things; elsewhere it allows nothing
        ..RecreateOptions::default()
    }
}

/// Options with a time to settle that no test waits for to its end.
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
    let options = ConnectOptions {
        host: Some(host.to_owned()),
        state_dir: (!state_dir.is_empty()).then(|| state_dir.into()),
        // With many tests at once Docker 20.10 has not answered for more than 30 s.
        timeout: Duration::from_secs(120),
        ..ConnectOptions::default()
    };
    Refit::connect(options).await.unwrap()
}

/// Recovers with force.
pub fn recover(case: &Case) -> Outcome<Recovery> {
    let options = RecoverOptions { force: true, ..RecoverOptions::default() };
    recover_as(case, "", options)
}

/// Recovers with these options, and with a time limit for the call.
pub fn recover_within(host: &str, container: &str, options: RecoverOptions, limit: Duration) -> Outcome<Recovery> {
    runtime().block_on(async { connect(host).await.recover(Some(container), options).timeout(limit).await })
}

/// Recovers runs whose lease has expired.
pub fn recover_gently(case: &Case) -> Outcome<Recovery> {
    recover_as(case, "", RecoverOptions::default())
}

pub fn recover_dry(case: &Case) -> Recovery {
    let options = RecoverOptions { dry_run: true, ..RecoverOptions::default() };
    recover_as(case, "", options).unwrap()
}

pub fn recover_with_state(case: &Case, state_dir: &Path) -> Recovery {
    recover_as(case, state_dir.to_str().unwrap(), RecoverOptions::default()).unwrap()
}

/// Recovers with force, with another process's snapshots.
pub fn recover_with_state_by_force(case: &Case, state_dir: &Path) -> Recovery {
    let options = RecoverOptions { force: true, ..RecoverOptions::default() };
    recover_as(case, state_dir.to_str().unwrap(), options).unwrap()
}

/// Recovers with force, at any engine.
pub fn recover_at(host: &str, container: &str) -> Outcome<Recovery> {
    let options = RecoverOptions { force: true, ..RecoverOptions::default() };
    runtime().block_on(async { connect(host).await.recover(Some(container), options).await })
}

/// Recreates through a proxy, with a handle that waits 10 s for an answer, while `meanwhile` runs.
pub fn recreate_through(proxy: &Proxy, case: &Case, options: RecreateOptions, meanwhile: impl FnOnce()) -> Outcome<Recreation> {
    recreate_at(proxy, &case.name, options, meanwhile)
}

pub fn recreate_at(proxy: &Proxy, container: &str, options: RecreateOptions, meanwhile: impl FnOnce()) -> Outcome<Recreation> {
    let runtime = runtime();
    // A busy machine takes longer than 2 s for a create.
    let connect = ConnectOptions { host: Some(proxy.host.clone()), timeout: Duration::from_secs(10), ..ConnectOptions::default() };
    let refit = runtime.block_on(Refit::connect(connect)).unwrap();
    let container = container.to_owned();
    let work = runtime.spawn(async move { refit.recreate_container(container, options).await });
    if let Err(panic) = catch_unwind(AssertUnwindSafe(meanwhile)) {
        // What was waited for does not come from a run that has ended: its error says more.
        assert!(!work.is_finished(), "it has ended with {:?}", runtime.block_on(work));
        resume_unwind(panic);
    }
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

/// Recreates, and cancels when a phase begins.
pub fn recreate_cancelled_in(case: &Case, options: RecreateOptions, phase: &'static str) -> Outcome<Recreation> {
    recreate_cancelled_after(case, options, phase, Duration::ZERO)
}

/// Recreates, and cancels some time after a phase has begun.
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
