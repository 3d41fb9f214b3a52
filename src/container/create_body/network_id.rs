//! Networks that share their name: engines before 25 allow it.
//!
//! Such a network is joined by its id, which the endpoint of the new container has to name, in the create as in a `connect`. By its name alone, or
//! by its id without that, the container is created and cannot be started: "network … is ambiguous" [measured on 20.10].
//!
//! Rules: docs/recreate.md, section 3.6.

use std::collections::BTreeSet;

use serde_json::Value;

use super::networks::{Endpoint, MANY_AT_CREATE};
use super::value::text;
use super::{EngineFacts, EngineInventory};

/// The id by which the network of an endpoint is joined; `None` of a network that has its name alone, or that cannot be joined by its id.
pub(super) fn network_id<'a>(endpoint: &'a Endpoint, facts: &EngineFacts, inventory: &EngineInventory) -> Option<&'a str> {
    let id = text(&endpoint.settings, "NetworkID");
    let shared = shares_name(endpoint, inventory) && why_not(endpoint, facts, inventory).is_none();
    shared.then_some(id)
}

/// Whether another network has this one's name.
pub(super) fn shares_name(endpoint: &Endpoint, inventory: &EngineInventory) -> bool {
    ids(endpoint, inventory).len() > 1
}

/// Why the new container cannot be told which of several networks of one name it is to join, if so.
pub(super) fn ambiguous(endpoint: &Endpoint, facts: &EngineFacts, inventory: &EngineInventory) -> Option<String> {
    let ids = ids(endpoint, inventory);
    if ids.len() < 2 {
        return None;
    }
    let why = why_not(endpoint, facts, inventory)?;
    let (count, name) = (ids.len(), &endpoint.network);
    let ids: Vec<&str> = ids.into_iter().collect();
    Some(format!("there are {count} networks with the name {name}, and {why}: remove the others ({})", ids.join(", ")))
}

fn ids<'a>(endpoint: &Endpoint, inventory: &'a EngineInventory) -> BTreeSet<&'a str> {
    of_name(endpoint, inventory).map(|network| text(network, "Id")).collect()
}

fn of_name<'a>(endpoint: &Endpoint, inventory: &'a EngineInventory) -> impl Iterator<Item = &'a Value> {
    inventory.networks.iter().filter(|network| text(network, "Name") == endpoint.network)
}

fn why_not(endpoint: &Endpoint, facts: &EngineFacts, inventory: &EngineInventory) -> Option<&'static str> {
    let id = text(&endpoint.settings, "NetworkID");
    if facts.api_version >= MANY_AT_CREATE {
        // They are left from an older engine, and this one was never seen with them.
        return Some("this engine is too new for refit to join one of them by its id");
    }
    if of_name(endpoint, inventory).any(|network| text(network, "Scope") == "swarm") {
        return Some("one of them is a swarm's, which refit does not join by its id");
    }
    let is_one_of_them = of_name(endpoint, inventory).any(|network| text(network, "Id") == id);
    // The engine stores the id at the start.
    (!is_one_of_them).then_some("the container does not show on which of them it is, since it was not started there")
}

#[cfg(test)]
#[path = "network_id_tests.rs"]
mod tests;
