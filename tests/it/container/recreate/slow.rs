//! Slow engines, slow starts and commands, and an engine that refuses a step for a while.

use std::time::{Duration, Instant};

use crate::recreation::{Case, LIMIT, Subnet, failed, quick, recreate, recreate_through, runtime};
use refit::container::{ContainersOptions, RecreateOptions, Recreation, RecreationResult};
use refit::{Cancel, Code, ConnectOptions, Outcome, Refit};
use refit_lab::{Canned, Fault, Image, Lab, Proxy, When};
use serde_json::json;

/// A handle with these time limits, and not more.
fn handle(proxy: &Proxy, timeout: u64, long_timeout: u64) -> ConnectOptions {
    let (timeout, long_timeout) = (Duration::from_secs(timeout), Duration::from_secs(long_timeout));
    ConnectOptions { host: Some(proxy.host.clone()), lazy: true, timeout, long_timeout, ..ConnectOptions::default() }
}

fn recreate_as(options: ConnectOptions, case: &Case, cancel: &Cancel) -> Outcome<Recreation> {
    let name = case.name.clone();
    runtime().block_on(async { Refit::connect(options).await.unwrap().recreate_container(name, quick()).cancel(cancel).await })
}

#[test]
fn a_create_and_a_start_may_take_longer_than_other_requests() {
    let case = Case::new("patient");
    let before = case.run_full("always");
    case.moves_to(&case.newer());
    let proxy = Proxy::engine(case.lab);
    proxy.on(When::first("POST */containers/create"), Fault::DelayAnswer(Duration::from_secs(18)));
    proxy.on(When::first("POST */start"), Fault::DelayAnswer(Duration::from_secs(18)));
    let report = recreate_as(handle(&proxy, 15, 300), &case, &Cancel::new()).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.result, RecreationResult::Recreated);
    case.assert_kept(&before, &case.inspect(&case.name));
    case.assert_alone();
}

#[test]
fn a_container_that_is_created_late_is_removed() {
    let case = Case::new("latecreate");
    let before = case.run_full("always");
    case.moves_to(&case.newer());
    let started = |container: &serde_json::Value| (container["Id"].clone(), container["State"]["StartedAt"].clone());
    for (cancelled, expected) in [(false, Code::Unreachable), (true, Code::Cancelled)] {
        let proxy = Proxy::engine(case.lab);
        let gate = proxy.hold(When::first("POST */containers/create"));
        let cancel = Cancel::new();
        let options = handle(&proxy, 120, if cancelled { 300 } else { 2 });
        let (error, report) = std::thread::scope(|threads| {
            let run = threads.spawn(|| failed(recreate_as(options, &case, &cancel)));
            let held = gate.wait(LIMIT);
            if cancelled {
                cancel.fire();
            }
            // Later than what was looked for before.
            std::thread::sleep(Duration::from_secs(10));
            held.release();
            run.join().unwrap()
        });
        assert_eq!((error.code(), report.result), (expected, RecreationResult::Failed), "{error}");
        assert_eq!(started(&case.inspect(&case.name)), started(&before));
        assert_eq!(proxy.count("POST */stop"), 0);
        case.assert_alone();
        case.assert_no_volume_left("created late");
    }
}

#[test]
fn a_create_whose_answer_never_comes_is_found_and_removed() {
    let case = Case::new("lostcreate");
    let before = case.run_full("always");
    case.moves_to(&case.newer());
    let proxy = Proxy::engine(case.lab);
    proxy.on(When::first("POST */containers/create"), Fault::HangAnswer);
    let (error, report) = failed(recreate_as(handle(&proxy, 120, 3), &case, &Cancel::new()));
    assert_eq!((error.code(), report.result), (Code::Unreachable, RecreationResult::Failed), "{error}");
    assert_eq!(case.inspect(&case.name)["Id"], before["Id"]);
    case.assert_alone();
}

