//! Two networks of one name, which engines before 25 allow: a new container stands on the same one as the old one did.
//!
//! Rules: docs/recreate.md, section 3.6.

use refit::Code;
use refit::container::{RecreateOptions, RecreationResult};
use refit_lab::{Image, not_here};
use serde_json::{Value, json};

use super::case::{Moving, options, plain};
use crate::recreation::{Subnet, failed};

/// Two networks with one name, in the first of which an address can be chosen.
struct Twins {
    moving: Moving,
    first: Subnet,
    /// Their ids.
    ids: [String; 2],
}

impl Twins {
    /// `None` on an engine that has no second network of a name. The container is made when there is one network, or with the id of one of them.
    fn new(what: &str, second: Image, before: impl FnOnce(&Moving, &Subnet)) -> Option<Self> {
        let moving = Moving::new(what, plain("1"), second);
        let first = moving.case.subnet("twin");
        before(&moving, &first);
        let id = moving.engine().get(&format!("/networks/{}", first.name))["Id"].as_str().unwrap().to_owned();
        let twin = moving.engine().ask("POST", "/networks/create", &json!({"Name": first.name, "Labels": {"refit-lab": "1"}}));
        if twin.status != 201 {
            not_here("this engine allows no two networks of one name");
            return None;
        }
        let twin = twin.json()["Id"].as_str().unwrap().to_owned();
        Some(Self { moving, first, ids: [id, twin] })
    }

    fn endpoint(&self) -> Value {
        self.moving.inspect()["NetworkSettings"]["Networks"][&self.first.name].clone()
    }

    /// The container that runs is on this network, with the address and the alias that it was given.
    fn assert_stands_on_first(&self, when: &str) {
        let endpoint = self.endpoint();
        assert_eq!((&endpoint["NetworkID"], &endpoint["IPAddress"]), (&json!(self.ids[0]), &json!(self.first.address)), "{when}");
        assert!(endpoint["Aliases"].as_array().unwrap().contains(&json!("al")), "{when}: {endpoint}");
        let seen = self.moving.engine().get(&format!("/networks/{}", self.ids[0]));
        let id = self.moving.inspect()["Id"].as_str().unwrap().to_owned();
        assert!(seen["Containers"].get(&id).is_some(), "{when}: the network itself does not have it: {seen}");
    }
}

fn settings(network: &Subnet) -> Value {
    json!({"IPAMConfig": {"IPv4Address": network.address}, "Aliases": ["al"]})
}

fn on(moving: &Moving, mode: &str, network: &Subnet) {
    moving.run(json!({
        "HostConfig": {"NetworkMode": mode}, "NetworkingConfig": {"EndpointsConfig": {network.name.as_str(): settings(network)}},
    }));
}

#[test]
fn a_running_and_a_stopped_container_stay_on_their_network_of_two_with_one_name() {
    let Some(twins) = Twins::new("twins", plain("2"), |moving, net| on(moving, &net.name, net)) else { return };
    twins.moving.recreate();
    twins.assert_stands_on_first("running");
    // What this recreation has made can be recreated again, and starts again.
    twins.moving.stop();
    twins.moving.recreate_as_it_is(options());
    assert_eq!(twins.endpoint()["NetworkID"], json!(twins.ids[0]), "stopped");
    twins.moving.start();
    twins.assert_stands_on_first("started again");
    // The other network is told apart in the same way.
    twins.moving.stop();
    twins.moving.engine().delete(&format!("/containers/{}", twins.moving.name()));
    let config = json!({twins.first.name.as_str(): {"NetworkID": twins.ids[1]}});
    twins.moving.run(json!({"HostConfig": {"NetworkMode": twins.first.name}, "NetworkingConfig": {"EndpointsConfig": config}}));
    assert_eq!(twins.endpoint()["NetworkID"], json!(twins.ids[1]));
    twins.moving.recreate_as_it_is(options());
    assert_eq!(twins.endpoint()["NetworkID"], json!(twins.ids[1]), "the second");
}

