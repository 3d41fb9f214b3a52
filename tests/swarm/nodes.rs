//! A swarm of a manager and two workers, each an engine in a network of its own (`make test-swarm`): what the user sees when one of them is lost.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use refit::image::{CheckOptions, CheckState};
use refit::service::{ServiceResult, ServiceUpdateOptions};
use refit::{Code, Progress};
use refit_lab::{Engine, Lab, PrivateEngine, Published, Scope};
use serde_json::{Value, json};

use crate::common::{LIMIT, broken, connect, failed, is_refused, version};
use crate::swarm::is_ours;

/// The manager is .1, the workers follow.
const SUBNET: &str = "10.92.0";

/// How long the swarm needs to take a node for lost, and to run its tasks elsewhere.
const LOST: Duration = Duration::from_secs(180);

/// A manager, which is the engine of `tests/lab/engines` where the lab uses one, and two workers of the machine's own dockerd.
struct Three {
    manager: Engine,
    workers: Vec<PrivateEngine>,
    _private: Option<PrivateEngine>,
    scope: Scope<'static>,
    old: Published,
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
}

fn name(network: &Path) -> &str {
    network.file_name().unwrap().to_str().unwrap()
}

/// Joins the networks of the engines by a bridge in that of the manager.
fn link(manager: &Path, workers: &[PrivateEngine]) {
    let manager = name(manager);
    let _ = Command::new("ip").args(["-n", manager, "link", "del", "refit0"]).output();
    ip(&format!("-n {manager} link add refit0 type bridge"));
    ip(&format!("-n {manager} addr add {SUBNET}.1/24 dev refit0"));
    ip(&format!("-n {manager} link set refit0 up"));
    for (at, worker) in workers.iter().enumerate() {
        let (own, at) = (name(worker.network()), at + 2);
        ip(&format!("link add refit{at} netns {manager} type veth peer name refit1 netns {own}"));
        ip(&format!("-n {manager} link set refit{at} master refit0 up"));
        ip(&format!("-n {own} addr add {SUBNET}.{at}/24 dev refit1"));
        ip(&format!("-n {own} link set refit1 up"));
    }
}

impl Three {
    fn new(what: &str) -> Self {
        let lab = Lab::get();
        let private = (!is_ours()).then(|| lab.private_engine("manager", &json!({})));
        let manager = private.as_ref().map_or_else(|| Engine::at(&lab.engine.host()), |private| private.dockerd.engine());
        let workers: Vec<PrivateEngine> = ["worker-1", "worker-2"].map(|name| lab.private_engine(name, &json!({}))).into();
        link(private.as_ref().map_or_else(|| lab.network.as_deref().unwrap(), PrivateEngine::network), &workers);
        let address = |at: usize| format!("{SUBNET}.{at}");
        manager.post("/swarm/init", &json!({"ListenAddr": format!("{}:2377", address(1)), "AdvertiseAddr": address(1)}));
        let token = manager.get("/swarm")["JoinTokens"]["Worker"].clone();
        for (at, worker) in workers.iter().enumerate() {
            let own = address(at + 2);
            let body = json!({"ListenAddr": format!("{own}:2377"), "AdvertiseAddr": own, "RemoteAddrs": [format!("{}:2377", address(1))], "JoinToken": token});
            worker.dockerd.engine().post("/swarm/join", &body);
        }
        let scope = lab.scope(what);
        let old = scope.publish(&version("1").build(), "t");
        let three = Self { manager, workers, _private: private, scope, old };
        three.create();
        three
    }

    fn name(&self) -> String {
        self.scope.name("web")
    }

