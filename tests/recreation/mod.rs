//! A container whose image has moved on, and what must be true of it afterwards.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // each test binary takes what it needs

pub mod child;

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use child::Work;
use refit::container::{RecoverOptions, Recovery, RecreateOptions, Recreation};
use refit::{Cancel, ConnectOptions, Failure, Outcome, Refit};
use refit_lab::{Image, Lab, Proxy, Published, Scope, When};
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

    /// Moves the tag, as a pull by hand does.
    pub fn moves_to(&self, image: &Image) -> Published {
        self.scope.pull(&image.build(), "t")
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
        let all = self.lab.engine.get("/containers/json?all=1");
        let names = all.as_array().unwrap().iter().filter_map(|entry| {
            let name = entry["Names"][0].as_str()?.trim_start_matches('/').to_owned();
            name.contains(&self.scope.name).then(|| (name, entry["State"].as_str().unwrap_or_default().to_owned()))
        });
        names.collect()
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

/// A container, the image that its tag moves to, and what must become of it.
pub struct Scenario {
    pub name: &'static str,
    pub policy: &'static str,
    pub runs: bool,
    pub networks: usize,
    /// Makes the new image from a good one.
    pub new: fn(Image) -> Image,
    /// Whether the new image can take over.
    pub succeeds: bool,
}

/// A scenario's container, which ran, and whose tag has moved.
pub struct Prepared<'a> {
    pub case: Case<'a>,
    pub before: Value,
    succeeds: bool,
}

impl Scenario {
    pub fn new(name: &'static str) -> Self {
        Self { name, policy: "always", runs: true, networks: 1, new: |image| image, succeeds: true }
    }

    pub fn prepare(&self) -> Prepared<'static> {
        let case = Case::new(self.name);
        case.run_full(self.policy);
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
        case.moves_to(&(self.new)(Image::new().version("2")));
        Prepared { case, before, succeeds: self.succeeds }
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
        if !running(&after) {
            case.lab.engine.post(&format!("/containers/{}/start", case.name), &Value::Null);
        }
        case.assert_files();
        let address = |container: &Value, name: &str| container["NetworkSettings"]["Networks"][name]["IPAMConfig"]["IPv4Address"].clone();
        let now = case.inspect(&case.name);
        for (name, network) in now["NetworkSettings"]["Networks"].as_object().unwrap() {
            assert_eq!(network["IPAddress"], address(&self.before, name), "{when}: {name}");
        }
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

/// Short windows, so that a test tells soon.
pub fn quick() -> RecreateOptions {
    let mut options = RecreateOptions::default();
    options.settle = Duration::from_millis(300);
    options
}

/// A window that a test ends before it does.
pub fn slow() -> RecreateOptions {
    let mut options = RecreateOptions::default();
    options.settle = Duration::from_secs(60);
    options
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub async fn connect(host: &str) -> Refit {
    connect_with_state(host, "").await
}

pub async fn connect_with_state(host: &str, state_dir: &str) -> Refit {
    let mut options = ConnectOptions::default();
    options.host = Some(host.to_owned());
    options.state_dir = (!state_dir.is_empty()).then(|| state_dir.into());
    Refit::connect(options).await.unwrap()
}

/// Recovers at once.
pub fn recover(case: &Case) -> Outcome<Recovery> {
    let mut options = RecoverOptions::default();
    options.force = true;
    recover_as(case, "", options)
}

/// Recovers what is dead for sure.
pub fn recover_gently(case: &Case) -> Outcome<Recovery> {
    recover_as(case, "", RecoverOptions::default())
}

pub fn recover_dry(case: &Case) -> Recovery {
    let mut options = RecoverOptions::default();
    options.dry_run = true;
    recover_as(case, "", options).unwrap()
}

pub fn recover_with_state(case: &Case, state_dir: &Path) -> Recovery {
    recover_as(case, state_dir.to_str().unwrap(), RecoverOptions::default()).unwrap()
}

/// Recovers at once, at any engine.
pub fn recover_at(host: &str, container: &str) -> Outcome<Recovery> {
    let mut options = RecoverOptions::default();
    options.force = true;
    runtime().block_on(async { connect(host).await.recover(Some(container), options).await })
}

/// Recreates through a proxy, by a handle that waits 2 s for an answer, while something else is done.
pub fn recreate_through(proxy: &Proxy, case: &Case, options: RecreateOptions, meanwhile: impl FnOnce()) -> Outcome<Recreation> {
    recreate_at(proxy, &case.name, options, meanwhile)
}

pub fn recreate_at(proxy: &Proxy, container: &str, options: RecreateOptions, meanwhile: impl FnOnce()) -> Outcome<Recreation> {
    let runtime = runtime();
    let mut connect = ConnectOptions::default();
    connect.host = Some(proxy.host.clone());
    connect.timeout = Duration::from_secs(2);
    let refit = runtime.block_on(Refit::connect(connect)).unwrap();
    let container = container.to_owned();
    let work = runtime.spawn(async move { refit.recreate_container(container, options).await });
    meanwhile();
    runtime.block_on(work).unwrap()
}

/// Works on many points at once: a recreation waits more than it works.
pub fn in_parallel<T: Send>(points: Vec<T>, work: impl Fn(T) + Sync) {
    let points = Mutex::new(points);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let Some(point) = points.lock().unwrap().pop() else { return };
                    work(point);
                }
            });
        }
    });
}

