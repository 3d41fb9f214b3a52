//! Which containers of an update are in progress at the same time, seen by the order of the reported phases.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::connected::{refit, refit_at};
use refit::container::{Hooks, RecreateOptions, RecreationResult};
use refit::image::{ContainerUpdate, UpdateOptions};
use refit_lab::{Canned, Fault, Image, Lab, Proxy, Scope, When};
use serde_json::json;

type Phases = Vec<(String, &'static str)>;

fn options(settle: Duration) -> UpdateOptions {
    let recreate = RecreateOptions { settle, allow_lossy: true, stop_timeout: Some(Duration::from_secs(1)), ..RecreateOptions::default() };
    UpdateOptions { recreate, max_concurrency: Some(1), ..UpdateOptions::default() }
}

/// Runs so many containers, the first of them with a variable of its own, and updates them; the phases of the containers in their order.
async fn update(scope: &Scope<'_>, containers: usize, environment: impl Fn(usize) -> String, new: Image, settle: Duration) -> Phases {
    let lab = Lab::get();
    let old = scope.pull(&Image::new().version("1").build(), "t");
    for number in 0..containers {
        let body = json!({"Image": old.reference, "Env": [environment(number)], "HostConfig": {"NetworkMode": "none"}});
        lab.engine.run(&scope.name(&format!("c{number}")), &body);
    }
    scope.publish(&new.build(), "t");
    let phases = Arc::new(Mutex::new(Phases::new()));
    let reported = phases.clone();
    let update = refit().await.update(&old.reference, options(settle)).on_progress(move |progress| {
        if progress.steps > 1 {
            reported.lock().unwrap().push((progress.subject.clone(), progress.phase));
        }
        ControlFlow::Continue(())
    });
    let _ = update.await;
    phases.lock().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_only_settles_takes_no_place() {
    let scope = Lab::get().scope("places");
    let phases = update(&scope, 6, |_| "A=b".into(), Image::new().version("2"), Duration::from_secs(4)).await;
    let (mut last, mut order): (BTreeMap<String, &str>, Vec<String>) = (BTreeMap::new(), Vec::new());
    let (mut most_working, mut most) = (0, 0);
    for (name, phase) in phases {
        if !order.contains(&name) {
            if order.len() == 1 {
                assert_eq!(last[&order[0]], "removing", "the first goes alone");
            }
            order.push(name.clone());
        }
        last.insert(name, phase);
        // What is reported last of a container is its removal.
        let open = last.values().filter(|phase| **phase != "removing").count();
        let working = last.values().filter(|phase| !matches!(**phase, "removing" | "waiting")).count();
        (most, most_working) = (most.max(open), most_working.max(working));
    }
    assert_eq!(order.len(), 6);
    assert_eq!(most_working, 1, "one has the place");
    assert!(most > 1 && most <= 3, "{most} at the same time");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_once_one_is_being_rolled_back() {
    let scope = Lab::get().scope("placesbad");
    let command = "[ -z \"$FAILS\" ] || exit 4; trap 'exit 0' TERM; while :; do sleep 0.1; done";
    let new = Image::new().version("2").cmd(["sh", "-c", command]);
    // The second ends as soon as it is started; by then others may have begun.
    let fails = |number: usize| format!("FAILS={}", if number == 3 { "1" } else { "" });
    let phases = update(&scope, 6, fails, new, Duration::from_secs(2)).await;
    let failed = phases.iter().position(|(_, phase)| *phase == "rolling_back").expect("one is rolled back");
    let begun: BTreeSet<&String> = phases[..failed].iter().map(|(name, _)| name).collect();
    let late: Vec<_> = phases[failed..].iter().filter(|(name, _)| !begun.contains(name)).collect();
    assert!(late.is_empty() && begun.len() < 6, "{late:?} of {phases:?}");
}

/// A way to the engine on which its machine has one processor.
fn with_one_processor() -> Proxy {
    let proxy = Proxy::engine(Lab::get());
    let mut info = Lab::get().engine.get("/info");
    info["NCPU"] = 1.into();
    proxy.on(When::each("GET */info"), Fault::Answer(Canned::json(200, &info)));
    proxy
}

/// So many running containers of an image that has a newer one, of which each needs a second to stop.
fn slow_to_stop(scope: &Scope<'_>, containers: usize) -> String {
    let deaf = "trap '' TERM; while :; do sleep 0.1; done";
    let old = scope.pull(&Image::new().version("1").cmd(["sh", "-c", deaf]).build(), "t");
    for number in 0..containers {
        let body = json!({"Image": old.reference, "StopTimeout": 1, "HostConfig": {"NetworkMode": "none"}});
        Lab::get().engine.run(&scope.name(&format!("c{number}")), &body);
    }
    scope.publish(&Image::new().version("2").cmd(["sh", "-c", deaf]).build(), "t");
    old.reference
}

/// So many places that there are two turns where there is one processor.
fn all_at_once(hook: &str) -> UpdateOptions {
    let hooks = Hooks { before: vec![vec!["sh".into(), "-c".into(), hook.into()]], ..Hooks::default() };
    let recreate = RecreateOptions { settle: Duration::from_millis(100), allow_lossy: true, hooks, ..RecreateOptions::default() };
    UpdateOptions { recreate, max_concurrency: Some(8), ..UpdateOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_turn_has_not_come_is_left_as_it_is_when_another_fails() {
    let scope = Lab::get().scope("turnfails");
    let reference = slow_to_stop(&scope, 5);
    let proxy = with_one_processor();
    // The first goes alone, and of the two that are stopped then the engine refuses one. The other two wait.
    proxy.on(When::nth_of("POST */stop", 2), Fault::Answer(Canned::message(500, "it refuses")));
    let inspect = |name: &str| Lab::get().engine.container(name).unwrap();
    let before: BTreeMap<_, _> =
        (0..5).map(|number| scope.name(&format!("c{number}"))).map(|name| (name.clone(), inspect(&name))).collect();
    let failure = refit_at(&proxy.host).await.update(&reference, all_at_once("touch /hooked")).await.unwrap_err();
    let report = failure.report.expect("a report");
    let mut results = BTreeMap::new();
    for one in &report.containers {
        let (name, result) = match one {
            ContainerUpdate::Recreation(recreation) => (&recreation.container, recreation.result),
            ContainerUpdate::NotAttempted(one) => (&one.container, one.result),
            other => panic!("{other:?}"),
        };
        *results.entry(format!("{result:?}")).or_insert(0) += 1;
        let (now, before) = (inspect(name), &before[name]);
        assert_eq!(now["State"]["Running"], true, "{name}");
        if result == RecreationResult::NotAttempted {
            assert_eq!((&now["Id"], &now["State"]), (&before["Id"], &before["State"]), "{name}");
            assert_ne!(Lab::get().engine.exec(name, &["test", "-e", "/hooked"]).code, 0, "{name}: its hook has run");
        }
    }
    let expected = [("Failed", 1), ("NotAttempted", 2), ("Recreated", 2)];
    assert_eq!(results, expected.map(|(result, count)| (result.to_owned(), count)).into(), "{:?}", failure.error);
    assert_eq!(failure.error.code(), refit::Code::Engine, "{}", failure.error);
    let listed = Lab::get().engine.get("/containers/json?all=1");
    let left: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["Names"][0].as_str().unwrap()).collect();
    assert!(!left.iter().any(|name| name.contains(&scope.name) && name.contains(".refit-")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_waits_for_the_turn_and_one_that_takes_long_does_not_keep_it() {
    let scope = Lab::get().scope("turnhook");
    let reference = slow_to_stop(&scope, 4);
    let proxy = with_one_processor();
    let begun = Instant::now();
    let phases = Arc::new(Mutex::new(Vec::new()));
    let reported = phases.clone();
    let update = refit_at(&proxy.host).await.update(&reference, all_at_once("sleep 5")).on_progress(move |progress| {
        reported.lock().unwrap().push((begun.elapsed(), progress.subject.clone(), progress.phase));
        ControlFlow::Continue(())
    });
    update.await.unwrap();
    let phases = phases.lock().unwrap();
    let times = |name: &str| -> Vec<Duration> { phases.iter().filter(|(.., phase)| *phase == name).map(|(at, ..)| *at).collect() };
    // After the first, which goes alone.
    let (hooks, stops) = (&times("hook")[1..], &times("stopping"));
    assert_eq!(hooks.len(), 3, "{phases:?}");
    assert!(hooks[2] > hooks[1] + Duration::from_millis(500), "the third waits for a turn: {hooks:?}");
    let next_stop = stops.iter().find(|at| **at > hooks[0]).expect("they are stopped");
    assert!(hooks[2] < *next_stop, "the third does not wait for a hook of 5 s: {hooks:?} {stops:?}");
}
