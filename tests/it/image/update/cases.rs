//! An update: plan, pull, recreation of every container; and everything as before when the new image is broken.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::connected::refit;
use refit::container::{RecreateOptions, RecreationResult};
use refit::image::{ContainerUpdate, OnFailure, PlannedAction, TagFate, UpdateOptions, UpdateReport};
use refit::{Cancel, Code, Outcome};
use refit_lab::{Image, Lab, Published, Scope, not_here};
use serde_json::{Value, json};

/// Writes its version to an empty volume, then runs until it is asked to stop.
const SERVE: &str = "[ -e /data/first ] || echo $VERSION > /data/first; trap 'exit 0' TERM; while :; do sleep 0.1; done";

fn options() -> UpdateOptions {
    let recreate = RecreateOptions {
        settle: Duration::from_millis(300),
        allow_lossy: true, // Podman's inspect hides things; elsewhere it allows nothing
        stop_timeout: Some(Duration::from_secs(2)),
        ..RecreateOptions::default()
    };
    UpdateOptions { recreate, ..UpdateOptions::default() }
}

fn version(number: &str) -> Image {
    Image::new().version(number).env("VERSION", number).volume("/data").expose("80/tcp").cmd(["sh", "-c", SERVE])
}

fn broken() -> Image {
    Image::new().version("broken").volume("/data").cmd(["sh", "-c", "echo the level file is corrupt; exit 3"])
}

/// A container of the same image that an update leaves alone says why, and what would recreate it.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_of_another_reference_has_its_reason_in_the_plan() {
    let lab = Lab::get();
    let scope = lab.scope("plan-other");
    let old = scope.pull(&version("1").build(), "t");
    let other = scope.reference("other");
    lab.engine.tag(&old.reference, &other);
    let digest = format!("{}@{}", old.reference.strip_suffix(":t").unwrap(), old.digest);
    for (name, image) in [("own", &old.reference), ("other", &other), ("pinned", &digest)] {
        lab.engine.create(&scope.name(name), &json!({"Image": image}));
    }
    scope.publish(&version("2").build(), "t");
    let plan = refit().await.plan_update(&old.reference, options()).await.unwrap();
    let of =
        |name: &str| plan.containers.iter().find(|one| one.container == scope.name(name)).unwrap_or_else(|| panic!("{name}: {plan:?}"));
    assert_eq!((of("own").action, &of("own").reason), (PlannedAction::Recreate, &None));
    for (name, words) in [("other", other.as_str()), ("pinned", "pins it")] {
        let planned = of(name);
        assert_eq!(planned.action, PlannedAction::OtherReference, "{name}");
        assert!(planned.reason.as_ref().is_some_and(|reason| reason.contains(words)), "{name}: {:?}", planned.reason);
    }
}

/// The three containers of the demo.
struct Three {
    scope: Scope<'static>,
    old: Published,
    network: String,
}

impl Three {
    fn new(name: &str) -> Self {
        let lab = Lab::get();
        let scope = lab.scope(name);
        let old = scope.pull(&version("1").build(), "t");
        let (network, base) = scope.network_with_subnet("n");
        let volume = scope.volume("data");
        let address = format!("{base}.77");
        let web = json!({
            "Image": old.reference, "Env": ["MODE=live"], "Labels": {"own": "1"}, "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {"Binds": [format!("{volume}:/data")], "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]},
                "NetworkMode": network},
            "NetworkingConfig": {"EndpointsConfig": {&network: {"IPAMConfig": {"IPv4Address": address}}}},
        });
        let job = json!({"Image": old.reference, "HostConfig": {"RestartPolicy": {"Name": "always"}, "NetworkMode": network}});
        let spare = json!({"Image": old.reference, "HostConfig": {"NetworkMode": network}});
        lab.engine.run(&scope.name("web"), &web);
        lab.engine.run(&scope.name("job"), &job);
        lab.engine.create(&scope.name("spare"), &spare);
        Self { scope, old, network }
    }

    fn inspect(&self, name: &str) -> Value {
        Lab::get().engine.container(&self.scope.name(name)).unwrap_or_else(|| panic!("container {name} is gone"))
    }

    fn image_of_tag(&self) -> String {
        Lab::get().engine.image(&self.old.reference).unwrap()["Id"].as_str().unwrap().to_owned()
    }

    /// There are three containers and no leftovers of a recreation.
    fn assert_tidy(&self) {
        let all = Lab::get().engine.get("/containers/json?all=1");
        let names: Vec<String> = all.as_array().unwrap().iter().map(|one| one["Names"].to_string()).collect();
        let ours: Vec<&String> = names.iter().filter(|name| name.contains(&self.scope.name)).collect();
        assert_eq!(ours.len(), 3, "{ours:?}");
        assert!(!ours.iter().any(|name| name.contains(".refit-")), "{ours:?}");
    }
}

