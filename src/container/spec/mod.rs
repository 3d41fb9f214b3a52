//! From a container's inspect to the request that makes its replacement, as pure functions over the engine's raw JSON.
//!
//! Raw, because typed models lose what they have not heard of. Each rule is one of `recreate.md`'s sections 1 and 4;
//! a rule that names a version was measured on it.

mod changes;
mod command;
mod dependents;
mod equality;
mod host_config;
mod identity;
mod image_defaults;
mod mac;
mod managed;
mod mounts;
mod networks;
mod plan_warnings;
mod podman;
mod podman_losses;
mod refusal;
mod sysctls;
mod value;
mod volumes_from;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::changes::{Change, ImageChange};
pub(crate) use self::changes::{changes, image_changes};
pub(crate) use self::dependents::{dependents, follow, held};
pub(crate) use self::equality::verify;
pub(crate) use self::host_config::providers;
pub(crate) use self::managed::own_containers;
use self::networks::Network;
pub(crate) use self::plan_warnings::{disk_warning, plan_warnings};
pub(crate) use self::refusal::refuse_managed;
use crate::{Code, Result};

/// What the mapping has to know of the engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct EngineFacts {
    /// Podman through the Docker API.
    pub(crate) podman: bool,
    /// The version that inspects were asked for with, and the create will be.
    pub(crate) api_version: (u32, u32),
    /// `Name` of `/info`: the hostname of containers on the machine's network.
    pub(crate) name: String,
    /// The engine's own platform, `Os` and `Arch` of `/version`.
    pub(crate) platform: (String, String),
    /// The containers in which this process may run, from [`own_containers`].
    pub(crate) own_containers: Vec<String>,
}

/// What stands beside the container on the engine, read just before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// Inspects of all containers, stopped ones included.
    pub(crate) containers: Vec<Value>,
    /// `GET /networks`.
    pub(crate) networks: Vec<Value>,
}

/// What the caller's options allow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Allowed {
    /// `allow_pinned`: made from an image id.
    pub(crate) pinned: bool,
    /// `allow_lossy`: Podman does not tell everything.
    pub(crate) lossy: bool,
    /// `allow_paused`: the frozen memory is lost.
    pub(crate) paused: bool,
    /// `allow_auto_remove`: `--rm`, not safe against an engine that restarts in between.
    pub(crate) auto_remove: bool,
    /// `recreate_dependents`: those that hold the container by its id are recreated too.
    pub(crate) dependents: bool,
}

/// A container that is to be replaced, and all that its replacement depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Its inspect.
    pub(crate) container: &'a Value,
    /// The inspect of its image, asked by `container.Image`, never by reference.
    pub(crate) old_image: &'a Value,
    /// The inspect of the image that its reference names now; `None` while that is not local yet.
    pub(crate) new_image: Option<&'a Value>,
    /// The engine.
    pub(crate) facts: &'a EngineFacts,
    /// What stands beside it.
    pub(crate) around: &'a Surroundings,
}

/// The requests that make a replacement; to be sent in the order of the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// `platform` of the create's query, for an image that is not of the engine's own.
    pub(crate) platform: Option<String>,
    /// The body of `POST /containers/create`.
    pub(crate) body: Value,
    /// Networks that the engine joins by itself and the old container had left.
    pub(crate) disconnects: Vec<String>,
    /// Networks that the create does not take, while the new container is created.
    pub(crate) connects: Vec<Connect>,
    /// After the stop, ask [`Subject::overlay_connects`].
    pub(crate) overlay: bool,
    /// What the caller should know.
    pub(crate) warnings: Vec<Warning>,
    /// What this engine does not tell and so is lost (Podman); to be listed.
    pub(crate) lossy: Vec<String>,
}

/// One call of `POST /networks/NETWORK/connect`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Connect {
    /// The network's name.
    pub(crate) network: String,
    /// `EndpointConfig`.
    pub(crate) endpoint: Value,
}

