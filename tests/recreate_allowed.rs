//! What a recreation does only when an option allows it, and the commands that run around it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recreation;

use recreation::child::{self, Work};
use recreation::{Case, LIMIT, every_kill, failed, quick, recreate};
use refit::Code;
use refit::container::{RecreateOptions, RecreationResult};
use refit_lab::{Image, Proxy};
use serde_json::{Value, json};

#[test]
#[ignore = "the child process of the other tests"]
fn child() {
    child::child();
}

fn allowing(allow: impl Fn(&mut RecreateOptions)) -> RecreateOptions {
    let mut options = quick();
    allow(&mut options);
    options
}

fn auto_removed(case: &Case) -> Value {
    let body = json!({"Image": case.image(), "StopTimeout": 1, "Volumes": {"/anonymous": {}}, "HostConfig": {"AutoRemove": true}});
    case.lab.engine.run(&case.name, &body);
    assert_eq!(case.lab.engine.exec(&case.name, &["sh", "-c", "echo kept > /anonymous/file"]).code, 0);
    case.inspect(&case.name)
}

fn assert_auto_removed(case: &Case, before: &Value, when: &str) {
    case.lab.engine.wait_status(&case.name, "running", LIMIT);
    let after = case.inspect(&case.name);
    assert_eq!((&after["HostConfig"]["AutoRemove"], recreation::mounts(&after)), (&json!(true), recreation::mounts(before)), "{when}");
    let read = case.lab.engine.exec(&case.name, &["cat", "/anonymous/file"]);
    assert_eq!(read.output, "kept\n", "{when}: {read:?}");
    case.assert_alone();
}

#[test]
fn an_auto_removed_container_is_replaced_only_when_allowed() {
    let case = Case::new("rm");
    let before = auto_removed(&case);
    case.moves_to(&Image::new().version("2"));
    let (error, report) = failed(recreate(&case, quick()));
    assert_eq!((error.code(), report.result), (Code::Conflict, RecreationResult::Refused), "{error}");
    assert!(error.message().contains("allow_auto_remove"), "{error}");
    assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], before["State"]["StartedAt"]);
    let report = recreate(&case, allowing(|options| options.allow_auto_remove = true)).unwrap();
    assert_eq!((report.result, report.downtime_ms), (RecreationResult::Recreated, None));
    assert_ne!(case.inspect(&case.name)["Image"], before["Image"]);
    assert_auto_removed(&case, &before, "replaced");
}

#[test]
fn an_auto_removed_container_whose_new_image_is_broken_is_made_again() {
    for broken in [Image::new().entrypoint(["/no/such/file"]), Image::new().cmd(["sh", "-c", "exit 3"])] {
        let case = Case::new("rmbroken");
        let before = auto_removed(&case);
        case.moves_to(&broken);
        let (error, report) = failed(recreate(&case, allowing(|options| options.allow_auto_remove = true)));
        assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
        assert!(report.warnings.iter().any(|warning| warning.code == "made_again"), "{report:?}");
        assert_eq!(case.inspect(&case.name)["Image"], before["Image"]);
        assert_auto_removed(&case, &before, "made again");
    }
}

#[test]
fn an_auto_removed_container_survives_a_kill_anywhere() {
    let prepare = || {
        let case = Case::new("rmkill");
        let before = auto_removed(&case);
        case.moves_to(&Image::new().version("2"));
        (case, before)
    };
    let work = |case: &Case| Work { call: "recreate", container: case.name.clone(), ..Work::default() };
    every_kill("--rm", prepare, |(case, _)| (case, work(case)), |(case, before), when| assert_auto_removed(case, before, when));
}

#[test]
fn a_paused_container_is_paused_again() {
    let case = Case::new("paused");
    case.run_full("always");
    case.lab.engine.post(&format!("/containers/{}/pause", case.name), &Value::Null);
    let before = case.inspect(&case.name);
    case.moves_to(&Image::new().version("2"));
    let (error, report) = failed(recreate(&case, quick()));
    assert_eq!((error.code(), report.result), (Code::Conflict, RecreationResult::Refused), "{error}");
    let allowed = || allowing(|options| options.allow_paused = true);
    let report = recreate(&case, allowed()).unwrap();
    assert_eq!((report.result, report.state.as_deref()), (RecreationResult::Recreated, Some("paused")));
    let after = case.inspect(&case.name);
    case.assert_kept(&before, &after);
    case.moves_to(&Image::new().cmd(["sh", "-c", "exit 3"]));
    let (error, report) = failed(recreate(&case, allowed()));
    assert_eq!((error.code(), report.state.as_deref()), (Code::RolledBack, Some("paused")), "{error}");
    assert_eq!(case.inspect(&case.name)["Id"], after["Id"]);
    case.lab.engine.post(&format!("/containers/{}/unpause", case.name), &Value::Null);
    case.assert_files();
    case.assert_alone();
}

#[test]
fn hooks_run_before_and_after_and_their_failure_counts() {
    let case = Case::new("hooks");
    let before = case.run_full("always");
    case.moves_to(&Image::new().version("2"));
    let command = |text: &str| vec![vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()]];
    let (error, report) = failed(recreate(&case, allowing(|options| options.hooks.before = command("echo no; exit 7"))));
    assert_eq!((error.code(), report.result), (Code::Engine, RecreationResult::Failed), "{error}");
    assert!(error.message().contains("exit code 7") && error.message().ends_with("no"), "{error}");
    assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], before["State"]["StartedAt"]);
    let (error, report) = failed(recreate(&case, allowing(|options| options.hooks.after = command("exit 7"))));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    assert_eq!(case.inspect(&case.name)["Id"], before["Id"]);
    let both = allowing(|options| {
        options.hooks.before = [command("cat /version >> /v/hooks"), command("printf - >> /v/hooks")].concat();
        options.hooks.after = command("cat /version >> /v/hooks");
    });
    recreate(&case, both).unwrap();
    assert_eq!(case.lab.engine.exec(&case.name, &["cat", "/v/hooks"]).output, "1-2");
    case.assert_files();
    case.assert_alone();
}

#[test]
fn what_is_not_built_is_refused_before_anything_is_done() {
    let case = Case::new("unbuilt");
    let before = case.run_full("always");
    let failure = recreate(&case, allowing(|options| options.backup_volumes = Some("/tmp".into()))).unwrap_err();
    assert_eq!(failure.error.code(), Code::Unsupported);
    assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], before["State"]["StartedAt"]);
}

#[test]
fn an_image_that_is_not_local_is_not_pulled() {
    let case = Case::new("missing");
    case.run_full("always");
    case.lab.engine.delete(&format!("/images/{}?force=1", case.image()));
    let proxy = Proxy::engine(case.lab);
    let (error, report) = failed(recreation::recreate_through(&proxy, &case, quick(), || {}));
    assert!(matches!(error.code(), Code::ImageMissing | Code::Unsupported), "{error}");
    assert_eq!((report.result, proxy.count("POST *")), (RecreationResult::Refused, 0));
}
