//! The engine ends and starts again in the middle of a recreation, with the library's process or without it.
//!
//! That engine is always a private one of the machine's own dockerd, whatever engine the other tests use.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::recreation;
use crate::recreation::child::Work;
use crate::recreation::{LIMIT, Side, in_parallel, kill_through, quick, recover_at, runtime};
use refit::Outcome;
use refit::container::{Recreation, RecreationResult};
use refit_lab::{Address, Engine, Gate, Image, Lab, PrivateEngine, Proxy, When};
use serde_json::{Value, json};

const IMAGE: &str = "reboot:t";

/// A machine of its own, with containers of the first version.
struct Machine {
    private: PrivateEngine,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { private: Lab::get().private_engine("reboot", &json!({})) };
        machine.load("1");
        machine
    }

    fn engine(&self) -> Engine {
        self.private.dockerd.engine()
    }

    fn proxy(&self) -> Proxy {
        Proxy::to_engine(&Address::parse(&self.engine().host()))
    }

    fn load(&self, version: &str) {
        self.engine().load(&Image::new().version(version).build().archive(&[IMAGE]));
    }

    fn run(&self, name: &str, policy: &str, port: &str) -> String {
        let host =
            json!({"Binds": [format!("{name}:/v")], "RestartPolicy": {"Name": policy}, "PortBindings": {"80/tcp": [{"HostPort": port}]}});
        let id = self.engine().run(name, &json!({"Image": IMAGE, "StopTimeout": 1, "HostConfig": host}));
        assert_eq!(self.engine().exec(name, &["sh", "-c", "echo kept > /v/file"]).code, 0);
        id
    }

    fn end(&mut self, kill: bool) {
        if kill { self.private.dockerd.kill() } else { self.private.dockerd.stop() }
    }

    /// All containers that have a name, or had it, or are to have it: id and whether it runs.
    fn containers(&self, name: &str) -> Vec<(String, bool)> {
        let all = self.engine().get("/containers/json?all=1");
        let ours = all.as_array().unwrap().iter().filter(|one| one["Names"][0].as_str().unwrap().starts_with(&format!("/{name}")));
        ours.map(|one| (one["Id"].as_str().unwrap().to_owned(), one["State"] == "running")).collect()
    }

    /// It runs, alone, with all that it had.
    fn assert_whole(&self, name: &str, policy: &str, port: &str, when: &str) {
        self.engine().wait_status(name, "running", LIMIT);
        assert_eq!(self.containers(name).len(), 1, "{when}: {:?}", self.containers(name));
        let host = &self.engine().container(name).unwrap()["HostConfig"];
        assert_eq!(host["RestartPolicy"]["Name"], policy, "{when}");
        assert_eq!(host["PortBindings"]["80/tcp"][0]["HostPort"], port, "{when}");
        assert_eq!(self.engine().exec(name, &["cat", "/v/file"]).output, "kept\n", "{when}");
    }
}

