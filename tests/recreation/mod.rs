//! A container whose image has moved on, and what must be true of it afterwards.

#![allow(dead_code, unreachable_pub, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // each test binary takes what it needs

mod calls;
pub mod child;
mod counter;
pub mod family;
pub mod fault;
mod kill;
mod scenario;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

pub use calls::*;
pub use kill::{Run, Side, every_kill, in_parallel, kill_at, kill_in_stop, kill_through};
use refit_lab::{Image, Lab, Published, Scope};
pub use scenario::{Bystanders, Prepared, Scenario, assert_auto_removed, auto_removed};
use serde_json::{Value, json};

pub const LIMIT: Duration = Duration::from_secs(30);

/// Where the newer image of a case declares a volume.
const NEW_VOLUME: &str = "/data2";

/// A tag that names the first version until it is moved.
pub struct Case<'a> {
    pub lab: &'a Lab,
    pub scope: Scope<'a>,
    pub old: Published,
    pub name: String,
}

impl Case<'_> {
    pub fn new(what: &str) -> Self {
        Self::of(what, &Image::new().version("1"))
    }

    pub fn of(what: &str, image: &Image) -> Self {
        let lab = Lab::get();
        let scope = lab.scope(what);
        let old = scope.pull(&image.build(), "t");
        let name = scope.name("c");
        Self { lab, scope, old, name }
    }

    pub fn image(&self) -> &str {
        &self.old.reference
    }

    /// The next version, with a volume more, in which a file tells whose it is.
    pub fn newer(&self) -> Image {
        Image::new().version("2").file(&format!("{NEW_VOLUME}/{}", self.scope.name), b"").volume(NEW_VOLUME)
    }

    /// Moves the tag, as a pull by hand does, where need be with another tag for the old image, as `img_update` does.
    pub fn moves_to(&self, image: &Image) -> Published {
        self.moves(self.image(), "t", image)
    }

    /// Moves another tag of the same repository.
    pub fn moves(&self, reference: &str, tag: &str, image: &Image) -> Published {
        if self.lab.engine.forgets_untagged_images() {
            self.lab.engine.tag(reference, &self.scope.reference(&refit_lab::digest::unique()));
        }
        self.scope.pull(&image.build(), tag)
    }

    /// Runs a container of the first version that has a policy, an address, a volume with a file and an anonymous volume, and stops fast.
    pub fn run_full(&self, policy: &str) -> Value {
        let (network, volume) = (self.subnet("net"), self.scope.volume("v"));
        self.run_full_on(policy, &network, &volume, &[])
    }

    /// The same on its own network with its own volume, which are there, with links to those that are on it.
    pub fn run_full_on(&self, policy: &str, network: &Subnet, volume: &str, links: &[String]) -> Value {
        const MAC: &str = "02:00:00:00:00:29";
        let mut body = json!({
            "Image": self.image(),
            "StopTimeout": 1,
            "Volumes": {"/anonymous": {}},
            "HostConfig": {"NetworkMode": network.name, "Binds": [format!("{volume}:/v")], "RestartPolicy": {"Name": policy}},
        });
        let mut endpoint = json!({"IPAMConfig": {"IPv4Address": network.address}, "Aliases": ["al"], "Links": links});
        // Podman takes none here; Docker has two places for it.
        match self.lab.engine.api() {
            _ if self.lab.engine.is_podman() => {}
            api if api < (1, 44) => body["MacAddress"] = MAC.into(),
            _ => endpoint["MacAddress"] = MAC.into(),
        }
        body["NetworkingConfig"]["EndpointsConfig"][&network.name] = endpoint;
        let id = self.lab.engine.run(&self.name, &body);
        let written = self.lab.engine.exec(&id, &["sh", "-c", "echo kept > /v/file; echo kept > /anonymous/file"]);
        assert_eq!(written.code, 0, "{written:?}");
        self.inspect(&id)
    }

    pub fn inspect(&self, container: &str) -> Value {
        self.lab.engine.container(container).unwrap_or_else(|| panic!("there is no container {container}"))
    }

    /// A network of its own, in which addresses can be chosen.
    pub fn subnet(&self, what: &str) -> Subnet {
        let name = self.scope.name(what);
        for _ in 0..50 {
            let part = rand_byte();
            let (subnet, address) = (format!("10.{}.{part}.0/24", 72 + rand_byte() % 8), 50);
            let body = json!({"Name": name, "Labels": {"refit-lab": "1"}, "IPAM": {"Config": [{"Subnet": subnet}]}});
            let made = self.lab.engine.ask("POST", "/networks/create", &body);
            if made.status == 201 {
                let prefix = subnet.strip_suffix("0/24").unwrap();
                return Subnet { name, address: format!("{prefix}{address}") };
            }
        }
        panic!("no subnet is free");
    }

    /// Every container of this test, with its status; but for those whose names only begin as that of the container.
    pub fn containers(&self) -> Vec<(String, String)> {
        self.listed().into_iter().map(|(_, name, status)| (name, status)).collect()
    }

    /// The ids of them.
    pub fn ids(&self) -> Vec<String> {
        self.listed().into_iter().map(|(id, ..)| id).collect()
    }

    fn listed(&self) -> Vec<(String, String, String)> {
        let all = self.lab.engine.get("/containers/json?all=1");
        let listed = all.as_array().unwrap().iter().filter_map(|entry| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let name = entry["Names"][0].as_str()?.trim_start_matches('/').to_owned();
            let is_ours = name.contains(&self.scope.name) && !name.starts_with(&self.neighbour());
            is_ours.then(|| (text(&entry["Id"]), name, text(&entry["State"])))
        });
        listed.collect()
    }

    /// The name of another container, which has nothing to do with it.
    pub fn neighbour(&self) -> String {
        format!("{}-2", self.name)
    }

    /// No new container that is gone has left a volume behind.
    pub fn assert_no_volume_left(&self, when: &str) {
        let engine = &self.lab.engine;
        let root = engine.get("/info")["DockerRootDir"].as_str().unwrap_or_default().to_owned();
        if !Path::new(&root).is_dir() {
            return; // the engine of another machine
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = engine.get("/volumes")["Volumes"].as_array().cloned().unwrap_or_default();
        let is_ours = |volume: &&Value| Path::new(&text(&volume["Mountpoint"])).join(&self.scope.name).exists();
        let made: BTreeSet<String> = all.iter().filter(is_ours).map(|volume| text(&volume["Name"])).collect();
        let mut used = BTreeSet::new();
        for container in self.ids().iter().filter_map(|id| engine.container(id)) {
            let mounts = container["Mounts"].as_array().cloned().unwrap_or_default();
            used.extend(mounts.iter().filter(|mount| mount["Destination"] == NEW_VOLUME).map(|mount| text(&mount["Name"])));
        }
        assert_eq!(made, used, "{when}: volumes of the new image");
    }

    /// `docker container prune`, of this test's containers.
    pub fn prune(&self) {
        for (name, status) in self.containers() {
            if matches!(status.as_str(), "created" | "exited") {
                self.lab.engine.delete(&format!("/containers/{name}"));
            }
        }
    }

    /// Nothing but the container itself is left.
    pub fn assert_alone(&self) {
        let names: Vec<String> = self.containers().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, std::slice::from_ref(&self.name));
    }

    /// The same configuration, address, networks and volumes, and the files in them.
    pub fn assert_kept(&self, before: &Value, after: &Value) {
        assert_eq!(after["Name"], before["Name"]);
        assert_eq!(after["Config"]["Image"], before["Config"]["Image"]);
        assert_eq!(after["HostConfig"]["RestartPolicy"], before["HostConfig"]["RestartPolicy"]);
        assert_eq!(binds(after), binds(before));
        assert_eq!(mounts(after), mounts(before));
        assert_eq!(endpoints(after), endpoints(before));
        assert_eq!(after["Config"]["MacAddress"], before["Config"]["MacAddress"]);
        let own = before["HostConfig"]["NetworkMode"].as_str().unwrap_or_default();
        let mac = |container: &Value| container["NetworkSettings"]["Networks"][own]["MacAddress"].clone();
        // What does not run has none on an old engine; Podman was not asked for one.
        if before["State"]["Running"] == true && after["State"]["Running"] == true && !self.lab.engine.is_podman() {
            assert_eq!(mac(after), mac(before));
        }
    }

    pub fn assert_files(&self) {
        let read = self.lab.engine.exec(&self.name, &["cat", "/v/file", "/anonymous/file"]);
        assert_eq!((read.code, read.output.as_str()), (0, "kept\nkept\n"), "{read:?}");
    }
}

