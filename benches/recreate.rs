//! Downtime of one recreation by the engine's clock (from the end of the old container to the start of the new one), beside what the engine
//! itself needs to stop and start a container that exists already, and beside stop, remove, create, start. In turn, ten rounds each; once with a
//! small container and once with 20,000 files in its writable layer. Then ten containers of one image updated side by side and one at a time.
//!
//! `make bench-recreate`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use refit::container::RecreateOptions;
use refit::image::UpdateOptions;
use refit::{ConnectOptions, Refit};
use refit_lab::{Image, Lab};
use serde_json::{Value, json};

const ROUNDS: usize = 10;
const CONTAINERS: usize = 10;
const FILES: &str = "mkdir /many; i=0; while [ $i -lt 20000 ]; do : > /many/$i; i=$((i+1)); done; echo made";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let lab = Lab::get();
    let mut options = ConnectOptions::default();
    options.host = Some(lab.engine.host());
    let refit = Refit::connect(options).await.expect("the lab's engine");
    one_container(lab, &refit, "small container", None).await;
    one_container(lab, &refit, "20,000 files in the writable layer", Some(FILES)).await;
    many_containers(lab, &refit).await;
}

async fn one_container(lab: &Lab, refit: &Refit, what: &str, fill: Option<&str>) {
    let scope = lab.scope("bench-recreate");
    let image = scope.pull(&Image::new().build(), "t");
    let (network, base) = scope.network_with_subnet("n");
    let body = |last: u8| {
        let address = format!("{base}.{last}");
        json!({"Image": image.reference, "HostConfig": {"NetworkMode": network, "Binds": [format!("{}:/data", scope.name("v"))],
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}}, "ExposedPorts": {"80/tcp": {}},
            "NetworkingConfig": {"EndpointsConfig": {&network: {"IPAMConfig": {"IPv4Address": address}}}}})
    };
    let names = ["engine", "classic", "refit"].map(|name| scope.name(name));
    for (name, last) in names.iter().zip([101, 102, 103]) {
        lab.engine.run(name, &body(last));
    }
    let fill = |name: &str| {
        if let Some(fill) = fill {
            assert_eq!(lab.engine.exec(name, &["sh", "-c", fill]).output, "made\n");
        }
    };
    let mut recreate = RecreateOptions::default();
    recreate.settle = Duration::from_millis(500);
    let (mut engine, mut classic, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let old = lab.engine.container(&names[0]).unwrap();
        fill(&names[0]);
        post(lab, &format!("/containers/{}/stop", names[0]));
        post(lab, &format!("/containers/{}/start", names[0]));
        let now = lab.engine.container(&names[0]).unwrap();
        assert_eq!(old["Id"], now["Id"]);
        engine.push(between(&now["State"]["FinishedAt"], &now["State"]["StartedAt"]));

        fill(&names[1]);
        post(lab, &format!("/containers/{}/stop", names[1]));
        let stopped = lab.engine.container(&names[1]).unwrap();
        lab.engine.delete(&format!("/containers/{}", names[1]));
        lab.engine.run(&names[1], &body(102));
        let new = lab.engine.container(&names[1]).unwrap();
        classic.push(between(&stopped["State"]["FinishedAt"], &new["State"]["StartedAt"]));

        fill(&names[2]);
        let report = refit.recreate_container(names[2].as_str(), recreate.clone()).await.expect("a recreation");
        ours.push(report.downtime_ms.expect("it ran") as f64);
    }
    println!("{what}: downtime in ms, median (min to max), {ROUNDS} rounds");
    let base = report("engine: stop, start of the same container", &mut engine, None);
    report("stop, remove, create, start", &mut classic, Some(base));
    report("refit", &mut ours, Some(base));
}

async fn many_containers(lab: &Lab, refit: &Refit) {
    let scope = lab.scope("bench-many");
    let image = scope.pull(&Image::new().version("0").build(), "t");
    for index in 0..CONTAINERS {
        lab.engine.run_image(&scope.name(&format!("c{index}")), &image.reference);
    }
    println!("{CONTAINERS} running containers of one image, wall s of img_update (settle 0.5 s)");
    for (round, at_once) in [1, 4, 1, 4].into_iter().enumerate() {
        scope.publish(&Image::new().version(&format!("{}", round + 1)).build(), "t");
        let mut options = UpdateOptions::default();
        options.recreate.settle = Duration::from_millis(500);
        options.max_concurrency = Some(at_once);
        let begun = Instant::now();
        let report = refit.update(&image.reference, options).await.expect("an update");
        assert_eq!(report.containers.len(), CONTAINERS);
        println!("  {at_once} at a time: {:.2}", begun.elapsed().as_secs_f64());
    }
}

fn post(lab: &Lab, path: &str) {
    lab.engine.post(path, &json!(null));
}

fn between(finished: &Value, started: &Value) -> f64 {
    let at = |time: &Value| time.as_str().unwrap().parse::<Timestamp>().unwrap();
    at(started).duration_since(at(finished)).as_secs_f64() * 1000.0
}

fn report(who: &str, values: &mut [f64], base: Option<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
    let share = base.map(|base| format!(", {:.2} of the engine's", median / base)).unwrap_or_default();
    println!("  {who:42} {median:6.0} ({:.0} to {:.0}){share}", values[0], values[values.len() - 1]);
    median
}
