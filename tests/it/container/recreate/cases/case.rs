//! A container of the first version of an image, and its recreation from the second.

use std::cell::RefCell;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use refit::container::{RecreateOptions, Recreation};
use refit::{Error, Outcome};
use refit_lab::{Engine, Image, Lab, Layer};
use serde_json::{Value, json};

use super::config;
use super::equality::assert_equal;
use crate::recreation::{Case, failed, quick, recreate_named};

/// Runs until it is asked to stop, and then stops at once.
pub const LOOP: &str = "trap 'exit 0' TERM USR1 USR2; echo ready; sleep 1000000 & wait";

/// The first version of an image that has a default for everything.
pub fn v1() -> Image {
    Image::new()
        .env("A", "1")
        .env("B", "old")
        .env("COMMON", "same")
        .label("l1", "one")
        .label("lold", "x")
        .label("lsame", "s")
        .workdir("/w1/")
        .user("1000")
        .expose("80/tcp")
        .expose("81/udp")
        .volume("/data")
        .stop_signal("SIGUSR1")
        .healthcheck(
            json!({"Test": ["CMD-SHELL", "/bin/true-v1"], "Interval": 1_000_000_000, "Timeout": 3_000_000_000_u64, "StartPeriod": 2_000_000_000, "Retries": 1}),
        )
        .entrypoint(["/bin/sh", "-c"])
        .cmd([LOOP])
        .layer(Layer::new().program("/bin/true-v1", b"#!/bin/sh\nexit 0\n").folder("/data", 0o777, (0, 0)).file("/data/seed", b"1"))
}

/// The second version: other defaults, and a volume more.
pub fn v2() -> Image {
    Image::new()
        .env("A", "2")
        .env("C", "new")
        .env("COMMON", "same")
        .label("l1", "two")
        .label("lnew", "y")
        .label("lsame", "s")
        .workdir("/w2/")
        .user("1001")
        .expose("90/tcp")
        .volume("/data")
        .volume("/data2")
        .stop_signal("SIGUSR2")
        .healthcheck(json!({"Test": ["CMD-SHELL", "/bin/true-v2"], "Interval": 2_000_000_000, "Retries": 4}))
        .entrypoint(["/bin/sh", "-c"])
        .cmd([format!("{LOOP} # v2").as_str()])
        .layer(Layer::new().program("/bin/true-v2", b"#!/bin/sh\nexit 0\n").folder("/data", 0o777, (0, 0)).file("/data/seed", b"2").folder(
            "/data2",
            0o777,
            (0, 0),
        ))
}

/// An image with a command and no more.
pub fn plain(version: &str) -> Image {
    Image::new().env("P", version).cmd(["sh", "-c", LOOP])
}

/// A container that is about to be recreated.
pub struct Moving {
    pub case: Case<'static>,
    second: Image,
    /// The losses that the last recreation reported.
    pub losses: RefCell<Vec<String>>,
    // Dropped after the scope of the case has removed the containers.
    volumes: Volumes,
}

/// Anonymous volumes, which carry no name of the test.
struct Volumes(RefCell<Vec<String>>);

impl Drop for Volumes {
    fn drop(&mut self) {
        for volume in self.0.take() {
            Lab::get().engine.ask("DELETE", &format!("/volumes/{volume}"), &Value::Null);
        }
    }
}

impl Moving {
    pub fn new(what: &str, first: Image, second: Image) -> Self {
        Self { case: Case::of(what, &first), second, losses: RefCell::default(), volumes: Volumes(RefCell::default()) }
    }

    /// From the first to the second version of the image with a default for everything.
    pub fn versions(what: &str) -> Self {
        Self::new(what, v1(), v2())
    }

    /// From the first to the second version of the plain image.
    pub fn plain(what: &str) -> Self {
        Self::new(what, plain("1"), plain("2"))
    }

    pub fn engine(&self) -> &Engine {
        &self.case.lab.engine
    }

    /// The version of the engine's API, which requests without one use.
    pub fn api(&self) -> (u32, u32) {
        let version = self.engine().get("/version")["ApiVersion"].as_str().unwrap().to_owned();
        let (major, minor) = version.split_once('.').unwrap();
        (major.parse().unwrap(), minor.parse().unwrap())
    }

    pub fn name(&self) -> &str {
        &self.case.name
    }

    /// Another container's name.
    pub fn other(&self, what: &str) -> String {
        self.case.scope.name(what)
    }

    /// Runs another container of the first version, with this body.
    pub fn run_other(&self, what: &str, body: Value) -> Value {
        let name = self.other(what);
        self.engine().run(&name, &self.with_image(body));
        self.remember(&name)
    }

    fn with_image(&self, mut body: Value) -> Value {
        if body["Image"].is_null() {
            body["Image"] = self.case.image().into();
        }
        if body["StopTimeout"].is_null() {
            body["StopTimeout"] = 1.into();
        }
        body
    }

    pub fn create(&self, body: Value) -> Value {
        self.engine().create(self.name(), &self.with_image(body));
        self.remember(self.name())
    }

