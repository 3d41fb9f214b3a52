//! The update check against registries that lie, stall and break: cases C23 to C40 of the design's table.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod credentials;
mod patience;
mod reach;
mod tokens;

use std::collections::BTreeMap;

use refit::image::{Check, CheckList, CheckOptions, State};
use refit::{Code, ConnectOptions, Refit, RegistryOptions};
use refit_lab::{Answer, Asked, Lab, LyingRegistry};

/// An answer without what was asked.
pub(crate) type Say = fn() -> Answer;

pub(crate) async fn connect(registries: BTreeMap<String, RegistryOptions>) -> Refit {
    let mut options = ConnectOptions::default();
    options.host = Some(Lab::get().engine.host());
    options.docker_config = Some(std::env::temp_dir().join("refit-no-docker-config"));
    options.registries = registries;
    Refit::connect(options).await.expect("the lab's engine")
}

pub(crate) async fn plain() -> Refit {
    connect(BTreeMap::new()).await
}

pub(crate) fn login(host: &str, username: &str, password: &str) -> BTreeMap<String, RegistryOptions> {
    let mut options = RegistryOptions::default();
    options.username = Some(username.into());
    options.password = Some(password.into());
    BTreeMap::from([(host.to_owned(), options)])
}

pub(crate) async fn check(refit: &Refit, image: &str) -> Check {
    match refit.check_update(image, CheckOptions::default()).await {
        Ok(check) => check,
        Err(failure) => failure.report.expect("a check beside every error"),
    }
}

pub(crate) async fn check_all(refit: &Refit, images: Vec<String>) -> CheckList {
    refit.check_updates(Some(images), CheckOptions::default()).await.expect("a batch is never an error")
}

/// What a registry that always answers the same makes of an image that is not local.
pub(crate) async fn found(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Check, usize) {
    let registry = LyingRegistry::start(answer);
    let check = check(&plain().await, &format!("{}/app:t", registry.host)).await;
    assert_eq!(registry.requests().len(), check.requests as usize, "every request is counted");
    (check, registry.requests().len())
}

#[track_caller]
pub(crate) fn is_error(case: &str, check: &Check, state: State, code: Code) {
    assert_eq!((check.state, check.has_update), (state, None), "{case}: {check:#?}");
    assert_eq!(check.error.as_ref().map(refit::Error::code), Some(code), "{case}");
}
