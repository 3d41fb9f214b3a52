//! Calls that end before the update does: the engine goes on, and the report says how far it was.

use std::future::IntoFuture;
use std::ops::ControlFlow;
use std::time::Duration;

use refit::service::{ServiceResult, ServiceUpdateOptions};
use refit::{Cancel, Code, HistoryFilter, HistoryResult};
use serde_json::json;

use super::{Web, failed, options, version};

/// One task after another, with a pause between them.
fn slow(spec: &mut serde_json::Value) {
    spec["UpdateConfig"]["Parallelism"] = json!(1);
    spec["UpdateConfig"]["Delay"] = json!(8_000_000_000_u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_goes_on_after_a_cancel_and_after_the_wait() {
    let Some(web) = Web::new("wait", slow) else { return };
    let new = web.publish(&version("2"));
    let refit = web.refit().await;
    let cancel = Cancel::new();
    let fires = cancel.clone();
    let update = refit.update_service(&web.name, options()).cancel(&cancel).on_progress(move |progress| {
        if progress.phase == "updating" && progress.current == 1 {
            fires.fire();
        }
        ControlFlow::Continue(())
    });
    let (error, report) = failed(update.await);
    assert_eq!((error.code(), report.result), (Code::Cancelled, ServiceResult::Updating), "{error}");
    assert!(error.message().contains("1 of 2 tasks run") && error.message().contains("the engine goes on"), "{error}");
    assert_eq!((report.replicas_running, report.update_state.as_deref()), (Some(1), Some("updating")));

    let short = ServiceUpdateOptions { wait: Duration::from_secs(1), ..options() };
    let (error, report) = failed(refit.update_service(&web.name, short).await);
    assert_eq!((error.code(), report.result), (Code::Timeout, ServiceResult::Updating), "{error}");
    assert!(error.message().contains("within 1 s") && error.message().contains("the engine goes on"), "{error}");

    // Another call waits for the same update, and sends nothing.
    let version = web.inspect()["Version"]["Index"].clone();
    let report = refit.update_service(&web.name, options()).await.unwrap();
    assert_eq!((report.result, report.from.image), (ServiceResult::Updated, web.pinned(&web.old)));
    assert_ne!(web.inspect()["Version"]["Index"], version, "the engine was still at it");
    assert_eq!(web.running(), [web.pinned(&new), web.pinned(&new)]);
    let results: Vec<HistoryResult> =
        refit.history(&HistoryFilter::default()).await.unwrap().entries.into_iter().map(|entry| entry.result).collect();
    assert_eq!(results, [HistoryResult::Done, HistoryResult::Cancelled, HistoryResult::Cancelled]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_no_node_takes_is_told_after_the_wait() {
    let Some(web) = Web::new("pending", |spec| spec["UpdateConfig"]["Order"] = json!("stop-first")) else { return };
    web.change(|spec| spec["Mode"]["Replicated"]["Replicas"] = json!(1));
    web.publish(&version("2"));
    // Nodes are chosen anew for the tasks of the new spec.
    web.change(|spec| spec["TaskTemplate"]["Placement"] = json!({"Constraints": ["node.labels.refit == nowhere"]}));
    let short = ServiceUpdateOptions { wait: Duration::from_secs(3), ..options() };
    let (error, report) = failed(web.refit().await.update_service(&web.name, short).await);
    assert_eq!((error.code(), report.result), (Code::Timeout, ServiceResult::Updating), "{error}");
    assert!(error.message().contains("no suitable node"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_updated_by_one_call_at_a_time() {
    let Some(web) = Web::new("busy", slow) else { return };
    web.publish(&version("2"));
    let (one, two) = (web.refit().await, web.refit().await);
    let cancel = Cancel::new();
    let begun = std::sync::Arc::new(tokio::sync::Notify::new());
    let notify = begun.clone();
    let first = one.update_service(&web.name, options()).cancel(&cancel).on_progress(move |progress| {
        if progress.phase == "updating" {
            notify.notify_one();
        }
        ControlFlow::Continue(())
    });
    let first = tokio::spawn(first.into_future());
    begun.notified().await;
    super::is_refused(two.update_service(&web.name, options()).await, Code::Busy, "is being updated");
    cancel.fire();
    assert_eq!(first.await.unwrap().unwrap_err().error.code(), Code::Cancelled);
}
