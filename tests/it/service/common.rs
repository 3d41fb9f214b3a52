//! A service with two replicas, and what the tests of services ask of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refit::service::{ServiceUpdate, ServiceUpdateOptions};
use refit::{Code, ConnectOptions, Error, Outcome, Refit};
use refit_lab::{Image, Lab, Published, Scope};
use serde_json::{Value, json};

use crate::swarm::Swarm;

/// Long enough for any wait of these tests on a machine with eight of them at once.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

pub(crate) fn version(number: &str) -> Image {
    Image::new().version(number)
}

pub(crate) fn broken() -> Image {
    version("broken").cmd(["sh", "-c", "echo the level file is corrupt; exit 3"])
}

/// A service, and the image that it has.
pub(crate) struct Web {
    pub(crate) swarm: Arc<Swarm>,
    pub(crate) scope: Scope<'static>,
    pub(crate) old: Published,
    pub(crate) name: String,
}

impl Web {
    /// Two replicas, which are replaced at the same time. `change` changes the spec.
    pub(crate) fn new(what: &str, change: impl FnOnce(&mut Value)) -> Option<Self> {
        let swarm = Swarm::shared()?;
        let scope = Lab::get().scope(&format!("service-{what}"));
        let old = scope.publish(&version("1").build(), "t");
        let web = Self { swarm, name: scope.name("web"), scope, old };
        web.create(&format!("{}@{}", web.old.reference, web.old.digest), change);
        Some(web)
    }

    /// The service with an image, once it runs.
    pub(crate) fn create(&self, image: &str, change: impl FnOnce(&mut Value)) {
        let update = json!({"Parallelism": 0, "Monitor": 1_000_000_000, "FailureAction": "pause", "MaxFailureRatio": 0.3});
        let mut spec = json!({
            "Name": self.name,
            "Labels": {"own": "1"},
            "TaskTemplate": {
                "ContainerSpec": {"Image": image, "Env": ["MODE=live"], "StopGracePeriod": 1_000_000_000},
                "RestartPolicy": {"Condition": "any", "Delay": 100_000_000, "MaxAttempts": 2},
            },
            "Mode": {"Replicated": {"Replicas": 2}},
            "UpdateConfig": update,
            "RollbackConfig": {"Parallelism": 0, "Monitor": 500_000_000},
        });
        change(&mut spec);
        let wanted = spec["Mode"]["Replicated"]["Replicas"].as_u64();
        self.swarm.engine.post("/services/create", &spec);
        if let Some(wanted) = wanted {
            self.wait_running(wanted);
        }
    }

    pub(crate) fn wait_running(&self, wanted: u64) {
        let end = Instant::now() + LIMIT;
        while self.running().len() as u64 != wanted {
            assert!(Instant::now() < end, "{} does not run: {:#}", self.name, self.tasks());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn publish(&self, image: &Image) -> Published {
        self.scope.publish(&image.build(), "t")
    }

    pub(crate) fn inspect(&self) -> Value {
        self.swarm.engine.get(&format!("/services/{}", self.name))
    }

    pub(crate) fn image(&self) -> String {
        self.inspect()["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"].as_str().unwrap().to_owned()
    }

    pub(crate) fn tasks(&self) -> Value {
        self.swarm.engine.get(&format!("/tasks?filters=%7B%22service%22%3A%5B%22{}%22%5D%7D", self.name))
    }

    /// The images of the tasks that run.
    pub(crate) fn running(&self) -> Vec<String> {
        let tasks = self.tasks();
        let runs =
            tasks.as_array().unwrap().iter().filter(|task| task["DesiredState"] == "running" && task["Status"]["State"] == "running");
        runs.map(|task| task["Spec"]["ContainerSpec"]["Image"].as_str().unwrap().to_owned()).collect()
    }

    /// The service's update by somebody else.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut now = self.inspect();
        change(&mut now["Spec"]);
        self.swarm.engine.post(&format!("/services/{}/update?version={}", self.name, now["Version"]["Index"]), &now["Spec"]);
    }

    pub(crate) async fn refit(&self) -> Refit {
        connect(&self.swarm.engine.host()).await
    }

    /// `NAME:TAG@DIGEST`.
    pub(crate) fn pinned(&self, published: &Published) -> String {
        format!("{}@{}", self.old.reference, published.digest)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.swarm.engine.ask("DELETE", &format!("/services/{}", self.name), &Value::Null);
    }
}

pub(crate) async fn connect(host: &str) -> Refit {
    let options = ConnectOptions { host: Some(host.to_owned()), timeout: Duration::from_secs(120), ..ConnectOptions::default() };
    Refit::connect(options).await.unwrap()
}

pub(crate) fn options() -> ServiceUpdateOptions {
    ServiceUpdateOptions { wait: LIMIT, ..ServiceUpdateOptions::default() }
}

pub(crate) fn failed(outcome: Outcome<ServiceUpdate>) -> (Error, ServiceUpdate) {
    let failure = outcome.expect_err("it should have failed");
    let report = failure.report.unwrap_or_else(|| panic!("no report: {}", failure.error));
    assert_eq!(report.error.as_ref().map(|error| error.message.as_str()), Some(failure.error.message()));
    (failure.error, report)
}

pub(crate) fn is_refused<T: std::fmt::Debug>(outcome: Outcome<T>, code: Code, words: &str) {
    let error = outcome.expect_err("it should have failed").error;
    assert_eq!(error.code(), code, "{error}");
    assert!(error.message().contains(words), "{error}");
}