/// Ten calls ask an engine that hangs once, and share the answer that does not come.
#[test]
fn calls_to_an_engine_that_hangs_negotiate_once() {
    let proxy = Proxy::engine(Lab::get());
    let ten = |refit: &Refit| {
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let refit = refit.clone();
                async move { refit.containers(&ContainersOptions::default()).await.map(|_| ()) }
            })
            .collect();
        let calls: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
        async move {
            let mut results = Vec::new();
            for call in calls {
                results.push(call.await.unwrap());
            }
            results
        }
    };
    runtime().block_on(async {
        let refit = Refit::connect(handle(&proxy, 3, 300)).await.unwrap();
        proxy.on(When::each("*"), Fault::Hang);
        let results = ten(&refit).await;
        assert!(results.iter().all(|result| result.as_ref().is_err_and(|error| error.code() == Code::Unreachable)), "{results:?}");
        assert_eq!((proxy.count("GET /_ping"), proxy.requests().len()), (1, 1), "{:?}", proxy.requests());
    });
    runtime().block_on(async {
        let refit = Refit::connect(handle(&proxy, 120, 300)).await.unwrap();
        proxy.reset();
        let results = ten(&refit).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(proxy.count("GET /_ping"), 1, "it is asked again after a failure, and then once");
    });
}

#[test]
fn a_rollback_goes_on_while_the_engine_refuses_a_step() {
    let case = Case::new("refuses");
    let before = case.run_full("always");
    case.moves_to(&case.newer());
    let proxy = Proxy::engine(case.lab);
    // The start of the new container, and the first five of the old one.
    for n in 1..=6 {
        proxy.on(When::nth_of("POST */start", n), Fault::Answer(Canned::message(500, "the volume plugin is away")));
    }
    let (error, report) = failed(recreate_through(&proxy, &case, quick(), || {}));
    assert_eq!((error.code(), report.result), (Code::RolledBack, RecreationResult::RolledBack), "{error}");
    let is_start = |request: &&refit_lab::Exchange| request.path.ends_with("/start") && !refit_lab::is_probe(&request.path);
    assert_eq!(proxy.requests().iter().filter(is_start).count(), 7);
    let after = case.inspect(&case.name);
    assert_eq!((&after["Id"], after["State"]["Running"].as_bool()), (&before["Id"], Some(true)));
    case.assert_kept(&before, &after);
    case.assert_alone();
}

#[test]
fn an_inspect_that_fails_while_a_container_settles_is_repeated() {
    for fault in [Fault::Answer(Canned::message(500, "made up")), Fault::Cut] {
        let case = Case::new("glimpse");
        case.run_full("always");
        case.moves_to(&case.newer());
        let proxy = Proxy::engine(case.lab);
        let gate = proxy.hold(When::after("POST */start"));
        let mut options = quick();
        options.settle = Duration::from_secs(2);
        let report = recreate_through(&proxy, &case, options, || {
            let look = gate.wait(LIMIT);
            assert_eq!(look.request.method, "GET");
            look.suffer(fault.clone());
            drop(gate);
        });
        assert_eq!(report.unwrap_or_else(|failure| panic!("{failure}")).result, RecreationResult::Recreated, "{fault:?}");
        case.assert_alone();
    }
}

fn hooked(before: &str, timeout: Duration) -> RecreateOptions {
    let mut options = quick();
    options.hooks.before = vec![["sh", "-c", before].map(str::to_owned).to_vec()];
    options.hooks.timeout = timeout;
    options
}

#[test]
fn a_hook_has_a_time_limit_and_its_last_line_is_shown() {
    let case = Case::new("hooklimit");
    let before = case.run_full("always");
    case.moves_to(&case.newer());
    let begun = Instant::now();
    let (error, report) = failed(recreate(&case, hooked("echo waiting for the lock; sleep 1000", Duration::from_secs(3))));
    assert_eq!((error.code(), report.result), (Code::Engine, RecreationResult::Failed), "{error}");
    for words in ["3 s", "goes on in the container", "waiting for the lock"] {
        assert!(error.message().contains(words), "{words}: {error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(600), "it was waited for to its end");
    assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], before["State"]["StartedAt"]);
    let wordy = "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo no space left; exit 9";
    let (error, _) = failed(recreate(&case, hooked(wordy, Duration::from_secs(600))));
    assert!(error.message().contains("exit code 9: no space left"), "{error}");
    assert_eq!(recreate(&case, hooked("echo done", Duration::from_secs(600))).unwrap().result, RecreationResult::Recreated);
    case.assert_alone();
}

/// A field of the old container's inspect that this engine does not take, as a later or another engine shows it.
fn shown_with(case: &Case, proxy: &Proxy, key: &str, value: serde_json::Value) -> refit_lab::Gate {
    let mut shown = case.inspect(&case.name);
    shown["HostConfig"][key] = value;
    for name in [case.name.clone(), shown["Id"].as_str().unwrap().to_owned()] {
        proxy.on(When::each(&format!("GET */containers/{name}/json")), Fault::Answer(Canned::json(200, &shown)));
    }
    proxy.hold_answer(When::first("POST */stop"))
}

