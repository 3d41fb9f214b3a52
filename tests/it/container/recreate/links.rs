//! Containers that link to the one that is recreated (`--link`): the engine keeps a link by the container, not by its name, so that they are
//! recreated with it.

use crate::recreation::{Case, LIMIT, failed, quick, recreate};
use refit::container::{RecreateOptions, RecreationResult};
use refit_lab::{Image, not_here};
use serde_json::{Value, json};

fn with_dependents() -> RecreateOptions {
    RecreateOptions { recreate_dependents: true, ..quick() }
}

/// The container, and one that links to it under the name `db`.
fn linked(name: &str) -> Option<(Case<'static>, String)> {
    let case = Case::new(name);
    if case.lab.engine.is_podman() {
        not_here("Podman takes no links");
        return None;
    }
    let (engine, app) = (&case.lab.engine, format!("{}-app", case.name));
    engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 1}));
    let links = json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"Links": [format!("{}:db", case.name)]}});
    engine.run(&app, &links);
    Some((case, app))
}

/// The link is to the container that has the name, and works.
fn assert_linked(case: &Case, app: &str) {
    let (container, linking) = (case.inspect(&case.name), case.inspect(app));
    assert_eq!(linking["HostConfig"]["Links"], json!([format!("/{}:/{app}/db", case.name)]));
    assert_eq!(linking["State"]["Status"], "running");
    let address = container["NetworkSettings"]["Networks"]["bridge"]["IPAddress"].as_str().unwrap();
    let hosts = case.lab.engine.exec(app, &["cat", "/etc/hosts"]).output;
    let line = hosts.lines().find(|line| line.split_whitespace().any(|word| word == "db"));
    assert!(line.is_some_and(|line| line.starts_with(&format!("{address}\t"))), "{address} is not db in {hosts}");
}

#[test]
fn a_container_that_links_to_the_recreated_one_links_to_the_new_one() {
    let Some((case, app)) = linked("linked") else { return };
    let before = [case.inspect(&case.name), case.inspect(&app)];
    case.moves_to(&Image::new().version("2"));
    let (error, _) = failed(recreate(&case, quick()));
    assert!(error.message().contains(&format!("{app} links to it")) && error.message().contains("recreate_dependents"), "{error}");
    let report = recreate(&case, with_dependents()).unwrap();
    assert_eq!(report.dependents.iter().map(|one| (&one.container, one.result)).collect::<Vec<_>>(), [(&app, RecreationResult::Recreated)]);
    for (name, before) in [&case.name, &app].into_iter().zip(&before) {
        assert_ne!(case.inspect(name)["Id"], before["Id"]);
    }
    assert_linked(&case, &app);
    // Once more: the name in the link is the engine's.
    case.moves_to(&Image::new().version("3"));
    recreate(&case, with_dependents()).unwrap();
    assert_linked(&case, &app);
}

#[test]
fn a_link_stays_when_the_new_container_fails() {
    let Some((case, app)) = linked("linkedbad") else { return };
    let before = [case.inspect(&case.name), case.inspect(&app)];
    case.moves_to(&Image::new().cmd(["sh", "-c", "exit 3"]));
    let (_, report) = failed(recreate(&case, with_dependents()));
    assert_eq!(report.result, RecreationResult::RolledBack);
    for (name, before) in [&case.name, &app].into_iter().zip(&before) {
        case.lab.engine.wait_status(name, "running", LIMIT);
        assert_eq!(case.inspect(name)["Id"], before["Id"]);
    }
    let links = &case.inspect(&app)["HostConfig"]["Links"];
    assert_eq!(links, &json!([format!("/{}:/{app}/db", case.name)]));
}

#[test]
fn an_endpoint_that_links_by_id_gets_the_id_of_the_new_container() {
    let case = Case::new("linkedid");
    let engine = &case.lab.engine;
    if engine.is_podman() {
        return not_here("Podman leaves links of an endpoint aside");
    }
    let (network, app) = (case.subnet("net").name, format!("{}-app", case.name));
    let id = engine.run(&case.name, &json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"NetworkMode": network}}));
    let endpoints = json!({&network: {"Links": [format!("{}:db", &id[..12])]}});
    let links = json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"NetworkMode": network},
        "NetworkingConfig": {"EndpointsConfig": endpoints}});
    engine.run(&app, &links);
    case.moves_to(&Image::new().version("2"));
    recreate(&case, with_dependents()).unwrap();
    let new: Value = case.inspect(&case.name)["Id"].clone();
    let expected = format!("{}:db", &new.as_str().unwrap()[..12]);
    assert_eq!(case.inspect(&app)["NetworkSettings"]["Networks"][&network]["Links"], json!([expected]));
}
