//! The words that `lab` understands.

use crate::lab::Lab;
use crate::publish;
use crate::up::{self, state};

const USAGE: &str = "lab up            finds or starts an engine and a registry, and prints their variables
lab env           prints the variables of the lab that is up
lab about         prints name, version and image store of the engine
lab down          removes everything of the lab's and stops what it started
lab run -- CMD…   runs a command with the lab up, and afterwards takes away what this brought up";

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
