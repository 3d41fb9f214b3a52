//! The log of 100 MB through refit beside `docker logs`, and a command `true` beside `docker exec`, in turn: wall time and the client's own CPU
//! time.
//!
//! `make bench-output`. Each side is a process of its own that asks once.
#![allow(missing_docs, unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use refit::container::{ExecOptions, LogOptions, LogStream};
use refit::{ConnectOptions, Refit};
use refit_lab::{Image, Lab};
use serde_json::json;

const ROUNDS: usize = 7;
const COMMANDS: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Docker,
    Lines,
    Raw,
    /// Lines, read by the future that `#[tokio::main]` runs.
    LinesOnMain,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [what, name] = &words[..]
        && what.starts_with("--as-")
    {
        return ask(what, name);
    }
    let lab = Lab::get();
    let scope = lab.scope("bench-output");
    // Lines of 100 bytes.
    let image = scope.pull(&Image::new().build(), "t").reference;
    let (log, running) = (scope.name("log"), scope.name("running"));
    let script = "yes $(head -c 99 /dev/zero | tr '\\0' a) | head -c 100000000";
    lab.engine.run(&log, &json!({"Image": image, "Cmd": ["sh", "-c", script]}));
    lab.engine.run_image(&running, &image);
    lab.engine.wait_status(&log, "exited", Duration::from_secs(600));
    compare("the log of 100 MB, 1,000,000 lines", ROUNDS, &[Side::Docker, Side::Lines, Side::Raw, Side::LinesOnMain], &|side, own| {
        match side {
            Side::Docker => words_of(Command::new("docker"), &["logs", &log]),
            Side::LinesOnMain => words_of(Command::new(own), &["--as-lines-on-main", &log]),
            Side::Lines => words_of(Command::new(own), &["--as-lines", &log]),
            Side::Raw => words_of(Command::new(own), &["--as-raw", &log]),
        }
    });
    compare("a command `true`", COMMANDS, &[Side::Docker, Side::Lines], &|side, own| match side {
        Side::Docker => words_of(Command::new("docker"), &["exec", &running, "true"]),
        _ => words_of(Command::new(own), &["--as-exec", &running]),
    });
}

fn words_of(mut command: Command, words: &[&str]) -> Command {
    command.args(words).env("DOCKER_HOST", Lab::get().engine.host());
    command
}

/// What a child does.
fn ask(what: &str, name: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (what, name) = (what.to_owned(), name.to_owned());
    // The runtime's own threads wait for the connection: a future of `block_on` is woken by one of them for every piece, a task is not.
    let on_main = what.ends_with("-on-main");
    let asking = async move {
        let (what, name) = (what.trim_end_matches("-on-main"), name.as_str());
        let refit = Refit::connect(ConnectOptions::default()).await.expect("an engine");
        // Written as `docker logs` writes, through a buffer as it has one.
        let (mut stdout, mut stderr) = (std::io::BufWriter::new(std::io::stdout()), std::io::stderr());
        match what {
            "--as-lines" => {
                let mut log = refit.follow_logs(name, &LogOptions { follow: Some(false), ..LogOptions::default() }).await.unwrap();
                while let Some(line) = log.next().await.unwrap() {
                    let to: &mut dyn Write = if line.stream == LogStream::Stdout { &mut stdout } else { &mut stderr };
                    to.write_all(&line.text).and_then(|()| to.write_all(b"\n")).unwrap();
                }
            }
            "--as-raw" => {
                let mut log = refit.raw_logs(name, &LogOptions::default()).await.unwrap();
                while let Some(bytes) = log.next().await.unwrap() {
                    stdout.write_all(&bytes).unwrap();
                }
            }
            _ => {
                let done = refit.exec_container(name, &["true".to_owned()], &ExecOptions::default()).await.unwrap();
                assert_eq!(done.exit_code, 0);
            }
        }
    };
    if on_main {
        return runtime.block_on(asking);
    }
    runtime.block_on(runtime.spawn(asking)).unwrap();
}

fn compare(what: &str, rounds: usize, sides: &[Side], command: &dyn Fn(Side, &std::path::Path) -> Command) {
    let own = std::env::current_exe().expect("this program");
    let mut all = vec![Vec::new(); sides.len()];
    for round in 0..rounds {
        for turn in 0..sides.len() {
            let side = (round + turn) % sides.len();
            all[side].push(measure(&mut command(sides[side], &own)));
        }
    }
    println!("{what}, {rounds} rounds");
    let base = median(&all[0], |one| one.0);
    for (side, values) in sides.iter().zip(&all) {
        let walls: Vec<f64> = values.iter().map(|one| one.0).collect();
        let (least, most) = (walls.iter().copied().fold(f64::MAX, f64::min), walls.iter().copied().fold(0.0, f64::max));
        let (wall, cpu) = (median(values, |one| one.0), median(values, |one| one.1));
        println!("  {side:?}: wall median {wall:.3} s ({least:.3} to {most:.3}), {:.2} of docker's; client CPU {cpu:.3} s", wall / base);
    }
}

/// Wall and CPU seconds of a child.
fn measure(command: &mut Command) -> (f64, f64) {
    let (begun, cpu) = (Instant::now(), children_cpu());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the child starts");
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