    /// Six replicas, which are replaced one after another.
    fn create(&self) {
        let spec = json!({
            "Name": self.name(),
            "TaskTemplate": {"ContainerSpec": {"Image": format!("{}@{}", self.old.reference, self.old.digest), "StopGracePeriod": 1_000_000_000}},
            "Mode": {"Replicated": {"Replicas": 6}},
            "UpdateConfig": {"Parallelism": 1, "Delay": 1_000_000_000, "Monitor": 1_000_000_000, "FailureAction": "pause"},
            "RollbackConfig": {"Parallelism": 1, "Monitor": 500_000_000},
        });
        self.manager.post("/services/create", &spec);
        let end = Instant::now() + LIMIT;
        while self.running().len() < 6 {
            assert!(Instant::now() < end, "{:?}", self.running());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The node and the image of each task that runs.
    fn running(&self) -> Vec<(String, String)> {
        let tasks = self.manager.get(&format!("/tasks?filters=%7B%22service%22%3A%5B%22{}%22%5D%7D", self.name()));
        let runs = |task: &&Value| task["DesiredState"] == "running" && task["Status"]["State"] == "running";
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        tasks
            .as_array()
            .unwrap()
            .iter()
            .filter(runs)
            .map(|task| (text(&task["NodeID"]), text(&task["Spec"]["ContainerSpec"]["Image"])))
            .collect()
    }

    fn node(&self, worker: usize) -> String {
        self.workers[worker].dockerd.engine().get("/info")["Swarm"]["NodeID"].as_str().unwrap().to_owned()
    }
}

impl Drop for Three {
    fn drop(&mut self) {
        if is_ours() {
            self.manager.ask("DELETE", &format!("/services/{}", self.name()), &Value::Null);
            self.manager.ask("POST", "/swarm/leave?force=1", &Value::Null);
        }
    }
}

/// Prints as it happens, for who reads along.
fn tell(begun: Instant, what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{:6.1} s  {what}", begun.elapsed().as_secs_f64());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_whose_worker_is_lost_ends_or_is_sent_anew() {
    let mut three = Three::new("nodes");
    let refit = connect(&three.manager.host()).await;
    let lost = three.node(0);
    assert!(three.running().iter().any(|(node, _)| *node == lost), "a worker has no task: {:?}", three.running());
    let worker = connect(&three.workers[1].dockerd.engine().host()).await;
    is_refused(worker.check_service(three.name(), CheckOptions::default()).await, Code::Unsupported, "use the engine of a manager");

    let new = three.scope.publish(&version("2").build(), "t");
    let check = refit.check_service(three.name(), CheckOptions::default()).await.unwrap().check;
    assert_eq!(check.state, CheckState::UpdateAvailable, "{check:?}");
    let begun = Instant::now();
    let seen: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let (reports, reached) = (seen.clone(), Arc::new(tokio::sync::Notify::new()));
    let notify = reached.clone();
    let wait = ServiceUpdateOptions { wait: Duration::from_secs(75), ..ServiceUpdateOptions::default() };
    let update = refit.update_service(three.name(), wait).on_progress(move |progress| {
        let mut seen = reports.lock().unwrap();
        if seen.last().is_none_or(|last| (last.phase, last.current, last.total) != (progress.phase, progress.current, progress.total)) {
            tell(begun, &format!("{} {} of {:?}", progress.phase, progress.current, progress.total));
        }
        if progress.current == 2 {
            notify.notify_one();
        }
        seen.push(progress.clone());
        std::ops::ControlFlow::Continue(())
    });
    let update = tokio::spawn(std::future::IntoFuture::into_future(update));
    reached.notified().await;
    three.workers[0].dockerd.kill();
    tell(begun, "worker-1 is killed");
    let outcome = update.await.unwrap();
    // The engine runs the tasks of the lost node elsewhere, and waits for the one that it was replacing there: whether there was one is chance.
    let report = match outcome {
        Ok(report) => report,
        Err(failure) => {
            tell(begun, &format!("{}: {}", failure.error.code().name(), failure.error));
            let (error, report) = failed(Err(failure));
            assert_eq!((error.code(), report.result), (Code::Timeout, ServiceResult::Updating), "{error}");
            assert!(error.message().contains("of 6 tasks run") && error.message().contains("a node is down"), "{error}");
            let force = ServiceUpdateOptions { wait: LOST, force: true, ..ServiceUpdateOptions::default() };
            refit.update_service(three.name(), force).await.unwrap()
        }
    };
    tell(begun, &format!("{report:?}"));
    assert_eq!((report.result, report.replicas_running, report.replicas_wanted), (ServiceResult::Updated, Some(6), Some(6)), "{report:?}");
    let pinned = format!("{}@{}", three.old.reference, new.digest);
    let running = three.running();
    assert!(running.len() == 6 && running.iter().all(|(node, image)| *node != lost && *image == pinned), "{running:?}");
    let listed = refit.services().await.unwrap().services.remove(0);
    tell(begun, &format!("{listed:?}"));
    // The engine's own count has those of the lost node too, of which it has not heard that they ended.
    assert!(listed.image == pinned && listed.replicas_running >= 6 && listed.replicas_wanted == 6, "{listed:?}");

    // The worker is back with what it ran, which the swarm stops.
    three.workers[0].dockerd.start_again();
    tell(begun, "worker-1 is back");
    let end = Instant::now() + LOST;
    while three.workers[0].dockerd.engine().get("/containers/json").as_array().is_some_and(|all| !all.is_empty()) {
        assert!(Instant::now() < end, "the containers of the worker that was lost go on");
        std::thread::sleep(Duration::from_millis(500));
    }
    tell(begun, "worker-1 has stopped what it ran");
    assert_eq!(three.running().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_fails_on_a_worker_is_told_with_its_log() {
    let three = Three::new("nodes-broken");
    let refit = connect(&three.manager.host()).await;
    three.scope.publish(&broken().build(), "t");
    // The manager takes no task, so that the log is one of a worker.
    let own = three.manager.get("/info")["Swarm"]["NodeID"].as_str().unwrap().to_owned();
    let mut node = three.manager.get(&format!("/nodes/{own}"));
    node["Spec"]["Availability"] = json!("drain");
    three.manager.post(&format!("/nodes/{own}/update?version={}", node["Version"]["Index"]), &node["Spec"]);
    let end = Instant::now() + LIMIT;
    while three.running().len() < 6 || three.running().iter().any(|(node, _)| *node == own) {
        assert!(Instant::now() < end, "{:?}", three.running());
        std::thread::sleep(Duration::from_millis(200));
    }
    let wait = ServiceUpdateOptions { wait: LOST, ..ServiceUpdateOptions::default() };
    let (error, report) = failed(refit.update_service(three.name(), wait).await);
    assert_eq!((error.code(), report.result), (Code::RolledBack, ServiceResult::RolledBack), "{error} {:?}", error.context().causes);
    assert_eq!(report.logs_tail.as_deref(), Some("the level file is corrupt"), "{:?}", error.context().causes);
    assert_eq!(three.running().len(), 6);
}
