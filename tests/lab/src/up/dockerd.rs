//! A dockerd of our own: own data, own network, own socket, and nothing of the machine's configuration.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::namespace;
use crate::engine::Engine;

/// A private engine that may be stopped, killed and started again.
#[derive(Debug)]
pub struct Dockerd {
    folder: PathBuf,
    network: PathBuf,
    configuration: Value,
    pid: u32,
}

impl Dockerd {
    /// Starts one in a folder and waits until it answers. The configuration is daemon.json's.
    pub(crate) fn start(folder: &Path, network: &Path, configuration: &Value) -> Self {
        let mut engine = Self { folder: folder.to_owned(), network: network.to_owned(), configuration: configuration.clone(), pid: 0 };
        if let Err(first) = engine.try_start() {
            // Where neither overlay2 nor any other driver mounts, plain copies always work.
            engine.configuration["storage-driver"] = json!("vfs");
            engine.try_start().unwrap_or_else(|second| panic!("dockerd does not start: {first}\nand with vfs: {second}"));
        }
        engine
    }

    fn try_start(&mut self) -> Result<(), String> {
        let file = |name: &str| self.folder.join(name);
        fs::create_dir_all(file("data")).unwrap();
        fs::create_dir_all(self.run_folder()).unwrap();
        fs::write(file("daemon.json"), self.configuration.to_string()).unwrap();
        let log = File::options().create(true).append(true).open(file("dockerd.log")).unwrap();
        let mut command = namespace::daemon(Some(&self.network), "dockerd");
        command.arg("--config-file").arg(file("daemon.json")).arg("--data-root").arg(file("data"));
        command.arg("--exec-root").arg(self.run_folder().join("exec")).arg("--pidfile").arg(file("dockerd.pid"));
        command.arg("--host").arg(self.engine().host());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.pid = namespace::spawn(command);
        let end = Instant::now() + Duration::from_secs(60);
        while namespace::alive(self.pid) && Instant::now() < end {
            if self.engine().answers() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        namespace::terminate(self.pid, Duration::from_secs(5));
        let _ = fs::remove_file(file("dockerd.pid"));
        Err(namespace::end_of(&file("dockerd.log")))
    }

    /// Sockets want short paths (107 bytes), which a checkout deep in some folder has not.
    fn run_folder(&self) -> PathBuf {
        run_folder(&self.folder)
    }

    /// A client of it.
    pub fn engine(&self) -> Engine {
        Engine::at(&format!("unix://{}/docker.sock", self.run_folder().display()))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// SIGTERM, and waits for its end.
    pub fn stop(&mut self) {
        namespace::terminate(self.pid, Duration::from_secs(30));
    }

    /// SIGKILL; its containers live on until the next start finds them.
    pub fn kill(&mut self) {
        namespace::signal(self.pid, Signal::KILL);
        while namespace::alive(self.pid) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.forget_containerd();
    }

    /// containerd dies with its dockerd, a little later: a dockerd that starts meanwhile takes it for alive and waits for it in vain.
    fn forget_containerd(&self) {
        let file = self.run_folder().join("exec/containerd/containerd.pid");
        let pid = fs::read_to_string(&file).ok().and_then(|pid| pid.trim().parse().ok());
        let end = Instant::now() + Duration::from_secs(2);
        while let Some(pid) = pid.filter(|pid| namespace::alive(*pid)) {
            if Instant::now() > end {
                return namespace::terminate(pid, Duration::from_secs(2));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = fs::remove_file(file);
    }

    /// Starts it again over the same data.
    pub fn start_again(&mut self) {
        let _ = fs::remove_file(self.folder.join("dockerd.pid"));
        self.try_start().unwrap_or_else(|why| panic!("dockerd does not start again: {why}"));
    }
}

/// Where the sockets of an engine in a folder are.
pub(crate) fn run_folder(folder: &Path) -> PathBuf {
    if folder.as_os_str().len() < 50 {
        return folder.join("run");
    }
    PathBuf::from("/run").join(super::state::private_name(folder))
}

/// Ends an engine and all that it left, whoever started it.
pub(crate) fn dispose(folder: &Path, network: &Path, pid: u32) {
    let ours = namespace::runs(pid, &folder.display().to_string());
    if ours {
        let engine = Engine::at(&format!("unix://{}/docker.sock", run_folder(folder).display()));
        if engine.answers() {
            remove_containers(&engine);
        }
        namespace::terminate(pid, Duration::from_secs(20));
    }
    namespace::kill_all_in(network);
    namespace::remove(network);
    std::thread::sleep(Duration::from_millis(50));
    for path in [folder.to_owned(), run_folder(folder)] {
        namespace::unmount_below(&path);
        let _ = std::process::Command::new("rm").args(["-rf", "--one-file-system"]).arg(&path).output();
    }
}

/// All of them: an engine stops faster without.
fn remove_containers(engine: &Engine) {
    let answer = engine.ask("GET", "/containers/json?all=1", &Value::Null).json();
    let ids: Vec<_> = answer.as_array().into_iter().flatten().filter_map(|one| one["Id"].as_str()).collect();
    std::thread::scope(|scope| {
        for id in ids {
            scope.spawn(move || engine.ask("DELETE", &format!("/containers/{id}?force=1&v=1"), &Value::Null));
        }
    });
}
