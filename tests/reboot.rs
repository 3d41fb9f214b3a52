//! The engine ends and starts again in the middle of a recreation, with the library's process or without it.
//!
//! That engine is always a private one of the machine's own dockerd, whatever engine the other tests use.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recreation;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use recreation::child::Work;
use recreation::{LIMIT, Side, kill_through, quick, recover_at, recreate_at};
use refit::Code;
use refit_lab::{Address, Engine, Image, Lab, PrivateEngine, Proxy, When};
use serde_json::json;

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
    fn standing(&self, name: &str) -> Vec<(String, bool)> {
        let all = self.engine().get("/containers/json?all=1");
        let ours = all.as_array().unwrap().iter().filter(|one| one["Names"][0].as_str().unwrap().starts_with(&format!("/{name}")));
        ours.map(|one| (one["Id"].as_str().unwrap().to_owned(), one["State"] == "running")).collect()
    }

    /// It runs, alone, with all that it had.
    fn assert_whole(&self, name: &str, policy: &str, port: &str, when: &str) {
        self.engine().wait_status(name, "running", LIMIT);
        assert_eq!(self.standing(name).len(), 1, "{when}: {:?}", self.standing(name));
        let host = &self.engine().container(name).unwrap()["HostConfig"];
        assert_eq!(host["RestartPolicy"]["Name"], policy, "{when}");
        assert_eq!(host["PortBindings"]["80/tcp"][0]["HostPort"], port, "{when}");
        assert_eq!(self.engine().exec(name, &["cat", "/v/file"]).output, "kept\n", "{when}");
    }
}

/// The library's process is killed after a step, then the machine starts again, then another process recovers.
fn reboot(kill: bool) {
    // Steps of the sequence: the stop, the second rename, the change of the policy, the start.
    let steps = [
        ("after4", "always", "8004", "POST */stop", 1, false),
        ("after6", "always", "8006", "POST */rename", 2, false),
        ("after7", "always", "8007", "POST */update", 1, true),
        ("after8", "always", "8008", "POST */start", 1, true),
        ("stopped8", "unless-stopped", "8009", "POST */start", 1, true),
    ];
    let mut machine = Machine::new();
    let olds = steps.map(|(name, policy, port, ..)| machine.run(name, policy, port));
    machine.load("2");
    for (name, _, _, pattern, n, _) in steps {
        assert!(kill_through(&machine.proxy(), &Work::recreate(name), pattern, n, Side::After), "{name}");
    }
    machine.end(kill);
    machine.private.dockerd.start_again();
    let (machine, recovering, done) = (&machine, &AtomicBool::new(false), &AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watch = scope.spawn(move || {
            let mut looked = 0;
            while !done.load(Ordering::SeqCst) {
                for ((name, ..), old) in steps.iter().zip(&olds).filter(|((.., for_good), _)| *for_good) {
                    let standing = machine.standing(name);
                    // An undo starts the old one where the engine has not brought the new one back; the engine itself never does.
                    let at_boot = !recovering.load(Ordering::SeqCst);
                    let runs = |old_one: bool| standing.iter().any(|(id, runs)| *runs && (id == old) == old_one);
                    assert!(!(runs(true) && (runs(false) || at_boot)), "{name}: {standing:?}, the old one is {old}");
                }
                looked += 1;
                std::thread::sleep(Duration::from_millis(30));
            }
            looked
        });
        std::thread::sleep(Duration::from_secs(2)); // whatever comes back at a start has come by then
        recovering.store(true, Ordering::SeqCst);
        let recovered = steps.map(|(name, ..)| recover_at(&machine.engine().host(), name));
        done.store(true, Ordering::SeqCst);
        for recovered in recovered {
            recovered.unwrap_or_else(|failure| panic!("{failure}"));
        }
        assert!(watch.join().unwrap() > 10);
    });
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

/// The engine ends and comes back, and its containers with it, while the library goes on.
#[test]
fn an_engine_that_restarts_in_the_middle() {
    let points = [
        ("POST /containers/create", true),
        ("POST */stop", false),
        ("POST */rename", true),
        ("POST */update", false),
        ("POST */start", false),
        ("POST */start", true),
    ];
    for (pattern, kill) in points {
        let mut machine = Machine::new();
        machine.run("web", "always", "8000");
        machine.load("2");
        let proxy = machine.proxy();
        let gate = proxy.hold_answer(When::first(pattern));
        let outcome = recreate_at(&proxy, "web", quick(), || {
            let held = gate.wait(LIMIT);
            machine.end(kill);
            drop(held);
            machine.private.dockerd.start_again();
        });
        let point = format!("{pattern}, killed: {kill}: {outcome:?}");
        if outcome.as_ref().is_err_and(|failure| failure.error.code() == Code::RollbackFailed) {
            recover_at(&machine.engine().host(), "web").unwrap();
        }
        machine.assert_whole("web", "always", "8000", &point);
    }
}
