//! Containers that hold the one that is recreated by its id: they are recreated with it, or all of them are as before.

use crate::recreation;
use crate::recreation::family::{Family, MEMBERS};
use crate::recreation::{Case, LIMIT, failed, quick, recreate, recreate_cancelled_in};
use refit::container::{RecreateOptions, RecreationResult};
use refit::image::{ContainerUpdate, UpdateOptions, UpdateReport};
use refit::{Code, Outcome};
use refit_lab::{Image, not_here};
use serde_json::json;

fn with_dependents() -> RecreateOptions {
    let mut options = quick();
    options.recreate_dependents = true;
    options
}

#[test]
fn dependents_are_recreated_after_the_container_and_refer_to_the_new_one() {
    let family = Family::new("family");
    family.case.moves_to(&Image::new().version("2"));
    let report = recreate(&family.case, with_dependents()).unwrap();
    let new = family.case.lab.engine.image(family.case.image()).unwrap();
    assert_eq!(report.result, RecreationResult::Recreated);
    assert!(family.results(&report).iter().all(|result| *result == RecreationResult::Recreated), "{report:?}");
    for member in MEMBERS {
        let (before, after) = (family.before(member), family.inspect(member));
        assert_ne!(after["Id"], before["Id"]);
        assert_eq!(after["Image"], new["Id"]);
    }
    family.assert_joined("recreated");
    let net = report.dependents.iter().find(|one| one.container == family.name("-net")).unwrap();
    let change = net.changes.iter().find(|change| change.field == "HostConfig.NetworkMode").unwrap();
    assert!(change.because.contains("provider"), "{change:?}");
    assert!(net.downtime_ms.is_some());
    let position = |member: &str| report.dependents.iter().position(|one| one.container == family.name(member)).unwrap();
    assert!(position("-net") < position("-net-of-net"));
}

#[test]
fn an_update_reports_each_dependent_once() {
    let family = Family::new("familyupdate");
    family.case.scope.publish(&Image::new().version("2").build(), "t");
    let refused = update(&family.case, quick()).unwrap_err();
    assert!(refused.error.code() == Code::Conflict && refused.report.is_some_and(|report| report.pull.is_none()), "{}", refused.error);
    let report = update(&family.case, with_dependents()).unwrap();
    let mut reported: Vec<String> = Vec::new();
    for one in &report.containers {
        let ContainerUpdate::Recreation(one) = one else { panic!("{report:?}") };
        assert_eq!(one.result, RecreationResult::Recreated);
        reported.push(one.container.clone());
    }
    reported.sort();
    assert_eq!(reported, family.names());
    family.assert_joined("updated");
}

fn update(case: &Case, recreate: RecreateOptions) -> Outcome<UpdateReport> {
    let options = UpdateOptions { recreate, ..UpdateOptions::default() };
    let host = case.lab.engine.host();
    recreation::runtime().block_on(async { recreation::connect(&host).await.update(case.image(), options).await })
}

#[test]
fn without_the_option_dependents_are_listed_and_nothing_changes() {
    let family = Family::new("familyno");
    family.case.moves_to(&Image::new().version("2"));
    let (error, report) = failed(recreate(&family.case, quick()));
    assert_eq!((error.code(), report.result), (Code::Conflict, RecreationResult::Refused));
    for word in ["recreate_dependents", &family.name("-net"), &family.name("-ns"), &family.name("-volumes"), &family.name("-net-of-net")] {
        assert!(error.message().contains(word), "{error}");
    }
    family.assert_as_before("refused");
}

#[test]
fn all_are_rolled_back_when_the_container_fails() {
    let family = Family::new("familybad");
    family.case.moves_to(&Image::new().cmd(["sh", "-c", "echo last words; exit 3"]));
    let (error, report) = failed(recreate(&family.case, with_dependents()));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert!(report.logs_tail.as_deref().unwrap_or_default().contains("last words"), "{report:?}");
    for one in std::iter::once(&report).chain(&report.dependents) {
        let before = family.before(one.container.strip_prefix(&family.case.name).unwrap());
        let was_stopped = family.case.inspect(&one.container)["State"]["StartedAt"] != before["State"]["StartedAt"];
        assert_eq!(one.result, if was_stopped { RecreationResult::RolledBack } else { RecreationResult::Failed }, "{one:?}");
    }
    assert!(report.dependents.iter().any(|one| one.result == RecreationResult::Failed), "no dependent was left alone: {report:?}");
    family.assert_as_before("rolled back");
}

