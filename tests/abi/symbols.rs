//! What the shared library exports, and under which name it is found.

use std::collections::BTreeSet;
use std::path::Path;

use crate::program::{ROOT, library, run};
use crate::prototypes;

#[test]
fn exported_symbols_are_the_list_and_the_prototypes() {
    let text = run("nm", &["-D", "--defined-only", library().to_str().unwrap()]).stdout;
    let exported: BTreeSet<&str> = text.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let list = std::fs::read_to_string(prototypes::source("symbols.txt")).unwrap();
    assert_eq!(exported, list.lines().collect(), "tests/c/symbols.txt is what librefit.so should export");
    let functions = prototypes::functions();
    let missing: Vec<_> = functions.iter().map(|function| function.name.as_str()).filter(|name| !exported.contains(name)).collect();
    assert!(missing.is_empty(), "in prototypes.h and not exported: {missing:?}");
}

#[test]
fn the_soname_carries_the_abi() {
    let dynamic = run("readelf", &["-d", library().to_str().unwrap()]).stdout;
    let header = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/include/refit.h")).unwrap();
    let abi = header.lines().find_map(|line| line.strip_prefix("#define REFIT_ABI_VERSION ")).unwrap();
    assert!(dynamic.contains(&format!("Library soname: [librefit.so.{abi}]")), "{dynamic}");
}

/// The library's threads may still be ending when a host calls `dlclose`.
#[test]
fn dlclose_does_not_unload_the_library() {
    let dynamic = run("readelf", &["-d", library().to_str().unwrap()]).stdout;
    assert!(dynamic.lines().any(|line| line.contains("FLAGS_1") && line.contains("NODELETE")), "{dynamic}");
}

/// A Rust program with `default-features = false` exports nothing of the C ABI.
#[test]
fn every_exported_symbol_is_behind_the_feature_capi() {
    let library = std::fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    assert!(library.contains("#[cfg(feature = \"capi\")]\nmod ffi;"), "src/lib.rs compiles src/ffi with the feature capi only");
    let found = run("grep", &["-rlE", "no_mangle|export_name|link_section", &format!("{ROOT}/src")]).stdout;
    let elsewhere: Vec<&str> = found.lines().filter(|file| !file.contains("/src/ffi/")).collect();
    assert!(!found.is_empty() && elsewhere.is_empty(), "{elsewhere:?}");
}
