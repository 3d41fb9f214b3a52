//! A pull of 200 MB through refit, beside `docker pull` of the same image, in turn: wall time and the client's own CPU time.
//!
//! `make bench-pull`. Each side is a process of its own that pulls once; the image is removed from the engine between the rounds.
#![allow(missing_docs, unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use refit::image::PullOptions;
use refit::{ConnectOptions, Refit};
use refit_lab::{Image, Lab};

const ROUNDS: usize = 10;
const SIZE: usize = 200 * 1024 * 1024;

fn main() {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some("--pull") {
        return pull(&words.next().expect("an image"));
    }
    let lab = Lab::get();
    let scope = lab.scope("bench-pull");
    let image = scope.publish(&Image::new().random_layer(SIZE, 7).build(), "t").reference;
    let own = std::env::current_exe().expect("this program");
    let (mut ours, mut dockers) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Who goes first changes, so that neither has the warmer disk.
        for turn in 0..2 {
            let mut command = if (round + turn) % 2 == 0 { Command::new(&own) } else { Command::new("docker") };
            let is_ours = (round + turn) % 2 == 0;
            command.args(if is_ours { ["--pull", &image] } else { ["pull", &image] }).env("DOCKER_HOST", lab.engine.host());
            let measured = measure(&mut command);
            lab.engine.delete(&format!("/images/{image}?force=true"));
            if is_ours { ours.push(measured) } else { dockers.push(measured) }
        }
    }
    report("docker pull", &mut dockers);
    report("refit", &mut ours);
    println!(
        "refit / docker: wall {:.3}, CPU {:.3}",
        median(&ours, |one| one.0) / median(&dockers, |one| one.0),
        median(&ours, |one| one.1) / median(&dockers, |one| one.1)
    );
}

fn pull(image: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let refit = Refit::connect(ConnectOptions::default()).await.expect("an engine");
        let listener = |_: &refit::Progress| std::ops::ControlFlow::Continue(());
        refit.pull(image, PullOptions::default()).on_progress(listener).await.expect("the pull");
    });
}

/// Wall and CPU seconds of a child.
fn measure(command: &mut Command) -> (f64, f64) {
    let (begun, cpu) = (Instant::now(), children_cpu());
    let status = command.stdout(Stdio::null()).status().expect("the child starts");
    assert!(status.success(), "{command:?}");
    (begun.elapsed().as_secs_f64(), children_cpu().checked_sub(cpu).unwrap().as_secs_f64())
}

fn children_cpu() -> Duration {
    // SAFETY: a zeroed rusage is a valid one, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let time = |time: libc::timeval| Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64);
    time(usage.ru_utime) + time(usage.ru_stime)
}

fn median(all: &[(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

fn report(who: &str, all: &mut [(f64, f64)]) {
    let walls: Vec<f64> = all.iter().map(|one| one.0).collect();
    let (least, most) = (walls.iter().copied().fold(f64::MAX, f64::min), walls.iter().copied().fold(0.0, f64::max));
    println!(
        "{who:12} wall median {:.3} s ({least:.3} to {most:.3}), client CPU median {:.3} s, {ROUNDS} rounds",
        median(all, |one| one.0),
        median(all, |one| one.1)
    );
}
