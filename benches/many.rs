//! Fifty running containers of one image that are updated, each of which has to settle for a second: wall time, and the downtime of each by
//! the engine's clock, with one, four and sixteen at a time; and compose's `up -d` with fifty services, whose new image is there already.
//!
//! `make bench-many`; with compose where `docker compose` or `docker-compose` is installed.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use refit::container::RecreateOptions;
use refit::image::{ContainerUpdate, UpdateOptions};
use refit::{ConnectOptions, Refit};
use refit_lab::{Image, Lab, Published, Scope};
use serde_json::{Map, Value, json};

const CONTAINERS: usize = 50;
const ROUNDS: usize = 3;
const AT_ONCE: [usize; 3] = [4, 16, 1];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let lab = Lab::get();
    let options = ConnectOptions { host: Some(lab.engine.host()), ..ConnectOptions::default() };
    let refit = Refit::connect(options).await.expect("the lab's engine");
    let scope = lab.scope("bench-many");
    let image = scope.pull(&Image::new().version("0").build(), "t");
    for index in 0..CONTAINERS {
        lab.engine.run_image(&scope.name(&format!("c{index}")), &image.reference);
    }
    println!("{CONTAINERS} running containers of one image, settle 1 s: wall s of img_update; downtime of each in ms, median (min to max)");
    for round in 1..=ROUNDS {
        for at_once in AT_ONCE {
            scope.publish(&Image::new().version(&format!("{round}.{at_once}")).build(), "t");
            update(&refit, &image, at_once).await;
        }
    }
    for index in 0..CONTAINERS {
        lab.engine.delete(&format!("/containers/{}?force=1", scope.name(&format!("c{index}"))));
    }
    match compose_program() {
        Some(program) => compose(lab, &scope, &image, program),
        None => println!("compose is not installed"),
    }
}

async fn update(refit: &Refit, image: &Published, at_once: usize) {
    let recreate = RecreateOptions { settle: Duration::from_secs(1), ..RecreateOptions::default() };
    let options = UpdateOptions { recreate, max_concurrency: Some(at_once), ..UpdateOptions::default() };
    let begun = Instant::now();
    let report = refit.update(&image.reference, options).await.expect("an update");
    let wall = begun.elapsed().as_secs_f64();
    assert_eq!(report.containers.len(), CONTAINERS);
    let downtime = |update: &ContainerUpdate| match update {
        ContainerUpdate::Recreation(report) => report.downtime_ms.expect("it ran"),
        other => panic!("its turn never came: {other:?}"),
    };
    let mut downtimes: Vec<_> = report.containers.iter().map(downtime).collect();
    downtimes.sort_unstable();
    let (least, median, most) = (downtimes[0], downtimes[CONTAINERS / 2], downtimes[CONTAINERS - 1]);
    println!("  refit, {at_once:2} at a time: {wall:5.2}; {median} ({least} to {most})");
}

fn compose_program() -> Option<&'static [&'static str]> {
    let works = |program: &&&'static [&'static str]| {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg("version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    [&["docker", "compose"][..], &["docker-compose"]].iter().find(works).copied()
}

fn compose(lab: &Lab, scope: &Scope<'_>, image: &Published, program: &[&str]) {
    let name = scope.name("compose");
    let mut services = Map::new();
    for index in 0..CONTAINERS {
        let service = json!({"image": image.reference, "container_name": format!("{name}-{index}"), "network_mode": "bridge"});
        services.insert(format!("c{index}"), service);
    }
    let file = std::env::temp_dir().join(format!("{name}.json"));
    std::fs::write(&file, json!({"version": "3.5", "services": Value::Object(services)}).to_string()).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg("-f").arg(&file).args(["-p", &name]).args(arguments);
        let done = command.env("DOCKER_HOST", lab.engine.host()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run(&["up", "-d"]);
    for round in 1..=ROUNDS {
        scope.pull(&Image::new().version(&format!("compose {round}")).build(), "t");
        let begun = Instant::now();
        run(&["up", "-d"]);
        println!("  compose up -d:       {:5.2}", begun.elapsed().as_secs_f64());
    }
    run(&["down"]);
    let _ = std::fs::remove_file(&file);
}
