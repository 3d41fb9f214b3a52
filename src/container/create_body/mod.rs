//! From a container's inspect to the request that makes its replacement, as pure functions over the engine's raw JSON.
//!
//! Raw, because typed models lose the fields that they do not know. The rules: docs/recreate.md, section 3; a rule
//! that names a version was measured on it.

mod bystander;
mod changes;
mod command;
mod dependents;
mod discarded;
mod equality;
mod host_config;
mod identity;
mod image_defaults;
mod mac;
mod managed;
mod mounts;
mod network_id;
mod networks;
mod own_connection;
mod plan_warnings;
mod podman;
mod podman_losses;
mod provider;
mod refusal;
mod sysctls;
mod value;
mod volumes_from;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use self::bystander::{as_not_inspected, not_inspected, warnings as bystander_warnings};
pub use self::changes::{Change, ImageChange};
pub(crate) use self::changes::{changes, image_changes};
pub(crate) use self::dependents::{dependents, links_to, redirect_references, referenced_containers, related};
pub(crate) use self::discarded::is_discarded;
pub(crate) use self::equality::{Difference, changed_fields, verify};
pub(crate) use self::host_config::providers;
pub(crate) use self::image_defaults::healthcheck_of_new;
pub(crate) use self::managed::{FOREGROUND, is_attached, own_containers};
use self::networks::Network;
pub(crate) use self::plan_warnings::{disk_warning, plan_warnings};
pub(crate) use self::provider::{NamedBy, gone_provider, provider_by_labels};
pub(crate) use self::refusal::refuse_managed;
pub(crate) use self::volumes_from::{named, named_mut};
use crate::engine::Listener;
use crate::platform::Platform;
use crate::{Code, Result};

/// What the mapping has to know of the engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct EngineFacts {
    /// Podman through the Docker API.
    pub(crate) podman: bool,
    /// The engine's own version: `25.0.1`.
    pub(crate) version: String,
    /// The version that the create will be asked for with.
    pub(crate) api_version: (u32, u32),
    /// The one that inspects were asked for with, which may be an older one.
    pub(crate) inspect_version: (u32, u32),
    /// `Name` of `/info`: the hostname of containers on the machine's network.
    pub(crate) name: String,
    /// The engine's own platform, where it reports one.
    pub(crate) platform: Option<Platform>,
    /// The containers in which this process may run, from [`own_containers`].
    pub(crate) own_containers: Vec<String>,
    /// What listens at the handle's endpoint.
    pub(crate) listener: Listener,
}

/// The other containers and the networks of the engine, read just before.
#[derive(Debug, Clone, Default)]
pub(crate) struct EngineInventory {
    /// Of all containers, stopped ones included, in the form of an inspect: id, name, state, references to others, mounts. What the list shows
    /// where the engine cannot inspect one.
    pub(crate) containers: Vec<Value>,
    /// `GET /networks`.
    pub(crate) networks: Vec<Value>,
}

/// What the caller's options allow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Allowed {
    /// `allow_pinned`: made from an image id.
    pub(crate) pinned: bool,
    /// `allow_lossy`: Podman does not report everything.
    pub(crate) lossy: bool,
    /// `allow_paused`: the frozen memory is lost.
    pub(crate) paused: bool,
    /// `allow_auto_remove`: `--rm`, not safe against an engine that restarts in between.
    pub(crate) auto_remove: bool,
    /// `allow_own_connection`: the handle reaches its engine through it.
    pub(crate) own_connection: bool,
    /// `recreate_dependents`: the containers that reference this one by its id are recreated too.
    pub(crate) dependents: bool,
}

/// A container that is to be replaced, and everything that the requests for the new one are computed from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CreateInput<'a> {
    /// Its inspect.
    pub(crate) container: &'a Value,
    /// The inspect of its image, asked by `container.Image`, never by reference.
    pub(crate) old_image: &'a Value,
    /// The inspect of the image that its reference names now; `None` while that is not local yet.
    pub(crate) new_image: Option<&'a Value>,
    /// The engine.
    pub(crate) facts: &'a EngineFacts,
    /// The other containers and the networks.
    pub(crate) inventory: &'a EngineInventory,
}

