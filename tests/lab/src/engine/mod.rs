//! The engine's API as raw JSON, for arranging and looking, independent of refit.

mod events;
mod run;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use events::Events;
pub use run::Executed;

use crate::address::Address;
use crate::http::{self, Request, Response};
use crate::proxy::Proxy;

/// A client that opens a connection for each request and keeps nothing.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Where the engine listens.
    pub address: Address,
}

impl Engine {
    /// The engine at an address such as `unix:///path`.
    pub fn at(host: &str) -> Self {
        Self { address: Address::parse(host) }
    }

    /// `DOCKER_HOST` for a client of this engine. With `REFIT_LAB_FACE=1.44-1.54` the client meets the face of a newer engine.
    pub fn host(&self) -> String {
        static FACES: Mutex<BTreeMap<String, Proxy>> = Mutex::new(BTreeMap::new());
        let address = self.address.to_string();
        let Ok(versions) = std::env::var("REFIT_LAB_FACE") else { return address };
        let version = |text: &str| text.split_once('.').map(|(major, minor)| (major.parse().unwrap(), minor.parse().unwrap()));
        let (oldest, newest) = versions.split_once('-').and_then(|(old, new)| Some((version(old)?, version(new)?))).expect("1.44-1.54");
        let mut faces = FACES.lock().unwrap();
        faces.entry(address).or_insert_with(|| Proxy::newer_engine(self, oldest, newest)).host.clone()
    }

    /// True when it answers a ping now.
    pub fn answers(&self) -> bool {
        let ping = Request { method: "GET", path: "/_ping", headers: &[], body: b"", timeout: Duration::from_secs(5) };
        http::send(&self.address, &ping).is_ok_and(|answer| answer.status == 200)
    }

    /// Waits until it answers.
    pub fn wait(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while !self.answers() {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }

    /// One request with a JSON body (`Value::Null` for none) and its answer, whatever the status.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Response {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(method, path, "application/json", &bytes)
    }

    /// One request with any body.
    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Response {
        let headers: &[_] = if body.is_empty() { &[] } else { &[("Content-Type", content_type)] };
        let request = Request { method, path, headers, body, timeout: Duration::from_secs(120) };
        http::send(&self.address, &request).unwrap_or_else(|error| panic!("{method} {path} at {}: {error}", self.address))
    }

    /// A GET that must succeed.
    pub fn get(&self, path: &str) -> Value {
        self.must("GET", path, &Value::Null)
    }

    /// A GET whose answer may be 404.
    pub fn find(&self, path: &str) -> Option<Value> {
        let answer = self.ask("GET", path, &Value::Null);
        (answer.status != 404).then(|| accepted("GET", path, &answer))
    }

    /// A POST that must succeed; the body may be `Value::Null`.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.must("POST", path, body)
    }

    /// A DELETE; what is not there needs no deleting.
    pub fn delete(&self, path: &str) {
        let answer = self.ask("DELETE", path, &Value::Null);
        if answer.status != 404 {
            accepted("DELETE", path, &answer);
        }
    }

    /// A request that must succeed.
    pub fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        accepted(method, path, &self.ask(method, path, body))
    }

    /// Pauses a container. runc on a busy machine may need more than one try.
    pub fn pause(&self, name: &str) {
        let path = format!("/containers/{name}/pause");
        for _ in 0..20 {
            let answer = self.ask("POST", &path, &Value::Null);
            if !answer.text().contains("unable to freeze") {
                accepted("POST", &path, &answer);
                return;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!("container {name} is never frozen");
    }

    /// `GET /containers/NAME/json`; None when there is none.
    pub fn container(&self, name: &str) -> Option<Value> {
        self.find(&format!("/containers/{name}/json"))
    }

    /// `GET /images/NAME/json`; None when there is none.
    pub fn image(&self, name: &str) -> Option<Value> {
        self.find(&format!("/images/{name}/json"))
    }

    /// Pulls a reference with its tag or digest; the error is the engine's words.
    pub fn pull(&self, image: &str) -> Result<(), String> {
        self.pull_platform(image, "")
    }

    /// Pulls for a platform such as `linux/arm64`; an empty one is the engine's own.
    pub fn pull_platform(&self, image: &str, platform: &str) -> Result<(), String> {
        let answer = self.ask("POST", &format!("/images/create?fromImage={image}&platform={platform}"), &Value::Null);
        let failed = answer.text().lines().find_map(|line| serde_json::from_str::<Value>(line).ok()?["error"].as_str().map(str::to_owned));
        match failed {
            Some(words) => Err(words),
            None if answer.status == 200 => Ok(()),
            None => Err(answer.text()),
        }
    }

    /// Loads an archive as `docker save` writes it.
    pub fn load(&self, archive: &[u8]) {
        let answer = self.send("POST", "/images/load?quiet=1", "application/x-tar", archive);
        let text = answer.text();
        assert!(answer.status == 200 && !text.contains("\"error\""), "load: {text}");
    }

    /// Gives an image another name, `repository:tag`.
    pub fn tag(&self, image: &str, name: &str) {
        let (repository, tag) = name.rsplit_once(':').unwrap();
        self.post(&format!("/images/{image}/tag?repo={repository}&tag={tag}"), &Value::Null);
    }

    /// True for a containerd image store, where an image's id is its manifest's or index's digest.
    pub fn has_containerd_store(&self) -> bool {
        self.get("/info")["DriverStatus"].to_string().contains("io.containerd.snapshotter")
    }

    /// True for Engine 26 with containerd's store, which deletes an image that has lost its tag, though a container uses it.
    pub fn forgets_untagged_images(&self) -> bool {
        self.version().0 == 26 && self.has_containerd_store()
    }

    /// True for Podman.
    pub fn is_podman(&self) -> bool {
        self.get("/version")["Components"].to_string().contains("Podman")
    }

    /// Name, version and image store: `Docker 26.1.5 classic`.
    pub fn describe(&self) -> String {
        let version = self.get("/version")["Version"].as_str().unwrap_or_default().to_owned();
        let version = version.split(['+', '-']).next().unwrap_or_default();
        match (self.is_podman(), self.has_containerd_store()) {
            (true, _) => format!("Podman {version}"),
            (false, true) => format!("Docker {version} containerd"),
            (false, false) => format!("Docker {version} classic"),
        }
    }

    /// The engine's version as numbers: `(20, 10)`.
    pub fn version(&self) -> (u32, u32) {
        self.numbers("Version")
    }

    /// That of its API: `(1, 41)`.
    pub fn api(&self) -> (u32, u32) {
        self.numbers("ApiVersion")
    }

    fn numbers(&self, key: &str) -> (u32, u32) {
        let version = self.get("/version")[key].as_str().unwrap_or_default().to_owned();
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }
}

fn accepted(method: &str, path: &str, answer: &Response) -> Value {
    assert!(answer.status < 400, "{method} {path}: {} {}", answer.status, answer.text());
    answer.json()
}