/// The field is shown once more after the stop; later inspects are the engine's own.
fn recreate_shown_with(case: &Case, key: &str, value: serde_json::Value, options: RecreateOptions, stops: bool) -> Outcome<Recreation> {
    let proxy = Proxy::engine(case.lab);
    let gate = shown_with(case, &proxy, key, value.clone());
    recreate_through(&proxy, case, options, || {
        if stops {
            let held = gate.wait(LIMIT);
            proxy.reset();
            let mut shown = case.inspect(&case.name);
            shown["HostConfig"][key] = value;
            let looked_at = format!("GET */containers/{}/json", shown["Id"].as_str().unwrap());
            proxy.on(When::first(&looked_at), Fault::Answer(Canned::json(200, &shown)));
            held.release();
        }
    })
}

#[test]
fn a_difference_is_refused_unless_it_is_accepted() {
    let case = Case::new("accepted");
    let before = case.run_full("always");
    case.moves_to(&case.newer());
    let (error, report) = failed(recreate_shown_with(&case, "SettingOfTomorrow", json!("on"), quick(), false));
    assert_eq!((error.code(), report.result), (Code::Engine, RecreationResult::Failed), "{error}");
    assert!(error.message().contains(r#"accept_changes ["HostConfig.SettingOfTomorrow"]"#), "{error}");
    assert_eq!(case.inspect(&case.name)["State"]["StartedAt"], before["State"]["StartedAt"]);
    case.assert_alone();
    let mut options = quick();
    options.accept_changes = vec!["HostConfig.SettingOfTomorrow".into()];
    let report = recreate_shown_with(&case, "SettingOfTomorrow", json!("on"), options, true).unwrap_or_else(|failure| panic!("{failure}"));
    let change = report.changes.iter().find(|change| change.field == "HostConfig.SettingOfTomorrow").expect("it is listed");
    assert_eq!((&change.before, change.because.as_str()), (&json!("on"), "accept_changes allows it"));
    case.assert_alone();
}

#[test]
fn a_setting_that_the_engine_discards_is_a_warning() {
    let case = Case::new("discards");
    case.run_full("always");
    case.moves_to(&case.newer());
    let engine = &case.lab.engine;
    if engine.is_podman() || engine.get("/info")["CgroupVersion"] != "2" {
        return refit_lab::not_here("with cgroup v1 the engine takes MemorySwappiness and OomKillDisable");
    }
    let report = recreate_shown_with(&case, "MemorySwappiness", json!(60), quick(), true).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.result, RecreationResult::Recreated);
    let warning = report.warnings.iter().find(|warning| warning.code == "discarded").expect("a warning");
    assert!(warning.message.contains("HostConfig.MemorySwappiness"), "{warning:?}");
    case.assert_alone();
}

/// A network that is named by its id, and a second one: the configured address is kept, a generated one is not pinned.
#[test]
fn a_mac_address_is_kept_with_a_networks_id_and_a_generated_one_is_not_pinned() {
    const MAC: &str = "02:00:00:00:00:29";
    let case = Case::of("macid", &Image::new().version("1"));
    let engine = &case.lab.engine;
    if engine.is_podman() || engine.api() < (1, 44) {
        return refit_lab::not_here("the address belongs to the endpoint from API 1.44 on");
    }
    let (first, second): (Subnet, Subnet) = (case.subnet("n1"), case.subnet("n2"));
    let id = engine.get(&format!("/networks/{}", first.name))["Id"].as_str().unwrap().to_owned();
    let body = json!({"Image": case.image(), "StopTimeout": 1, "HostConfig": {"NetworkMode": id},
        "NetworkingConfig": {"EndpointsConfig": {id.as_str(): {"MacAddress": MAC}, second.name.as_str(): {}}}});
    engine.run(&case.name, &body);
    let mac = |network: &str| case.inspect(&case.name)["NetworkSettings"]["Networks"][network]["MacAddress"].clone();
    let before = mac(&second.name);
    assert_eq!(mac(&first.name), MAC);
    case.moves_to(&case.newer());
    assert_eq!(recreate(&case, quick()).unwrap().result, RecreationResult::Recreated);
    assert_eq!(mac(&first.name), MAC);
    if engine.api() >= (1, 48) {
        assert_ne!(mac(&second.name), before, "a generated one was pinned");
    }
    case.assert_alone();
}
