//! A handle that is closed while calls run on it, callbacks that call the library, and many threads on one handle.

use std::time::Duration;

use refit_lab::{Fault, Image, Lab, Proxy, Scope, When};

use crate::program::{compile, passes, run};
use crate::prototypes;

fn published<'a>(lab: &'a Lab, what: &str) -> (Scope<'a>, String) {
    let scope = lab.scope(what);
    let image = Image::new().random_layer(3_000_000, 1).build();
    let reference = scope.publish(&image, "1").reference;
    (scope, reference)
}

#[test]
fn a_hanging_call_is_cancelled_after_two_seconds() {
    let proxy = Proxy::engine(Lab::get());
    proxy.on(When::each("GET /images/*/json"), Fault::Hang);
    passes("close.c", &["hanging", &proxy.host]);
}

#[test]
fn a_call_that_ends_in_time_is_waited_for() {
    let proxy = Proxy::engine(Lab::get());
    proxy.on(When::each("GET /images/*/json"), Fault::Delay(Duration::from_secs(1)));
    passes("close.c", &["ending", &proxy.host]);
}

#[test]
fn an_update_is_rolled_back_before_close_returns() {
    let lab = Lab::get();
    let scope = lab.scope("closeupdate");
    let image = scope.pull(&Image::new().version("1").build(), "t").reference;
    let name = scope.name("c");
    lab.engine.run(&name, &serde_json::json!({"Image": image, "StopTimeout": 1}));
    let before = lab.engine.container(&name).unwrap();
    scope.publish(&Image::new().version("2").build(), "t");
    passes("close.c", &["updating", &lab.engine.host(), &image]);
    let after = lab.engine.container(&name).unwrap();
    assert_eq!((&after["Id"], &after["HostConfig"], &after["State"]["Running"]), (&before["Id"], &before["HostConfig"], &true.into()));
    assert_eq!(lab.engine.image(&image).unwrap()["Id"], before["Image"]);
}

/// Under valgrind, as the handle must live until the call that closed it has returned.
#[test]
fn a_callback_closes_the_handle() {
    let lab = Lab::get();
    let (_scope, image) = published(lab, "close");
    let program = compile(&prototypes::source("close.c"), &[]);
    let valgrind = ["-q", "--leak-check=full", "--errors-for-leak-kinds=definite", "--error-exitcode=9"];
    let host = lab.engine.host();
    let done = run("valgrind", &[&valgrind[..], &[program.to_str().unwrap(), "in-callback", &host, &image]].concat());
    assert!(done.code == Some(0), "{:?}: {}", done.code, done.stderr);
}

#[test]
fn a_callback_calls_the_library() {
    let lab = Lab::get();
    let (_scope, image) = published(lab, "callback");
    passes("close.c", &["call-in-callback", &lab.engine.host(), &image]);
}

#[test]
fn a_callback_stops_the_call() {
    let lab = Lab::get();
    let (_scope, image) = published(lab, "stop");
    passes("close.c", &["stop-in-callback", &lab.engine.host(), &image]);
}

#[test]
fn sixty_four_threads_share_a_handle() {
    let lab = Lab::get();
    let scope = lab.scope("threads");
    let image = scope.pull(&Image::new().build(), "1").reference;
    passes("threads.c", &[&lab.engine.host(), &image]);
}