fn recover_as(case: &Case, state_dir: &str, options: RecoverOptions) -> Outcome<Recovery> {
    let host = case.lab.engine.host();
    runtime().block_on(async { connect_with_state(&host, state_dir).await.recover(Some(&case.name), options).await })
}

/// Recreates through the lab's engine.
pub fn recreate(case: &Case, options: RecreateOptions) -> Outcome<Recreation> {
    recreate_named(case, &case.name, options)
}

pub fn recreate_named(case: &Case, name: &str, options: RecreateOptions) -> Outcome<Recreation> {
    let host = case.lab.engine.host();
    runtime().block_on(async { connect(&host).await.recreate_container(name, options).await })
}

/// Recreates, and fires a token when a phase begins.
pub fn recreate_cancelled_in(case: &Case, options: RecreateOptions, phase: &'static str) -> Outcome<Recreation> {
    recreate_cancelled_after(case, options, phase, Duration::ZERO)
}

/// Recreates, and fires a token some time after a phase has begun.
pub fn recreate_cancelled_after(case: &Case, options: RecreateOptions, phase: &'static str, wait: Duration) -> Outcome<Recreation> {
    let host = case.lab.engine.host();
    runtime().block_on(async {
        let (refit, cancel) = (connect(&host).await, Cancel::new());
        let fired = cancel.clone();
        let operation = refit.recreate_container(case.name.clone(), options).cancel(&cancel).on_progress(move |progress| {
            if progress.phase == phase {
                let fired = fired.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    fired.fire();
                });
            }
            std::ops::ControlFlow::Continue(())
        });
        operation.await
    })
}

pub fn failed(outcome: Outcome<Recreation>) -> (refit::Error, Recreation) {
    let Failure { error, report } = *outcome.expect_err("the recreation should have failed");
    (error, report.expect("a report"))
}

/// Before a call is carried out, or after it and before the answer.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    Before,
    After,
}

/// Kills a child at a call of its; false when it ended before it came so far.
pub fn kill_at(case: &Case, work: &Work, pattern: &str, n: usize, side: Side) -> bool {
    let proxy = Proxy::engine(case.lab);
    let when = When::nth_of(pattern, n);
    let gate = match side {
        Side::Before => proxy.hold(when),
        Side::After => proxy.hold_answer(when),
    };
    let mut child = Work { host: proxy.host.clone(), ..work.clone() }.start();
    loop {
        if let Some(held) = gate.try_wait(Duration::from_millis(50)) {
            child.kill().unwrap();
            child.wait().unwrap();
            held.cut();
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
    }
}

/// Kills before and after every call that changes something, recovers at once, and looks.
///
/// A call that only reads leaves the engine as the change before it did.
pub fn every_kill<P: Sync>(
    name: &str,
    prepare: impl Fn() -> P + Sync,
    work: impl for<'p> Fn(&'p P) -> (&'p Case<'static>, Work) + Sync,
    assert_whole: impl Fn(&P, &str) + Sync,
) {
    let counted = prepare();
    let (case, child) = work(&counted);
    let proxy = Proxy::engine(case.lab);
    child::ended(Work { host: proxy.host.clone(), ..child }.start());
    assert_whole(&counted, "without a kill");
    let mut points = Vec::new();
    for pattern in ["POST *", "DELETE *"] {
        for n in 1..=proxy.count(pattern) {
            points.extend([(pattern, n, Side::Before), (pattern, n, Side::After)]);
        }
    }
    assert!(points.len() >= 8, "{points:?}");
    in_parallel(points, |(pattern, n, side)| {
        let point = format!("{name}: killed {side:?} {pattern} {n}");
        let prepared = prepare();
        let (case, child) = work(&prepared);
        assert!(kill_at(case, &child, pattern, n, side), "{point}: ended before");
        let recovery = recover(case);
        assert_whole(&prepared, &format!("{point}, {recovery:?}"));
    });
}