impl Connect {
    /// The body of the call, for a container.
    pub(crate) fn body(&self, container: &str) -> Value {
        json!({"Container": container, "EndpointConfig": self.endpoint})
    }
}

/// Something that the caller should know and that stops nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "warning")]
pub struct Warning {
    /// A word for programs.
    pub code: String,
    /// The container that it is about.
    pub container: Option<String>,
    /// A sentence for people.
    pub message: String,
}

impl Warning {
    fn of(container: &Value, code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), container: Some(name(container).into()), message: message.into() }
    }
}

impl Subject<'_> {
    /// Why the container is not to be replaced, if so. Nothing has been changed.
    pub(crate) fn refuse(&self, allowed: Allowed) -> Result<()> {
        refusal::refuse(self, allowed)
    }

    /// The requests that make the replacement from the new image.
    pub(crate) fn spec(&self) -> Result<Spec> {
        let normalised = self.facts.podman.then(|| podman::normalise(self.container, self.old_image));
        let container = normalised.as_ref().unwrap_or(self.container);
        let Some(config) = container["Config"].as_object() else {
            let message = format!("the engine's answer about container {} has no Config", name(container));
            return Err(Code::Engine.error(message).with_container(name(container)));
        };
        let mut warnings = Vec::new();
        let mut config = config.clone();
        image_defaults::subtract(&mut config, &self.old_image["Config"]);
        if self.facts.podman {
            podman::subtract_healthcheck(&mut config, container, &self.old_image["Config"]);
        }
        if let Some(new_image) = self.new_image {
            managed::follow_compose(&mut config, self.old_image, new_image);
        }
        identity::subtract(&mut config, container, self.facts);
        mac::at_the_top(&mut config, container, self.facts);
        host_config::expose_published(&mut config, container);
        let networks = networks::plan(container, self.facts, self.around);
        let host_config = host_config::rewrite(container, self.facts, self.around, &mut warnings);
        config.insert("HostConfig".into(), Value::Object(host_config));
        if !networks.at_create.is_empty() {
            config.insert("NetworkingConfig".into(), json!({"EndpointsConfig": networks.at_create}));
        }
        warnings.extend(managed::foreground(container));
        Ok(Spec {
            platform: self.platform(),
            body: Value::Object(config),
            disconnects: networks.disconnects,
            connects: networks.connects,
            overlay: networks.overlay,
            warnings,
            lossy: if self.facts.podman { podman_losses::losses(self.container, self.old_image) } else { Vec::new() },
        })
    }

    /// The requests that make the container again from its old image: the spare of a `--rm` container, and what an undo
    /// needs when somebody has removed the old one.
    pub(crate) fn spec_from_old_image(&self) -> Result<Spec> {
        let mut spec = Subject { new_image: None, ..*self }.spec()?;
        spec.body["Image"] = self.container["Image"].clone();
        Ok(spec)
    }

    /// What is left and joined again once the container has stopped, from its inspect then.
    pub(crate) fn overlay_connects(&self, stopped: &Value) -> Vec<Connect> {
        networks::overlay_connects(stopped, self.facts, self.around)
    }

    /// `os/architecture[/variant]` where the old image is not of the engine's own platform. Of an image for several the containerd store shows
    /// the engine's own, and the container says of which it is.
    fn platform(&self) -> Option<String> {
        let of_container = &self.container["ImageManifestDescriptor"]["platform"];
        let of_image = |key| value::text(self.old_image, key);
        let (os, architecture, variant) = match value::text(of_container, "architecture") {
            "" => (of_image("Os"), of_image("Architecture"), of_image("Variant")),
            architecture => (value::text(of_container, "os"), architecture, value::text(of_container, "variant")),
        };
        let (own_os, own_architecture) = &self.facts.platform;
        if os.is_empty() || architecture.is_empty() || own_os.is_empty() || (os, architecture) == (own_os, own_architecture) {
            return None;
        }
        let parts = [os, architecture, variant];
        Some(parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/"))
    }
}

/// A container's name, without the slash.
fn name(container: &Value) -> &str {
    value::text(container, "Name").trim_start_matches('/')
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
