//! `container_status` and `container_info`: one container.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::list::{ContainerOperation, ContainerSummary, Listing, no_container};
use super::{ContainerState, Health, MountKind};
use crate::engine::api::containers;
use crate::error::shown;
use crate::json::{optional_text, optional_texts, text, texts, time};
use crate::{Refit, Result};

/// What a container does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "container_status")]
#[non_exhaustive]
pub struct ContainerStatus {
    /// As asked.
    pub container: String,
    /// The engine's id.
    pub id: String,
    /// What is being done to it.
    pub operation: Option<ContainerOperation>,
    /// A recreation was interrupted: `container_recover`.
    pub interrupted: bool,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub state: ContainerState,
    /// `starting`, `healthy`, `unhealthy`; `None` without a healthcheck.
    pub health: Option<Health>,
    /// Of its last run; `None` while it runs and before it ran.
    pub exit_code: Option<i64>,
    /// Why it could not be started.
    pub error: Option<String>,
    /// When it was started last.
    pub started_at: Option<Timestamp>,
    /// When it ended last; `None` while it runs for the first time.
    pub finished_at: Option<Timestamp>,
    /// How often its restart policy has started it.
    pub restart_count: u64,
    /// The reference that it was created from.
    pub image: String,
    /// The image that it was created from.
    pub image_id: String,
}

/// What a container is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "container_info")]
#[non_exhaustive]
pub struct ContainerInfo {
    /// What it does.
    #[serde(flatten)]
    pub status: ContainerStatus,
    /// Its name, without the engine's slash.
    pub name: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its ports, published or exposed.
    pub ports: Vec<Port>,
    /// Its volumes, bind mounts and tmpfs.
    pub mounts: Vec<Mount>,
    /// Its networks.
    pub networks: Vec<Network>,
    /// `no`, `always`, `unless-stopped`, `on-failure:5`.
    pub restart_policy: String,
    /// The command.
    pub command: Vec<String>,
    /// The entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// Where it starts; empty is `/`.
    pub working_dir: String,
    /// The user that it runs as; empty is root.
    pub user: String,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Port {
    /// Inside.
    pub container_port: u16,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
    /// Where it is published; `None` when it is only exposed.
    pub host_ip: Option<String>,
    /// Where it is published; `None` when it is only exposed.
    pub host_port: Option<u16>,
}

/// A mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Mount {
    /// `volume`, `bind`, `tmpfs`.
    #[serde(rename = "type")]
    pub kind: MountKind,
    /// The volume's name.
    pub name: Option<String>,
    /// The path on the engine's machine.
    pub source: Option<String>,
    /// The path inside.
    pub destination: String,
    /// Whether it may be written.
    pub read_write: bool,
}

/// A network of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Network {
    /// The network's name.
    pub name: String,
    /// While it runs.
    pub ip_address: Option<String>,
    /// While it runs.
    pub ipv6_address: Option<String>,
    /// While it runs.
    pub mac_address: Option<String>,
    /// Its names on this network.
    pub aliases: Vec<String>,
}

impl Refit {
    /// What a container does. [`NotFound`](crate::Code::NotFound) when there is none.
    #[tracing::instrument(level = "error", name = "container_status", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn container_status(&self, container: &str) -> Result<ContainerStatus> {
        let (entry, inspect) = self.inspect_listed(container).await?;
        Ok(status(container, &entry, &inspect))
    }

    /// What a container is. [`NotFound`](crate::Code::NotFound) when there is none.
    #[tracing::instrument(level = "error", name = "container_info", skip_all, fields(container = %shown(container)), err(level = "warn"))]
    pub async fn container_info(&self, container: &str) -> Result<ContainerInfo> {
        let (entry, inspect) = self.inspect_listed(container).await?;
        Ok(info(container, &entry, &inspect))
    }

    async fn inspect_listed(&self, container: &str) -> Result<(ContainerSummary, Value)> {
        let engine = &self.shared.engine;
        let entry = Listing::find_on(engine, container).await?.ok_or_else(|| no_container(container))?;
        let inspect = containers::inspect(engine, &entry.id).await?.ok_or_else(|| no_container(container))?;
        Ok((entry, inspect))
    }
}

fn status(container: &str, entry: &ContainerSummary, inspect: &Value) -> ContainerStatus {
    let state = ContainerState::from(text(inspect, "/State/Status"));
    let ran = time(inspect, "/State/StartedAt").is_some();
    let stopped = !matches!(state, ContainerState::Running | ContainerState::Paused);
    ContainerStatus {
        container: container.to_owned(),
        id: entry.id.clone(),
        operation: entry.operation.clone(),
        interrupted: entry.interrupted,
        health: Some(text(inspect, "/State/Health/Status")).filter(|health| !matches!(*health, "" | "none")).map(Health::from),
        exit_code: inspect.pointer("/State/ExitCode").and_then(Value::as_i64).filter(|code| stopped && (ran || *code != 0)),
        error: optional_text(inspect, "/State/Error"),
        started_at: time(inspect, "/State/StartedAt"),
        finished_at: time(inspect, "/State/FinishedAt"),
        restart_count: inspect.get("RestartCount").and_then(Value::as_u64).unwrap_or(0),
        image: optional_text(inspect, "/Config/Image").unwrap_or_default(),
        image_id: optional_text(inspect, "/Image").unwrap_or_default(),
        state,
    }
}