    pub fn run(&self, body: Value) -> Value {
        self.create(body);
        self.start()
    }

    pub fn start(&self) -> Value {
        self.engine().post(&format!("/containers/{}/start", self.name()), &Value::Null);
        self.inspect()
    }

    pub fn stop(&self) -> Value {
        self.engine().post(&format!("/containers/{}/stop?t=0", self.name()), &Value::Null);
        self.inspect()
    }

    pub fn inspect(&self) -> Value {
        self.case.inspect(self.name())
    }

    fn remember(&self, name: &str) -> Value {
        let container = self.case.inspect(name);
        let names = container["Mounts"].as_array().unwrap().iter().filter_map(|mount| mount["Name"].as_str().map(str::to_owned));
        self.volumes.0.borrow_mut().extend(names);
        container
    }

    /// Runs a command in the container.
    pub fn exec(&self, command: &str) -> String {
        let done = self.engine().exec(self.name(), &["sh", "-c", command]);
        assert_eq!(done.code, 0, "{command}: {done:?}");
        done.output
    }

    /// Moves the tag to the second version, as a pull by hand does.
    pub fn move_on(&self) {
        self.case.moves_to(&self.second);
    }

    /// Moves the tag to an image.
    pub fn move_to(&self, image: &Image) {
        self.case.moves_to(image);
    }

    pub fn try_recreate(&self, options: RecreateOptions) -> Outcome<Recreation> {
        recreate_named(&self.case, self.name(), options)
    }

    /// Moves the tag and recreates; the new container has the configuration of the old one.
    pub fn recreate(&self) -> Value {
        self.move_on();
        self.recreate_as_it_is(options())
    }

    /// Recreates from whatever the reference names now.
    pub fn recreate_as_it_is(&self, options: RecreateOptions) -> Value {
        let before = self.inspect();
        let image = |container: &Value| self.engine().image(container["Image"].as_str().unwrap()).unwrap();
        let old_image = image(&before);
        let report = self.try_recreate(options).unwrap_or_else(|failure| panic!("{failure}: {:?}", failure.error.context().causes));
        let losses = report.warnings.into_iter().filter(|warning| warning.code == "lossy").map(|warning| warning.message);
        *self.losses.borrow_mut() = losses.collect();
        let after = self.remember(self.name());
        let new_image = image(&after);
        assert_equal(&before, &after, &new_image, self.api());
        config::assert_equal(&before, &after, &old_image, &new_image);
        assert!(self.engine().container(before["Id"].as_str().unwrap()).is_none(), "the old container is still there");
        let names = self.case.containers();
        assert!(names.iter().all(|(name, _)| !name.contains(".refit-")), "{names:?}");
        after
    }

    /// The error of a recreation that leaves the container untouched.
    pub fn refused(&self, options: RecreateOptions) -> Error {
        let before = self.inspect();
        let (error, _) = failed(self.try_recreate(options));
        let after = self.inspect();
        for path in ["/Id", "/State/StartedAt", "/State/Status", "/Config", "/HostConfig"] {
            assert_eq!(after.pointer(path), before.pointer(path), "{path}");
        }
        let names = self.case.containers();
        assert!(names.iter().all(|(name, _)| !name.contains(".refit-")), "{names:?}");
        error
    }
}

/// Short windows; whether an image is healthy is another test's matter.
pub fn options() -> RecreateOptions {
    let mut options = quick();
    options.health_timeout = Some(Duration::ZERO);
    options
}

/// Every entry of the expected document is in the found one; lists are compared whole.
pub fn assert_has(found: &Value, expected: Value) {
    fn compare(path: &str, found: &Value, expected: &Value) {
        match expected.as_object() {
            Some(entries) if !entries.is_empty() => {
                entries.iter().for_each(|(key, value)| compare(&format!("{path}.{key}"), &found[key], value));
            }
            _ => assert_eq!(found, expected, "{path}"),
        }
    }
    compare("", found, &expected);
}

/// Ports of the machine that are free, one after another. They lie below those that an engine or a test is given when it asks for any.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = N as u16;
    let is_free = |port: u16| TcpListener::bind(("0.0.0.0", port)).is_ok();
    // Two tests at once, of one process or two, begin elsewhere.
    let begin = (std::process::id() % 100) as u16 * 100;
    for _ in 0..200 {
        let first = 20_000 + (begin + NEXT.fetch_add(count, Ordering::Relaxed)) % 10_000;
        let ports = std::array::from_fn(|at| first + at as u16);
        if ports.iter().copied().all(is_free) {
            return ports;
        }
    }
    panic!("no ports are free");
}

/// The name of the volume at a path.
pub fn volume_at(container: &Value, path: &str) -> String {
    let mounts = container["Mounts"].as_array().unwrap();
    let found = mounts.iter().find(|mount| mount["Destination"] == path);
    found.unwrap_or_else(|| panic!("nothing is mounted at {path}"))["Name"].as_str().unwrap_or_default().to_owned()
}