/// The requests that create the new container, in the order of the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CreatePlan {
    /// `platform` of the create's query, for an image that is not for the engine's own platform.
    pub(crate) platform: Option<String>,
    /// The body of `POST /containers/create`.
    pub(crate) body: Value,
    /// Networks that the engine joins by itself and the old container had left.
    pub(crate) disconnects: Vec<String>,
    /// Networks that the create does not take, while the new container is created.
    pub(crate) connects: Vec<Connect>,
    /// After the stop, ask [`CreateInput::overlay_connects`].
    pub(crate) overlay: bool,
    /// What the caller should know.
    pub(crate) warnings: Vec<Warning>,
    /// What Podman does not report and so may be lost.
    pub(crate) lossy: Vec<String>,
}

/// One call of `POST /networks/NETWORK/connect`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Connect {
    /// The network's name; its id where another network has its name.
    pub(crate) network: String,
    /// `EndpointConfig`.
    pub(crate) endpoint: Value,
}

/// Something that the caller should know and that stops nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "warning")]
pub struct Warning {
    /// A code for programs.
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

impl CreateInput<'_> {
    /// Why the container is not to be replaced, if so. Nothing has been changed.
    pub(crate) fn refuse(&self, allowed: Allowed) -> Result<()> {
        refusal::refuse(self, allowed)
    }

    /// The requests that create the new container from the new image.
    pub(crate) fn create_plan(&self) -> Result<CreatePlan> {
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
            managed::update_compose_label(&mut config, self.old_image, new_image);
        }
        identity::subtract(&mut config, container, self.facts);
        mac::at_the_top(&mut config, container, self.facts);
        host_config::expose_published(&mut config, container);
        let networks = networks::plan(container, self.facts, self.inventory);
        let host_config = host_config::rewrite(container, self.facts, self.inventory, &mut warnings);
        config.insert("HostConfig".into(), Value::Object(host_config));
        if !networks.at_create.is_empty() {
            config.insert("NetworkingConfig".into(), json!({"EndpointsConfig": networks.at_create}));
        }
        warnings.extend(managed::foreground(container));
        if let Some(new_image) = self.new_image {
            warnings.extend(plan_warnings::hidden(self.old_image, new_image, container));
        }
        Ok(CreatePlan {
            platform: self.wanted_platform().map(|platform| platform.as_written()),
            body: Value::Object(config),
            disconnects: networks.disconnects,
            connects: networks.connects,
            overlay: networks.overlay,
            warnings,
            lossy: if self.facts.podman { podman_losses::losses(self.container, self.old_image) } else { Vec::new() },
        })
    }

    /// The requests that recreate the container from its old image: for the standby of an `--rm` container, and for a rollback when the old
    /// container was removed.
    pub(crate) fn create_plan_from_old_image(&self) -> Result<CreatePlan> {
        let mut plan = CreateInput { new_image: None, ..*self }.create_plan()?;
        plan.body["Image"] = self.container["Image"].clone();
        Ok(plan)
    }

    /// The networks that are disconnected and connected again once the container has stopped, from its inspect then.
    pub(crate) fn overlay_connects(&self, stopped: &Value) -> Vec<Connect> {
        networks::overlay_connects(stopped, self.facts, self.inventory)
    }

    /// The old image's platform where that is not the engine's own. Of an image for several the containerd store shows the engine's own, and
    /// the container says of which it is.
    fn wanted_platform(&self) -> Option<Platform> {
        let of_container = Platform::of(&self.container["ImageManifestDescriptor"]["platform"]);
        let platform = of_container.or_else(|| Platform::of_image(self.old_image))?;
        let own = self.facts.platform.as_ref()?;
        let is_own = (&platform.os, &platform.architecture) == (&own.os, &own.architecture);
        (!is_own).then_some(platform)
    }
}

/// A container's name, without the slash.
fn name(container: &Value) -> &str {
    value::text(container, "Name").trim_start_matches('/')
}

#[cfg(test)]
#[path = "create_plan_tests.rs"]
mod tests;
