//! A pull that is silent: it goes on while the engine answers, and fails when the engine does not.

use std::time::Duration;

use refit::image::PullOptions;
use refit::{Code, ConnectOptions, Error, Refit};
use refit_lab::{Fault, Image, Lab, Proxy, When};

const PULL: &str = "POST /images/create";

async fn handle(proxy: &Proxy) -> Refit {
    let options = ConnectOptions { host: Some(proxy.host.clone()), timeout: Duration::from_secs(6), ..ConnectOptions::default() };
    Refit::connect(options).await.expect("the lab's engine")
}

/// A proxy cache that fetches a blob first, and a large layer on a slow disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_silent_goes_on_while_the_engine_answers() {
    let lab = Lab::get();
    let scope = lab.scope("pull-silent");
    let image = scope.publish(&Image::new().build(), "t");
    let proxy = Proxy::engine(lab);
    let refit = handle(&proxy).await;
    proxy.reset();
    proxy.on(When::first(PULL), Fault::DelayAnswer(Duration::from_secs(15)));
    let pulled = refit.pull(&image.reference, PullOptions::default()).await.unwrap_or_else(|failure| panic!("{}", Error::from(failure)));
    assert!(pulled.changed);
    assert!(proxy.count("GET /_ping") > 0, "{:?}", proxy.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_stays_silent_is_ended_by_its_time_limit_alone() {
    let lab = Lab::get();
    let scope = lab.scope("pull-stuck");
    let image = scope.publish(&Image::new().build(), "t");
    let proxy = Proxy::engine(lab);
    let refit = handle(&proxy).await;
    proxy.reset();
    proxy.on(When::first(PULL), Fault::HangBody(20));
    let failure = refit.pull(&image.reference, PullOptions::default()).timeout(Duration::from_secs(20)).await.unwrap_err();
    assert_eq!(failure.error.code(), Code::Timeout, "{}", failure.error);
    assert!(proxy.count("GET /_ping") > 0, "{:?}", proxy.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_silent_fails_when_the_engine_does_not_answer() {
    let lab = Lab::get();
    let scope = lab.scope("pull-dead");
    let image = scope.publish(&Image::new().build(), "t");
    let proxy = Proxy::engine(lab);
    let refit = handle(&proxy).await;
    for dead in [Fault::Hang, Fault::Cut] {
        proxy.reset();
        proxy.on(When::first(PULL), Fault::HangBody(20));
        proxy.on(When::each("GET /_ping"), dead.clone());
        let failure = refit.pull(&image.reference, PullOptions::default()).timeout(Duration::from_secs(300)).await.unwrap_err();
        assert_eq!(failure.error.code(), Code::Unreachable, "{dead:?}: {}", failure.error);
    }
}