#[test]
fn a_network_that_the_mode_names_by_its_id_stays_of_two_with_one_name() {
    let by_id = |moving: &Moving, net: &Subnet| {
        let id = moving.engine().get(&format!("/networks/{}", net.name))["Id"].as_str().unwrap().to_owned();
        on(moving, &id, net);
    };
    let Some(twins) = Twins::new("twins-id", plain("2"), by_id) else { return };
    twins.moving.recreate();
    twins.assert_stands_on_first("by its id");
    assert_eq!(twins.moving.inspect()["HostConfig"]["NetworkMode"], json!(twins.ids[0]));
}

#[test]
fn a_further_network_stays_of_two_with_one_name() {
    let further = |moving: &Moving, net: &Subnet| {
        let main = moving.case.scope.network("main");
        moving.run(json!({"HostConfig": {"NetworkMode": main}}));
        let connect = json!({"Container": moving.name(), "EndpointConfig": settings(net)});
        moving.engine().post(&format!("/networks/{}/connect", net.name), &connect);
    };
    let Some(twins) = Twins::new("twins-further", plain("2"), further) else { return };
    twins.moving.recreate();
    twins.assert_stands_on_first("running");
    twins.moving.stop();
    twins.moving.recreate_as_it_is(options());
    twins.moving.start();
    twins.assert_stands_on_first("stopped");
}

#[test]
fn a_rollback_leaves_the_old_container_on_its_network_of_two_with_one_name() {
    let broken = Image::new().cmd(["sh", "-c", "echo bad; exit 3"]);
    let Some(twins) = Twins::new("twins-rollback", broken, |moving, net| on(moving, &net.name, net)) else { return };
    let before = twins.moving.inspect();
    twins.moving.move_on();
    let (error, report) = failed(twins.moving.try_recreate(options()));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert_eq!(twins.moving.inspect()["Id"], before["Id"]);
    assert_eq!(twins.moving.inspect()["State"]["Running"], true);
    twins.assert_stands_on_first("after the rollback");
}

/// An `--rm` container is gone once it has stopped: what a rollback starts was created beside it.
#[test]
fn a_rollback_of_an_rm_container_stands_on_its_network_of_two_with_one_name() {
    let run = |moving: &Moving, net: &Subnet| {
        moving.run(json!({
            "HostConfig": {"NetworkMode": net.name, "AutoRemove": true},
            "NetworkingConfig": {"EndpointsConfig": {net.name.as_str(): settings(net)}},
        }));
    };
    let broken = Image::new().cmd(["sh", "-c", "echo bad; exit 3"]);
    let Some(twins) = Twins::new("twins-rm", broken, run) else { return };
    twins.moving.move_on();
    let allowed = RecreateOptions { allow_auto_remove: true, ..options() };
    let (error, report) = failed(twins.moving.try_recreate(allowed));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert_eq!(twins.moving.inspect()["State"]["Running"], true);
    twins.assert_stands_on_first("after the rollback");
}

/// The engine itself does not know on which of them it would start.
#[test]
fn a_container_that_was_never_started_is_refused_beside_two_networks_of_its_networks_name() {
    let create = |moving: &Moving, net: &Subnet| {
        moving.create(json!({"HostConfig": {"NetworkMode": net.name}}));
    };
    let Some(twins) = Twins::new("twins-never", plain("2"), create) else { return };
    let moving = &twins.moving;
    let started = moving.engine().ask("POST", &format!("/containers/{}/start", moving.name()), &Value::Null);
    assert!(started.text().contains("ambiguous"), "the engine starts it: {}", started.text());
    moving.move_on();
    let error = moving.refused(options());
    assert_eq!(error.code(), Code::Conflict, "{error}");
    for word in [twins.first.name.as_str(), &twins.ids[0], &twins.ids[1], "not started"] {
        assert!(error.message().contains(word), "{word}: {error}");
    }
    moving.engine().delete(&format!("/networks/{}", twins.ids[1]));
    moving.recreate_as_it_is(options());
}
