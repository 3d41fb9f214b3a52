//! What a plan and an update of fifty containers cost among a thousand that they do not concern: wall time and memory, then requests to the
//! engine, counted by a proxy before it; and the same among ten others.
//!
//! No container runs, so that the time is that of the library and the engine, not of containers that stop and start. `make bench-crowd`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::time::{Duration, Instant};

use refit::container::RecreateOptions;
use refit::image::UpdateOptions;
use refit::{ConnectOptions, Refit};
use refit_lab::{Image, Lab, Proxy, Published, Scope};
use serde_json::json;

const MEMBERS: usize = 50;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let lab = Lab::get();
    for others in [10, 950] {
        let scope = lab.scope("bench-crowd");
        let other = scope.pull(&Image::new().build(), "other");
        let image = scope.pull(&Image::new().version("0").build(), "t");
        let create = |name: String, image: &str| {
            lab.engine.create(&scope.name(&name), &json!({"Image": image, "HostConfig": {"NetworkMode": "none"}}));
        };
        (0..others).for_each(|number| create(format!("o{number}"), &other.reference));
        (0..MEMBERS).for_each(|number| create(format!("m{number}"), &image.reference));
        println!("{MEMBERS} containers of an image, {others} others");
        let direct = connect(lab.engine.host()).await;
        for round in 1..=3 {
            measure(&direct, &scope, &image, round).await;
        }
        let proxy = Proxy::engine(lab);
        let counted = connect(proxy.host.clone()).await;
        scope.publish(&Image::new().version("counted").build(), "t");
        proxy.reset();
        counted.plan_update(&image.reference, options()).await.expect("a plan");
        let plan = proxy.requests().len();
        proxy.reset();
        counted.update(&image.reference, options()).await.expect("an update");
        println!("  requests: plan {plan}, update {}", proxy.requests().len());
    }
}

async fn measure(refit: &Refit, scope: &Scope<'_>, image: &Published, round: usize) {
    scope.publish(&Image::new().version(&round.to_string()).build(), "t");
    let begun = Instant::now();
    refit.plan_update(&image.reference, options()).await.expect("a plan");
    let plan = begun.elapsed();
    let before = peak(true);
    let begun = Instant::now();
    let report = refit.update(&image.reference, options()).await.expect("an update");
    let update = begun.elapsed();
    assert_eq!(report.containers.len(), MEMBERS);
    let more = peak(false).saturating_sub(before);
    println!(
        "  round {round}: plan {:.2} s, update {:.2} s, memory +{:.1} MiB",
        plan.as_secs_f64(),
        update.as_secs_f64(),
        more as f64 / 1024.0
    );
}

async fn connect(host: String) -> Refit {
    let options = ConnectOptions { host: Some(host), timeout: Duration::from_secs(120), ..ConnectOptions::default() };
    Refit::connect(options).await.expect("the lab's engine")
}

fn options() -> UpdateOptions {
    let recreate = RecreateOptions { settle: Duration::ZERO, ..RecreateOptions::default() };
    UpdateOptions { recreate, ..UpdateOptions::default() }
}

/// The most memory of this process so far, in KiB; counted anew from now on where `reset` is set.
fn peak(reset: bool) -> u64 {
    if reset {
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
