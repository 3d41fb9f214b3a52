//! The list, and engines and names for which there is none.

use refit::Code;
use refit::image::CheckOptions;
use refit_lab::{Canned, Fault, Lab, Proxy, When};
use serde_json::json;

use super::{Web, connect, is_refused, options};
use crate::connected;
use crate::swarm::is_ours;

const NO_SWARM: &str =
    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";
const WORKER: &str = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.";

#[tokio::test(flavor = "multi_thread")]
async fn services_are_listed_with_what_runs_and_what_is_to_run() {
    let Some(web) = Web::new("list", |_| {}) else { return };
    let refit = web.refit().await;
    let find = async || refit.services().await.unwrap().services.into_iter().find(|service| service.name == web.name).unwrap();
    let listed = find().await;
    assert_eq!((listed.replicas_running, listed.replicas_wanted, listed.update_state), (2, 2, None));
    assert_eq!((listed.image, json!(listed.id)), (web.pinned(&web.old), web.inspect()["ID"].clone()));
    let shows = async |running: u64, wanted: u64, state: Option<&str>| {
        let end = std::time::Instant::now() + super::LIMIT;
        loop {
            let listed = find().await;
            if (listed.replicas_running, listed.replicas_wanted, listed.update_state.as_deref()) == (running, wanted, state) {
                break;
            }
            assert!(std::time::Instant::now() < end, "{listed:?} and not {running} of {wanted}, {state:?}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    // No node takes the new tasks.
    web.change(|spec| spec["TaskTemplate"]["Placement"] = json!({"Constraints": ["node.labels.refit == nowhere"]}));
    shows(0, 2, Some("updating")).await;
    // With other replicas there is nothing to replace.
    web.change(|spec| spec["Mode"]["Replicated"]["Replicas"] = json!(3));
    shows(0, 3, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_listed_and_not_updated() {
    let Some(web) = Web::new("job", |spec| {
        spec["Mode"] = json!({"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}});
        spec["TaskTemplate"]["RestartPolicy"]["Condition"] = json!("none");
        spec.as_object_mut().unwrap().retain(|key, _| !key.ends_with("Config"));
    }) else {
        return;
    };
    let refit = web.refit().await;
    let before = web.inspect()["Spec"].clone();
    assert!(refit.services().await.unwrap().services.iter().any(|service| service.name == web.name));
    web.publish(&super::version("2"));
    is_refused(refit.update_service(&web.name, options()).await, Code::Unsupported, "is a job");
    assert_eq!(web.inspect()["Spec"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_service_is_not_found() {
    let Some(web) = Web::new("unknown", |spec| spec["Mode"]["Replicated"]["Replicas"] = json!(0)) else { return };
    let refit = web.refit().await;
    is_refused(refit.check_service("refit-nothing", CheckOptions::default()).await, Code::NotFound, "refit-nothing");
    is_refused(refit.update_service("refit-nothing", options()).await, Code::NotFound, "service_list");
    for name in ["", "a/b", "../x"] {
        is_refused(refit.update_service(name, options()).await, Code::InvalidArgument, "service name");
    }
    // By its id too, of which the beginning is enough.
    let id = web.inspect()["ID"].as_str().unwrap().to_owned();
    assert_eq!(refit.check_service(&id[..12], CheckOptions::default()).await.unwrap().service, web.name);
}

async fn needs_a_manager(refit: &refit::Refit, words: &str) {
    let list: refit::Outcome<refit::service::ServiceList> = refit.services().await.map_err(Into::into);
    is_refused(list, Code::Unsupported, words);
    is_refused(refit.check_service("web", CheckOptions::default()).await, Code::Unsupported, words);
    is_refused(refit.update_service("web", options()).await, Code::Unsupported, words);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_manages_no_swarm_says_what_to_do() {
    let lab = Lab::get();
    if lab.engine.is_podman() {
        needs_a_manager(&connected::refit().await, "Podman has no services").await;
        return;
    }
    let is_member = || lab.engine.get("/info")["Swarm"]["LocalNodeState"] == "active";
    // That of `tests/lab/engines` may be in the swarm of another test.
    if !is_ours() && !is_member() {
        needs_a_manager(&connected::refit().await, "docker swarm init").await;
    }
    let proxy = Proxy::engine(lab);
    for (said, words) in [(NO_SWARM, "docker swarm init"), (WORKER, "use the engine of a manager")] {
        proxy.reset();
        for path in ["GET /services*", "GET /tasks*", "GET /nodes*"] {
            proxy.on(When::each(path), Fault::Answer(Canned::message(503, said)));
        }
        needs_a_manager(&connect(&proxy.host).await, words).await;
    }
}

/// A plan does not fail because of the services, and says where it does not know them.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_services_says_whether_there_are_none() {
    let lab = Lab::get();
    let scope = lab.scope("service-plan");
    let image = scope.pull(&super::version("1").build(), "t");
    let proxy = Proxy::engine(lab);
    let refit = connect(&proxy.host).await;
    let swarm = |manages: bool| {
        let mut info = lab.engine.get("/info");
        info["Swarm"] = json!({"LocalNodeState": if manages { "active" } else { "inactive" }, "ControlAvailable": manages});
        Fault::Answer(Canned::json(200, &info))
    };
    // Without a download, and with one.
    for newer in [false, true] {
        if newer {
            scope.publish(&super::version("2").build(), "t");
        }
        for manages in [false, true] {
            proxy.reset();
            proxy.on(When::each("GET /info"), swarm(manages));
            proxy.on(When::each("GET /services*"), Fault::Answer(Canned::message(403, "Forbidden by the proxy")));
            let plan = refit.plan_update(&image.reference, refit::image::UpdateOptions::default()).await.unwrap();
            assert!(plan.services.is_empty() && plan.pull == newer);
            let unknown: Vec<_> = plan.warnings.iter().filter(|warning| warning.code == "services_unknown").collect();
            assert_eq!((unknown.len(), proxy.count("GET /services*")), (usize::from(manages), usize::from(manages)), "{:?}", plan.warnings);
            assert!(unknown.iter().all(|warning| warning.message.contains("Forbidden by the proxy")), "{unknown:?}");
        }
    }
}