/// The library's process is killed after a step, then the machine starts again, then another process recovers.
fn reboot(kill: bool) {
    // Steps of the sequence: the stop, the second rename, the change of the policy (before the stop it is set as it is), the start.
    let steps = [
        ("after4", "always", "8004", "POST */stop", 1, false),
        ("after6", "always", "8006", "POST */rename", 2, false),
        ("after7", "always", "8007", "POST */update", 2, true),
        ("after8", "always", "8008", "POST */start", 1, true),
        ("stopped8", "unless-stopped", "8009", "POST */start", 1, true),
    ];
    let mut machine = Machine::new();
    machine.run("control", "always", "8010");
    machine.run("unless", "unless-stopped", "8011");
    let olds = steps.map(|(name, policy, port, ..)| machine.run(name, policy, port));
    machine.load("2");
    for (name, _, _, pattern, n, _) in steps {
        assert!(kill_through(&machine.proxy(), &Work::recreate(name), pattern, n, Side::After), "{name}");
    }
    machine.end(kill);
    // In a crash its containers go on, for longer than their settle time.
    std::thread::sleep(Duration::from_secs(4));
    machine.private.dockerd.start_again();
    let (machine, recovering, done) = (&machine, &AtomicBool::new(false), &AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watch = scope.spawn(move || {
            let mut looked = 0;
            while !done.load(Ordering::SeqCst) {
                for ((name, ..), old) in steps.iter().zip(&olds).filter(|((.., for_good), _)| *for_good) {
                    let containers = machine.containers(name);
                    // A rollback starts the old one if the engine has not started the new one; the engine itself never does.
                    let at_boot = !recovering.load(Ordering::SeqCst);
                    let runs = |old_one: bool| containers.iter().any(|(id, runs)| *runs && (id == old) == old_one);
                    assert!(!(runs(true) && (runs(false) || at_boot)), "{name}: {containers:?}, the old one is {old}");
                }
                looked += 1;
                std::thread::sleep(Duration::from_millis(30));
            }
            looked
        });
        // What comes back at a start does so when this one does, or a moment later.
        machine.engine().wait_status("control", "running", LIMIT);
        std::thread::sleep(Duration::from_secs(1));
        recovering.store(true, Ordering::SeqCst);
        let recovered = steps.map(|(name, ..)| recover_at(&machine.engine().host(), name));
        done.store(true, Ordering::SeqCst);
        for recovered in recovered {
            recovered.unwrap_or_else(|failure| panic!("{failure}"));
        }
        assert!(watch.join().unwrap() > 10);
    });
    // Docker 20.10 stops what has gone on during a crash when it starts again, and takes that for a stop of a user: it does not start it again. A
    // recovery leaves a new container that has run longer than settle in its state, as it would be without a recreation.
    let status = |name: &str| machine.engine().container(name).unwrap()["State"]["Status"].as_str().unwrap().to_owned();
    if kill && status("unless") == "exited" && status("stopped8") == "exited" {
        machine.engine().post("/containers/stopped8/start", &Value::Null);
    }
    for (name, policy, port, ..) in steps {
        machine.assert_whole(name, policy, port, name);
    }
}

#[test]
fn a_reboot_brings_back_one_container_at_most() {
    reboot(false);
}

#[test]
fn a_crash_brings_back_one_container_at_most() {
    reboot(true);
}

/// A moment of a run: the engine has carried something out, and the library has not heard of it.
type Moment = fn(&Proxy) -> Gate;

/// What it is called, whether a container that nothing starts by itself runs again after it, and where it is.
const MOMENTS: [(&str, bool, Moment); 8] = [
    // Nothing was stopped but by the engine.
    ("create", false, |proxy| proxy.hold_answer(When::first("POST /containers/create"))),
    ("stop", true, |proxy| proxy.hold_answer(When::first("POST */stop"))),
    ("rename", true, |proxy| proxy.hold_answer(When::first("POST */rename"))),
    ("swap", true, |proxy| proxy.hold_answer(When::nth_of("POST */rename", 2))),
    // Before the stop the policy of the new one is set as it is.
    ("update", true, |proxy| proxy.hold_answer(When::nth_of("POST */update", 2))),
    ("start", true, |proxy| proxy.hold_answer(When::first("POST */start"))),
    ("settle", true, |proxy| proxy.hold_answer(When::after("POST */start"))),
    // The new one was in its place.
    ("delete", false, |proxy| proxy.hold_answer(When::first("DELETE *"))),
];

/// A container with all that a recreation keeps, on a private engine.
struct Full {
    name: String,
    policy: &'static str,
    runs_again: bool,
    moment: Moment,
    before: Value,
}

impl Full {
    fn run(engine: &Engine, at: usize, policy: &'static str) -> Self {
        let (what, runs_again, moment) = MOMENTS[at];
        let name = format!("{what}-{policy}");
        let subnet = format!("10.{}.{at}", if policy == "no" { 81 } else { 82 });
        engine.post("/networks/create", &json!({"Name": name, "IPAM": {"Config": [{"Subnet": format!("{subnet}.0/24")}]}}));
        let id = engine.run(
            &name,
            &json!({
                "Image": IMAGE,
                "StopTimeout": 1,
                "Volumes": {"/anonymous": {}},
                "HostConfig": {"NetworkMode": name, "Binds": [format!("{name}:/v")], "RestartPolicy": {"Name": policy}},
                "NetworkingConfig": {"EndpointsConfig": {name.as_str(): {"IPAMConfig": {"IPv4Address": format!("{subnet}.50")}}}},
            }),
        );
        assert_eq!(engine.exec(&id, &["sh", "-c", "echo kept > /v/file; echo kept > /anonymous/file"]).code, 0);
        Self { before: engine.container(&id).unwrap(), name, policy, runs_again, moment }
    }

