//! The lab as a test sees it, and a test's own corner of it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::digest::unique;
use crate::engine::Engine;
use crate::image::Artifact;
use crate::registry::{self, Options, Published, Registry};
use crate::relay::Relay;
use crate::up::{self, Dockerd, Ours, clean, dispose, namespace, state};

/// A real engine and a real registry.
#[derive(Debug)]
pub struct Lab {
    /// Raw access to the engine.
    pub engine: Engine,
    /// The registry, under the name that the engine uses too.
    pub registry: Registry,
    /// The engine's network, where it is another than this process's: ports that containers publish are in there.
    pub network: Option<PathBuf>,
    /// True when the engine was started by the lab, so that it may be filled, and nobody else uses it.
    pub own_engine: bool,
    folder: PathBuf,
}

impl Lab {
    /// The lab whose address `lab run` or `lab up` put into the environment; without one, it is brought up and stays until `lab down`.
    pub fn get() -> &'static Self {
        static LAB: OnceLock<Lab> = OnceLock::new();
        LAB.get_or_init(|| {
            let variable = |name: &str| std::env::var(name).ok();
            if let (Some(host), Some(registry)) = (variable("DOCKER_HOST"), variable("REFIT_LAB_REGISTRY")) {
                let own = variable("REFIT_LAB_ENGINE").as_deref() == Some("own");
                return Self::of(&host, registry, variable("REFIT_LAB_NETNS").map(PathBuf::from), own);
            }
            let state = up::up(true);
            Self::of(&state.host, state.registry.clone(), state.network.clone(), state.engine.is_some())
        })
    }

    fn of(host: &str, registry: String, network: Option<PathBuf>, own_engine: bool) -> Self {
        let folder = state::folder();
        let registry = Registry { host: registry, folder: folder.join("registry"), login: None };
        Self { engine: Engine::at(host), registry, network, own_engine, folder }
    }

    /// A name that nobody else has, for everything that one test makes.
    pub fn scope(&self, what: &str) -> Scope<'_> {
        Scope { lab: self, name: format!("refit-lab-{what}-{}", unique()) }
    }

    /// An engine beside the lab's, for one test that stops and kills it: own data, own network, the same registry under the same name.
    /// The configuration is daemon.json's.
    pub fn private_engine(&self, what: &str, configuration: &Value) -> PrivateEngine {
        let folder = self.folder.join(format!("{what}-{}", unique()));
        let network = namespace::make(&state::private_name(&folder));
        let dockerd = Dockerd::start(&folder.join("engine"), &network, configuration);
        let twin = registry::join(&self.registry, &folder, &network);
        PrivateEngine { dockerd, folder, network, twins: vec![twin] }
    }

    /// A free loopback port, listened to here and in the engine's network, so that engine and library reach it under one name.
    pub fn listen(&self) -> (String, Vec<TcpListener>) {
        for _ in 0..20 {
            let here = TcpListener::bind("127.0.0.1:0").unwrap();
            let host = here.local_addr().unwrap();
            match &self.network {
                None => return (host.to_string(), vec![here]),
                Some(network) => {
                    if let Ok(there) = namespace::listen(network, host.port()) {
                        return (host.to_string(), vec![here, there]);
                    }
                }
            }
        }
        panic!("no port is free both here and in the engine's network");
    }

    /// A port in the engine's network, such as one that a container publishes, reached from this side.
    pub fn reach(&self, port: u16) -> Relay {
        Relay::start(self.network.clone(), port)
    }

    /// A second registry that asks for user and password (in `login`).
    pub fn registry_with_login(&self) -> PrivateRegistry {
        let folder = self.folder.join(format!("login-{}", unique()));
        let served = registry::serve(&folder, &Options { namespace: self.network.clone(), login: true });
        PrivateRegistry { registry: served.registry, pids: served.pids }
    }
}

/// Says why a test does not apply to this engine: `make matrix` counts it apart from those that passed.
pub fn not_here(why: &str) {
    println!("not on this engine: {why}");
}

/// Names of one test; dropping it removes every container, volume, network and image whose name holds its own. `REFIT_LAB_KEEP=1` keeps them.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// `refit-lab-WHAT-1a2b3c4d`: fit for a container, a volume, a network or a repository.
    pub name: String,
}

