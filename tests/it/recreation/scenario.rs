//! The kinds of containers whose recreation is killed or suffers faults.

use refit_lab::Image;
use serde_json::{Value, json};

use super::{Case, LIMIT, mounts};

/// A container, the image that its tag moves to, and the expected result.
pub struct Scenario {
    pub name: &'static str,
    pub policy: &'static str,
    pub runs: bool,
    pub networks: usize,
    /// Whether another container is on its network and has its volume.
    pub neighbour: bool,
    /// Changes a good image into the new one.
    pub new: fn(Image) -> Image,
    /// Whether a container of the new image keeps running.
    pub succeeds: bool,
}

/// A scenario's container, which ran, and whose tag has moved.
pub struct Prepared<'a> {
    pub case: Case<'a>,
    pub before: Value,
    succeeds: bool,
    neighbours: Vec<Value>,
}

impl Scenario {
    pub fn new(name: &'static str) -> Self {
        Self { name, policy: "always", runs: true, networks: 1, neighbour: false, new: |image| image, succeeds: true }
    }

    pub fn prepare(&self) -> Prepared<'static> {
        let case = Case::new(self.name);
        let (network, volume) = (case.subnet("net"), case.scope.volume("v"));
        let neighbours = if self.neighbour { neighbours(&case, &network.name, &volume) } else { Vec::new() };
        let links: Vec<String> = neighbours.first().map(|_| format!("{}:near", case.neighbour())).into_iter().collect();
        case.run_full_on(self.policy, &network, &volume, &links);
        for n in 1..self.networks {
            let subnet = case.subnet(&format!("net{n}"));
            let endpoint = json!({"IPAMConfig": {"IPv4Address": subnet.address}, "Aliases": [format!("al{n}")]});
            case.lab
                .engine
                .post(&format!("/networks/{}/connect", subnet.name), &json!({"Container": case.name, "EndpointConfig": endpoint}));
        }
        if !self.runs {
            case.lab.engine.post(&format!("/containers/{}/stop", case.name), &Value::Null);
        }
        let before = case.inspect(&case.name);
        case.moves_to(&(self.new)(case.newer()));
        Prepared { case, before, succeeds: self.succeeds, neighbours }
    }
}

impl Prepared<'_> {
    /// Exactly one container, in the state that it was in, with everything that it had; the same one where the new image is broken.
    pub fn assert_whole(&self, when: &str) {
        let case = &self.case;
        assert_eq!(case.containers().len(), 1, "{when}: {:?}", case.containers());
        let after = case.inspect(&case.name);
        let is_old = after["Id"] == self.before["Id"];
        assert!(is_old || self.succeeds, "{when}: the broken image took over");
        if is_old {
            assert_eq!(after["Config"].to_string(), self.before["Config"].to_string(), "{when}");
            assert_eq!(after["HostConfig"].to_string(), self.before["HostConfig"].to_string(), "{when}");
        }
        case.assert_kept(&self.before, &after);
        let running = |container: &Value| container["State"]["Running"] == true;
        assert_eq!(running(&after), running(&self.before), "{when}");
        case.assert_no_volume_left(when);
        for neighbour in &self.neighbours {
            assert_eq!(case.inspect(neighbour["Id"].as_str().unwrap()), *neighbour, "{when}");
        }
        // The files are read, and the addresses seen, in a running container; afterwards it is as it was, for the next attempt.
        if !running(&after) {
            case.lab.engine.post(&format!("/containers/{}/start", case.name), &Value::Null);
        }
        case.assert_files();
        let address = |container: &Value, name: &str| container["NetworkSettings"]["Networks"][name]["IPAMConfig"]["IPv4Address"].clone();
        let now = case.inspect(&case.name);
        for (name, network) in now["NetworkSettings"]["Networks"].as_object().unwrap() {
            let configured = address(&self.before, name);
            // Podman does not show it, which is one of the losses that a recreation reports.
            assert!(configured.is_string() || case.lab.engine.is_podman(), "{when}: {name}");
            assert!(configured.is_null() || network["IPAddress"] == configured, "{when}: {name}: {network}");
        }
        if !running(&after) {
            case.lab.engine.post(&format!("/containers/{}/stop", case.name), &Value::Null);
        }
    }
}

/// A container whose name begins with this one's, on the same network and volume, and a leftover of its recreation.
fn neighbours(case: &Case, network: &str, volume: &str) -> Vec<Value> {
    let host = json!({"NetworkMode": network, "Binds": [format!("{volume}:/n")], "RestartPolicy": {"Name": "always"}});
    let running = case.lab.engine.run(&case.neighbour(), &json!({"Image": case.image(), "HostConfig": host}));
    let left = format!("{}.refit-old-{}-r-00000001", case.neighbour(), &running[..12]);
    let left = case.lab.engine.create(&left, &json!({"Image": case.image()}));
    [running, left].iter().map(|id| case.inspect(id)).collect()
}

/// Runs an `--rm` container with a file in an anonymous volume.
pub fn auto_removed(case: &Case) -> Value {
    let body = json!({"Image": case.image(), "StopTimeout": 1, "Volumes": {"/anonymous": {}}, "HostConfig": {"AutoRemove": true}});
    case.lab.engine.run(&case.name, &body);
    assert_eq!(case.lab.engine.exec(&case.name, &["sh", "-c", "echo kept > /anonymous/file"]).code, 0);
    case.inspect(&case.name)
}

/// It runs, alone, with its volume.
pub fn assert_auto_removed(case: &Case, before: &Value, when: &str) {
    case.lab.engine.wait_status(&case.name, "running", LIMIT);
    let after = case.inspect(&case.name);
    assert_eq!((&after["HostConfig"]["AutoRemove"], mounts(&after)), (&json!(true), mounts(before)), "{when}");
    let read = case.lab.engine.exec(&case.name, &["cat", "/anonymous/file"]);
    assert_eq!(read.output, "kept\n", "{when}: {read:?}");
    assert_eq!(case.containers().len(), 1, "{when}: {:?}", case.containers());
    case.assert_no_volume_left(when);
}

/// Unrelated containers: one that runs, and a leftover of its recreation.
pub struct Bystanders {
    case: Case<'static>,
    before: Vec<Value>,
}

impl Bystanders {
    pub fn new(what: &str) -> Self {
        let case = Case::new(&format!("{what}-bystander"));
        case.lab.engine.run(&case.name, &json!({"Image": case.image(), "HostConfig": {"RestartPolicy": {"Name": "always"}}}));
        let left = format!("{}-x.refit-new-0123456789ab-r-00000001", case.name);
        case.lab.engine.create(&left, &json!({"Image": case.image()}));
        let before = [&case.name, &left].map(|name| case.inspect(name)).to_vec();
        Self { case, before }
    }

    pub fn assert_untouched(&self) {
        let after: Vec<Value> = self.before.iter().map(|before| self.case.inspect(before["Id"].as_str().unwrap())).collect();
        assert_eq!(after, self.before);
    }
}
