//! Networks of a swarm, which show the address that the swarm has allocated as one that the user asked for while a container runs.

use std::sync::{Mutex, MutexGuard};

use crate::recreation;
use crate::recreation::child::Work;
use crate::recreation::{LIMIT, Side, in_parallel, kill_through, quick, recover_at, runtime};
use crate::swarm;
use refit::Outcome;
use refit::container::{Recreation, RecreationResult};
use refit_lab::{Address, Engine, Image, Lab, Proxy};
use serde_json::{Value, json};

/// Both the overlay's and the bridge's, but for the third number.
const SUBNET: &str = "10.83";

/// A swarm of one machine, with an overlay and a bridge network, for one test at a time.
struct Swarm {
    engine: Engine,
    lab: &'static Lab,
    of_one: swarm::Swarm,
    names: String,
    _alone: MutexGuard<'static, ()>,
}

impl Swarm {
    /// None where there are no overlay networks.
    fn new() -> Option<Self> {
        static ONE: Mutex<()> = Mutex::new(());
        let alone = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let lab = Lab::get();
        let of_one = swarm::Swarm::new("overlay")?;
        let engine = of_one.engine.clone();
        let names = lab.scope("overlay").name.clone();
        let swarm = Self { engine, lab, of_one, names, _alone: alone };
        for (third, driver) in [(1, "overlay"), (2, "bridge")] {
            let ipam = json!({"Config": [{"Subnet": format!("{SUBNET}.{third}.0/24")}]});
            let body = json!({"Name": swarm.name(driver), "Driver": driver, "Attachable": driver == "overlay", "IPAM": ipam});
            swarm.engine.post("/networks/create", &body);
        }
        swarm.load("1", Image::new());
        Some(swarm)
    }

    fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.names)
    }

    fn image(&self) -> String {
        format!("{}:t", self.names)
    }

    /// Moves the tag, with another for the image that it named where that would be forgotten.
    fn load(&self, version: &str, image: Image) {
        if self.engine.forgets_untagged_images() && self.engine.image(&self.image()).is_some() {
            self.engine.tag(&self.image(), &format!("{}:before-{version}", self.names));
        }
        self.engine.load(&image.version(version).build().archive(&[&self.image()]));
    }

    /// Runs a container on the overlay, with this endpoint.
    fn run(&self, what: &str, endpoint: Value) -> Value {
        let network = self.name("overlay");
        let mut body = json!({"Image": self.image(), "StopTimeout": 1, "HostConfig": {"NetworkMode": network}});
        body["NetworkingConfig"]["EndpointsConfig"][&network] = endpoint;
        self.engine.run(&self.name(what), &body);
        self.inspect(what)
    }

    fn inspect(&self, what: &str) -> Value {
        self.engine.container(&self.name(what)).unwrap_or_else(|| panic!("there is no container {what}"))
    }

    fn endpoint(&self, what: &str, network: &str) -> Value {
        self.inspect(what)["NetworkSettings"]["Networks"][self.name(network)].clone()
    }

    /// The address that was asked for, which the engine tells once the container has stopped.
    fn configured(&self, what: &str, network: &str) -> Value {
        self.stop(what);
        self.endpoint(what, network)["IPAMConfig"]["IPv4Address"].clone()
    }

    fn stop(&self, what: &str) {
        self.engine.post(&format!("/containers/{}/stop?t=0", self.name(what)), &Value::Null);
    }

    fn start(&self, what: &str) {
        self.engine.post(&format!("/containers/{}/start", self.name(what)), &Value::Null);
    }

    fn recreate(&self, what: &str) -> Outcome<Recreation> {
        let host = self.engine.host();
        runtime().block_on(async { recreation::connect(&host).await.recreate_container(self.name(what), quick()).await })
    }

    fn recreated(&self, what: &str) {
        let before = self.inspect(what);
        let report = self.recreate(what).unwrap_or_else(|failure| panic!("{what}: {failure}"));
        assert_eq!(report.result, RecreationResult::Recreated, "{what}");
        let after = self.inspect(what);
        assert_eq!((&after["HostConfig"], &after["Config"]["Image"]), (&before["HostConfig"], &before["Config"]["Image"]), "{what}");
        assert_ne!(after["Image"], before["Image"], "{what}");
        self.assert_alone(what);
    }

    fn assert_alone(&self, what: &str) {
        let all = self.engine.get("/containers/json?all=1");
        let names = all.as_array().unwrap().iter().map(|one| one["Names"][0].as_str().unwrap().trim_start_matches('/').to_owned());
        let ours: Vec<String> = names.filter(|name| name.starts_with(&self.name(what))).collect();
        assert_eq!(ours, [self.name(what)]);
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        if !self.of_one.is_private() {
            // Names differ in their beginning, as those of a scope do.
            drop(refit_lab::Scope { lab: self.lab, name: self.names.clone() });
        }
    }
}

fn asked(address: u8) -> (String, Value) {
    let address = format!("{SUBNET}.1.{address}");
    let endpoint = json!({"IPAMConfig": {"IPv4Address": address}, "Aliases": ["al"]});
    (address, endpoint)
}

