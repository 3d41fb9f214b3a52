//! The options that the header names under a function, and those that the function takes: the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;

use crate::arguments::{calls, usual, with};
use crate::caller::Caller;
use crate::prototypes::{self, Function};

/// No option takes such a value, so that one which is known is refused for its value, and nothing is done.
const WRONG: &str = r#"{"a":1}"#;

#[test]
fn the_header_names_every_option_and_no_other() {
    let header = header();
    // refit_open last: one that fails takes the program's handle away.
    let functions: Vec<Function> = calls().into_iter().chain(opening()).collect();
    let documented: BTreeMap<&str, BTreeSet<String>> =
        functions.iter().map(|function| (function.name.as_str(), documented(&header, &function.name))).collect();
    let every: BTreeSet<String> = documented.values().flatten().cloned().chain(read_by_the_source()).collect();
    assert!(every.contains("settle_s") && every.contains("restore_on_rollback"), "{every:?}");
    let mut caller = Caller::open(&json!({"connect": "lazy", "host": "unix:///nonexistent/refit.sock"}));
    for function in &functions {
        let taken: BTreeSet<String> = every.iter().filter(|key| takes(&mut caller, function, key)).cloned().collect();
        // The text at the top tells of it.
        let named: BTreeSet<String> = documented[function.name.as_str()].iter().cloned().chain(["timeout_s".to_owned()]).collect();
        let (only_taken, only_named): (Vec<_>, Vec<_>) = (taken.difference(&named).collect(), named.difference(&taken).collect());
        assert!(
            only_taken.is_empty() && only_named.is_empty(),
            "{}: taken, and not in the header: {only_taken:?}; in the header, and not taken: {only_named:?}",
            function.name
        );
    }
    caller.end();
}

fn opening() -> impl Iterator<Item = Function> {
    prototypes::functions().into_iter().filter(|function| function.name == "refit_open")
}

fn takes(caller: &mut Caller, function: &Function, key: &str) -> bool {
    let options = format!("{{{key:?}:{WRONG}}}");
    let answer = caller.call(&function.name, &with(usual(function), "options_json", options.as_str().into()));
    assert!(["INVALID_ARGUMENT", "UNSUPPORTED"].contains(&answer.code.as_str()), "{} with {options}: {}", function.name, answer.code);
    answer.message() != format!("unknown option {key:?}")
}

fn header() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("include/refit.h")).unwrap()
}

/// What stands in backticks between `Options` and `Codes`, and what "those of" another function are.
fn documented(header: &str, function: &str) -> BTreeSet<String> {
    let before = header.split(&format!("\nrefit_code {function}(")).next().unwrap();
    let comment: Vec<&str> = before.lines().rev().map_while(|line| line.strip_prefix("//")).collect();
    let text = comment.into_iter().rev().map(str::trim).collect::<Vec<_>>().join(" ");
    let Some((_, options)) = text.split_once(" Options") else { return BTreeSet::new() };
    let pieces: Vec<&str> = options.split("Codes:").next().unwrap().split('`').collect();
    let quoted = pieces.chunks_exact(2).map(|pair| (pair[0], pair[1])).filter(|(_, word)| is_key(word));
    let meant = |(before, word): (&str, &str)| match header.contains(&format!("\nrefit_code {word}(")) {
        true if before.ends_with("those of ") => documented(header, word),
        true => BTreeSet::new(),
        false => BTreeSet::from([word.to_owned()]),
    };
    quoted.flat_map(meant).collect()
}

/// Every lower-case word that `src/ffi` has in quotes: the keys that it reads are among them.
fn read_by_the_source() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi");
    let sources = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let words = |source: String| source.split('"').filter(|word| is_key(word)).map(str::to_owned).collect::<Vec<_>>();
    sources.flat_map(words).collect()
}

fn is_key(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
