//! What one more handle costs.

use refit::{ConnectOptions, Refit};
use refit_lab::Lab;

const HANDLES: usize = 100;
const MOST_KIB: usize = 1024;

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn open(lazy: bool) -> Refit {
    let options = ConnectOptions { host: Some(Lab::get().engine.host()), lazy, ..ConnectOptions::default() };
    let refit = Refit::connect(options).await.unwrap();
    if !lazy {
        refit.engine_info().await.unwrap();
        refit.images(&refit::image::ListOptions::default()).await.unwrap();
    }
    refit
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_costs_less_than_a_mebibyte() {
    for lazy in [true, false] {
        // The first one pays for what all share.
        let first = open(lazy).await;
        let before = resident_kib();
        let mut handles = Vec::new();
        for _ in 0..HANDLES {
            handles.push(open(lazy).await);
        }
        let each = resident_kib().saturating_sub(before) / HANDLES;
        assert!(each <= MOST_KIB, "{each} KiB for a handle (lazy: {lazy})");
        for handle in handles.into_iter().chain([first]) {
            handle.close().await;
        }
    }
}