#[test]
fn all_are_rolled_back_when_a_dependent_fails() {
    let family = Family::new("familydep");
    let picky = format!("{}-picky", family.case.name);
    let image = Image::new().version("1").env("VERSION", "1");
    let own = family.case.scope.pull(&image.build(), "picky");
    let held = format!("container:{}", family.before("")["Id"].as_str().unwrap());
    let command = "test $VERSION = 1 && exec sleep 1000; echo cannot; exit 4";
    let body = json!({"Image": own.reference, "StopTimeout": 1, "Cmd": ["sh", "-c", command], "HostConfig": {"NetworkMode": held}});
    family.case.lab.engine.run(&picky, &body);
    let before = family.case.inspect(&picky);
    family.case.moves_to(&Image::new().version("2"));
    family.case.moves(&own.reference, "picky", &Image::new().version("2").env("VERSION", "2"));
    let (error, report) = failed(recreate(&family.case, with_dependents()));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert!(error.message().contains(&picky) && error.message().contains("cannot"), "{error}");
    let reported = report.dependents.iter().find(|one| one.container == picky).unwrap();
    assert!(reported.error.is_some() && reported.logs_tail.as_deref().unwrap_or_default().contains("cannot"), "{reported:?}");
    let after = family.case.inspect(&picky);
    assert_eq!((&after["Id"], &after["State"]["Status"]), (&before["Id"], &json!("running")));
    family.case.lab.engine.delete(&format!("/containers/{picky}?force=true"));
    family.assert_as_before("a dependent failed");
}

#[test]
fn a_cancel_during_the_settling_rolls_all_back() {
    let family = Family::new("familycancel");
    family.case.moves_to(&Image::new().version("2"));
    let (error, _) = failed(recreate_cancelled_in(&family.case, with_dependents(), "waiting"));
    assert_eq!(error.code(), Code::Cancelled, "{error}");
    family.assert_as_before("cancelled");
}

#[test]
fn a_dependent_that_cannot_be_recreated_is_found_before_any_stop() {
    let family = Family::new("familygone");
    if family.case.lab.engine.is_podman() {
        return not_here("Podman shows a mount as a bind, whose folder is made again");
    }
    let source = std::env::temp_dir().join(format!("refit-family-{}", std::process::id()));
    std::fs::create_dir_all(&source).unwrap();
    let held = format!("container:{}", family.before("")["Id"].as_str().unwrap());
    let mounts = json!([{"Type": "bind", "Source": source, "Target": "/d"}]);
    family.run("-bound", json!({"HostConfig": {"NetworkMode": held, "Mounts": mounts}}));
    std::fs::remove_dir(&source).unwrap();
    family.case.moves_to(&Image::new().version("2"));
    let (error, report) = failed(recreate(&family.case, with_dependents()));
    assert_eq!(report.result, RecreationResult::Failed, "{error}");
    assert!(error.message().contains("-bound"), "{error}");
    family.case.lab.engine.delete(&format!("/containers/{}?force=true", family.name("-bound")));
    for member in MEMBERS {
        assert_eq!(family.inspect(member)["State"]["StartedAt"], family.before(member)["State"]["StartedAt"], "{member} was stopped");
    }
    family.assert_as_before("one could not be made");
}

#[test]
fn dependents_that_could_not_be_rolled_back_are_refused() {
    let case = Case::new("familyrm");
    let engine = &case.lab.engine;
    engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"AutoRemove": true}}));
    let held = format!("container:{}", case.inspect(&case.name)["Id"].as_str().unwrap());
    let other = format!("{}-net", case.name);
    engine.run(&other, &json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"NetworkMode": held}}));
    case.moves_to(&Image::new().version("2"));
    let mut options = with_dependents();
    options.allow_auto_remove = true;
    let (error, report) = failed(recreate(&case, options));
    assert_eq!((error.code(), report.result), (Code::Conflict, RecreationResult::Refused), "{error}");
    assert!(error.message().contains("--rm") && error.message().contains(&other), "{error}");
    engine.wait_status(&case.name, "running", LIMIT);
}
