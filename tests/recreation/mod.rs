//! A container whose image has moved on, and what must be true of it afterwards.

#![allow(dead_code, unreachable_pub, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // each test binary takes what it needs

mod calls;
pub mod child;
pub mod family;
mod kill;
mod scenario;

use std::time::Duration;

pub use calls::*;
pub use kill::{Side, every_kill, in_parallel, kill_at, kill_through};
use refit_lab::{Image, Lab, Published, Scope};
pub use scenario::{Bystanders, Prepared, Scenario, assert_auto_removed, auto_removed};
use serde_json::{Value, json};

pub const LIMIT: Duration = Duration::from_secs(30);

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
        let network = self.subnet("net");
        let volume = self.scope.volume("v");
        let id = self.lab.engine.run(
            &self.name,
            &json!({
                "Image": self.image(),
                "StopTimeout": 1,
                "Volumes": {"/anonymous": {}},
                "HostConfig": {"NetworkMode": network.name, "Binds": [format!("{volume}:/v")], "RestartPolicy": {"Name": policy}},
                "NetworkingConfig": {"EndpointsConfig": {network.name.as_str(): {"IPAMConfig": {"IPv4Address": network.address}, "Aliases": ["al"]}}},
            }),
        );
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

    /// Every container of this test, with its status.
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
            name.contains(&self.scope.name).then(|| (text(&entry["Id"]), name, text(&entry["State"])))
        });
        listed.collect()
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
        assert_eq!(after["HostConfig"]["Binds"], before["HostConfig"]["Binds"]);
        assert_eq!(mounts(after), mounts(before));
        let networks = |container: &Value| {
            let networks = container["NetworkSettings"]["Networks"].as_object().unwrap();
            let told = networks.iter().map(|(name, endpoint)| (name.clone(), endpoint["IPAMConfig"].clone()));
            told.collect::<Vec<_>>()
        };
        assert_eq!(networks(after), networks(before));
    }

    pub fn assert_files(&self) {
        let read = self.lab.engine.exec(&self.name, &["cat", "/v/file", "/anonymous/file"]);
        assert_eq!((read.code, read.output.as_str()), (0, "kept\nkept\n"), "{read:?}");
    }
}

pub struct Subnet {
    pub name: String,
    pub address: String,
}

fn rand_byte() -> u64 {
    let text = refit_lab::digest::sha256(format!("{:?}", std::time::Instant::now()).as_bytes());
    u64::from_str_radix(&text[text.len() - 2..], 16).unwrap()
}

/// Names and places of what is mounted.
pub fn mounts(container: &Value) -> Vec<(String, String)> {
    let text = |mount: &Value, key: &str| mount[key].as_str().unwrap_or_default().to_owned();
    let mounts = container["Mounts"].as_array().unwrap();
    let mut told: Vec<_> = mounts.iter().map(|mount| (text(mount, "Destination"), text(mount, "Name"))).collect();
    told.sort();
    told
}
