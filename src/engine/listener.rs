//! What listens at the handle's endpoint: the engine itself, or perhaps a container before it.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use tokio::net::{UnixStream, lookup_host};

use super::endpoint::Endpoint;
use super::transport::Transport;

/// A name that is not resolved within this time is left unresolved.
const RESOLVING: Duration = Duration::from_secs(5);

/// What the engine's process is called.
const ENGINES: [&str; 2] = ["dockerd", "podman"];

/// A process that opens the engine's socket for it, outside of containers.
const INITS: [&str; 2] = ["systemd", "init"];

/// Where the engine's own socket is; from inside a container the process that listens there is not seen.
const ENGINE_SOCKETS: [&str; 3] = ["/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock"];

/// What listens at the endpoint, as far as this machine shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Listener {
    /// The engine.
    #[default]
    Engine,
    /// A process that is not known to be the engine, at a socket on this machine.
    Socket {
        /// The socket's path, as it was given and without symbolic links.
        paths: Vec<String>,
        /// The id of the container that the process runs in, where its control group tells.
        container: Option<String>,
    },
    /// Whatever is at the end of an address.
    Tcp {
        host: String,
        port: u16,
        /// What the host resolves to here; empty where it is not known.
        addresses: Vec<IpAddr>,
    },
}

impl Listener {
    /// Looks at the endpoint from here.
    pub(super) async fn at(transport: &Transport) -> Self {
        // sshd may itself be in a container that has the engine's socket.
        if let Some(ssh) = transport.ssh() {
            let place = ssh.place().await;
            let addresses = if place.is_direct { addresses(&place.host, place.port).await } else { Vec::new() };
            return Self::Tcp { host: place.host, port: place.port, addresses };
        }
        match transport.endpoint() {
            Endpoint::Tcp { host, port, .. } => Self::Tcp { host: host.clone(), port: *port, addresses: addresses(host, *port).await },
            Endpoint::Ssh(_) => Self::Engine,
            Endpoint::Unix(path) => {
                let process = match UnixStream::connect(path).await {
                    Ok(stream) => stream.peer_cred().ok().and_then(|peer| peer.pid()).filter(|pid| *pid > 0),
                    Err(_) => None,
                };
                let read = |file: &str| process.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok());
                Self::of_socket(path, read("comm").as_deref(), &read("cgroup").unwrap_or_default())
            }
        }
    }

    /// `process` is the name of the process that listens, `cgroup` its control groups.
    fn of_socket(path: &Path, process: Option<&str>, cgroup: &str) -> Self {
        let container = container_of(cgroup);
        let is_engine = match process {
            Some(process) => ENGINES.contains(&process.trim()) || container.is_none() && INITS.contains(&process.trim()),
            None => ENGINE_SOCKETS.iter().any(|own| Path::new(own) == path),
        };
        if is_engine {
            return Self::Engine;
        }
        let mut paths = vec![path.display().to_string()];
        paths.extend(std::fs::canonicalize(path).ok().map(|path| path.display().to_string()).filter(|path| *path != paths[0]));
        Self::Socket { paths, container }
    }
}

/// What a host resolves to here.
async fn addresses(host: &str, port: u16) -> Vec<IpAddr> {
    let resolved = tokio::time::timeout(RESOLVING, lookup_host((host, port))).await;
    resolved.ok().and_then(Result::ok).into_iter().flatten().map(|address| address.ip()).collect()
}

/// The id of a container in a control group: `/docker/ID`, `/system.slice/docker-ID.scope`, `/libpod-ID`.
fn container_of(cgroup: &str) -> Option<String> {
    let id = |part: &str| {
        let id = part.trim_end_matches(".scope").rsplit('-').next().unwrap_or_default();
        (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
    };
    cgroup.lines().flat_map(|line| line.rsplit('/')).find_map(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_recognised_by_its_process_and_else_by_its_socket() {
        let id = "0123456789abcdef".repeat(4);
        let inside = format!("0::/system.slice/docker-{id}.scope\n");
        let cases = [
            ("/srv/docker.sock", Some("dockerd\n"), "0::/system.slice/docker.service\n", None),
            ("/srv/docker.sock", Some("systemd\n"), "0::/init.scope\n", None),
            ("/srv/docker.sock", Some("haproxy\n"), inside.as_str(), Some(Some(&id))),
            ("/srv/docker.sock", Some("socat\n"), "0::/user.slice\n", Some(None)),
            // an engine that runs in a container of another one, and what is no engine
            ("/srv/docker.sock", Some("dockerd\n"), inside.as_str(), None),
            ("/srv/docker.sock", Some("systemd\n"), inside.as_str(), Some(Some(&id))),
            ("/srv/docker.sock", None, "", Some(None)),
            ("/var/run/docker.sock", None, "", None),
            ("/var/run/docker.sock", Some("haproxy\n"), inside.as_str(), Some(Some(&id))),
        ];
        for (path, process, cgroup, expected) in cases {
            let found = match Listener::of_socket(Path::new(path), process, cgroup) {
                Listener::Socket { container, .. } => Some(container),
                _ => None,
            };
            assert_eq!(found, expected.map(Option::<&String>::cloned), "{path} {process:?}");
        }
    }
}
