//! Recreation of containers on a real engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recreation;

use recreation::{Case, failed, quick, recreate};
use refit::{Code, RecreationResult};
use refit_lab::Image;

#[test]
fn a_running_container_gets_the_new_image_and_keeps_the_rest() {
    let case = Case::new("plain");
    let before = case.run_full("always");
    let new = case.moves_to(&Image::new().version("2"));
    let report = recreate(&case, quick()).unwrap();
    let after = case.inspect(&case.name);
    assert_eq!(report.result, RecreationResult::Recreated, "{report:?}");
    assert_eq!(report.new_id.as_deref(), after["Id"].as_str());
    assert_eq!(after["Image"].as_str(), report.new_image_id.as_deref());
    assert_eq!(case.lab.engine.image(&new.reference).unwrap()["Id"], after["Image"]);
    assert_eq!(report.state.as_deref(), Some("running"));
    assert!(report.downtime_ms.is_some_and(|ms| ms < 10_000), "{report:?}");
    assert!(case.lab.engine.container(&report.old_id).is_none());
    case.assert_kept(&before, &after);
    case.assert_files();
    case.assert_alone();
}

#[test]
fn a_broken_image_leaves_the_same_container_running() {
    let case = Case::new("broken");
    let before = case.run_full("always");
    case.moves_to(&Image::new().version("2").cmd(["sh", "-c", "echo cannot open the database; exit 3"]));
    let (error, report) = failed(recreate(&case, quick()));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert!(error.message().contains("cannot open the database"), "{error}");
    assert!(report.logs_tail.is_some_and(|tail| tail.starts_with("cannot open the database")));
    let after = case.inspect(&case.name);
    for part in ["Id", "Config", "HostConfig"] {
        assert_eq!(after[part].to_string(), before[part].to_string(), "{part}");
    }
    assert_eq!(after["State"]["Status"], "running");
    case.assert_kept(&before, &after);
    case.assert_files();
    case.assert_alone();
}
