//! Another container of the host that the engine cannot inspect.

use crate::recreation::{Case, connect, failed, quick, recreate_through, runtime};
use refit::Code;
use refit::container::{Recreation, RecreationResult};
use refit::image::{PlannedAction, UpdateOptions};
use refit_lab::{Canned, Fault, Image, Proxy, When};
use serde_json::{Value, json};

/// The engine's own words about a container whose layer it has lost.
const BROKEN: &str = "RWLayer of container is unexpectedly nil";

/// A container whose tag has moved, and another one.
fn beside(what: &str, body: impl FnOnce(&Case, &Value) -> Value) -> (Case<'static>, String, Value) {
    let case = Case::new(what);
    case.lab.engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 1}));
    let before = case.inspect(&case.name);
    let bystander = case.lab.engine.run(&case.scope.name("bystander"), &body(&case, &before));
    case.moves_to(&Image::new().version("2"));
    (case, bystander, before)
}

fn inspect_of(bystander: &str) -> When {
    When::each(&format!("GET /containers/{bystander}/json"))
}

fn warned(report: &Recreation, name: &str) -> bool {
    report.warnings.iter().any(|one| one.code == "not_inspected" && one.container.as_deref() == Some(name))
}

#[test]
fn a_bystander_that_cannot_be_inspected_is_warned_of_and_keeps_no_other_from_its_recreation() {
    for fault in [Fault::Answer(Canned::message(500, BROKEN)), Fault::Hang] {
        let (case, bystander, before) = beside("bystander", |case, _| json!({"Image": case.image()}));
        let name = case.scope.name("bystander");
        let untouched = case.inspect(&bystander);
        let proxy = Proxy::engine(case.lab);
        proxy.on(inspect_of(&bystander), fault.clone());
        let report = recreate_through(&proxy, &case, quick(), || ()).unwrap_or_else(|failure| panic!("{fault:?}: {failure}"));
        assert_eq!(report.result, RecreationResult::Recreated);
        assert!(warned(&report, &name), "{fault:?}: {:?}", report.warnings);
        assert_ne!(case.inspect(&case.name)["Id"], before["Id"]);
        assert_eq!(case.inspect(&bystander), untouched);
    }
}

#[test]
fn a_plan_goes_on_beside_a_bystander_that_cannot_be_inspected() {
    let (case, bystander, _) =
        beside("bystander-plan", |case, _| json!({"Image": case.scope.pull(&Image::new().version("3").build(), "other").reference}));
    let proxy = Proxy::engine(case.lab);
    proxy.on(inspect_of(&bystander), Fault::Answer(Canned::message(500, BROKEN)));
    let plan = runtime().block_on(async { connect(&proxy.host).await.plan_update(case.image(), UpdateOptions::default()).await }).unwrap();
    let planned: Vec<_> = plan.containers.iter().map(|one| (one.container.as_str(), one.action)).collect();
    assert_eq!(planned, [(case.name.as_str(), PlannedAction::RecreateAndStart)]);
    let name = case.scope.name("bystander");
    assert!(plan.warnings.iter().any(|one| one.code == "not_inspected" && one.container.as_deref() == Some(&name)), "{:?}", plan.warnings);
}

#[test]
fn a_dependence_that_the_list_shows_or_leaves_possible_refuses() {
    let network = |case: &Case, before: &Value| {
        let provider = before["Id"].as_str().unwrap();
        json!({"Image": case.image(), "HostConfig": {"NetworkMode": format!("container:{provider}")}})
    };
    let (case, dependent, before) = beside("bystander-net", network);
    let proxy = Proxy::engine(case.lab);
    proxy.on(inspect_of(&dependent), Fault::Answer(Canned::message(500, BROKEN)));
    for recreate_dependents in [false, true] {
        let mut options = quick();
        options.recreate_dependents = recreate_dependents;
        let (error, report) = failed(recreate_through(&proxy, &case, options, || ()));
        assert_eq!((error.code(), report.result), (Code::Conflict, RecreationResult::Refused), "{error}");
        for word in [&case.scope.name("bystander"), "cannot inspect", BROKEN] {
            assert!(error.message().contains(word), "{word}: {error}");
        }
        assert_eq!(case.inspect(&case.name), before);
    }

    let case = Case::new("bystander-mounts");
    let volume = case.scope.volume("v");
    let body = json!({"Image": case.image(), "HostConfig": {"Binds": [format!("{volume}:/v")]}});
    case.lab.engine.run(&case.name, &body);
    let other =
        case.lab.engine.run(&case.scope.name("bystander"), &json!({"Image": case.image(), "HostConfig": {"VolumesFrom": [case.name]}}));
    let before = case.inspect(&case.name);
    let proxy = Proxy::engine(case.lab);
    proxy.on(inspect_of(&other), Fault::Answer(Canned::message(500, BROKEN)));
    let (error, _) = failed(recreate_through(&proxy, &case, quick(), || ()));
    assert!(error.code() == Code::Conflict && error.message().contains("may take its volumes"), "{error}");
    assert_eq!(case.inspect(&case.name), before);
}