#[test]
fn an_overlay_address_stays_if_it_was_requested() {
    let Some(swarm) = Swarm::new() else { return };
    let (address, endpoint) = asked(50);
    swarm.run("own", endpoint);
    let (second, endpoint) = asked(60);
    swarm.run("two", json!({}));
    let bridged = format!("{SUBNET}.2.50");
    let joins = json!({"Container": swarm.name("two"), "EndpointConfig": {"IPAMConfig": {"IPv4Address": bridged}, "Aliases": ["br"]}});
    swarm.engine.post(&format!("/networks/{}/connect", swarm.name("bridge")), &joins);
    swarm.run("stopped", endpoint);
    swarm.stop("stopped");
    swarm.run("any", json!({"Aliases": ["al"]}));
    let looks_asked_for = swarm.endpoint("any", "overlay")["IPAMConfig"]["IPv4Address"].is_string();
    swarm.load("2", Image::new());

    for what in ["own", "two", "stopped", "any"] {
        swarm.recreated(what);
    }
    for what in ["own", "any", "stopped"] {
        let aliases = swarm.endpoint(what, "overlay")["Aliases"].clone();
        let of_user: Vec<&Value> = aliases.as_array().unwrap().iter().filter(|alias| *alias == "al").collect();
        let ids = aliases.as_array().unwrap().len() - of_user.len();
        assert!(of_user.len() == 1 && ids <= 1, "{what}: {aliases}");
    }
    // The swarm's DNS answers the name with the address.
    let found = swarm.engine.exec(&swarm.name("any"), &["nslookup", &swarm.name("own")]);
    assert!(found.output.contains(&address), "{found:?}");
    assert_eq!(swarm.endpoint("own", "overlay")["IPAddress"], address);
    assert_eq!(swarm.configured("own", "overlay"), address);
    assert_eq!(swarm.endpoint("two", "bridge")["IPAddress"], bridged);
    assert_eq!(swarm.configured("two", "bridge"), bridged);
    assert_eq!(swarm.configured("two", "overlay"), Value::Null);
    assert_eq!(swarm.inspect("stopped")["State"]["Status"], "created");
    assert_eq!(swarm.configured("stopped", "overlay"), second);
    swarm.start("stopped");
    assert_eq!(swarm.endpoint("stopped", "overlay")["IPAddress"], second);
    // Not pinned: what another has taken meanwhile is not missed.
    assert!(looks_asked_for, "this engine no longer shows what the swarm allocated as asked for: this test shows nothing");
    let allocated = swarm.endpoint("any", "overlay")["IPAddress"].clone();
    assert_eq!(swarm.configured("any", "overlay"), Value::Null);
    swarm.run("thief", json!({"IPAMConfig": {"IPv4Address": allocated}}));
    swarm.start("any");
    assert_ne!(swarm.endpoint("any", "overlay")["IPAddress"], allocated);
}

#[test]
fn a_container_keeps_its_overlay_address_when_the_new_image_is_broken() {
    let Some(swarm) = Swarm::new() else { return };
    let (address, endpoint) = asked(50);
    let before = swarm.run("c", endpoint);
    swarm.load("2", Image::new().cmd(["sh", "-c", "exit 3"]));
    let (error, report) = recreation::failed(swarm.recreate("c"));
    assert_eq!((error.code(), report.result), (refit::Code::RolledBack, RecreationResult::RolledBack), "{error}");
    swarm.assert_alone("c");
    let after = swarm.inspect("c");
    assert_eq!((&after["Id"], &after["State"]["Running"]), (&before["Id"], &json!(true)));
    assert_eq!(swarm.endpoint("c", "overlay")["IPAddress"], address);
    assert_eq!(swarm.configured("c", "overlay"), address);
}

#[test]
fn a_container_keeps_its_overlay_address_when_its_recreation_is_killed() {
    let Some(swarm) = Swarm::new() else { return };
    let calls = ["POST */stop", "POST */disconnect", "POST */connect", "POST */rename", "POST */start"];
    let mut points = Vec::new();
    for (at, call) in calls.into_iter().enumerate() {
        for (n, side) in [Side::Before, Side::After].into_iter().enumerate() {
            if (at, n) == (0, 0) {
                continue; // Where nothing was stopped `recover` looks.
            }
            let what = format!("k{at}{n}");
            let (address, endpoint) = asked(100 + 2 * at as u8 + n as u8);
            swarm.run(&what, endpoint);
            points.push((what, address, call, side));
        }
    }
    swarm.load("2", Image::new());
    in_parallel(points, |(what, address, call, side)| {
        let (name, when) = (swarm.name(&what), format!("{what}: killed {side:?} {call}"));
        let proxy = Proxy::to_engine(&Address::parse(&swarm.engine.host()));
        assert!(kill_through(&proxy, &Work::recreate(&name), call, 1, side), "{when}: ended before");
        recover_at(&swarm.engine.host(), &name).unwrap_or_else(|failure| panic!("{when}: {failure}"));
        swarm.engine.wait_status(&name, "running", LIMIT);
        swarm.assert_alone(&what);
        assert_eq!(swarm.endpoint(&what, "overlay")["IPAddress"], address, "{when}");
        assert_eq!(swarm.configured(&what, "overlay"), address, "{when}");
    });
}
