//! Callbacks that take a log, and calls that wait and are ended.

use std::time::Duration;

use refit_lab::{Image, Lab};
use serde_json::json;

use crate::program::{compile, passes, run};
use crate::prototypes;

#[test]
fn callbacks_take_a_log_stop_it_call_the_library_and_close_the_handle() {
    let lab = Lab::get();
    let scope = lab.scope("output");
    let script = "echo one; head -c 300000 /dev/zero | tr '\\0' a; echo; printf thr33";
    let image = scope.pull(&Image::new().cmd(["sh", "-c", script]).build(), "t");
    let name = scope.name("c");
    lab.engine.run(&name, &json!({"Image": image.reference}));
    lab.engine.wait_status(&name, "exited", Duration::from_secs(120));
    passes("output.c", &["callbacks", &lab.engine.host(), &name]);
    let program = compile(&prototypes::source("output.c"), &[]);
    let valgrind = ["-q", "--leak-check=full", "--errors-for-leak-kinds=definite", "--error-exitcode=9"];
    let host = lab.engine.host();
    let done = run("valgrind", &[&valgrind[..], &[program.to_str().unwrap(), "callbacks", &host, &name]].concat());
    assert!(done.code == Some(0), "{:?}: {}", done.code, done.stderr);
}

#[test]
fn a_call_that_waits_for_a_log_or_a_command_is_ended() {
    let lab = Lab::get();
    let scope = lab.scope("output-wait");
    let image = scope.pull(&Image::new().build(), "t");
    let name = scope.name("c");
    lab.engine.run_image(&name, &image.reference);
    passes("output.c", &["cancel", &lab.engine.host(), &name]);
}
