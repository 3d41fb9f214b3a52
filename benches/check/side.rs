//! The sides of a comparison, each a process of its own, in turn.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One side's command.
pub(crate) struct Side<'a> {
    pub(crate) name: &'static str,
    pub(crate) command: Box<dyn Fn() -> Command + 'a>,
    pub(crate) rounds: usize,
}

/// Measures all sides in turn, and reports each; tells their medians of the wall time. `count`: how many requests there were since it was called
/// last, and how many of them Docker Hub would count.
pub(crate) fn measure_all(sides: &[Side<'_>], count: impl Fn() -> (usize, usize)) -> Vec<f64> {
    let mut results: Vec<Vec<Measured>> = sides.iter().map(|_| Vec::new()).collect();
    for round in 0..sides.iter().map(|side| side.rounds).max().unwrap_or_default() {
        // Who goes first changes.
        for turn in 0..sides.len() {
            let number = (round + turn) % sides.len();
            let side = &sides[number];
            if round < side.rounds {
                count();
                let mut measured = measure(&mut (side.command)());
                (measured.requests, measured.counted) = count();
                results[number].push(measured);
            }
        }
    }
    for (side, results) in sides.iter().zip(&results) {
        report(side.name, results);
    }
    results.iter().map(|results| median(results, |one| one.wall)).collect()
}

/// A round of one side.
struct Measured {
    wall: f64,
    cpu: f64,
    requests: usize,
    counted: usize,
    /// KiB above what the process had before the call, where it tells.
    memory: Option<u64>,
}

fn measure(command: &mut Command) -> Measured {
    let (begun, cpu) = (Instant::now(), children_cpu());
    let output = command.stderr(Stdio::inherit()).output().expect("the child starts");
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), children_cpu().as_secs_f64() - cpu.as_secs_f64());
    assert!(output.status.success(), "{}: {}", command.get_program().display(), output.status);
    let memory = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    Measured { wall, cpu, requests: 0, counted: 0, memory }
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

fn median(all: &[Measured], of: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

fn report(who: &str, all: &[Measured]) {
    let least = all.iter().map(|one| one.wall).fold(f64::MAX, f64::min);
    let most = all.iter().map(|one| one.wall).fold(0.0, f64::max);
    let memory = all.iter().filter_map(|one| one.memory).max();
    let memory = memory.map(|kib| format!(", {:.1} MiB above before", kib as f64 / 1024.0)).unwrap_or_default();
    println!(
        "{who:18} wall median {:.3} s ({least:.3} to {most:.3}), client CPU {:.3} s, {:.0} requests, {:.0} GETs of a manifest{memory}, {} rounds",
        median(all, |one| one.wall),
        median(all, |one| one.cpu),
        median(all, |one| one.requests as f64),
        median(all, |one| one.counted as f64),
        all.len()
    );
}
