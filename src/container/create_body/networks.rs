//! The networks of the new container: in which request each is joined, and with which settings.
//!
//! Rules: docs/recreate.md, section 3.6.

use serde_json::{Map, Value, json};

use super::mac;
use super::network_id::network_id;
use super::value::{entries, is_empty, is_id_of, list, same, short_id, text};
use super::{Connect, EngineFacts, EngineInventory, sysctls};

/// Since this version a create takes all networks; before, one, and the others by `connect`.
pub(super) const MANY_AT_CREATE: (u32, u32) = (1, 44);
/// Before this version inspect mixes the short id and the hostname into the aliases.
const PURE_ALIASES: (u32, u32) = (1, 45);
const GATEWAY_PRIORITY: (u32, u32) = (1, 48);

/// What a `NetworkMode` means for the rest of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// The machine's own.
    Host,
    /// None at all.
    None,
    /// Another container's.
    Container,
    /// The default bridge, or one of the user's.
    Named,
}

impl Network {
    pub(super) fn of(container: &Value) -> Self {
        match text(&container["HostConfig"], "NetworkMode") {
            "host" => Self::Host,
            "none" => Self::None,
            mode if mode.starts_with("container:") => Self::Container,
            _ => Self::Named,
        }
    }
}

/// One network of a container, under its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Endpoint {
    pub(super) network: String,
    pub(super) settings: Value,
    /// Whether it is the network that `NetworkMode` names.
    pub(super) is_mode: bool,
}

/// The calls that give a new container its networks.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// `EndpointsConfig` of the create.
    pub(super) at_create: Map<String, Value>,
    /// Networks that the engine joins by itself and the old container had left.
    pub(super) disconnects: Vec<String>,
    /// Networks that the create does not take.
    pub(super) connects: Vec<Connect>,
    /// Some address may be the user's or allocated by the swarm, which only the stopped container shows.
    pub(super) overlay: bool,
}

/// The networks of a container. 20.10 lists one that was asked for by its short id twice: under its name and its id.
pub(super) fn endpoints(container: &Value) -> Vec<Endpoint> {
    let mode = text(&container["HostConfig"], "NetworkMode");
    let mode = if mode == "default" || mode.is_empty() { "bridge" } else { mode };
    let all: Vec<(&String, &Value)> = entries(&container["NetworkSettings"], "Networks").collect();
    let mode_is_name = all.iter().any(|(name, _)| *name == mode);
    let named = |id: &str| all.iter().any(|(name, settings)| !is_id_of(id, name) && text(settings, "NetworkID") == id);
    all.iter()
        .filter(|(name, settings)| {
            let id = text(settings, "NetworkID");
            !(is_id_of(id, name) && named(id))
        })
        .map(|(name, settings)| Endpoint {
            network: (*name).clone(),
            settings: (*settings).clone(),
            is_mode: *name == mode || !mode_is_name && is_id_of(text(settings, "NetworkID"), mode),
        })
        .collect()
}

/// A container that was never started shows no network's id: a mode that is one is looked up among all networks.
fn with_mode(mut endpoints: Vec<Endpoint>, container: &Value, inventory: &EngineInventory) -> Vec<Endpoint> {
    let mode = text(&container["HostConfig"], "NetworkMode");
    let network = inventory.networks.iter().find(|network| text(network, "Name") == mode).or_else(|| {
        let by_id = |network: &&Value| is_id_of(text(network, "Id"), mode);
        inventory.networks.iter().find(by_id)
    });
    if let Some(network) = network {
        for endpoint in &mut endpoints {
            endpoint.is_mode |= endpoint.network == text(network, "Name");
        }
    }
    endpoints
}

/// Plans the networks of the new container.
pub(super) fn plan(container: &Value, facts: &EngineFacts, inventory: &EngineInventory) -> Plan {
    let kind = Network::of(container);
    let endpoints = with_mode(endpoints(container), container, inventory);
    let stays = |endpoint: &Endpoint| matches!(kind, Network::None) && endpoint.network == "none";
    if matches!(kind, Network::Host | Network::Container) || endpoints.iter().any(stays) {
        return Plan::default();
    }
    let allocated = |endpoint: &Endpoint| may_be_allocated(endpoint, container, inventory);
    let mut plan = Plan { overlay: endpoints.iter().any(allocated), ..Plan::default() };
    // Whoever left the private network `none` for others [measured on 20.10] has them connected one by one.
    if endpoints.is_empty() || kind == Network::None {
        plan.disconnects.push(automatic(container));
    }
    let main = endpoints.iter().position(|endpoint| endpoint.is_mode).unwrap_or(0);
    for (index, endpoint) in endpoints.iter().enumerate() {
        let mut settings = settings(endpoint, container, facts);
        let id = network_id(endpoint, facts, inventory);
        if let Some(id) = id {
            settings.insert("NetworkID".into(), id.into());
        }
        if allocated(endpoint) {
            settings.shift_remove("IPAMConfig");
        }
        if kind != Network::None && (index == main || facts.api_version >= MANY_AT_CREATE) {
            plan.at_create.insert(endpoint.network.clone(), Value::Object(settings));
        } else {
            let network = id.unwrap_or(&endpoint.network).to_owned();
            plan.connects.push(Connect { network, endpoint: Value::Object(settings) });
        }
    }
    plan
}

