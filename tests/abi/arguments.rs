//! Every pointer of every function NULL in turn, invalid names and options, a token that was fired: the right code, the reason,
//! and nothing asked of the engine.

use std::os::unix::net::UnixListener;

use serde_json::json;

use crate::caller::{Argument, Caller};
use crate::program::folder;
use crate::prototypes::{self, Function, Parameter};

/// Calls that this version does not have yet; a call that has arrived must be taken out of the list.
pub(crate) fn unsupported() -> Vec<String> {
    std::fs::read_to_string(prototypes::source("unsupported.txt")).unwrap().lines().map(str::to_owned).collect()
}

/// NULL and "" may mean something: for `img_check_updates` all images, for `container_recover` all containers.
fn is_required(function: &Function, parameter: &Parameter) -> bool {
    let optional = match parameter.name.as_str() {
        "options_json" | "container_or_null" => true,
        "images_json" => function.name != "img_missing",
        _ => false,
    };
    let callback_that_takes_the_result = ["on_line", "on_data", "read"].contains(&parameter.name.as_str());
    parameter.name == "r"
        || (parameter.kind == "const char *" && !optional)
        || (function.name == "refit_open" && parameter.name == "out")
        || callback_that_takes_the_result
}

/// What a call is given when all is well: names of nothing that is there.
pub(crate) fn usual(function: &Function) -> Vec<(&'static str, Argument)> {
    let known = [
        ("image", "refit-abi.invalid/nothing:1"),
        ("images_json", r#"["refit-abi.invalid/nothing:1"]"#),
        ("container", "refit-abi-nothing"),
        ("container_or_null", "refit-abi-nothing"),
        ("name", "refit-abi-nothing"),
        ("spec_json", r#"{"Image":"refit-abi.invalid/nothing:1"}"#),
        ("argv_json", r#"["true"]"#),
        ("volume", "refit-abi-nothing"),
        ("path", "/nothing"),
        ("file_path", "/nonexistent/refit-abi.tar.zst"),
        ("data", "data"),
        ("service", "refit-abi-nothing"),
        (
            "options_json",
            if function.name == "refit_open" { r#"{"connect":"lazy","host":"unix:///nonexistent/refit.sock"}"# } else { "{}" },
        ),
    ];
    let has = |name: &str| function.parameters.iter().any(|parameter| parameter.name == name);
    known.into_iter().filter(|(name, _)| has(name)).map(|(name, text)| (name, text.into())).collect()
}

pub(crate) fn with(mut arguments: Vec<(&'static str, Argument)>, name: &'static str, argument: Argument) -> Vec<(&'static str, Argument)> {
    arguments.retain(|(other, _)| *other != name);
    arguments.push((name, argument));
    arguments
}

/// A handle on an engine that accepts connections and never answers; nothing may be asked of it.
struct Silent {
    listener: UnixListener,
    caller: Caller,
}

impl Silent {
    fn open(name: &str) -> Self {
        let socket = folder(name).join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let caller = Caller::open(&json!({"connect": "lazy", "host": format!("unix://{}", socket.display())}));
        Self { listener, caller }
    }

    fn end(self) {
        assert!(self.listener.accept().is_err(), "something was asked of the engine");
        self.caller.end();
    }
}

/// The calls of this version on a handle.
pub(crate) fn calls() -> Vec<Function> {
    prototypes::functions().into_iter().filter(|function| function.is_call() && !unsupported().contains(&function.name)).collect()
}

#[test]
fn every_pointer_may_be_null_or_is_refused_by_name() {
    sweep(Caller::start());
}

/// The same under valgrind: no access that is wrong, and no memory lost.
#[test]
fn valgrind_finds_no_leak_and_no_invalid_read() {
    sweep(Caller::under(&["valgrind", "-q", "--leak-check=full", "--errors-for-leak-kinds=definite", "--error-exitcode=9"]));
}

fn sweep(mut caller: Caller) {
    let unsupported = unsupported();
    let functions = prototypes::functions();
    let is_swept = |function: &&Function| function.is_call() || function.name == "refit_open";
    // refit_open first, as it makes the handle.
    for function in functions.iter().filter(is_swept) {
        let usual = usual(function);
        let well = caller.call(&function.name, &usual).code;
        let expected_unsupported = unsupported.contains(&function.name);
        assert_eq!(well == "UNSUPPORTED", expected_unsupported, "{}: tests/c/unsupported.txt is not right about it", function.name);
        assert!(["OK", "UNREACHABLE", "UNSUPPORTED"].contains(&well.as_str()), "{}: {well}", function.name);
        for parameter in function.parameters.iter().filter(|parameter| parameter.kind.ends_with('*') || parameter.kind.ends_with("_fn")) {
            let name: &'static str = parameter.name.clone().leak();
            let empty = parameter.kind == "const char *";
            for argument in [Some(Argument::Null), empty.then(|| "".into())].into_iter().flatten() {
                let answer = caller.call(&function.name, &with(usual.clone(), name, argument.clone()));
                if is_required(function, parameter) && !expected_unsupported {
                    assert_eq!(answer.code, "INVALID_ARGUMENT", "{} without {name}", function.name);
                    assert!(answer.error == json!({}) || answer.message().contains(name), "{}: {}", function.name, answer.message());
                } else if function.name != "refit_open" {
                    let expected = match (function.name.as_str(), name) {
                        // Without a list it is about all images of the engine.
                        ("img_check_updates" | "img_update_all", "images_json") => "UNREACHABLE",
                        (_, "container_or_null") if argument != Argument::Null => "INVALID_ARGUMENT",
                        _ => well.as_str(),
                    };
                    assert_eq!(answer.code, expected, "{} with {name} {argument:?}: {}", function.name, answer.message());
                }
            }
        }
    }
    caller.end();
}

#[test]
fn invalid_image_names_are_refused() {
    let long = format!("refit-abi.invalid/{}:1", "a".repeat(5_000));
    let huge = "a".repeat(1_000_000);
    let names: [(&[u8], &str); 13] = [
        (b".", ""),
        (b"..", ""),
        (b"a/../b", ""),
        (huge.as_bytes(), ""),
        (b"UPPER/case", "lower case"),
        (b"a b", "space"),
        (long.as_bytes(), "255"),
        (b"a\x01b", "control"),
        (b"a\tb\n", ""),
        (b"a:\xff\xfe", "UTF-8"),
        (b"a:b:c", ""),
        (b"http://host/app", ""),
        (b"app@sha256:12", ""),
    ];
    let mut silent = Silent::open("names");
    for function in calls().iter().filter(|function| function.parameters.iter().any(|parameter| parameter.name == "image")) {
        for (name, reason) in names {
            let shown: String = String::from_utf8_lossy(name).chars().take(40).collect();
            let answer = silent.caller.call(&function.name, &with(usual(function), "image", Argument::Text(name.into())));
            assert_eq!(answer.code, "INVALID_ARGUMENT", "{} of {shown:?}: {}", function.name, answer.message());
            assert!(answer.message().contains(reason), "{} of {shown:?}: {}", function.name, answer.message());
            assert!(answer.message().len() < 1_000, "{} of {shown:?}: {} bytes of message", function.name, answer.message().len());
        }
    }
    silent.end();
}

#[test]
fn invalid_names_of_containers_volumes_and_services_are_refused() {
    let huge = "a".repeat(1_000_000);
    let names = ["", "/", ".", "..", "a/../b", "../a", "a/b", "a b", "a?b", "a%2Fb", "a\x01b", "a\nb", "-a", "\u{e4}", &huge];
    let mut silent = Silent::open("container-names");
    for function in calls() {
        for parameter in ["container", "container_or_null", "name", "volume", "service"] {
            if !function.parameters.iter().any(|own| own.name == parameter) {
                continue;
            }
            for name in names {
                let answer = silent.caller.call(&function.name, &with(usual(&function), parameter, Argument::Text(name.into())));
                assert_eq!(answer.code, "INVALID_ARGUMENT", "{} of {name:.40?}: {}", function.name, answer.message());
                let (message, whole) = (answer.message().chars().count(), answer.error.to_string().len());
                assert!(message < 400 && whole < 10_000, "{} of {name:.40?}: {message} characters of {whole}", function.name);
            }
        }
    }
    silent.end();
}

#[test]
fn names_that_are_not_utf8_and_lists_that_are_not_json_are_refused() {
    let mut silent = Silent::open("strings");
    for function in &calls() {
        for parameter in function.parameters.iter().filter(|parameter| parameter.kind == "const char *") {
            let name: &'static str = parameter.name.clone().leak();
            let json = name.ends_with("_json");
            let bad: &[&[u8]] = if json { &[b"\xff", b"{\"a\":", b"1", b"nonsense"] } else { &[b"x\xffy"] };
            for text in bad {
                let answer = silent.caller.call(&function.name, &with(usual(function), name, Argument::Text(text.to_vec())));
                assert_eq!(answer.code, "INVALID_ARGUMENT", "{} with {name} {text:?}", function.name);
                assert!(answer.message().contains(name), "{} with {name} {text:?}: {}", function.name, answer.message());
            }
        }
    }
    silent.end();
}

#[test]
fn invalid_options_are_refused_by_their_key() {
    let mut silent = Silent::open("options");
    for function in &calls() {
        for (key, value) in [
            ("forse", json!(true)),
            ("timeout_s", json!(0)),
            ("timeout_s", json!(-1)),
            ("timeout_s", json!(86_401)),
            ("timeout_s", json!("10")),
            ("timeout_s", json!({})),
        ] {
            let options = json!({ key: value }).to_string();
            let answer = silent.caller.call(&function.name, &with(usual(function), "options_json", options.as_str().into()));
            assert_eq!(answer.code, "INVALID_ARGUMENT", "{} with {options}", function.name);
            assert!(answer.message().contains(key), "{} with {options}: {}", function.name, answer.message());
        }
    }
    silent.end();
}

#[test]
fn invalid_options_of_open_are_refused_by_their_key() {
    let mut caller = Caller::start();
    for (key, value) in [
        ("hots", json!("unix:///x")),
        ("host", json!(1)),
        ("connect", json!("later")),
        ("timeout_s", json!(0.5)),
        ("timeout_s", json!(3601)),
        ("long_timeout_s", json!(0.5)),
        ("long_timeout_s", json!(3601)),
        ("engine_wait_s", json!(-1)),
        ("worker_threads", json!(0)),
        ("worker_threads", json!(65)),
        ("max_concurrency", json!(1.5)),
        ("check_via", json!("hub")),
        ("registries", json!([])),
        ("history_max_entries", json!("all")),
    ] {
        let options = json!({"connect": "lazy", "host": "unix:///nonexistent/refit.sock"});
        let mut options = options.as_object().unwrap().clone();
        options.insert(key.into(), value);
        let options = serde_json::Value::from(options).to_string();
        let answer = caller.call("refit_open", &[("options_json", options.as_str().into())]);
        assert_eq!(answer.code, "INVALID_ARGUMENT", "{options}");
        assert!(answer.message().contains(key), "{options}: {}", answer.message());
    }
    let nested = r#"{"connect":"lazy","host":"unix:///x","registries":{"a:1":{"pasword":"x"}}}"#;
    let answer = caller.call("refit_open", &[("options_json", nested.into())]);
    assert!(answer.message().contains("registries.a:1.pasword"), "{}", answer.message());
    caller.end();
}

#[test]
fn a_token_fired_before_the_call_does_nothing() {
    let mut silent = Silent::open("fired");
    for function in &calls() {
        let answer = silent.caller.call(&function.name, &with(usual(function), "cancel", Argument::Fired));
        assert_eq!(answer.code, "CANCELLED", "{}", function.name);
        assert_eq!(answer.error["op"], function.name.as_str());
        if !function.name.starts_with("img_check_update") {
            assert_eq!(answer.document, serde_json::Value::Null, "{}", function.name);
        }
    }
    silent.end();
}

/// A check has its document with every code.
#[test]
fn a_check_that_ends_before_it_begins_says_so() {
    let mut silent = Silent::open("unbegun");
    let image = "refit-abi.invalid/nothing:1";
    let (fired, no_time) = (("cancel", Argument::Fired), ("options_json", r#"{"timeout_s":1e-9}"#.into()));
    for (argument, code) in [(fired, "CANCELLED"), (no_time, "TIMEOUT")] {
        let one = silent.caller.call("img_check_update", &[("image", image.into()), argument.clone()]);
        let two = silent.caller.call("img_check_updates", &[("images_json", r#"["b:2","a:1"]"#.into()), argument.clone()]);
        let all = silent.caller.call("img_check_updates", &[("images_json", Argument::Null), argument]);
        assert_eq!([&one.code, &two.code, &all.code], [code; 3], "{}", one.message());
        let (one, two) = (one.document, two.document);
        for (check, image) in [(&one, image), (&two["images"][0], "b:2"), (&two["images"][1], "a:1")] {
            assert_eq!((&check["image"], &check["state"], &check["has_update"]), (&json!(image), &json!("cancelled"), &json!(null)));
            assert_eq!((&check["error"]["name"], &check["requests"]), (&json!(code), &json!(0)));
        }
        assert_eq!((two["images"].as_array().map(Vec::len), &two["requests"]), (Some(2), &json!(0)));
        assert_eq!(all.document["images"], json!([]), "the call did not begin");
    }
    silent.end();
}
