//! What the log costs: an event that nobody wants, and a call without a subscriber beside one whose subscriber wants nothing, or everything.
//!
//! `make bench-log`.
#![allow(missing_docs, unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use refit::{ConnectOptions, Refit};
use refit_lab::Lab;
use tracing::dispatcher::Dispatch;
use tracing::instrument::WithSubscriber;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

const EVENTS: u32 = 200_000_000;
const ROUNDS: usize = 15;
const CALLS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    None,
    Off,
    Debug,
}

/// Counts what it gets.
struct Counting;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        black_box(event);
    }
}

fn main() {
    let begun = Instant::now();
    for number in 0..EVENTS {
        tracing::debug!(target: "refit::engine::request", method = "GET", status = black_box(number), "answered");
    }
    let each = begun.elapsed().as_secs_f64() * 1e9 / f64::from(EVENTS);
    println!("an event without a subscriber: {each:.2} ns");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let refit =
            Refit::connect(ConnectOptions { host: Some(Lab::get().engine.host()), ..ConnectOptions::default() }).await.expect("an engine");
        let sides = [Side::None, Side::Off, Side::Debug];
        let mut all = vec![Vec::new(); sides.len()];
        for round in 0..ROUNDS {
            for turn in 0..sides.len() {
                let side = (round + turn) % sides.len();
                all[side].push(measure(&refit, sides[side]).await);
            }
        }
        println!("container_exists, {CALLS} calls, {ROUNDS} rounds of each side in turn; microseconds a call");
        for (side, values) in sides.iter().zip(&all) {
            let (wall, cpu) = (median(values, |one| one.0), median(values, |one| one.1));
            println!("  {side:?}: wall {wall:.1}, client CPU {cpu:.1}");
        }
    });
}

/// Wall and CPU microseconds of a call.
async fn measure(refit: &Refit, side: Side) -> (f64, f64) {
    let calls = async {
        for _ in 0..CALLS {
            assert!(!refit.container_exists("refit-bench-nothing").await.unwrap());
        }
    };
    let subscriber = |level: LevelFilter| Dispatch::new(tracing_subscriber::registry().with(level).with(Counting));
    let (begun, cpu) = (Instant::now(), own_cpu());
    match side {
        Side::None => calls.await,
        Side::Off => calls.with_subscriber(subscriber(LevelFilter::OFF)).await,
        Side::Debug => calls.with_subscriber(subscriber(LevelFilter::DEBUG)).await,
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / CALLS as f64;
    (each(begun.elapsed()), each(own_cpu().checked_sub(cpu).unwrap()))
}

fn own_cpu() -> Duration {
    // SAFETY: a zeroed rusage is a valid one, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let time = |time: libc::timeval| Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64);
    time(usage.ru_utime) + time(usage.ru_stime)
}

fn median(all: &[(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
