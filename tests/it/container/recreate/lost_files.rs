//! Files of the writable layer: a plan names them, and a recreation counts them where the engine tells in time.

use crate::recreation::{Case, connect, quick, recreate, recreate_through, runtime};
use refit::image::UpdateOptions;
use refit_lab::{Image, Proxy, When};
use serde_json::json;

fn with_files(name: &str) -> Case<'static> {
    let case = Case::new(name);
    let volume = case.scope.volume("v");
    case.lab
        .engine
        .run(&case.name, &json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"Binds": [format!("{volume}:/mounted")]}}));
    let written =
        case.lab.engine.exec(&case.name, &["sh", "-c", "mkdir -p /own/deep && echo x > /own/deep/lost && echo x > /mounted/kept"]);
    assert_eq!(written.code, 0, "{written:?}");
    case
}

#[test]
fn a_plan_names_the_files_that_will_be_lost() {
    let case = with_files("lostplan");
    case.scope.publish(&Image::new().version("2").build(), "t");
    let plan = |count: bool| {
        let mut options = UpdateOptions { recreate: quick(), ..UpdateOptions::default() };
        options.recreate.count_layer_changes = count;
        let host = case.lab.engine.host();
        runtime().block_on(async { connect(&host).await.plan_update(case.image(), options).await.unwrap() })
    };
    let shown = plan(true);
    let warning = shown.warnings.iter().find(|warning| warning.code == "writable_layer").unwrap();
    assert_eq!(warning.container.as_deref(), Some(case.name.as_str()));
    assert!(warning.message.contains("/own/deep/lost") && !warning.message.contains("mounted"), "{warning:?}");
    assert!(plan(false).warnings.iter().all(|warning| warning.code != "writable_layer"));
}

#[test]
fn a_count_that_takes_long_is_left_out() {
    let case = with_files("lostslow");
    case.moves_to(&Image::new().version("2"));
    let proxy = Proxy::engine(case.lab);
    let never = proxy.hold(When::each("GET /containers/*/changes"));
    let report = recreate_through(&proxy, &case, quick(), || ()).unwrap();
    assert_eq!(report.writable_layer_changes, None);
    assert_eq!(proxy.count("GET /containers/*/changes"), 1);
    drop(never);
}

#[test]
fn files_are_counted_unless_the_option_is_off() {
    let case = with_files("lostcount");
    case.moves_to(&Image::new().version("2"));
    let report = recreate(&case, quick()).unwrap();
    assert!(report.writable_layer_changes.is_some_and(|count| count >= 1), "{report:?}");
    case.moves_to(&Image::new().version("3"));
    let proxy = Proxy::engine(case.lab);
    let mut options = quick();
    options.count_layer_changes = false;
    assert_eq!(recreate_through(&proxy, &case, options, || ()).unwrap().writable_layer_changes, None);
    assert_eq!(proxy.count("GET /containers/*/changes"), 0);
}
