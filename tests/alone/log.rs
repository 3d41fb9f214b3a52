//! A log of 100 MB is read in constant memory.

use std::time::Duration;

use refit::container::LogOptions;
use refit_lab::{Image, Lab};
use serde_json::json;

use super::connected::refit;

const MEGABYTES: usize = 100;

/// A number of `/proc/self/status`, in KiB.
fn memory(key: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The peak of the memory of this process above what it had before.
pub(crate) async fn peak<T>(work: impl Future<Output = T>) -> (T, usize) {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory("VmRSS");
    let result = work.await;
    (result, memory("VmHWM").saturating_sub(before))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_are_read_in_constant_memory() {
    let lab = Lab::get();
    let scope = lab.scope("log-large");
    // Lines of 100 bytes, then one line of ten megabytes without an end.
    let script = "yes $(head -c 99 /dev/zero | tr '\\0' a) | head -c 90000000; head -c 10000000 /dev/zero | tr '\\0' b";
    let image = scope.pull(&Image::new().cmd(["sh", "-c", script]).build(), "t");
    let name = scope.name("c");
    lab.engine.run(&name, &json!({"Image": image.reference}));
    lab.engine.wait_status(&name, "exited", Duration::from_secs(300));
    let refit = refit().await;

    let read = async {
        let mut log = refit.follow_logs(&name, &LogOptions::default()).await.unwrap();
        let (mut lines, mut bytes) = (0_usize, 0);
        while let Some(line) = log.next().await.unwrap() {
            assert!(line.text.len() <= 256 * 1024);
            lines += usize::from(!line.partial);
            bytes += line.text.len();
        }
        (lines, bytes)
    };
    let ((lines, bytes), more) = peak(read).await;
    assert_eq!((lines, bytes), (900_001, MEGABYTES * 1_000_000 - 900_000));
    assert!(more < 12 * 1024, "{more} KiB more for the lines");

    let raw = async {
        let mut log = refit.raw_logs(&name, &LogOptions::default()).await.unwrap();
        let mut bytes = 0;
        while let Some(piece) = log.next().await.unwrap() {
            bytes += piece.len();
        }
        bytes
    };
    let (bytes, more) = peak(raw).await;
    assert!(bytes > MEGABYTES * 1_000_000 + 900_000 * 8, "{bytes} bytes with their frames");
    assert!(more < 12 * 1024, "{more} KiB more for the frames");

    let newest = LogOptions { max_bytes: Some(1024 * 1024), ..LogOptions::default() };
    let (logs, more) = peak(refit.container_logs(&name, &newest)).await;
    let logs = logs.unwrap();
    assert!(logs.truncated && logs.lines == 1 && logs.text.len() == 1024 * 1024 && logs.text.bytes().all(|byte| byte == b'b'));
    assert!(more < 16 * 1024, "{more} KiB more for the newest megabyte");
}
