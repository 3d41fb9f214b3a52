//! `container_stats` on a real engine, beside `docker stats`.

use std::process::Command;
use std::time::{Duration, Instant};

use refit::Code;
use refit_lab::{Image, Lab, not_here};
use serde_json::{Value, json};

use crate::connected::refit;

/// Half a processor, 24 MiB of memory in `/dev/shm`, and 32 MiB of files that can be dropped.
const BUSY: &str =
    "dd if=/dev/zero of=/dev/shm/kept bs=1M count=24; dd if=/dev/zero of=/file bs=1M count=32; sync; echo ready; while :; do :; done";

/// `12.3MiB` in bytes.
fn bytes(text: &str) -> f64 {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap();
    let unit = match &text[at..] {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        other => panic!("{other}"),
    };
    text[..at].parse::<f64>().unwrap() * unit
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_are_those_of_docker_stats() {
    let lab = Lab::get();
    let scope = lab.scope("stats");
    let image = scope.pull(&Image::new().cmd(["sh", "-c", BUSY]).build(), "t");
    let name = scope.name("c");
    let host = json!({"Memory": 256 * 1024 * 1024, "NanoCpus": 500_000_000_u64});
    lab.engine.run(&name, &json!({"Image": image.reference, "HostConfig": host}));
    let end = Instant::now() + Duration::from_secs(120);
    while !lab.engine.logs(&name).contains("ready") {
        assert!(Instant::now() < end, "{}", lab.engine.logs(&name));
        std::thread::sleep(Duration::from_millis(100));
    }
    let refit = refit().await;
    let stats = refit.container_stats(&name).await.unwrap();
    assert_eq!(stats.memory_limit_bytes, 256 * 1024 * 1024);
    let megabytes = stats.memory_usage_bytes as f64 / 1024.0 / 1024.0;
    assert!((24.0..50.0).contains(&megabytes), "{megabytes} MiB: files that can be dropped do not count");
    assert!((stats.memory_percent - megabytes / 256.0 * 100.0).abs() < 0.1);
    assert!(stats.cpu_percent > 1.0 && stats.cpu_percent < 75.0, "{} of the half processor that it may use", stats.cpu_percent);
    assert_eq!(stats.cpu_cores, lab.engine.get("/info")["NCPU"].as_u64().unwrap());
    assert!(stats.network_rx_bytes.is_some() && stats.network_tx_bytes.is_some());
    assert!(stats.pids.is_some_and(|pids| (1..10).contains(&pids)), "{stats:?}");

    let mut docker = Command::new("docker");
    docker.env("DOCKER_HOST", lab.engine.host()).env("DOCKER_API_VERSION", if lab.engine.api() < (1, 41) { "1.40" } else { "1.41" });
    let Ok(done) = docker.args(["stats", "--no-stream", "--format", "{{json .}}", &name]).output() else {
        return not_here("there is no docker command to compare with");
    };
    let theirs: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    let ours = refit.container_stats(&name).await.unwrap();
    let usage = bytes(theirs["MemUsage"].as_str().unwrap().split(" / ").next().unwrap());
    assert!((ours.memory_usage_bytes as f64 - usage).abs() < 4.0 * 1024.0 * 1024.0, "{} and {usage}", ours.memory_usage_bytes);
    assert_eq!(theirs["PIDs"], ours.pids.unwrap().to_string());
    let mut blocks = theirs["BlockIO"].as_str().unwrap().split(" / ").map(bytes);
    let written = blocks.nth(1).unwrap();
    assert!((ours.block_write_bytes as f64 - written).abs() < 2e6 + written * 0.05, "{} and {written}", ours.block_write_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_containers_are_asked_at_once() {
    let lab = Lab::get();
    let scope = lab.scope("stats-many");
    let image = scope.pull(&Image::new().build(), "t");
    let names: Vec<String> = (0..20).map(|number| scope.name(&format!("c{number}"))).collect();
    for name in &names {
        lab.engine.run_image(name, &image.reference);
    }
    let refit = refit().await;
    let begun = Instant::now();
    let calls = names.iter().map(|name| {
        let (refit, name) = (refit.clone(), name.clone());
        tokio::spawn(async move { refit.container_stats(&name).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let stats = call.await.unwrap().unwrap();
        assert!(stats.memory_usage_bytes > 0 && stats.cpu_percent >= 0.0, "{stats:?}");
    }
    // Twenty after one another would take twenty seconds and more; alone it is 1.2 s.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_run_or_has_the_machines_network() {
    let lab = Lab::get();
    let scope = lab.scope("stats-off");
    let image = scope.pull(&Image::new().build(), "t");
    let (host, none) = (scope.name("host"), scope.name("none"));
    lab.engine.run(&host, &json!({"Image": image.reference, "HostConfig": {"NetworkMode": "host"}}));
    lab.engine.run(&none, &json!({"Image": image.reference, "HostConfig": {"NetworkMode": "none"}}));
    let refit = refit().await;
    let stats = refit.container_stats(&host).await.unwrap();
    assert_eq!((stats.network_rx_bytes, stats.network_tx_bytes), (None, None));
    assert_eq!(refit.container_stats(&none).await.unwrap().network_rx_bytes, Some(0));
    refit.stop_container(&host, None).await.unwrap();
    let error = refit.container_stats(&host).await.unwrap_err();
    assert_eq!((error.code(), error.context().container.as_deref()), (Code::Conflict, Some(host.as_str())), "{error}");
    assert_eq!(refit.container_stats(&scope.name("missing")).await.unwrap_err().code(), Code::NotFound);
}
