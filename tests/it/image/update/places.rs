//! Which containers of an update are in progress at the same time, seen by the order of the reported phases.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::connected::refit;
use refit::container::RecreateOptions;
use refit::image::UpdateOptions;
use refit_lab::{Image, Lab, Scope};
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
