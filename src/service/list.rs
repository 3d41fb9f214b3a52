//! `service_list`: the services of the swarm.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::find::of_engine;
use super::spec::{Mode, Service};
use crate::engine::api::{services, tasks};
use crate::json::text;
use crate::{Refit, Result};

/// The services of a swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "service_list")]
#[non_exhaustive]
pub struct ServiceList {
    /// In the order of their names.
    pub services: Vec<ServiceSummary>,
}

/// A service in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ServiceSummary {
    /// The swarm's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// As its spec has it, mostly `NAME:TAG@DIGEST`.
    pub image: String,
    /// Tasks that run.
    pub replicas_running: u64,
    /// Tasks that are to run: of a replicated service its replicas, of a global one a task a node that fits, of a job those that it runs at the
    /// same time and that have not completed.
    pub replicas_wanted: u64,
    /// The engine's word for the last update: `updating`, `paused`, `completed`, `rollback_started`, `rollback_paused`, `rollback_completed`.
    /// `None`: it was never updated.
    pub update_state: Option<String>,
}

impl Refit {
    /// The services of the swarm. `UNSUPPORTED` where this engine manages none, with what to do.
    #[tracing::instrument(level = "error", name = "service_list", skip_all, err(level = "warn"))]
    pub async fn services(&self) -> Result<ServiceList> {
        let engine = &self.shared.engine;
        let all = match services::list(engine).await {
            Ok(all) => all,
            Err(error) => return Err(of_engine(self, error).await),
        };
        let all: Vec<Service> = all.into_iter().map(Service::new).collect();
        let counted = if all.iter().all(|service| service.counts().is_some()) { Vec::new() } else { tasks::to_run(engine).await? };
        let counted = count(&counted);
        let mut services: Vec<ServiceSummary> = all.iter().map(|service| summary(service, &counted)).collect();
        services.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(ServiceList { services })
    }
}

/// By service: the tasks that run, and those that are to run.
fn count(tasks: &[Value]) -> BTreeMap<&str, (u64, u64)> {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for task in tasks {
        let (running, wanted) = counts.entry(text(task, "/ServiceID")).or_default();
        *running += u64::from(text(task, "/Status/State") == "running");
        *wanted += 1;
    }
    counts
}

fn summary(service: &Service, counted: &BTreeMap<&str, (u64, u64)>) -> ServiceSummary {
    let (running, wanted) = service.counts().unwrap_or_else(|| {
        let (running, wanted) = counted.get(service.id()).copied().unwrap_or_default();
        (running, if let Mode::Replicated(replicas) = service.mode() { replicas } else { wanted })
    });
    ServiceSummary {
        id: service.id().to_owned(),
        name: service.name().to_owned(),
        image: service.shown_image(),
        replicas_running: running,
        replicas_wanted: wanted,
        update_state: service.update_state(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Docker 19.03 does not count the tasks in its list.
    #[test]
    fn an_engine_without_counts_has_its_tasks_counted() {
        let tasks = [("a", "running"), ("a", "starting"), ("b", "running"), ("b", "running")];
        let tasks: Vec<Value> = tasks.iter().map(|(id, state)| json!({"ServiceID": id, "Status": {"State": state}})).collect();
        let service = |id: &str, mode: Value| Service::new(json!({"ID": id, "Spec": {"Name": id, "Mode": mode}}));
        let counts = |service: &Service| {
            let summary = summary(service, &count(&tasks));
            (summary.replicas_running, summary.replicas_wanted)
        };
        assert_eq!(counts(&service("a", json!({"Replicated": {"Replicas": 3}}))), (1, 3));
        assert_eq!(counts(&service("b", json!({"Global": {}}))), (2, 2));
        assert_eq!(counts(&service("c", json!({"Global": {}}))), (0, 0));
        let counted =
            json!({"ID": "a", "Spec": {"Mode": {"Replicated": {"Replicas": 3}}}, "ServiceStatus": {"RunningTasks": 2, "DesiredTasks": 3}});
        assert_eq!(counts(&Service::new(counted)), (2, 3));
    }
}
