//! A container whose tag has moved to a new image, its recreation, and what must be true afterwards.

mod calls;
pub mod child;
mod counter;
pub mod family;
pub mod fault;
mod kill;
mod parallel;
mod scenario;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

pub use calls::*;
pub use kill::{Run, Sample, Side, every_kill, kill_at, kill_in_stop, kill_through};
pub use parallel::in_parallel;
use refit_lab::{Image, Lab, Published, Scope};
pub use scenario::{Bystanders, Prepared, Scenario, assert_auto_removed, auto_removed};
use serde_json::{Value, json};

pub const LIMIT: Duration = Duration::from_secs(90);

/// Whether runs are killed, and suffer faults, at every call: `make test-kills`. Otherwise it is a sample.
pub fn every_call() -> bool {
    std::env::var_os("REFIT_EVERY_KILL").is_some()
}

/// The volume that the newer image of a case declares.
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

    /// The next version, with one more volume, which has a file with the name of this test.
    pub fn newer(&self) -> Image {
        Image::new().version("2").file(&format!("{NEW_VOLUME}/{}", self.scope.name), b"").volume(NEW_VOLUME)
    }

    /// Moves the tag, as a pull does; an engine that deletes untagged images gets another tag for the old one first, as `img_update` does it.
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

    /// Runs a container of the first version that has a restart policy, an address, a named and an anonymous volume with a file each, and a grace of 1 s.
    pub fn run_full(&self, policy: &str) -> Value {
        let (network, volume) = (self.subnet("net"), self.scope.volume("v"));
        self.run_full_on(policy, &network, &volume, &[])
    }

    /// The same on an existing network and volume, with links to other containers.
    pub fn run_full_on(&self, policy: &str, network: &Subnet, volume: &str, links: &[String]) -> Value {
        const MAC: &str = "02:00:00:00:00:29";
        let mut body = json!({
            "Image": self.image(),
            "StopTimeout": 1,
            "Volumes": {"/anonymous": {}},
            "HostConfig": {"NetworkMode": network.name, "Binds": [format!("{volume}:/v")], "RestartPolicy": {"Name": policy}},
        });
        let mut endpoint = json!({"IPAMConfig": {"IPv4Address": network.address}, "Aliases": ["al"], "Links": links});
        // Podman takes no MAC address here; Docker has two fields for it.
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

    /// Every container of this test with its status, without the neighbour.
    pub fn containers(&self) -> Vec<(String, String)> {
        self.listed().into_iter().map(|(_, name, status)| (name, status)).collect()
    }

    /// Renames as if an hour had passed since the run died.
    pub fn let_an_hour_pass(&self) {
        for (name, _) in self.containers() {
            if let Some(earlier) = an_hour_earlier(&name) {
                self.lab.engine.post(&format!("/containers/{name}/rename?name={earlier}"), &Value::Null);
            }
        }
    }

    /// The name of a container that a run has left, which begins so.
    pub fn left(&self, role: &str) -> String {
        let part = format!("{}.refit-{role}-", self.name);
        let found = self.containers().into_iter().map(|(name, _)| name).find(|name| name.starts_with(&part));
        found.unwrap_or_else(|| panic!("no {part} among {:?}", self.containers()))
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

    /// The name of an unrelated container, which begins with the name of this one.
    pub fn neighbour(&self) -> String {
        format!("{}-2", self.name)
    }

    /// No removed new container has left a volume.
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

    /// The container is the only one of this test.
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
        // A stopped container has none on an old engine; on Podman none was requested.
        if before["State"]["Running"] == true && after["State"]["Running"] == true && !self.lab.engine.is_podman() {
            assert_eq!(mac(after), mac(before));
        }
    }

    pub fn assert_files(&self) {
        let read = self.lab.engine.exec(&self.name, &["cat", "/v/file", "/anonymous/file"]);
        assert_eq!((read.code, read.output.as_str()), (0, "kept\nkept\n"), "{read:?}");
    }
}

/// A temporary name whose times are an hour earlier: the end of the lease and, after a `k`, the latest time of the stop.
fn an_hour_earlier(name: &str) -> Option<String> {
    let earlier = |time: &str| Some(format!("{:08x}", u32::from_str_radix(time, 16).ok()?.saturating_sub(3600)));
    let (rest, lease) = name.rsplit_once('-').filter(|_| name.contains(".refit-"))?;
    let (rest, marks) = rest.rsplit_once('-')?;
    let marks = match marks.split_once('k') {
        Some((others, stop)) => format!("{others}k{}", earlier(stop)?),
        None => marks.to_owned(),
    };
    Some(format!("{rest}-{marks}-{}", earlier(lease)?))
}

/// An image whose container ignores SIGTERM.
pub fn stubborn() -> Image {
    Image::new().cmd(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.2; done"])
}

/// Runs a container that stops so many seconds after SIGTERM, which is longer than its own grace.
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

/// What the user requested in each network: address, links, and aliases without the container's own id.
pub fn endpoints(container: &Value) -> Vec<(String, Value, Vec<String>, BTreeSet<String>)> {
    let words = |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    let own = container["Id"].as_str().unwrap();
    let networks = container["NetworkSettings"]["Networks"].as_object().unwrap();
    let reported = networks.iter().map(|(name, endpoint)| {
        let aliases = words(&endpoint["Aliases"]).into_iter().filter(|alias| !own.starts_with(alias.as_str()));
        (name.clone(), endpoint["IPAMConfig"].clone(), words(&endpoint["Links"]), aliases.collect())
    });
    reported.collect()
}

/// Podman shows every volume among the binds, also the one of the newer image, in its own order.
fn binds(container: &Value) -> Vec<String> {
    let all = container["HostConfig"]["Binds"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut binds: Vec<String> = all.filter(|bind| !bind.contains(&format!(":{NEW_VOLUME}:"))).map(str::to_owned).collect();
    binds.sort();
    binds
}

/// Destinations and names of the mounts, without the volume that only the newer image has.
pub fn mounts(container: &Value) -> Vec<(String, String)> {
    let text = |mount: &Value, key: &str| mount[key].as_str().unwrap_or_default().to_owned();
    let mounts = container["Mounts"].as_array().unwrap();
    let kept = mounts.iter().filter(|mount| mount["Destination"] != NEW_VOLUME);
    let mut reported: Vec<_> = kept.map(|mount| (text(mount, "Destination"), text(mount, "Name"))).collect();
    reported.sort();
    reported
}