impl Scope<'_> {
    /// The scope's name with something after it.
    pub fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    /// Publishes under the scope's repository.
    pub fn publish(&self, artifact: &Artifact, tag: &str) -> Published {
        self.lab.registry.publish(artifact, &self.name, tag)
    }

    /// Publishes and pulls through the engine.
    pub fn pull(&self, artifact: &Artifact, tag: &str) -> Published {
        let published = self.publish(artifact, tag);
        let mut pulled = self.lab.engine.pull(&published.reference);
        // Podman 5.8 fails when another test removes the last image with a layer that it was about to reuse.
        for _ in 0..3 {
            if pulled.as_ref().is_err_and(|words| words.contains("layer for blob")) {
                pulled = self.lab.engine.pull(&published.reference);
            }
        }
        pulled.unwrap();
        published
    }

    /// `127.0.0.1:PORT/NAME:TAG`.
    pub fn reference(&self, tag: &str) -> String {
        format!("{}/{}:{tag}", self.lab.registry.host, self.name)
    }

    /// Makes a named volume.
    pub fn volume(&self, what: &str) -> String {
        let name = self.name(what);
        self.lab.engine.post("/volumes/create", &json!({ "Name": name, "Labels": { "refit-lab": "1" } }));
        name
    }

    /// Makes a bridge network.
    pub fn network(&self, what: &str) -> String {
        let name = self.name(what);
        self.lab.engine.post("/networks/create", &json!({ "Name": name, "CheckDuplicate": true, "Labels": { "refit-lab": "1" } }));
        name
    }

    /// A network in which a container may ask for an address: its name, and the first three numbers of its addresses.
    pub fn network_with_subnet(&self, what: &str) -> (String, String) {
        let name = self.name(what);
        let random = u32::from_str_radix(&unique(), 16).unwrap();
        // A subnet that another network has already is refused.
        for attempt in 0..50 {
            let base = format!("10.{}.{}", 100 + (random + attempt) % 50, (random / 50) % 256);
            let body = json!({ "Name": name, "CheckDuplicate": true, "Labels": { "refit-lab": "1" },
                "IPAM": { "Config": [{ "Subnet": format!("{base}.0/24") }] } });
            if self.lab.engine.ask("POST", "/networks/create", &body).status < 300 {
                return (name, base);
            }
        }
        panic!("no subnet is free for {name}");
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        if std::env::var_os("REFIT_LAB_KEEP").is_some() {
            return;
        }
        let clean = || clean(&self.lab.engine, Ours::Named(&self.name));
        if std::thread::panicking() {
            // A second panic, where the engine hangs, would end all tests of the program. `lab down` takes away what is left.
            let _ = std::panic::catch_unwind(clean);
        } else {
            clean();
        }
    }
}

/// An engine of one test; dropping it takes it away with all its data.
#[derive(Debug)]
pub struct PrivateEngine {
    /// To stop, kill and start it.
    pub dockerd: Dockerd,
    folder: PathBuf,
    network: PathBuf,
    /// The processes of registries in its network.
    twins: Vec<u32>,
}

impl PrivateEngine {
    /// Lets this engine reach another registry under its name too.
    pub fn reaches(&mut self, registry: &Registry) {
        let logs = self.folder.join(format!("registry-{}", self.twins.len()));
        self.twins.push(registry::join(registry, &logs, &self.network));
    }

    /// Its network's name.
    pub fn network(&self) -> &std::path::Path {
        &self.network
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        for twin in &self.twins {
            namespace::terminate(*twin, std::time::Duration::from_secs(3));
        }
        dispose(&self.folder.join("engine"), &self.network, self.dockerd.pid());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A registry of one test; dropping it takes it away.
#[derive(Debug)]
pub struct PrivateRegistry {
    /// It.
    pub registry: Registry,
    pids: Vec<u32>,
}

impl Drop for PrivateRegistry {
    fn drop(&mut self) {
        for pid in &self.pids {
            namespace::terminate(*pid, std::time::Duration::from_secs(3));
        }
        let _ = std::fs::remove_dir_all(&self.registry.folder);
    }
}