    /// The container that the report names is there, alone, with everything it had.
    fn assert_whole(&self, machine: &Machine, images: [&str; 2], outcome: &Outcome<Recreation>) {
        let (engine, name) = (machine.engine(), &self.name);
        let when = format!("{name}: {outcome:?}");
        let report = match outcome {
            Ok(report) => report,
            Err(failure) => failure.report.as_ref().unwrap_or_else(|| panic!("{when}")),
        };
        if report.result == RecreationResult::RollbackFailed || report.old_left {
            recover_at(&engine.host(), name).unwrap_or_else(|failure| panic!("{when}, then {failure}"));
        }
        if self.policy == "always" || self.runs_again {
            engine.wait_status(name, "running", LIMIT);
        }
        assert_eq!(machine.containers(name).len(), 1, "{when}: {:?}", machine.containers(name));
        let after = engine.container(name).unwrap();
        let is_old = after["Id"] == self.before["Id"];
        if report.result != RecreationResult::RollbackFailed {
            assert_eq!(is_old, report.result != RecreationResult::Recreated, "{when}");
        }
        assert!(is_old || after["Id"].as_str() == report.new_id.as_deref(), "{when}");
        assert_eq!(after["Image"], images[usize::from(!is_old)], "{when}");
        assert_eq!(after["HostConfig"]["RestartPolicy"], self.before["HostConfig"]["RestartPolicy"], "{when}");
        assert_eq!(recreation::mounts(&after), recreation::mounts(&self.before), "{when}");
        if after["State"]["Running"] != true {
            engine.post(&format!("/containers/{name}/start"), &Value::Null);
        }
        assert_eq!(engine.exec(name, &["cat", "/v/file", "/anonymous/file"]).output, "kept\nkept\n", "{when}");
        let endpoint = |container: &Value| container["NetworkSettings"]["Networks"][name.as_str()].clone();
        let (now, had) = (endpoint(&engine.container(name).unwrap()), endpoint(&self.before));
        assert_eq!((&now["IPAddress"], &now["IPAMConfig"]), (&had["IPAddress"], &had["IPAMConfig"]), "{when}");
    }
}

/// The engine ends and comes back, and its containers with it where their policy says so, while the library goes on: of many containers at
/// once, each at another moment.
fn restart(kill: bool) {
    let mut machine = Machine::new();
    let image = |engine: &Engine| engine.image(IMAGE).unwrap()["Id"].as_str().unwrap().to_owned();
    let (engine, containers) = (machine.engine(), Mutex::new(Vec::new()));
    let old = image(&engine);
    let mut points: Vec<(usize, &str)> = (0..MOMENTS.len()).flat_map(|at| [(at, "always"), (at, "no")]).collect();
    // Without a policy there is none to change.
    points.retain(|(at, policy)| !(MOMENTS[*at].0 == "update" && *policy == "no"));
    in_parallel(points, |(at, policy)| {
        let full = Full::run(&engine, at, policy);
        containers.lock().unwrap().push(full);
    });
    machine.load("2");
    let new = image(&engine);
    let runtime = runtime();
    let runs = containers.into_inner().unwrap().into_iter().map(|full| {
        let proxy = machine.proxy();
        let refit = runtime.block_on(recreation::connect(&proxy.host));
        let gate = (full.moment)(&proxy);
        let name = full.name.clone();
        let work = runtime.spawn(async move { refit.recreate_container(name, quick()).await });
        (full, proxy, gate, work)
    });
    let runs: Vec<_> = runs.collect();
    let held: Vec<_> = runs.iter().map(|(_, _, gate, _)| gate.wait(LIMIT)).collect();
    machine.end(kill);
    drop(held);
    machine.private.dockerd.start_again();
    for (full, _proxy, gate, work) in runs {
        drop(gate);
        full.assert_whole(&machine, [&old, &new], &runtime.block_on(work).unwrap());
    }
}

#[test]
fn containers_are_whole_after_the_engine_restarts_during_their_recreation() {
    restart(false);
}

#[test]
fn containers_are_whole_after_the_engine_crashes_during_their_recreation() {
    restart(true);
}
