//! Brings an engine and a registry up, and takes away what it brought.

mod clean;
mod dockerd;
pub(crate) mod namespace;
pub(crate) mod packages;
pub(crate) mod state;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

pub(crate) use clean::{Ours, clean};
pub use dockerd::Dockerd;
pub(crate) use dockerd::dispose;
use state::{Lock, State};

use crate::engine::Engine;
use crate::registry::{self, Options, Registry};

/// The socket on which every Docker listens by default.
const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";

/// Finds or starts engine and registry. `keep` leaves them up until `down`.
pub(crate) fn up(keep: bool) -> State {
    let folder = state::folder();
    let _lock = Lock::exclusive(&folder);
    if let Some(mut state) = State::read(&folder) {
        if is_up(&folder, &state) {
            if keep && !state.keep {
                state.keep = true;
                state.write(&folder);
            }
            return state;
        }
        take_down(&folder, &state);
    }
    let state = bring_up(&folder, keep);
    state.write(&folder);
    state
}

fn is_up(folder: &Path, state: &State) -> bool {
    let wanted = std::env::var("DOCKER_HOST").unwrap_or_else(|_| state.host.clone());
    let registry = Registry { host: state.registry.clone(), folder: folder.join("registry"), login: None };
    wanted == state.host && Engine::at(&state.host).answers() && registry.answers()
}

fn bring_up(folder: &Path, keep: bool) -> State {
    let found = find();
    if found.is_none() {
        packages::ensure(packages::ENGINE);
    }
    packages::ensure(packages::REGISTRY);
    let (host, network, engine) = if let Some(host) = found {
        (host, std::env::var_os("REFIT_LAB_NETNS").map(PathBuf::from), None)
    } else {
        let network = namespace::make(&state::private_name(folder));
        let engine = Dockerd::start(&folder.join("engine"), &network, &json!({}));
        (engine.engine().host(), Some(network), Some(engine.pid()))
    };
    let served = registry::serve(&folder.join("registry"), &Options { namespace: network.clone(), ..Options::default() });
    State { host, registry: served.registry.host, network, engine, registry_pids: served.pids, keep }
}

/// An engine that answers already: the one that was asked for, else the machine's own.
fn find() -> Option<String> {
    if let Ok(host) = std::env::var("DOCKER_HOST") {
        assert!(Engine::at(&host).wait(Duration::from_secs(5)), "no engine answers at DOCKER_HOST={host}");
        return Some(host);
    }
    Engine::at(DEFAULT_SOCKET).answers().then(|| DEFAULT_SOCKET.to_owned())
}

/// Takes away everything of ours, and stops what was started.
pub(crate) fn down() {
    let folder = state::folder();
    let _lock = Lock::exclusive(&folder);
    if let Some(state) = State::read(&folder) {
        take_down(&folder, &state);
    }
}

fn take_down(folder: &Path, state: &State) {
    if let (Some(pid), Some(network)) = (state.engine, &state.network) {
        dispose(&folder.join("engine"), network, pid);
    } else {
        let engine = Engine::at(&state.host);
        if engine.answers() {
            clean(&engine, Ours::All);
        }
    }
    for pid in &state.registry_pids {
        if namespace::runs(*pid, &folder.display().to_string()) {
            namespace::terminate(*pid, Duration::from_secs(3));
        }
    }
    let _ = std::fs::remove_dir_all(folder.join("registry"));
    let _ = std::fs::remove_file(folder.join("state.json"));
}

/// Runs a command with the lab up and answers its exit code.
pub(crate) fn run(words: &[String]) -> i32 {
    let (program, arguments) = words.split_first().expect("lab run -- COMMAND");
    let mut command = Command::new(program);
    command.args(arguments);
    if std::env::var_os("REFIT_LAB_REGISTRY").is_some() {
        return code(&mut command);
    }
    let folder = state::folder();
    let user = Lock::user(&folder);
    let state = up(false);
    command.envs(environment(&folder, &state));
    let code = code(&mut command);
    drop(user);
    if let Some(_alone) = Lock::last_user(&folder) {
        if State::read(&folder).is_some_and(|state| !state.keep) {
            down();
        } else {
            clean(&Engine::at(&state.host), Ours::All);
        }
    }
    code
}

fn code(command: &mut Command) -> i32 {
    match command.status() {
        Ok(status) => status.code().unwrap_or(1),
        Err(error) => {
            eprintln!("lab: {}: {error}", command.get_program().display());
            127
        }
    }
}

/// What a child needs to find the lab.
pub(crate) fn environment(folder: &Path, state: &State) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("DOCKER_HOST", state.host.clone()),
        ("REFIT_LAB", folder.display().to_string()),
        ("REFIT_LAB_REGISTRY", state.registry.clone()),
        ("REFIT_LAB_ENGINE", if state.engine.is_some() { "own" } else { "found" }.to_owned()),
    ];
    if let Some(network) = &state.network {
        all.push(("REFIT_LAB_NETNS", network.display().to_string()));
    }
    all
}
