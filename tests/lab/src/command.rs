//! The words that `lab` understands.

use std::path::Path;

use serde_json::json;

use crate::lab::Lab;
use crate::publish;
use crate::sshd::{Knows, Sshd};
use crate::up::{self, state};

const USAGE: &str = "lab up            finds or starts an engine and a registry, and prints their variables
lab env           prints the variables of the lab that is up
lab about         prints name, version and image store of the engine
lab down          removes everything of the lab's and stops what it started
lab run -- CMD…   runs a command with the lab up, and afterwards takes away what this brought up
lab sshd FOLDER   an sshd in front of the engine, until its input ends; prints the ssh:// host, and writes the ssh that gets in to FOLDER
lab swarm         starts a private engine that manages a swarm of its own, prints its address, and takes it away when its input ends";

/// Carries out a command line and answers the exit code.
pub fn command(words: &[String]) -> i32 {
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["up"] => print(&up::up(true)),
        ["env"] => state::State::read(&state::folder()).map_or_else(not_up, |state| print(&state)),
        ["about"] => {
            println!("{}", Lab::get().engine.describe());
            0
        }
        ["down"] => {
            up::down();
            0
        }
        ["swarm"] => swarm(),
        ["sshd", folder] => {
            let sshd = Sshd::start(&Lab::get().engine.address);
            sshd.client(Path::new(folder), Knows::All);
            println!("{}", sshd.host);
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            0
        }
        ["publish", ref options @ ..] => publish::publish(options),
        ["clean", name] => publish::clean_named(name),
        ["run", "--", ..] => up::run(&words[2..]),
        ["run", ..] if words.len() > 1 => up::run(&words[1..]),
        _ => {
            eprintln!("{USAGE}\n{}", publish::USAGE);
            2
        }
    }
}

/// For tests of the bindings: the lab's own engine may be the user's, and is made no member of a swarm.
fn swarm() -> i32 {
    let private = Lab::get().private_engine("swarm", &json!({}));
    let engine = private.dockerd.engine();
    engine.post("/swarm/init", &json!({"ListenAddr": "127.0.0.1:2377", "AdvertiseAddr": "127.0.0.1"}));
    println!("{}", engine.host());
    let ended = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    drop(private);
    i32::from(ended.is_err())
}

fn not_up() -> i32 {
    eprintln!("lab: it is not up; `lab up` brings it up");
    1
}

/// As a shell reads it: `eval "$(lab up)"`.
fn print(state: &state::State) -> i32 {
    for (name, value) in up::environment(&state::folder(), state) {
        println!("export {name}={value}");
    }
    0
}
