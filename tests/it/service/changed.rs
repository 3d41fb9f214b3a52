//! Services that somebody else changes at the same time.

use refit::Code;
use refit::service::ServiceResult;
use refit_lab::{Proxy, When};
use serde_json::{Value, json};

use super::{LIMIT, Web, connect, failed, options, version};

/// Holds the request of the update, and lets somebody else change the service meanwhile.
async fn changed(web: &Web, change: impl FnOnce(&mut Value)) -> refit::Outcome<refit::service::ServiceUpdate> {
    let proxy = Proxy::to_engine(&web.swarm.engine.address);
    let gate = proxy.hold(When::first("POST */update"));
    let refit = connect(&proxy.host).await;
    let update = tokio::spawn(std::future::IntoFuture::into_future(refit.update_service(&web.name, options())));
    let held = tokio::task::spawn_blocking(move || gate.wait(LIMIT)).await.unwrap();
    web.change(change);
    held.release();
    update.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_changed_meanwhile_stays() {
    let Some(web) = Web::new("changed", |_| {}) else { return };
    let new = web.publish(&version("2"));
    let report = changed(&web, |spec| {
        spec["Labels"]["theirs"] = json!("2");
        spec["TaskTemplate"]["ContainerSpec"]["Env"] = json!(["MODE=theirs"]);
    })
    .await
    .unwrap();
    assert_eq!(report.result, ServiceResult::Updated, "{report:?}");
    let spec = web.inspect()["Spec"].clone();
    assert_eq!(spec["Labels"], json!({"own": "1", "theirs": "2"}));
    assert_eq!(spec["TaskTemplate"]["ContainerSpec"]["Env"], json!(["MODE=theirs"]));
    assert_eq!(spec["TaskTemplate"]["ContainerSpec"]["Image"], web.pinned(&new));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_somebody_else_has_changed_meanwhile_is_a_conflict() {
    let Some(web) = Web::new("changed-image", |_| {}) else { return };
    let theirs = web.scope.publish(&version("theirs").build(), "theirs");
    web.publish(&version("2"));
    let image = theirs.reference.clone();
    let (error, report) = failed(changed(&web, move |spec| spec["TaskTemplate"]["ContainerSpec"]["Image"] = json!(image)).await);
    assert_eq!((error.code(), report.result), (Code::Conflict, ServiceResult::Failed), "{error}");
    assert!(error.message().contains(&theirs.reference) && error.message().contains("nothing was changed"), "{error}");
    assert_eq!(web.image(), theirs.reference);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_by_somebody_else_ends_the_wait() {
    let slow = |spec: &mut Value| {
        spec["UpdateConfig"]["Parallelism"] = json!(1);
        spec["UpdateConfig"]["Delay"] = json!(30_000_000_000_u64);
    };
    let Some(web) = Web::new("overtaken", slow) else { return };
    let theirs = web.scope.publish(&version("theirs").build(), "theirs");
    web.publish(&version("2"));
    let refit = web.refit().await;
    let begun = std::sync::Arc::new(tokio::sync::Notify::new());
    let notify = begun.clone();
    let update = refit.update_service(&web.name, options()).on_progress(move |progress| {
        if progress.phase == "updating" && progress.current == 1 {
            notify.notify_one();
        }
        std::ops::ControlFlow::Continue(())
    });
    let update = tokio::spawn(std::future::IntoFuture::into_future(update));
    begun.notified().await;
    web.change(|spec| spec["TaskTemplate"]["ContainerSpec"]["Image"] = json!(theirs.reference));
    let (error, report) = failed(update.await.unwrap());
    assert_eq!((error.code(), report.result), (Code::Conflict, ServiceResult::ChangedMeanwhile), "{error}");
    assert!(error.message().contains("somebody else has updated it"), "{error}");
}
