//! The update check with registries that send wrong, slow or broken answers: cases C23 to C40 of docs/check.md, section 8.

mod answers;
mod credentials;
mod kinds;
mod patience;
mod reach;
mod tokens;

use std::collections::BTreeMap;

use refit::image::{Check, CheckList, CheckOptions, CheckState};
use refit::{Code, ConnectOptions, Refit, RegistryOptions};
use refit_lab::{Answer, Asked, Lab, LyingRegistry};

/// An answer that does not depend on the request.
pub(crate) type Say = fn() -> Answer;

pub(crate) async fn connect(registries: BTreeMap<String, RegistryOptions>) -> Refit {
    let options = ConnectOptions {
        host: Some(Lab::get().engine.host()),
        docker_config: Some(std::env::temp_dir().join("refit-no-docker-config")),
        registries,
        ..ConnectOptions::default()
    };
    Refit::connect(options).await.expect("the lab's engine")
}

pub(crate) async fn plain() -> Refit {
    connect(BTreeMap::new()).await
}

pub(crate) fn login(host: &str, username: &str, password: &str) -> BTreeMap<String, RegistryOptions> {
    let options = RegistryOptions { username: Some(username.into()), password: Some(password.into()), ..RegistryOptions::default() };
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

/// The check of an image that is not local, and how many requests a registry got that always answers the same.
pub(crate) async fn found(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Check, usize) {
    let registry = LyingRegistry::start(answer);
    let check = check(&plain().await, &format!("{}/app:t", registry.host)).await;
    assert_eq!(registry.requests().len(), check.requests as usize, "every request is counted");
    (check, registry.requests().len())
}

#[track_caller]
pub(crate) fn is_error(case: &str, check: &Check, state: CheckState, code: Code) {
    assert_eq!((check.state, check.has_update), (state, None), "{case}: {check:#?}");
    assert_eq!(check.error.as_ref().map(refit::Error::code), Some(code), "{case}");
}