/// An image whose container does not end when it is asked to.
pub fn stubborn() -> Image {
    Image::new().cmd(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.2; done"])
}

/// Runs a container that takes its time to stop, beyond its own grace, and stops.
pub fn slow_to_stop(case: &Case, seconds: u32, auto_remove: bool) -> String {
    let command = format!("trap 'sleep {seconds}; exit 0' TERM; echo ready; while :; do sleep 0.1; done");
    let body = json!({"Image": case.image(), "Cmd": ["sh", "-c", command], "StopTimeout": 1, "HostConfig": {"AutoRemove": auto_remove}});
    case.lab.engine.run(&case.name, &body)
}

pub struct Subnet {
    pub name: String,
    pub address: String,
}

fn rand_byte() -> u64 {
    let text = refit_lab::digest::sha256(format!("{:?}", std::time::Instant::now()).as_bytes());
    u64::from_str_radix(&text[text.len() - 2..], 16).unwrap()
}

/// What was asked for in each network: address, links, and aliases, but for the container's own id.
pub fn endpoints(container: &Value) -> Vec<(String, Value, Vec<String>, BTreeSet<String>)> {
    let words = |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    let own = container["Id"].as_str().unwrap();
    let networks = container["NetworkSettings"]["Networks"].as_object().unwrap();
    let told = networks.iter().map(|(name, endpoint)| {
        let aliases = words(&endpoint["Aliases"]).into_iter().filter(|alias| !own.starts_with(alias.as_str()));
        (name.clone(), endpoint["IPAMConfig"].clone(), words(&endpoint["Links"]), aliases.collect())
    });
    told.collect()
}

/// Podman shows every volume among them, that of a newer image too, in an order of its own.
fn binds(container: &Value) -> Vec<String> {
    let all = container["HostConfig"]["Binds"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut binds: Vec<String> = all.filter(|bind| !bind.contains(&format!(":{NEW_VOLUME}:"))).map(str::to_owned).collect();
    binds.sort();
    binds
}

/// Names and places of what is mounted, but for the volume that a newer image has more.
pub fn mounts(container: &Value) -> Vec<(String, String)> {
    let text = |mount: &Value, key: &str| mount[key].as_str().unwrap_or_default().to_owned();
    let mounts = container["Mounts"].as_array().unwrap();
    let kept = mounts.iter().filter(|mount| mount["Destination"] != NEW_VOLUME);
    let mut told: Vec<_> = kept.map(|mount| (text(mount, "Destination"), text(mount, "Name"))).collect();
    told.sort();
    told
}
