//! What the library leaves alone in the process that loads it: signals, the environment, a child after fork, stdout and stderr.

use refit_lab::Lab;

use crate::program::{compile, run};
use crate::prototypes;

fn passes_in_silence(what: &str, host: &str) {
    let program = compile(&prototypes::source("process.c"), &["-rdynamic"]);
    let done = run(program.to_str().unwrap(), &[what, host]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "", ""), "{what}");
}

#[test]
fn no_signal_is_touched_but_on_its_own_threads() {
    passes_in_silence("signals", &Lab::get().engine.host());
}

#[test]
fn the_environment_is_read_by_open_alone() {
    passes_in_silence("environment", &Lab::get().engine.host());
}

#[test]
fn no_home_is_no_error() {
    passes_in_silence("without-home", &Lab::get().engine.host());
}

#[test]
fn a_forked_child_is_refused() {
    passes_in_silence("forked", &Lab::get().engine.host());
}
