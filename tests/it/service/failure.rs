//! New images that do not run: the engine's own rollback, and what the caller reads of it.

use std::time::Duration;

use refit::service::{ServiceResult, ServiceUpdateOptions};
use refit::{Code, HistoryFilter, HistoryKind, HistoryResult};
use refit_lab::{Canned, Fault, Proxy, When};
use serde_json::{Value, json};

use super::{Web, broken, connect, failed, options, version};

/// The engine counts a task that exits as failed for so long: on a busy machine it hears of an exit late.
fn patient(spec: &mut Value) {
    spec["UpdateConfig"]["Monitor"] = json!(15_000_000_000_u64);
}

/// Everything that a caller reads of a service whose new image exits.
async fn is_rolled_back(web: &Web) {
    let new = web.publish(&broken());
    let before = web.inspect()["Spec"].clone();
    let refit = web.refit().await;
    let (error, report) = failed(refit.update_service(&web.name, options()).await);
    assert_eq!((error.code(), report.result), (Code::RolledBack, ServiceResult::RolledBack), "{error} {:?}", error.context().causes);
    assert_eq!(report.update_state.as_deref(), Some("rollback_completed"));
    assert!(error.message().contains(&web.pinned(&new)) && error.message().contains(&web.pinned(&web.old)), "{error}");
    let causes = &error.context().causes;
    assert!(causes[0].contains("exit") && causes[0].contains("failed"), "{causes:?}");
    assert!(causes.contains(&"its log: the level file is corrupt".to_owned()), "{causes:?}");
    assert_eq!(report.logs_tail.as_deref(), Some("the level file is corrupt"));
    assert_eq!(web.inspect()["Spec"].to_string(), before.to_string());
    web.wait_running(2);
    assert_eq!(web.running(), [web.pinned(&web.old), web.pinned(&web.old)]);
    let entry = refit.history(&HistoryFilter::default()).await.unwrap().entries.remove(0);
    assert_eq!((entry.kind, entry.result), (HistoryKind::ServiceUpdate, HistoryResult::RolledBack));
    assert!(entry.error.is_some_and(|error| error.name == "ROLLED_BACK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_the_engine_pauses_is_rolled_back() {
    let Some(web) = Web::new("pause", patient) else { return };
    is_rolled_back(&web).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_the_engine_itself_is_awaited() {
    let rolls_back = |spec: &mut Value| {
        patient(spec);
        spec["UpdateConfig"]["FailureAction"] = json!("rollback");
    };
    let Some(web) = Web::new("rollback", rolls_back) else { return };
    is_rolled_back(&web).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_pulled_is_rolled_back_with_the_nodes_words() {
    let Some(web) = Web::new("unpullable", patient) else { return };
    // A layer that no node has from another image.
    let new = web.publish(&version("2").file("own", web.name.as_bytes()));
    // The registry names it, and its nodes find nothing.
    let (algorithm, hex) = new.artifact.blobs.last().unwrap().digest.split_once(':').unwrap();
    let file = format!("data/docker/registry/v2/blobs/{algorithm}/{}/{hex}", &hex[..2]);
    std::fs::remove_dir_all(web.scope.lab.registry.folder.join(file)).unwrap();
    let (error, report) = failed(web.refit().await.update_service(&web.name, options()).await);
    assert_eq!((error.code(), report.result), (Code::RolledBack, ServiceResult::RolledBack), "{error} {:?}", error.context().causes);
    assert!(error.context().causes[0].contains("rejected"), "{:?}", error.context().causes);
    assert_eq!(web.image(), web.pinned(&web.old));
}

/// The engine goes on, so that nothing is rolled back and nothing has converged.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_the_failure_action_continue_is_waited_for() {
    let goes_on = |spec: &mut Value| {
        patient(spec);
        spec["UpdateConfig"]["FailureAction"] = json!("continue");
    };
    let Some(web) = Web::new("continue", goes_on) else { return };
    let new = web.publish(&broken());
    let short = ServiceUpdateOptions { wait: Duration::from_secs(25), ..options() };
    let (error, report) = failed(web.refit().await.update_service(&web.name, short).await);
    assert_eq!((error.code(), report.result), (Code::Timeout, ServiceResult::Updating), "{error}");
    assert!(error.message().contains("0 of 2 tasks run") && error.message().contains("continue"), "{error}");
    assert!(error.context().causes[0].contains("non-zero exit"), "{:?}", error.context().causes);
    assert_eq!(web.image(), web.pinned(&new));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_the_engine_refuses_is_told() {
    let Some(web) = Web::new("refused-rollback", patient) else { return };
    let new = web.publish(&broken());
    let proxy = Proxy::to_engine(&web.swarm.engine.address);
    proxy.on(When::each("POST */update?*rollback=previous"), Fault::Answer(Canned::message(500, "the disk is full")));
    let (error, report) = failed(connect(&proxy.host).await.update_service(&web.name, options()).await);
    assert_eq!((error.code(), report.result), (Code::RollbackFailed, ServiceResult::RollbackFailed), "{error}");
    assert!(error.message().contains("the disk is full") && error.message().contains("docker service rollback"), "{error}");
    assert_eq!((web.image(), report.update_state.as_deref()), (web.pinned(&new), Some("paused")));

    // The next update says where the service stands, and does nothing.
    let again = web.refit().await.update_service(&web.name, options()).await.unwrap();
    assert_eq!(again.result, ServiceResult::Unchanged);
    assert_eq!(again.warnings[0].code, "update_paused", "{:?}", again.warnings);
}
