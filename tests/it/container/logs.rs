//! `container_logs`, `container_follow_logs`, `container_raw_logs` on a real engine.
//!
//! Rules: docs/abi.md, section 11.

use std::time::Duration;

use refit::container::{LogLine, LogOptions, LogStream, RecreateOptions};
use refit::{Code, ConnectOptions, Refit};
use refit_lab::{Fault, Image, Lab, Proxy, Scope, When, not_here};
use serde_json::{Value, json};

use crate::connected::refit;

/// No log of these tests takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A container that runs a script, with more of a create body.
fn run(scope: &Scope<'_>, name: &str, script: &str, more: &Value) -> String {
    let image = scope.pull(&Image::new().build(), &format!("t-{name}"));
    let mut body = json!({"Image": image.reference, "Cmd": ["sh", "-c", script]});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    let name = scope.name(name);
    scope.lab.engine.run(&name, &body);
    name
}

fn ended(lab: &Lab, name: &str) {
    lab.engine.wait_status(name, "exited", PATIENCE);
}

async fn lines(refit: &Refit, container: &str, options: &LogOptions) -> Vec<LogLine> {
    let mut log = refit.follow_logs(container, options).await.unwrap();
    let mut lines = Vec::new();
    while let Some(line) = tokio::time::timeout(PATIENCE, log.next()).await.unwrap().unwrap() {
        lines.push(line);
    }
    assert_eq!(log.next().await.unwrap(), None, "the end stays the end");
    lines
}

