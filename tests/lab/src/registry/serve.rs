//! Debian's docker-registry on a free loopback port: once here, and once more in the engine's own network over the same folder,
//! so that both sides reach it under one name, and each side has a log of its own.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Registry;
use crate::up::namespace;

/// What a registry may have beside the plain one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// The engine's network, where it is another than ours.
    pub namespace: Option<PathBuf>,
    /// Asks for user `refit` and password `lab-secret-6d1f`.
    pub login: bool,
}

/// The registry and its processes.
pub(crate) struct Served {
    pub registry: Registry,
    pub pids: Vec<u32>,
}

/// `htpasswd -nbB refit lab-secret-6d1f`, at the lowest cost.
const HTPASSWD: &str = "refit:$2b$05$o/xQoIOV4R94E3vUpVJbNudWCC101b..VcMpoHhNzJmPo02rJ5An.\n";

/// Starts it and waits until it answers.
pub(crate) fn serve(folder: &Path, options: &Options) -> Served {
    fs::create_dir_all(folder.join("data")).unwrap();
    let mut last = String::new();
    // The port is free when it is chosen; somebody may be quicker.
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        match start(folder, options, port) {
            Ok(served) => return served,
            Err(why) => last = why,
        }
    }
    panic!("docker-registry does not start: {last}");
}

fn start(folder: &Path, options: &Options, port: u16) -> Result<Served, String> {
    let host = format!("127.0.0.1:{port}");
    let config = folder.join("config.yml");
    fs::write(&config, configuration(folder, options, &host)).unwrap();
    let login = options.login.then(|| ("refit".to_owned(), "lab-secret-6d1f".to_owned()));
    let registry = Registry { host, folder: folder.to_owned(), login };
    let mut pids = vec![spawn(folder, &config, None, "here")];
    if let Some(namespace) = &options.namespace {
        pids.push(spawn(folder, &config, Some(namespace), "engine"));
    }
    let end = Instant::now() + Duration::from_secs(10);
    let up = || registry.answers_in(options.namespace.as_deref());
    while pids.iter().all(|pid| namespace::alive(*pid)) && Instant::now() < end {
        if up() {
            return Ok(Served { registry, pids });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for pid in pids {
        namespace::terminate(pid, Duration::ZERO);
    }
    Err(namespace::end_of(&folder.join("registry-here.log")) + &namespace::end_of(&folder.join("registry-engine.log")))
}

/// One more process of a registry, over the same folder and under the same name, in another network.
pub(crate) fn join(registry: &Registry, logs: &Path, network: &Path) -> u32 {
    fs::create_dir_all(logs).unwrap();
    let pid = spawn(logs, &registry.folder.join("config.yml"), Some(network), "engine");
    let end = Instant::now() + Duration::from_secs(10);
    while !namespace::within(network, || registry.answers()) {
        assert!(Instant::now() < end, "docker-registry: {}", namespace::end_of(&logs.join("registry-engine.log")));
        std::thread::sleep(Duration::from_millis(20));
    }
    pid
}

impl Registry {
    /// Whether it listens here and in the other network.
    fn answers_in(&self, other: Option<&Path>) -> bool {
        self.answers() && other.is_none_or(|other| namespace::within(other, || self.answers()))
    }
}

fn configuration(folder: &Path, options: &Options, host: &str) -> String {
    let folder = folder.display();
    let mut text = format!(
        "version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: {folder}/data}}\n  delete: {{enabled: true}}\nhttp:\n  addr: {host}\n"
    );
    if options.login {
        fs::write(format!("{folder}/htpasswd"), HTPASSWD).unwrap();
        text += &format!("auth:\n  htpasswd: {{realm: lab, path: {folder}/htpasswd}}\n");
    }
    text
}

/// Its access log goes to standard output.
fn spawn(folder: &Path, config: &Path, inside: Option<&Path>, side: &str) -> u32 {
    let mut command = namespace::daemon(inside, "docker-registry");
    let log = |name: String| File::options().create(true).append(true).open(folder.join(name)).unwrap();
    command.arg("serve").arg(config).stdin(Stdio::null());
    command.stdout(log(format!("access-{side}.log"))).stderr(log(format!("registry-{side}.log")));
    namespace::spawn(command)
}
