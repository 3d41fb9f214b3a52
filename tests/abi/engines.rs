//! An engine that is absent, hangs, cuts, answers 500, or may not be asked: the right code, what to do about it, never a hang.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use refit_lab::{Canned, Fault, Lab, Proxy, When};
use serde_json::{Value, json};

use crate::caller::{Answer, Argument, Caller, readable_to_all};
use crate::program::folder;

/// Reads of everything, none of which needs an image or a container that is there.
const READS: [(&str, &str); 9] = [
    ("refit_engine_info", ""),
    ("img_exists", "image"),
    ("img_info", "image"),
    ("img_status", "image"),
    ("img_containers", "image"),
    ("img_list", ""),
    ("container_list", ""),
    ("container_exists", "container"),
    ("container_info", "container"),
];

fn read(caller: &mut Caller, (function, name): (&str, &'static str), options: &Value) -> Answer {
    let options = options.to_string();
    caller.call(function, &[("options_json", options.as_str().into()), (name, Argument::from("refit-abi-nothing"))])
}

fn open(host: &str) -> Answer {
    let mut caller = Caller::start();
    let options = json!({"host": host, "timeout_s": 1}).to_string();
    let answer = caller.call("refit_open", &[("options_json", options.as_str().into())]);
    caller.end();
    answer
}

fn assert_unreachable(answer: &Answer, host: &str, next: &str) {
    let message = answer.message();
    assert_eq!(answer.code, "UNREACHABLE", "{message}");
    assert!(message.contains(host) && message.contains(next), "{message}");
}

#[test]
fn an_absent_engine_is_unreachable() {
    assert_unreachable(&open("unix:///nonexistent/refit.sock"), "unix:///nonexistent/refit.sock", "is Docker running?");
    let socket = folder("refusing").join("engine.sock");
    drop(UnixListener::bind(&socket).unwrap());
    assert_unreachable(&open(&format!("unix://{}", socket.display())), "engine.sock", "is Docker running?");
    assert_unreachable(&open("tcp://127.0.0.1:1"), "tcp://127.0.0.1:1", "is Docker running?");
}

#[test]
fn a_socket_without_permission_is_unreachable() {
    let place = readable_to_all();
    let socket = place.join("engine.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let program = place.join("call");
    let library_path = format!("LD_LIBRARY_PATH={}", place.display());
    let as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", &library_path];
    let mut caller = Caller::of(&program, if is_root() { &as_nobody } else { &as_nobody[4..] });
    let options = json!({"host": format!("unix://{}", socket.display())}).to_string();
    let answer = caller.call("refit_open", &[("options_json", options.as_str().into())]);
    assert_unreachable(&answer, "engine.sock", "may this user open the socket?");
    caller.end();
    std::fs::remove_dir_all(place).unwrap();
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

#[test]
fn a_server_that_is_no_engine_is_an_error() {
    let lab = Lab::get();
    let answer = open(&format!("tcp://{}", lab.registry.host));
    assert!(["ENGINE", "UNREACHABLE"].contains(&answer.code.as_str()), "{answer:?}");
    assert!(answer.message().contains(&lab.registry.host), "{}", answer.message());
}

/// Every read on a handle that was opened when all was well, and once more when all is well again.
fn with_fault(fault: &Fault, options: &Value, check: impl Fn(&Answer, Duration)) {
    let proxy = Proxy::engine(Lab::get());
    for call in READS {
        proxy.reset();
        let mut caller = Caller::open(&json!({"host": proxy.host, "timeout_s": 1}));
        proxy.on(When::each("*"), fault.clone());
        let begun = Instant::now();
        let answer = read(&mut caller, call, options);
        check(&answer, begun.elapsed());
        assert_eq!((&answer.document, &answer.error["op"]), (&Value::Null, &json!(call.0)));
        proxy.reset();
        let answer = read(&mut caller, call, &json!({}));
        assert!(["OK", "NOT_FOUND"].contains(&answer.code.as_str()), "{call:?} afterwards: {answer:?}");
        caller.end();
    }
}

#[test]
fn an_engine_that_hangs_is_unreachable() {
    with_fault(&Fault::Hang, &json!({}), |answer, took| {
        assert_unreachable(answer, "unix://", "timeout_s");
        assert!(took < Duration::from_secs(3), "{took:?}");
    });
}

#[test]
fn an_engine_that_hangs_in_the_middle_of_an_answer_is_unreachable() {
    with_fault(&Fault::HangBody(1), &json!({}), |answer, took| {
        assert_unreachable(answer, "unix://", "timeout_s");
        assert!(took < Duration::from_secs(3), "{took:?}");
    });
}

#[test]
fn a_call_ends_at_its_own_time_limit() {
    with_fault(&Fault::Hang, &json!({"timeout_s": 0.3}), |answer, took| {
        assert_eq!(answer.code, "TIMEOUT", "{}", answer.message());
        // At the handle's own limit, a second, it would be UNREACHABLE.
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "{took:?}");
    });
}

#[test]
fn an_engine_that_closes_the_connection_is_unreachable() {
    with_fault(&Fault::Cut, &json!({}), |answer, _| assert_unreachable(answer, "unix://", "Docker"));
    with_fault(&Fault::CutBody(1), &json!({}), |answer, _| assert_unreachable(answer, "unix://", "Docker"));
}

#[test]
fn an_engine_that_answers_500_is_an_engine_error() {
    with_fault(&Fault::Answer(Canned::message(500, "the disk is on fire")), &json!({}), |answer, _| {
        assert_eq!((answer.code.as_str(), &answer.error["http_status"]), ("ENGINE", &json!(500)), "{}", answer.message());
        assert!(answer.message().contains("the disk is on fire"), "{}", answer.message());
    });
}

/// The lab's engine, with the API versions of another one in its answers.
fn open_engine_of(newest: &str, oldest: &str) -> Answer {
    let proxy = Proxy::engine(Lab::get());
    proxy.on(When::each("GET /_ping"), Fault::Answer(Canned::text(200, "text/plain", "OK").header("Api-Version", newest)));
    proxy.on(When::each("GET /version"), Fault::Answer(Canned::json(200, &json!({"ApiVersion": newest, "MinAPIVersion": oldest}))));
    open(&proxy.host)
}

#[test]
fn an_engine_without_a_common_api_version_is_refused_when_it_is_opened() {
    let newer = open_engine_of("1.60", "1.55");
    assert_eq!(newer.code, "UNSUPPORTED", "{newer:?}");
    assert!(newer.message().contains("1.55 to 1.60") && newer.message().contains("1.40 to 1.54"), "{}", newer.message());
    let older = open_engine_of("1.39", "1.12");
    assert_eq!(older.code, "UNSUPPORTED", "{older:?}");
    assert!(older.message().contains("1.39") && older.message().contains("1.40"), "{}", older.message());
    assert_eq!(open_engine_of("1.60", "1.54").code, "OK");
}