fn texts(lines: &[LogLine], stream: LogStream) -> Vec<&[u8]> {
    lines.iter().filter(|line| line.stream == stream).map(|line| &line.text[..]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_streams_bytes_that_are_no_utf8_and_a_line_without_an_end() {
    let lab = Lab::get();
    let scope = lab.scope("logs");
    // json-file replaces what is not UTF-8 before anybody reads it.
    let driver = if lab.engine.is_podman() { json!({}) } else { json!({"HostConfig": {"LogConfig": {"Type": "local"}}}) };
    let name = run(&scope, "c", r"echo one; echo two >&2; echo; printf '\377\000\r\nno end'; printf 'error' >&2", &driver);
    ended(lab, &name);
    let refit = refit().await;
    let all = lines(&refit, &name, &LogOptions::default()).await;
    let stdout: [&[u8]; 4] = [b"one", b"", b"\xff\0\r", b"no end"];
    assert_eq!(texts(&all, LogStream::Stdout), stdout);
    assert_eq!(texts(&all, LogStream::Stderr), [b"two", &b"error"[..]]);
    assert!(all.iter().all(|line| !line.partial && line.timestamp.is_none()));
    let logs = refit.container_logs(&name, &LogOptions::default()).await.unwrap();
    assert_eq!((logs.lines, logs.truncated), (6, false), "{logs:?}");
    assert!(logs.text.contains("\u{fffd}\0\r\n") && logs.text.contains("two\n") && logs.text.contains("no end"), "{logs:?}");

    let mut raw = refit.raw_logs(&name, &LogOptions::default()).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = raw.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    let asked = lab.engine.ask("GET", &format!("/containers/{name}/logs?stdout=1&stderr=1"), &Value::Null);
    let sorted = |bytes: &[u8]| {
        let mut sorted = bytes.to_vec();
        sorted.sort_unstable();
        sorted
    };
    assert_eq!(sorted(&bytes), sorted(&asked.body), "the engine's own frames");
    assert_eq!(raw.next().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_since_and_timestamps() {
    let lab = Lab::get();
    let scope = lab.scope("logs-since");
    let name = run(&scope, "c", "for i in 1 2 3 4 5 6; do echo line $i; done", &json!({}));
    ended(lab, &name);
    let refit = refit().await;
    let with_times = LogOptions { timestamps: true, ..LogOptions::default() };
    let all = lines(&refit, &name, &with_times).await;
    let times: Vec<_> = all.iter().map(|line| line.timestamp.expect("a time")).collect();
    assert_eq!(times.len(), 6);
    let text = refit.container_logs(&name, &with_times).await.unwrap().text;
    assert!(text.starts_with(&format!("{:.9} line 1\n", times[0])), "{text}");
    let tail = LogOptions { tail: Some(2), ..LogOptions::default() };
    assert_eq!(refit.container_logs(&name, &tail).await.unwrap().text, "line 5\nline 6\n");
    let none = LogOptions { tail: Some(0), ..LogOptions::default() };
    assert_eq!(refit.container_logs(&name, &none).await.unwrap().text, "");
    let is_podman = lab.engine.is_podman();
    for (index, time) in times.iter().enumerate() {
        for since in [*time, *time + Duration::from_nanos(1)] {
            let options = LogOptions { since: Some(since), ..LogOptions::default() };
            let found = lines(&refit, &name, &options).await.len();
            let later = times.iter().filter(|other| **other > since).count();
            let expected = times.iter().filter(|other| **other >= since).count();
            // Podman may leave out what was written at that very time, and takes no nanosecond exactly.
            let about = times.iter().filter(|other| **other >= since - Duration::from_micros(1)).count();
            assert!(
                found == expected || is_podman && (later..=about).contains(&found),
                "since {since} of line {index}: {found}, not {expected}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_line_comes_in_pieces_without_the_engines_times() {
    const LENGTH: usize = 600 * 1024;
    let lab = Lab::get();
    let scope = lab.scope("logs-long");
    let script = "head -c 614400 /dev/zero | tr '\\0' a; echo; echo short";
    let refit = refit().await;
    for terminal in [false, true] {
        let name = run(&scope, if terminal { "tty" } else { "plain" }, script, &json!({"Tty": terminal}));
        ended(lab, &name);
        // A terminal's log has no frames, and Podman writes its time before each part of a line.
        let with_timestamps: &[bool] = if terminal && lab.engine.is_podman() { &[false] } else { &[false, true] };
        for &timestamps in with_timestamps {
            let found = lines(&refit, &name, &LogOptions { timestamps, ..LogOptions::default() }).await;
            let shown: Vec<_> = found.iter().map(|line| (line.text.len(), line.partial, line.timestamp.is_some())).collect();
            let piece = 256 * 1024;
            let expected =
                [(piece, true, timestamps), (piece, true, timestamps), (LENGTH - 2 * piece, false, timestamps), (5, false, timestamps)];
            assert_eq!(shown, expected, "a terminal: {terminal}");
            assert!(found[..3].iter().all(|line| line.text.iter().all(|byte| *byte == b'a')), "a terminal: {terminal}");
        }
        let logs = refit.container_logs(&name, &LogOptions::default()).await.unwrap();
        assert_eq!((logs.text.len(), logs.lines, logs.truncated), (LENGTH + 1 + 6, 2, false));
        let newest = LogOptions { max_bytes: Some(10), ..LogOptions::default() };
        let logs = refit.container_logs(&name, &newest).await.unwrap();
        assert_eq!((logs.text.as_str(), logs.lines, logs.truncated), ("aaa\nshort\n", 2, true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_no_carriage_return_before_the_end_of_a_line() {
    let lab = Lab::get();
    let scope = lab.scope("logs-tty");
    let name = run(&scope, "c", r"echo one; printf 'a\rb\n'; echo two >&2; printf rest", &json!({"Tty": true}));
    ended(lab, &name);
    let refit = refit().await;
    let found = lines(&refit, &name, &LogOptions::default()).await;
    let expected: [&[u8]; 4] = [b"one", b"a\rb", b"two", b"rest"];
    assert_eq!(texts(&found, LogStream::Stdout), expected);
    assert_eq!(refit.container_logs(&name, &LogOptions::default()).await.unwrap().text, "one\na\rb\ntwo\nrest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_driver_that_keeps_nothing_is_named() {
    let lab = Lab::get();
    let scope = lab.scope("logs-none");
    let name = run(&scope, "c", "echo lost", &json!({"HostConfig": {"LogConfig": {"Type": "none"}}}));
    let refit = refit().await;
    let error = refit.container_logs(&name, &LogOptions::default()).await.unwrap_err();
    assert_eq!((error.code(), error.context().container.as_deref()), (Code::Unsupported, Some(name.as_str())));
    assert!(error.message().contains("\"none\""), "{error}");
    assert_eq!(refit.follow_logs(&name, &LogOptions::default()).await.unwrap_err().code(), Code::Unsupported);
    assert_eq!(refit.raw_logs(&name, &LogOptions::default()).await.unwrap_err().code(), Code::Unsupported);
    let missing = refit.container_logs(&scope.name("missing"), &LogOptions::default()).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn max_bytes_and_follow_exclude_each_other() {
    let refit = refit().await;
    let options = LogOptions { max_bytes: Some(1), follow: Some(true), ..LogOptions::default() };
    for error in [
        refit.container_logs("a", &options).await.unwrap_err(),
        refit.follow_logs("a", &LogOptions { follow: None, ..options.clone() }).await.unwrap_err(),
        refit.raw_logs("a", &LogOptions { follow: None, ..options.clone() }).await.unwrap_err(),
    ] {
        assert_eq!((error.code(), error.message().contains("max_bytes")), (Code::InvalidArgument, true), "{error}");
    }
}

/// Follows a container until its log ends; the texts. It returns once the first line has come.
async fn following(refit: &Refit, name: &str) -> tokio::task::JoinHandle<Vec<String>> {
    let mut log = refit.follow_logs(name, &LogOptions::default()).await.unwrap();
    let text = |line: LogLine| String::from_utf8_lossy(&line.text).into_owned();
    let mut texts = vec![text(tokio::time::timeout(PATIENCE, log.next()).await.unwrap().unwrap().unwrap())];
    tokio::spawn(async move {
        while let Some(line) = tokio::time::timeout(PATIENCE, log.next()).await.unwrap().unwrap() {
            texts.push(text(line));
        }
        texts
    })
}

const READY: &str = "trap 'echo ends; exit 0' TERM; echo ready; sleep 1000000 & wait";

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_log_ends_when_the_container_stops_restarts_or_is_recreated() {
    let lab = Lab::get();
    let scope = lab.scope("logs-follow");
    let refit = refit().await;
    let name = run(&scope, "c", READY, &json!({}));
    let first = following(&refit, &name).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!first.is_finished(), "nothing has ended it");
    refit.stop_container(&name, None).await.unwrap();
    assert_eq!(first.await.unwrap(), ["ready", "ends"]);
    if lab.engine.is_podman() {
        return not_here("Podman follows a container through its restart");
    }
    refit.start_container(&name, &[]).await.unwrap();
    let second = following(&refit, &name).await;
    refit.restart_container(&name, None).await.unwrap();
    assert_eq!(second.await.unwrap(), ["ready", "ends", "ready", "ends"]);
    let third = following(&refit, &name).await;
    let quick = RecreateOptions { settle: Duration::from_millis(300), ..RecreateOptions::default() };
    refit.recreate_container(name.as_str(), quick).await.unwrap();
    assert_eq!(third.await.unwrap(), ["ready", "ends", "ready", "ends", "ready", "ends"]);
    assert_eq!(refit.container_logs(&name, &LogOptions::default()).await.unwrap().text, "ready\n", "the new container's");
}

async fn impatient(proxy: &Proxy) -> Refit {
    let options = ConnectOptions { host: Some(proxy.host.clone()), timeout: Duration::from_secs(4), ..ConnectOptions::default() };
    Refit::connect(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_is_waited_for_while_the_engine_answers() {
    let lab = Lab::get();
    let scope = lab.scope("logs-quiet");
    let proxy = Proxy::engine(lab);
    let refit = impatient(&proxy).await;
    let name = run(&scope, "c", "echo first; sleep 10; echo second", &json!({}));
    let pings = proxy.count("GET /_ping");
    let found = lines(&refit, &name, &LogOptions::default()).await;
    assert_eq!(texts(&found, LogStream::Stdout), [b"first", &b"second"[..]]);
    assert!(proxy.count("GET /_ping") > pings, "the engine was pinged");

    let name = run(&scope, "d", READY, &json!({}));
    let mut log = refit.follow_logs(&name, &LogOptions::default()).await.unwrap();
    assert_eq!(&log.next().await.unwrap().unwrap().text[..], b"ready");
    proxy.on(When::each("GET /_ping"), Fault::Hang);
    let error = log.next().await.unwrap_err();
    assert_eq!(error.code(), Code::Unreachable, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_cut_is_an_error() {
    let lab = Lab::get();
    let scope = lab.scope("logs-cut");
    let proxy = Proxy::engine(lab);
    let name = run(&scope, "c", "i=0; while [ $i -lt 1000 ]; do echo a line with some text; i=$((i+1)); done", &json!({}));
    ended(lab, &name);
    let refit = impatient(&proxy).await;
    proxy.on(When::each("GET /containers/*/logs*"), Fault::CutBody(5000));
    let error = refit.container_logs(&name, &LogOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unreachable, "{error}");
    let mut log = refit.follow_logs(&name, &LogOptions::default()).await.unwrap();
    let error = loop {
        match log.next().await {
            Ok(Some(line)) => assert_eq!(&line.text[..], b"a line with some text", "no line is cut short without an error"),
            Ok(None) => panic!("a log that was cut has ended as if it were whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Code::Unreachable, "{error}");
    assert_eq!(error.context().container.as_deref(), Some(name.as_str()));
}
