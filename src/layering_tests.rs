//! Which folder may use which: the sources are read.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder or file of `src`, and the modules of the crate that it must not name. What is above uses what is below:
/// `service`, `image`, `container`, `registry`, `engine`, then the modules without a folder.
const LAYERS: [(&str, &[&str]); 14] = [
    ("service", &["volume", "ffi"]),
    ("image", &["service", "ffi"]),
    ("container", &["image", "service", "ffi", "volume::list", "volume::change", "volume::archive"]),
    ("volume", &["image", "service", "ffi"]),
    ("volume/storage", &["container"]),
    ("volume/archive", &["container", "engine", "volume::storage"]),
    ("engine", &["image", "container", "volume", "service", "registry", "ffi"]),
    ("registry", &["image", "container", "engine", "ffi"]),
    ("registry/transport", &["registry::auth", "registry::lookup", "registry::api_request"]),
    ("net", &["image", "container", "registry", "engine", "ffi"]),
    ("state_dir", &["image", "container", "registry", "engine", "net", "ffi"]),
    ("json.rs", &["image", "container", "registry", "engine", "net", "state_dir", "ffi"]),
    ("platform.rs", &["image", "container", "registry", "engine", "net", "state_dir", "ffi"]),
    ("reference.rs", &["image", "container", "registry", "engine", "net", "state_dir", "ffi"]),
];

/// Pairs of one folder of which the first must not use the second: it is used by it.
const FILES: [(&str, &str); 6] = [
    ("registry/transport/network.rs", "connect"),
    ("registry/transport/network.rs", "proxy"),
    ("registry/transport/dial.rs", "network"),
    ("registry/transport/stream.rs", "connect"),
    ("registry/transport/proxy.rs", "connect"),
    ("image/check/report.rs", "checker"),
];

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|entry| if entry.is_dir() || entry.extension().is_some_and(|end| end == "rs") { sources(&entry) } else { Vec::new() })
        .collect()
}

/// The source without its comments.
fn code(path: &Path) -> String {
    let source = fs::read_to_string(path).unwrap();
    source.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code)).collect::<Vec<_>>().join("\n")
}

/// Whether the code names a module below `prefix`, also in a list: `crate::{engine, image}`.
fn names(code: &str, prefix: &str, module: &str) -> bool {
    let is_word = |text: &str| text.strip_prefix(module).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
    code.match_indices(prefix).any(|(at, _)| {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(list) => list.split(['}', ';']).next().unwrap_or_default().split([',', '{']).any(|part| is_word(part.trim_start())),
            None => is_word(rest),
        }
    })
}

#[test]
fn a_lower_layer_names_no_upper_one() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (layer, forbidden) in LAYERS {
        for path in sources(&src.join(layer)) {
            let code = code(&path);
            for module in forbidden {
                assert!(!names(&code, "crate::", module), "{} uses crate::{module}", path.display());
            }
        }
    }
    for (file, other) in FILES {
        assert!(!names(&code(&src.join(file)), "super::", other), "{file} uses {other}");
    }
}

#[test]
fn a_module_is_found_alone_and_in_a_list() {
    for (code, expected) in [
        ("use crate::image::Check;", true),
        ("use crate::{Code, image};", true),
        ("use crate::{Code, image::Check, Error};", true),
        ("let x: crate::image::Check;", true),
        ("use crate::imagery::X;", false),
        ("use crate::json::image;", false),
        ("use crate::{Code, Error};", false),
    ] {
        assert_eq!(names(code, "crate::", "image"), expected, "{code}");
    }
}