fn result_of(report: &UpdateReport, container: &str) -> RecreationResult {
    let found = report.containers.iter().find_map(|one| match one {
        ContainerUpdate::Recreation(recreation) if recreation.container == container => Some(recreation.result),
        ContainerUpdate::NotAttempted(left) if left.container == container => Some(left.result),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{container} is not in the report"))
}

fn failed(outcome: Outcome<UpdateReport>) -> (Code, UpdateReport) {
    let failure = outcome.expect_err("it should have failed");
    (failure.error.code(), failure.report.expect("a report"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_recreates_all_three_containers() {
    let lab = Lab::get();
    let three = Three::new("update");
    let refit = refit().await;
    let before = ["web", "job", "spare"].map(|name| three.inspect(name));
    let new = three.scope.publish(&version("2").build(), "t");

    let plan = refit.plan_update(&three.old.reference, options()).await.unwrap();
    assert!(plan.pull && plan.download_bytes.is_some());
    assert_eq!(plan.keep_as.is_some(), lab.engine.forgets_untagged_images());
    assert_eq!(plan.expect_digest.as_deref(), Some(new.digest.as_str()));
    let planned: Vec<_> = plan.containers.iter().map(|one| (one.container.clone(), one.action)).collect();
    assert_eq!(planned.last(), Some(&(three.scope.name("spare"), PlannedAction::Recreate)), "running ones come first");
    assert_eq!(planned.iter().filter(|(_, action)| *action == PlannedAction::RecreateAndStart).count(), 2);
    let changed: Vec<_> = plan.image_changes.iter().map(|change| change.field.as_str()).collect();
    assert!(changed.iter().any(|field| field.contains("Env")), "{changed:?}");
    assert_eq!(three.image_of_tag(), before[0]["Image"], "a plan changes nothing");

    let mut confirmed = options();
    confirmed.expect_digest = plan.expect_digest;
    let steps = Arc::new(Mutex::new(Vec::<(String, &str, u32)>::new()));
    let reported = steps.clone();
    let report = refit
        .update(&three.old.reference, confirmed)
        .on_progress(move |progress| {
            reported.lock().unwrap().push((progress.subject.clone(), progress.phase, progress.permille));
            std::ops::ControlFlow::Continue(())
        })
        .await
        .unwrap();
    assert_eq!(report.tag, Some(TagFate::Moved));
    assert!(report.pull.as_ref().unwrap().changed);
    for name in ["web", "job", "spare"] {
        assert_eq!(result_of(&report, &three.scope.name(name)), RecreationResult::Recreated);
    }
    let reported = steps.lock().unwrap().clone();
    assert!(reported.windows(2).all(|pair| pair[0].2 <= pair[1].2), "permille goes down");
    assert_eq!((reported.last().unwrap().1, reported.last().unwrap().2), ("done", 1000));
    for phase in ["checking", "downloading", "creating", "stopping", "renaming", "starting", "waiting", "removing"] {
        assert!(reported.iter().any(|(_, own, _)| *own == phase), "{phase} was never reported");
    }

    let after = ["web", "job", "spare"].map(|name| three.inspect(name));
    for (old, new) in before.iter().zip(&after) {
        assert_ne!(old["Id"], new["Id"]);
        assert_eq!(new["Image"].as_str(), Some(three.image_of_tag().as_str()));
        assert!(lab.engine.container(old["Id"].as_str().unwrap()).is_none(), "the old one is gone");
        assert_eq!(old["HostConfig"]["RestartPolicy"], new["HostConfig"]["RestartPolicy"]);
        let volume = |inspect: &Value| inspect["Mounts"][0]["Name"].clone();
        assert_eq!(volume(old), volume(new), "the same volume, named or anonymous");
    }
    let address = |inspect: &Value| inspect["NetworkSettings"]["Networks"][&three.network]["IPAddress"].clone();
    // Podman does not show that an address was requested: one of its losses.
    assert!(address(&before[0]) == address(&after[0]) || lab.engine.is_podman());
    assert!(after[0]["Config"]["Env"].as_array().unwrap().contains(&json!("VERSION=2")));
    assert!(after[0]["Config"]["Env"].as_array().unwrap().contains(&json!("MODE=live")));
    assert_eq!((&after[0]["State"]["Running"], &after[2]["State"]["Status"]), (&json!(true), &json!("created")));
    for name in ["web", "job"] {
        assert_eq!(lab.engine.exec(&three.scope.name(name), &["cat", "/data/first"]).output, "1\n", "{name}");
    }
    three.assert_tidy();
    let again = refit.update(&three.old.reference, options()).await.unwrap();
    assert!(again.containers.is_empty() && again.pull.is_none() && again.tag == Some(TagFate::Unchanged));

    let removed = refit.remove_old_images(three.old.reference.clone(), Default::default()).await.unwrap();
    assert_eq!(removed.removed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [before[0]["Image"].as_str().unwrap()]);
    assert!(lab.engine.image(before[0]["Image"].as_str().unwrap()).is_none());
    assert!(lab.engine.image(&three.old.reference).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_image_leaves_everything_as_before() {
    let lab = Lab::get();
    let three = Three::new("update-broken");
    let before = ["web", "job", "spare"].map(|name| three.inspect(name));
    three.scope.publish(&broken().build(), "t");
    let (code, report) = failed(refit().await.update(&three.old.reference, options()).await);
    assert_eq!((code, report.tag), (Code::RolledBack, Some(TagFate::Restored)));
    let results: Vec<_> = ["web", "job", "spare"].iter().map(|name| result_of(&report, &three.scope.name(name))).collect();
    assert_eq!(results.iter().filter(|result| **result == RecreationResult::RolledBack).count(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|result| **result == RecreationResult::NotAttempted).count(), 2, "{results:?}");
    let words = report.containers.iter().find_map(|one| match one {
        ContainerUpdate::Recreation(recreation) => recreation.logs_tail.clone(),
        _ => None,
    });
    assert!(words.is_some_and(|words| words.contains("the level file is corrupt")));
    for (name, old) in ["web", "job", "spare"].iter().zip(&before) {
        let now = three.inspect(name);
        for part in ["Id", "Config", "HostConfig", "Image", "Name"] {
            assert_eq!(now[part], old[part], "{name} {part}");
        }
        assert_eq!(now["State"]["Running"], old["State"]["Running"], "{name}");
    }
    assert_eq!(three.image_of_tag(), before[0]["Image"]);
    assert_eq!(lab.engine.exec(&three.scope.name("web"), &["cat", "/data/first"]).output, "1\n");
    three.assert_tidy();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_to_another_digest_than_the_confirmed_one_is_refused() {
    let three = Three::new("update-expect");
    let refit = refit().await;
    three.scope.publish(&version("2").build(), "t");
    let plan = refit.plan_update(&three.old.reference, options()).await.unwrap();
    three.scope.publish(&version("3").build(), "t");
    let before = three.inspect("web");
    let mut confirmed = options();
    confirmed.expect_digest = plan.expect_digest;
    let (code, report) = failed(refit.update(&three.old.reference, confirmed).await);
    assert_eq!((code, report.tag), (Code::Conflict, Some(TagFate::Unchanged)));
    assert!(report.pull.is_none());
    assert_eq!(three.inspect("web")["State"]["StartedAt"], before["State"]["StartedAt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_comes_before_the_download() {
    let lab = Lab::get();
    let three = Three::new("update-refused");
    let refit = refit().await;
    let managed = json!({"Image": three.old.reference, "Labels": {"com.docker.swarm.task.id": "x"}});
    let name = three.scope.name("managed");
    lab.engine.run(&name, &managed);
    three.scope.publish(&version("2").build(), "t");
    let plan = refit.plan_update(&three.old.reference, options()).await.unwrap();
    let planned = plan.containers.iter().find(|one| one.container == name).unwrap();
    assert_eq!(planned.action, PlannedAction::Refused);
    assert!(planned.reason.as_ref().is_some_and(|reason| reason.contains(&name)));
    let mark = lab.registry.mark();
    let (code, report) = failed(refit.update(&three.old.reference, options()).await);
    assert_eq!(code, Code::Unsupported);
    assert!(report.pull.is_none() && report.tag == Some(TagFate::Unchanged));
    let blobs = lab.registry.requests_since(&mark, &three.scope.name).into_iter().filter(|seen| seen.path.contains("/blobs/"));
    assert!(blobs.count() <= 1, "at most the configuration was asked for, to tell the version");
    let mut subset = options();
    subset.containers = Some(vec![three.scope.name("web")]);
    let report = refit.update(&three.old.reference, subset).await.unwrap();
    assert_eq!(report.containers.len(), 1);
    let mut unknown = options();
    unknown.containers = Some(vec!["nobody".into()]);
    assert_eq!(refit.plan_update(&three.old.reference, unknown).await.unwrap_err().error.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_update_of_an_image_is_busy_and_a_cancelled_one_ends_cleanly() {
    let three = Three::new("update-busy");
    let refit = refit().await;
    three.scope.publish(&version("2").random_layer(60 * 1024 * 1024, 1).build(), "t");
    let before = three.image_of_tag();
    let cancel = Cancel::new();
    let (started, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let first = tokio::spawn({
        let update = refit.update(&three.old.reference, options()).cancel(&cancel).on_progress(move |progress| {
            if progress.phase == "downloading" {
                let _ = started.send(());
            }
            std::ops::ControlFlow::Continue(())
        });
        async move { update.await }
    });
    begun.recv().await.expect("a download");
    assert_eq!(refit.update(&three.old.reference, options()).await.err().unwrap().error.code(), Code::Busy);
    cancel.fire();
    let (code, report) = failed(first.await.unwrap());
    assert_eq!(code, Code::Cancelled);
    assert!(report.containers.is_empty());
    assert_eq!(three.image_of_tag(), before);
    three.assert_tidy();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_between_two_containers_leaves_each_whole() {
    let three = Three::new("update-cancel");
    let refit = refit().await;
    three.scope.publish(&version("2").build(), "t");
    let before = ["web", "job", "spare"].map(|name| three.inspect(name));
    let phases = ["creating", "verifying", "stopping", "renaming", "starting", "waiting"];
    // The first "verifying" is the pull's: Podman goes on with a cancelled pull and may move the tag later.
    let phases = phases.into_iter().filter(|at| *at != "verifying" || !Lab::get().engine.is_podman());
    for (at, stops) in phases.flat_map(|at| [(at, false), (at, true)]) {
        let cancel = Cancel::new();
        let firing = cancel.clone();
        let update = refit.update(&three.old.reference, options()).cancel(&cancel).on_progress(move |progress| {
            match progress.phase == at {
                true if stops => return std::ops::ControlFlow::Break(()),
                true => firing.fire(),
                false => {}
            }
            std::ops::ControlFlow::Continue(())
        });
        let (code, report) = failed(update.await);
        assert_eq!(code, if stops { Code::Stopped } else { Code::Cancelled }, "at {at}");
        // The first "verifying" is the end of the pull, when the tag may not have moved yet.
        assert!(matches!(report.tag, Some(TagFate::Restored | TagFate::Unchanged)), "at {at}: {:?}", report.tag);
        assert_eq!(three.image_of_tag(), before[0]["Image"], "at {at}");
        for (name, old) in ["web", "job", "spare"].iter().zip(&before) {
            let now = three.inspect(name);
            assert_eq!((&now["Id"], &now["HostConfig"]), (&old["Id"], &old["HostConfig"]), "{name} at {at}");
            assert_eq!(now["State"]["Running"], old["State"]["Running"], "{name} at {at}");
        }
        three.assert_tidy();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_an_update_goes_on_where_the_option_says_so() {
    let lab = Lab::get();
    let scope = lab.scope("update-continue");
    let old = scope.pull(&version("1").build(), "t");
    // The new image's command fails only where the variable says so.
    for (name, fails) in [("a", "1"), ("b", ""), ("c", "")] {
        lab.engine.run(&scope.name(name), &json!({"Image": old.reference, "Env": [format!("FAILS={fails}")]}));
    }
    let command = "[ -z \"$FAILS\" ] || exit 4; trap 'exit 0' TERM; while :; do sleep 0.1; done";
    scope.publish(&Image::new().version("2").cmd(["sh", "-c", command]).build(), "t");
    let mut on = options();
    on.on_failure = OnFailure::Continue;
    let (code, report) = failed(refit().await.update(&old.reference, on).await);
    assert_eq!((code, report.tag), (Code::RolledBack, Some(TagFate::Moved)));
    let results: Vec<_> = ["a", "b", "c"].iter().map(|name| result_of(&report, &scope.name(name))).collect();
    assert_eq!(results, [RecreationResult::RolledBack, RecreationResult::Recreated, RecreationResult::Recreated]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_but_a_pull_downloads_an_image() {
    let lab = Lab::get();
    if lab.engine.is_podman() {
        return not_here("this Podman has no journal, and so no events");
    }
    let three = Three::new("update-manual");
    three.scope.publish(&version("2").build(), "t");
    let since = lab.engine.now();
    let refit = refit().await;
    refit.plan_update(&three.old.reference, options()).await.unwrap();
    refit.image_status(&three.old.reference).await.unwrap();
    refit.start_container(&three.scope.name("spare"), std::slice::from_ref(&three.old.reference)).await.unwrap();
    refit.recreate_container(three.scope.name("job"), options().recreate).await.unwrap();
    refit.recover(Some(&three.scope.name("job")), Default::default()).await.unwrap();
    let events = lab.engine.events_since(&since, &three.scope.name);
    assert!(events.iter().any(|event| event["Action"] == "start"), "the events are seen");
    let pulls: Vec<_> = events.iter().filter(|event| event["Type"] == "image" && event["Action"] == "pull").collect();
    assert!(pulls.is_empty(), "{pulls:?}");
}
