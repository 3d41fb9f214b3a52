//! Whether the handle reaches its engine through a container: a proxy before the socket, an agent, a tunnel. Its stop would cut the
//! connection, and nobody could start it again.
//!
//! Rules: docs/recreate.md, section 2.2.

use std::net::IpAddr;
use std::path::Path;

use serde_json::Value;

use super::value::{entries, list, text};
use super::volumes_from::named;
use super::{CreateInput, name};
use crate::engine::Listener;

/// Why the handle's connection goes through the container, as far as its configuration shows. Only a container that runs can be on the way.
pub(super) fn through(input: &CreateInput) -> Option<String> {
    let container = input.container;
    if container["State"]["Running"] != true {
        return None;
    }
    match &input.facts.listener {
        Listener::Engine => None,
        Listener::Tcp { host, port, addresses } => {
            let way = Tcp { host, port: *port, addresses };
            way.through(container).or_else(|| way.through_provider(container, &input.inventory.containers))
        }
        Listener::Socket { paths, container: listening } => {
            let all = &input.inventory.containers;
            if let Some(id) = listening.as_ref().filter(|id| all.iter().any(|other| text(other, "Id") == id.as_str())) {
                return (text(container, "Id") == id).then(|| "a process in it listens at the handle's socket".into());
            }
            socket(container, &on_the_machine(paths, input))
        }
    }
}

/// The paths as the engine's machine names them: in a container, a path below one of its mounts is another one outside.
fn on_the_machine(paths: &[String], input: &CreateInput) -> Vec<String> {
    let is_own = |container: &&Value| input.facts.own_containers.iter().any(|own| own == text(container, "Id"));
    let own = input.inventory.containers.iter().find(is_own);
    let mounts = own.map(|own| list(own, "Mounts")).unwrap_or_default();
    let outside = |path: &String| {
        let below =
            |mount: &Value| Some(Path::new(text(mount, "Source")).join(Path::new(path).strip_prefix(text(mount, "Destination")).ok()?));
        mounts.iter().filter(|mount| !text(mount, "Destination").is_empty()).find_map(below)
    };
    let found: Vec<String> =
        paths.iter().filter_map(outside).map(|path| path.display().to_string().trim_end_matches('/').to_owned()).collect();
    if found.is_empty() { paths.to_vec() } else { found }
}

/// A socket in a folder that it mounts, and may write to: the socket alone as a mount is the engine's, handed to the container.
fn socket(container: &Value, paths: &[String]) -> Option<String> {
    // A mount without a source (tmpfs, an image) is of no folder of the machine.
    let is_folder = |mount: &&Value| mount["RW"] == true && !text(mount, "Source").is_empty();
    list(container, "Mounts").iter().filter(is_folder).find_map(|mount| {
        let folder = plain(text(mount, "Source"));
        let path = paths.iter().find(|path| {
            let path = plain(path);
            path != folder && Path::new(&path).starts_with(&folder)
        })?;
        Some(format!("the handle's socket {path} is in {}, which it mounts", text(mount, "Source")))
    })
}

/// `/var/run` is `/run` on every machine of today.
fn plain(path: &str) -> String {
    let path = path.trim_end_matches('/');
    match path.strip_prefix("/var/run") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/run{rest}"),
        _ if path.is_empty() => "/".into(),
        _ => path.to_owned(),
    }
}

struct Tcp<'a> {
    host: &'a str,
    port: u16,
    /// What the host resolves to; empty where that is not known.
    addresses: &'a [IpAddr],
}

impl Tcp<'_> {
    fn through(&self, container: &Value) -> Option<String> {
        if self.published(container).is_some() {
            return Some(format!("the handle's port {} is one that it publishes", self.port));
        }
        let mode = text(&container["HostConfig"], "NetworkMode");
        if mode == "host" && exposes(container, &self.port.to_string()) {
            return Some(format!("it listens at the handle's port {} on the network of the machine", self.port));
        }
        if self.is_address_of(container) {
            return Some(format!("the handle's address {}:{} is its own", self.host, self.port));
        }
        None
    }

    /// A container that shares the network of the one that has the port: it may be what listens there, where it exposes that port.
    fn through_provider(&self, container: &Value, all: &[Value]) -> Option<String> {
        let provider = named(all, text(&container["HostConfig"], "NetworkMode").strip_prefix("container:")?)?;
        let port = self.published(provider).or_else(|| self.is_address_of(provider).then(|| self.port.to_string()))?;
        let message = format!("the handle's port {} is one of container {}, whose network it uses", self.port, name(provider));
        exposes(container, &port).then_some(message)
    }

    /// The container's own port that is published as the handle's.
    fn published(&self, container: &Value) -> Option<String> {
        let shown = entries(&container["NetworkSettings"], "Ports").chain(entries(&container["HostConfig"], "PortBindings"));
        let tcp = shown.filter_map(|(port, bindings)| Some((port.strip_suffix("/tcp")?, bindings)));
        let own = |binding: &Value| text(binding, "HostPort") == self.port.to_string() && self.may_reach(text(binding, "HostIp"));
        let found = tcp.into_iter().find(|(_, bindings)| bindings.as_array().into_iter().flatten().any(own));
        found.map(|(port, _)| port.to_owned())
    }

    /// Whether the host may be the address that a port is published at.
    fn may_reach(&self, published: &str) -> bool {
        let Ok(published) = published.parse::<IpAddr>() else { return true };
        published.is_unspecified() || self.addresses.is_empty() || self.addresses.contains(&published)
    }

    fn is_address_of(&self, container: &Value) -> bool {
        let own: Vec<IpAddr> = entries(&container["NetworkSettings"], "Networks")
            .flat_map(|(_, endpoint)| [text(endpoint, "IPAddress"), text(endpoint, "GlobalIPv6Address")])
            .filter_map(|address| address.parse().ok())
            .collect();
        if self.addresses.is_empty() {
            return name(container) == self.host;
        }
        own.iter().any(|address| self.addresses.contains(address))
    }
}

fn exposes(container: &Value, port: &str) -> bool {
    container["Config"]["ExposedPorts"].get(format!("{port}/tcp")).is_some()
}

#[cfg(test)]
#[path = "own_connection_tests.rs"]
mod tests;
