//! The lab proves itself: what it says it made is there, and what it says is gone is gone.

use std::time::{Duration, Instant};

use refit_lab::{Compression, Format, Image, Index, Lab};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn an_image_is_published_pulled_run_and_stops_at_once() {
    let lab = Lab::get();
    let scope = lab.scope("run");
    let image = scope.pull(&Image::new().version("1.0").env("A", "1").file("etc/motd", b"hello").build(), "1");
    let name = scope.name("c");
    lab.engine.run(&name, &json!({ "Image": image.reference, "HostConfig": { "NetworkMode": scope.network("net") } }));
    lab.engine.wait_status(&name, "running", LIMIT);
    let done = lab.engine.exec(&name, &["sh", "-c", "cat /etc/motd /version; echo $A >&2; exit 3"]);
    assert_eq!((done.code, done.output.as_str(), done.errors.as_str()), (3, "hello1.0", "1\n"));
    // The log driver writes when it comes to it.
    let end = Instant::now() + LIMIT;
    while lab.engine.logs(&name) != "ready\n" {
        assert!(Instant::now() < end, "the log is {:?}", lab.engine.logs(&name));
    }
    let begun = Instant::now();
    lab.engine.post(&format!("/containers/{name}/stop"), &json!(null));
    assert!(begun.elapsed() < Duration::from_secs(3), "took {:?} to stop", begun.elapsed());
    assert_eq!(lab.engine.status(&name).as_deref(), Some("exited"));
}

#[test]
fn a_scope_takes_its_own_away_and_nothing_else() {
    let lab = Lab::get();
    let other = lab.scope("stays");
    let kept = other.pull(&Image::new().build(), "1");
    other.volume("v");
    let scope = lab.scope("goes");
    let image = scope.pull(&Image::new().build(), "1");
    let (container, volume, network) = (scope.name("c"), scope.volume("v"), scope.network("n"));
    lab.engine.run_image(&container, &image.reference);
    drop(scope);
    assert!(lab.engine.container(&container).is_none());
    assert!(lab.engine.find(&format!("/volumes/{volume}")).is_none());
    assert!(lab.engine.find(&format!("/networks/{network}")).is_none());
    assert!(lab.engine.image(&image.reference).is_none());
    assert!(lab.engine.image(&kept.reference).is_some());
    assert!(lab.engine.find(&format!("/volumes/{}", other.name("v"))).is_some());
}

#[test]
fn every_kind_of_manifest_is_taken_by_registry_and_engine() {
    let lab = Lab::get();
    let scope = lab.scope("kinds");
    let base = Image::new();
    let own = base.clone().format(Format::Oci).annotation("a", "b").build();
    let arm = base.clone().platform("linux/arm64/v8").format(Format::Oci).build();
    let index = Index::new(Format::Oci).image(&own).image(&arm).attestation(&own, "built").build();
    let list = Index::new(Format::Docker).image(&base.build()).image(&base.clone().platform("linux/arm/v7").build()).build();
    let plain = base.clone().compression(Compression::Plain).build();
    let packed = base.clone().compression(Compression::Gzip(9)).build();
    for (tag, artifact) in
        [("v2s2", &base.build()), ("oci", &own), ("index", &index), ("list", &list), ("plain", &plain), ("gzip9", &packed)]
    {
        let published = scope.pull(artifact, tag);
        assert_eq!(lab.registry.digest_of(&scope.name, tag), Some(artifact.digest.clone()), "{tag}");
        let digests = lab.engine.image(&published.reference).unwrap()["RepoDigests"].to_string();
        assert!(digests.contains(&artifact.digest), "{tag}: {digests}");
    }
    let published = scope.publish(&index, "arm");
    lab.engine.pull_platform(&published.reference, "linux/arm64").unwrap();
    lab.registry.delete_tag(&scope.name, "oci");
    assert_eq!(lab.registry.digest_of(&scope.name, "oci"), None);
    assert!(lab.registry.digest_of(&scope.name, &own.digest).is_some());
    lab.registry.delete_manifest(&scope.name, &list.digest);
    assert_eq!(lab.registry.digest_of(&scope.name, "list"), None);
}

#[test]
fn an_archive_is_loaded() {
    let lab = Lab::get();
    let scope = lab.scope("load");
    let image = Image::new().build();
    let name = format!("{}:local", scope.name);
    lab.engine.load(&image.archive(&[&name]));
    assert!(lab.engine.image(&name).is_some());
    assert!(lab.engine.run_image(&scope.name("c"), &name).len() == 64);
}

#[test]
fn requests_of_one_repository_are_counted() {
    let lab = Lab::get();
    let scope = lab.scope("count");
    let other = lab.scope("other");
    let mark = lab.registry.mark();
    let image = scope.pull(&Image::scratch().random_layer(5_000_000, 7).build(), "1");
    other.pull(&Image::new().build(), "1");
    let seen = lab.registry.requests_since(&mark, &scope.name);
    let layer = seen.iter().filter(|seen| seen.path.contains(&image.artifact.blobs[1].digest)).collect::<Vec<_>>();
    assert_eq!(layer.len(), 1, "{seen:#?}");
    assert!(layer[0].bytes > 5_000_000 && layer[0].method == "GET" && !layer[0].user_agent.is_empty(), "{layer:?}");
    assert!(lab.registry.requests_since(&lab.registry.mark(), &scope.name).is_empty());
}

#[test]
fn events_are_seen_live_and_afterwards() {
    let lab = Lab::get();
    let scope = lab.scope("events");
    let image = scope.pull(&Image::new().build(), "1");
    let since = lab.engine.now();
    let events = lab.engine.events();
    let id = lab.engine.run_image(&scope.name("c"), &image.reference);
    let seen = events.until(LIMIT, |event| event["Actor"]["ID"] == json!(id) && event["Action"] == "start");
    assert!(seen.iter().any(|event| event["Action"] == "create"));
    // Podman writes what has passed a moment later.
    let end = Instant::now() + LIMIT;
    while !lab.engine.events_since(&since, &id).iter().any(|event| event["Action"] == "start") {
        assert!(Instant::now() < end, "{:?}", lab.engine.events_since(&since, ""));
    }
}

#[test]
fn a_private_engine_survives_a_kill_and_reaches_the_registry() {
    let lab = Lab::get();
    let scope = lab.scope("private");
    let published = scope.publish(&Image::new().build(), "1");
    let mut private = lab.private_engine("private", &json!({}));
    let engine = private.dockerd.engine();
    engine.pull(&published.reference).unwrap();
    engine.run("one", &json!({ "Image": published.reference, "HostConfig": { "RestartPolicy": { "Name": "always" } } }));
    private.dockerd.kill();
    assert!(!engine.answers());
    private.dockerd.start_again();
    engine.wait_status("one", "running", LIMIT);
    private.dockerd.stop();
    assert!(!engine.answers());
}

#[test]
fn a_registry_with_a_login_refuses_strangers() {
    let lab = Lab::get();
    let scope = lab.scope("login");
    let private = lab.registry_with_login();
    let published = private.registry.publish(&Image::new().build(), &scope.name, "1");
    let refused = lab.engine.pull(&published.reference).unwrap_err();
    assert!(refused.contains("auth"), "{refused}");
    let mut stranger = private.registry.clone();
    stranger.login = None;
    assert_eq!(stranger.ask("GET", "/v2/", &[], b"").status, 401);
}