fn info(container: &str, entry: &ContainerSummary, inspect: &Value) -> ContainerInfo {
    ContainerInfo {
        status: status(container, entry, inspect),
        name: entry.name.clone(),
        created: time(inspect, "/Created"),
        env: texts(inspect, "/Config/Env"),
        labels: entry.labels.clone(),
        ports: ports(inspect),
        mounts: inspect.get("Mounts").and_then(Value::as_array).map(|mounts| mounts.iter().map(mount).collect()).unwrap_or_default(),
        networks: networks(inspect),
        restart_policy: restart_policy(inspect),
        command: texts(inspect, "/Config/Cmd"),
        entrypoint: optional_texts(inspect, "/Config/Entrypoint"),
        working_dir: optional_text(inspect, "/Config/WorkingDir").unwrap_or_default(),
        user: optional_text(inspect, "/Config/User").unwrap_or_default(),
    }
}

/// While it runs the engine reports the ports that it has published; before, only those that were requested.
fn ports(inspect: &Value) -> Vec<Port> {
    let object = |pointer: &str| inspect.pointer(pointer).and_then(Value::as_object).filter(|ports| !ports.is_empty());
    let published = object("/NetworkSettings/Ports").or_else(|| object("/HostConfig/PortBindings"));
    let exposed = object("/Config/ExposedPorts").into_iter().flat_map(|ports| ports.keys());
    let mut found = Vec::new();
    for (port, bindings) in published.into_iter().flatten() {
        let bindings = bindings.as_array().map(Vec::as_slice).unwrap_or_default();
        found.extend(bindings.iter().filter_map(|binding| self::port(port, Some(binding))));
    }
    for port in exposed {
        if let Some(port) = self::port(port, None) {
            let known = |other: &Port| (other.container_port, &other.protocol) == (port.container_port, &port.protocol);
            if !found.iter().any(known) {
                found.push(port);
            }
        }
    }
    found
}

fn port(port: &str, binding: Option<&Value>) -> Option<Port> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    Some(Port {
        container_port: number.parse().ok()?,
        protocol: protocol.to_owned(),
        host_ip: binding.and_then(|binding| optional_text(binding, "/HostIp")),
        host_port: binding.and_then(|binding| optional_text(binding, "/HostPort")?.parse().ok()),
    })
}

fn mount(mount: &Value) -> Mount {
    Mount {
        kind: text(mount, "/Type").into(),
        name: optional_text(mount, "/Name"),
        source: optional_text(mount, "/Source"),
        destination: optional_text(mount, "/Destination").unwrap_or_default(),
        read_write: mount.get("RW").and_then(Value::as_bool).unwrap_or(true),
    }
}

fn networks(inspect: &Value) -> Vec<Network> {
    let networks = inspect.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
    let one = |(name, endpoint): (&String, &Value)| Network {
        name: name.clone(),
        ip_address: optional_text(endpoint, "/IPAddress"),
        ipv6_address: optional_text(endpoint, "/GlobalIPv6Address"),
        mac_address: optional_text(endpoint, "/MacAddress"),
        aliases: texts(endpoint, "/Aliases"),
    };
    networks.map(|networks| networks.iter().map(one).collect()).unwrap_or_default()
}

fn restart_policy(inspect: &Value) -> String {
    let name = optional_text(inspect, "/HostConfig/RestartPolicy/Name").unwrap_or_else(|| "no".into());
    match inspect.pointer("/HostConfig/RestartPolicy/MaximumRetryCount").and_then(Value::as_i64) {
        Some(count) if count > 0 => format!("{name}:{count}"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(inspect: &Value) -> ContainerInfo {
        info("web", &ContainerSummary::default(), inspect)
    }

    #[test]
    fn a_container_that_never_ran_has_no_exit_code() {
        let state = json!({"State": {"Status": "created", "ExitCode": 0, "StartedAt": "0001-01-01T00:00:00Z"}});
        let status = of(&state).status;
        assert_eq!((status.exit_code, status.started_at, status.health), (None, None, None));
        let failed = json!({"State": {"Status": "created", "ExitCode": 128, "Error": "no such file"}});
        assert_eq!(of(&failed).status.exit_code, Some(128));
        let running = json!({"State": {"Status": "running", "ExitCode": 0, "StartedAt": "2026-01-01T00:00:00Z"}});
        assert_eq!(of(&running).status.exit_code, None);
    }

    #[test]
    fn ports_are_the_published_the_requested_and_the_exposed_ones() {
        let running = json!({
            "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}], "81/udp": null}},
            "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}]}},
            "Config": {"ExposedPorts": {"80/tcp": {}, "81/udp": {}}},
        });
        let actual: Vec<_> = of(&running).ports.into_iter().map(|port| (port.container_port, port.protocol, port.host_port)).collect();
        assert_eq!(actual, [(80, "tcp".into(), Some(32768)), (81, "udp".into(), None)]);
        let stopped = json!({"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}});
        assert_eq!(of(&stopped).ports[0].host_port, Some(8080));
    }

    #[test]
    fn a_restart_policy_is_written_as_docker_takes_it() {
        for (policy, expected) in [
            (json!({"Name": "on-failure", "MaximumRetryCount": 5}), "on-failure:5"),
            (json!({"Name": "always", "MaximumRetryCount": 0}), "always"),
            (json!({"Name": ""}), "no"),
        ] {
            assert_eq!(of(&json!({"HostConfig": {"RestartPolicy": policy}})).restart_policy, expected);
        }
    }
}