/// The network that a create joins when it names none.
fn automatic(container: &Value) -> String {
    match text(&container["HostConfig"], "NetworkMode") {
        "" | "default" => "bridge".into(),
        mode => mode.into(),
    }
}

/// A swarm's network shows the allocated address as a configured one while the container runs, and what the user
/// configured only when it has stopped: those networks are left and joined again with it.
pub(super) fn overlay_connects(stopped: &Value, facts: &EngineFacts, inventory: &EngineInventory) -> Vec<Connect> {
    endpoints(stopped)
        .iter()
        .filter(|endpoint| is_swarm(endpoint, inventory) && has_addresses(&endpoint.settings))
        .map(|endpoint| Connect { network: endpoint.network.clone(), endpoint: Value::Object(settings(endpoint, stopped, facts)) })
        .collect()
}

/// Whether an address looks configured and may be what the swarm has allocated to a container that runs.
pub(super) fn may_be_allocated(endpoint: &Endpoint, container: &Value, inventory: &EngineInventory) -> bool {
    container["State"]["Running"] == true && is_swarm(endpoint, inventory) && has_addresses(&endpoint.settings)
}

fn is_swarm(endpoint: &Endpoint, inventory: &EngineInventory) -> bool {
    let id = text(&endpoint.settings, "NetworkID");
    inventory.networks.iter().any(|network| {
        text(network, "Scope") == "swarm" && (text(network, "Name") == endpoint.network || !id.is_empty() && text(network, "Id") == id)
    })
}

fn has_addresses(settings: &Value) -> bool {
    entries(settings, "IPAMConfig").any(|(_, address)| !is_empty(address))
}

/// What is sent of an endpoint: what the user configured. The rest is the engine's, and a `NetworkID` of a network
/// that was recreated would make the start fail; it is sent only where [`network_id`] says so.
fn settings(endpoint: &Endpoint, container: &Value, facts: &EngineFacts) -> Map<String, Value> {
    let shown = &endpoint.settings;
    let mut sent = Map::new();
    for key in ["IPAMConfig", "Links", "DriverOpts"] {
        if let Some(value) = shown.get(key) {
            sent.insert(key.into(), value.clone());
        }
    }
    sent.insert("Aliases".into(), aliases(shown, container, facts));
    if facts.api_version >= GATEWAY_PRIORITY
        && let Some(priority) = shown.get("GwPriority")
    {
        sent.insert("GwPriority".into(), priority.clone());
    }
    if facts.api_version >= MANY_AT_CREATE
        && let Some(address) = mac::of_endpoint(endpoint, container, facts)
    {
        sent.insert("MacAddress".into(), address.into());
    }
    if endpoint.is_mode && facts.api_version >= sysctls::BY_ENDPOINT {
        sysctls::move_to_endpoint(&mut sent, container);
    }
    sent
}

/// The user's aliases; the engine adds its own again, and those of the old container would pile up.
pub(super) fn aliases(settings: &Value, container: &Value, facts: &EngineFacts) -> Value {
    let hostname = text(&container["Config"], "Hostname");
    let own = |alias: &str| alias == short_id(container) || facts.api_version < PURE_ALIASES && alias == hostname;
    let all = list(settings, "Aliases");
    let kept: Vec<Value> = all.iter().filter(|alias| !alias.as_str().is_some_and(own)).cloned().collect();
    if kept.is_empty() { Value::Null } else { Value::Array(kept) }
}

/// `NetworkMode` as it is sent: the name where it is the id of a network that was recreated.
pub(super) fn mode(container: &Value, inventory: &EngineInventory) -> Value {
    let mode = &container["HostConfig"]["NetworkMode"];
    let id = mode.as_str().unwrap_or_default();
    let is_there = |network: &Value| text(network, "Name") == id || is_id_of(text(network, "Id"), id);
    if inventory.networks.is_empty() || inventory.networks.iter().any(is_there) {
        return mode.clone();
    }
    match endpoints(container).into_iter().find(|endpoint| is_id_of(text(&endpoint.settings, "NetworkID"), id)) {
        Some(endpoint) => endpoint.network.into(),
        None => mode.clone(),
    }
}

/// Two endpoints' user parts, as the comparison after create sees them.
pub(super) fn compared(settings: &Value, container: &Value, facts: &EngineFacts) -> Value {
    let ipam = if has_addresses(settings) { settings["IPAMConfig"].clone() } else { Value::Null };
    let mut aliases: Vec<String> =
        list(&json!({"Aliases": aliases(settings, container, facts)}), "Aliases").iter().map(ToString::to_string).collect();
    aliases.sort();
    let plain = |key: &str| if same(&settings[key], &Value::Null) { Value::Null } else { settings[key].clone() };
    let priority = if settings["GwPriority"] == 0 { Value::Null } else { settings["GwPriority"].clone() };
    json!({"IPAMConfig": ipam, "Aliases": aliases, "Links": plain("Links"), "DriverOpts": plain("DriverOpts"), "GwPriority": priority})
}

#[cfg(test)]
#[path = "networks_tests.rs"]
mod tests;
