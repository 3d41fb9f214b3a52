//! What the library leaves alone in the process that loads it: signals, the environment, a child after fork, stdout and stderr.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use refit_lab::{Answer, Image, Lab, LyingRegistry};

use crate::program::{compile, finish, folder, run};
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
fn a_missing_home_is_no_error() {
    passes_in_silence("without-home", &Lab::get().engine.host());
}

#[test]
fn a_forked_child_is_refused() {
    passes_in_silence("forked", &Lab::get().engine.host());
}

#[test]
fn a_credential_helper_answers_where_the_host_reaps_every_child() {
    let artifact = Image::scratch().build();
    let registry = LyingRegistry::start(move |asked| match asked.header("authorization") {
        // me:lab-secret
        "Basic bWU6bGFiLXNlY3JldA==" => Answer::manifest(&artifact),
        _ => Answer::ask_for_login(),
    });
    let folder = folder("reaped");
    let helper = folder.join("docker-credential-lab");
    std::fs::write(&helper, "#!/bin/sh\nprintf '{\"Username\":\"me\",\"Secret\":\"lab-secret\"}'\n").unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(folder.join("config.json"), r#"{"credsStore":"lab"}"#).unwrap();
    let program = compile(&prototypes::source("process.c"), &["-rdynamic"]);
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "120"]).arg(program).args(["reaped", &Lab::get().engine.host()]);
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display())).env("DOCKER_CONFIG", &folder);
    let done = finish(command.env("IMAGE", format!("{}/app:t", registry.host)));
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "", ""));
}
