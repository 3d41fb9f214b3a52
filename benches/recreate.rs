//! Downtime of one recreation by the engine's clock (from the end of the old container to the start of the new one), beside what the engine
//! itself needs to stop and start a container that exists already, and beside stop, remove, create, start, and compose's `up -d
//! --force-recreate`. In turn, ten rounds each; once with a small container and once with 20,000 files in its writable layer.
//!
//! `make bench-recreate`; with compose where `docker compose` or `docker-compose` is installed.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use refit::container::RecreateOptions;
use refit::{ConnectOptions, Refit};
use refit_lab::{Image, Lab};
use serde_json::{Value, json};

const ROUNDS: usize = 10;
const FILES: &str = "mkdir /many; i=0; while [ $i -lt 20000 ]; do : > /many/$i; i=$((i+1)); done; echo made";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let lab = Lab::get();
    let options = ConnectOptions { host: Some(lab.engine.host()), ..ConnectOptions::default() };
    let refit = Refit::connect(options).await.expect("the lab's engine");
    one_container(lab, &refit, "small container", None).await;
    one_container(lab, &refit, "20,000 files in the writable layer", Some(FILES)).await;
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
    let compose = Compose::find(scope.name("compose"), &body(104), &network);
    if let Some(compose) = &compose {
        compose.up(lab);
    }
    let fill = |name: &str| {
        if let Some(fill) = fill {
            assert_eq!(lab.engine.exec(name, &["sh", "-c", fill]).output, "made\n");
        }
    };
    let recreate = RecreateOptions { settle: Duration::from_millis(500), ..RecreateOptions::default() };
    let (mut engine, mut classic, mut composed, mut ours) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
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

        if let Some(compose) = &compose {
            fill(&compose.name);
            let since = lab.engine.now();
            compose.up(lab);
            let events = lab.engine.events_since(&since, &compose.name);
            let at = |action: &str| events.iter().rev().find(|event| event["Action"] == action).unwrap()["timeNano"].as_f64().unwrap();
            composed.push((at("start") - at("die")) / 1e6);
        }

        fill(&names[2]);
        let report = refit.recreate_container(names[2].as_str(), recreate.clone()).await.expect("a recreation");
        ours.push(report.downtime_ms.expect("it ran") as f64);
    }
    println!("{what}: downtime in ms, median (min to max), {ROUNDS} rounds");
    let base = report("engine: stop, start of the same container", &mut engine, None);
    report("stop, remove, create, start", &mut classic, Some(base));
    if !composed.is_empty() {
        report("compose up -d --force-recreate", &mut composed, Some(base));
    }
    report("refit", &mut ours, Some(base));
}

/// A project of one container.
struct Compose {
    program: &'static [&'static str],
    name: String,
    file: PathBuf,
}

impl Compose {
    /// None where compose is not installed.
    fn find(name: String, body: &Value, network: &str) -> Option<Self> {
        let works = |program: &&&'static [&'static str]| {
            let mut command = Command::new(program[0]);
            command.args(&program[1..]).arg("version").stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let program = [&["docker", "compose"][..], &["docker-compose"]].iter().find(works).copied()?;
        let volume = body["HostConfig"]["Binds"][0].as_str().unwrap().split(':').next().unwrap();
        let address = &body["NetworkingConfig"]["EndpointsConfig"][network]["IPAMConfig"]["IPv4Address"];
        let project = json!({
            "version": "3.5",
            "services": {"one": {"image": body["Image"], "container_name": name, "ports": ["127.0.0.1::80"], "volumes": ["v:/data"],
                "networks": {"n": {"ipv4_address": address}}}},
            "networks": {"n": {"external": true, "name": network}},
            "volumes": {"v": {"external": true, "name": volume}},
        });
        let file = std::env::temp_dir().join(format!("{name}.json"));
        std::fs::write(&file, project.to_string()).unwrap();
        Some(Self { program, name, file })
    }

    fn up(&self, lab: &Lab) {
        let mut command = Command::new(self.program[0]);
        command.args(&self.program[1..]).arg("-f").arg(&self.file).args(["-p", &self.name, "up", "-d", "--force-recreate"]);
        let done = command.env("DOCKER_HOST", lab.engine.host()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
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
