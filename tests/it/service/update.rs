//! Updates that succeed, and those for which nothing is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use refit::image::{CheckOptions, CheckState, UpdateOptions};
use refit::service::{ServiceResult, ServiceUpdateOptions};
use refit::{Code, ConnectOptions, HistoryFilter, HistoryKind, HistoryResult, Refit, RegistryOptions};
use refit_lab::{Lab, Proxy};
use serde_json::{Value, json};

use super::{Web, connect, failed, is_refused, options, version};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_gets_the_digest_that_its_tag_names_now() {
    let Some(web) = Web::new("update", |_| {}) else { return };
    let refit = web.refit().await;
    let before = web.inspect();
    let current = refit.check_service(&web.name, CheckOptions::default()).await.unwrap();
    assert_eq!((current.check.state, current.check.requests), (CheckState::UpToDate, 1), "{current:?}");

    let new = web.publish(&version("2"));
    let check = refit.check_service(&web.name, CheckOptions::default()).await.unwrap();
    assert_eq!((check.service.as_str(), check.check.image.as_str()), (web.name.as_str(), web.old.reference.as_str()));
    assert_eq!((check.check.state, check.check.has_update), (CheckState::UpdateAvailable, Some(true)), "{check:?}");
    let digest = check.check.remote.map(|remote| remote.digest);
    assert_eq!(digest.as_deref(), Some(new.digest.as_str()));
    let plan = refit.plan_update(&web.old.reference, UpdateOptions::default()).await.unwrap();
    assert_eq!(plan.services, [web.name.as_str()]);

    let seen = Arc::new(Mutex::new(Vec::new()));
    let reports = seen.clone();
    let confirmed = ServiceUpdateOptions { expect_digest: digest, ..options() };
    let report = refit
        .update_service(&web.name, confirmed)
        .actor("ann")
        .on_progress(move |progress| {
            reports.lock().unwrap().push(progress.clone());
            std::ops::ControlFlow::Continue(())
        })
        .await
        .unwrap();
    assert_eq!((report.result, report.update_state.as_deref()), (ServiceResult::Updated, Some("completed")), "{report:?}");
    assert_eq!((report.from.image.as_str(), report.to.image.as_str()), (&*web.pinned(&web.old), &*web.pinned(&new)));
    assert_eq!((report.replicas_running, report.replicas_wanted), (Some(2), Some(2)));
    assert_eq!(web.running(), [web.pinned(&new), web.pinned(&new)]);

    // Everything else in the spec is as it was.
    let mut expected = before["Spec"].clone();
    expected["TaskTemplate"]["ContainerSpec"]["Image"] = json!(web.pinned(&new));
    assert_eq!(web.inspect()["Spec"].to_string(), expected.to_string());

    let seen = seen.lock().unwrap().clone();
    let last = seen.last().unwrap();
    assert_eq!((last.operation, last.subject.as_str(), last.phase, last.permille), ("service_update", web.name.as_str(), "done", 1000));
    assert!(seen.iter().any(|report| report.phase == "updating" && report.total == Some(2)), "{seen:?}");

    let entry = refit.history(&HistoryFilter::default()).await.unwrap().entries.remove(0);
    assert_eq!((entry.kind, entry.result), (HistoryKind::ServiceUpdate, HistoryResult::Done));
    assert_eq!((entry.service.as_deref(), entry.actor.as_deref()), (Some(web.name.as_str()), Some("ann")));
    assert_eq!(entry.image.as_deref(), Some(web.old.reference.as_str()));
    assert_eq!((entry.from.unwrap().digest, entry.to.unwrap().digest), (Some(web.old.digest.clone()), Some(new.digest)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_a_service_that_is_current_or_was_not_confirmed() {
    let Some(web) = Web::new("unchanged", |_| {}) else { return };
    let proxy = Proxy::to_engine(&web.swarm.engine.address);
    let refit = connect(&proxy.host).await;
    let before = web.inspect();
    let report = refit.update_service(&web.name, options()).await.unwrap();
    assert_eq!((report.result, &report.from), (ServiceResult::Unchanged, &report.to), "{report:?}");
    web.publish(&version("2"));
    let other = ServiceUpdateOptions { expect_digest: Some(web.old.digest.clone()), ..options() };
    is_refused(refit.update_service(&web.name, other).await, Code::Conflict, "was confirmed");
    web.scope.lab.registry.delete_tag(&web.old.repository, "t");
    is_refused(refit.update_service(&web.name, options()).await, Code::NotFound, "nothing was changed");
    assert_eq!((proxy.count("POST */update"), web.inspect()), (0, before));
    let results: Vec<HistoryResult> =
        refit.history(&HistoryFilter::default()).await.unwrap().entries.into_iter().map(|entry| entry.result).collect();
    assert_eq!(results, [HistoryResult::Failed, HistoryResult::Failed, HistoryResult::Unchanged]);
}

#[tokio::test(flavor = "multi_thread")]
async fn force_replaces_the_tasks_of_a_current_service() {
    let Some(web) = Web::new("force", |spec| spec["TaskTemplate"]["ForceUpdate"] = json!(4)) else { return };
    let ids = |web: &Web| -> Vec<Value> {
        let tasks = web.tasks();
        let runs = tasks.as_array().unwrap().iter().filter(|task| task["Status"]["State"] == "running");
        runs.map(|task| task["ID"].clone()).collect()
    };
    let before = ids(&web);
    let report = web.refit().await.update_service(&web.name, ServiceUpdateOptions { force: true, ..options() }).await.unwrap();
    assert_eq!((report.result, &report.from), (ServiceResult::Updated, &report.to), "{report:?}");
    assert_eq!(web.inspect()["Spec"]["TaskTemplate"]["ForceUpdate"], 5);
    assert!(ids(&web).iter().all(|id| !before.contains(id)), "its tasks are the ones of before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_replicas_and_a_global_one_are_updated() {
    let Some(none) = Web::new("none", |spec| spec["Mode"]["Replicated"]["Replicas"] = json!(0)) else { return };
    let new = none.publish(&version("2"));
    let report = none.refit().await.update_service(&none.name, options()).await.unwrap();
    assert_eq!((report.result, report.replicas_wanted), (ServiceResult::Updated, Some(0)), "{report:?}");
    assert_eq!(none.image(), none.pinned(&new));

    let global = Web::new("global", |spec| spec["Mode"] = json!({"Global": {}})).unwrap();
    global.wait_running(1);
    let new = global.publish(&version("2"));
    let report = global.refit().await.update_service(&global.name, options()).await.unwrap();
    assert_eq!((report.result, report.replicas_running, report.replicas_wanted), (ServiceResult::Updated, Some(1), Some(1)), "{report:?}");
    assert_eq!(global.running(), [global.pinned(&new)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_get_the_credential_of_the_registry() {
    let Some(web) = Web::new("login", |spec| spec["Mode"]["Replicated"]["Replicas"] = json!(0)) else { return };
    let registry = Lab::get().registry_with_login();
    web.swarm.reaches(&registry.registry);
    // The node has the image, as after a `docker load`: it is not pinned.
    let old = registry.registry.publish(&version("1").build(), &web.scope.name, "t");
    web.swarm.engine.load(&old.artifact.archive(&[&old.reference]));
    web.change(|spec| {
        spec["TaskTemplate"]["ContainerSpec"]["Image"] = json!(old.reference);
        spec["Mode"]["Replicated"]["Replicas"] = json!(1);
    });
    web.wait_running(1);
    let new = registry.registry.publish(&version("2").build(), &web.scope.name, "t");
    is_refused(web.refit().await.update_service(&web.name, options()).await, Code::Unauthorized, "wants a credential");

    let (username, password) = registry.registry.login.clone().unwrap();
    let login = RegistryOptions { username: Some(username), password: Some(password), ..RegistryOptions::default() };
    let connect = ConnectOptions {
        host: Some(web.swarm.engine.host()),
        timeout: Duration::from_secs(120),
        registries: BTreeMap::from([(registry.registry.host.clone(), login)]),
        ..ConnectOptions::default()
    };
    let refit = Refit::connect(connect).await.unwrap();
    let check = refit.check_service(&web.name, CheckOptions::default()).await.unwrap().check;
    assert_eq!((check.state, check.has_update), (CheckState::UpdateAvailable, Some(true)), "{check:?}");
    assert!(check.notes.iter().any(|note| note.code == "not_pinned"), "{:?}", check.notes);
    let report = refit.update_service(&web.name, options()).await.unwrap();
    let pinned = format!("{}@{}", old.reference, new.digest);
    assert_eq!((report.result, report.from.image.as_str(), &report.to.image), (ServiceResult::Updated, old.reference.as_str(), &pinned));
    assert_eq!(web.running(), [pinned]);
    drop(web);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_no_lost_update() {
    use refit_lab::{Fault, When};
    let Some(web) = Web::new("lost-answer", |_| {}) else { return };
    let proxy = Proxy::to_engine(&web.swarm.engine.address);
    let new = web.publish(&version("2"));
    proxy.on(When::first("POST */update"), Fault::CutAnswer);
    let report = connect(&proxy.host).await.update_service(&web.name, options()).await.unwrap();
    assert_eq!(report.result, ServiceResult::Updated, "{report:?}");
    assert_eq!((web.image(), proxy.count("POST */update")), (web.pinned(&new), 1));
    // One that has not arrived is told.
    web.publish(&version("3"));
    proxy.reset();
    proxy.on(When::first("POST */update"), Fault::Cut);
    let (error, report) = failed(connect(&proxy.host).await.update_service(&web.name, options()).await);
    assert_eq!((error.code(), report.result), (Code::Unreachable, ServiceResult::Failed), "{error}");
    assert_eq!(web.image(), web.pinned(&new));
}
