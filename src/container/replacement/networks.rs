//! The networks of a new container that a create does not take.

use serde_json::Value;

use crate::Result;
use crate::container::create_body::Connect;
use crate::engine::Engine;
use crate::engine::api::{containers, networks};
use crate::json::is_empty;

/// Rootless Podman gives a container its network by pasta or slirp4netns and shows none, which then cannot be left.
fn shows_no_network(container: Option<&Value>) -> bool {
    container.and_then(|container| container.pointer("/NetworkSettings/Networks")).is_some_and(is_empty)
}

/// Leaves the networks that the engine has joined by itself, and joins those that a create does not take.
pub(crate) async fn join_networks(engine: &Engine, id: &str, disconnects: &[String], connects: &[Connect]) -> Result<()> {
    let is_in_none = !disconnects.is_empty() && shows_no_network(containers::inspect(engine, id).await?.as_ref());
    for network in disconnects.iter().filter(|_| !is_in_none) {
        networks::disconnect(engine, network, id).await?;
    }
    for join in connects {
        networks::connect(engine, &join.network, id, &join.endpoint).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_container_that_shows_no_network_has_none_to_leave() {
        let container = |networks: Value| json!({"NetworkSettings": {"Networks": networks}});
        for (networks, expected) in [(json!({}), true), (Value::Null, true), (json!({"bridge": {}}), false)] {
            assert_eq!(shows_no_network(Some(&container(networks.clone()))), expected, "{networks}");
        }
        assert!(!shows_no_network(None));
    }
}
