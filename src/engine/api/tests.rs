//! Paths of the Engine API stand in this folder and nowhere else: the sources are read.

use std::fs;
use std::path::{Path, PathBuf};

/// The first segments of the API's paths.
const NOUNS: [&str; 23] = [
    "_ping",
    "auth",
    "build",
    "commit",
    "configs",
    "containers",
    "distribution",
    "events",
    "exec",
    "images",
    "info",
    "libpod",
    "networks",
    "nodes",
    "plugins",
    "secrets",
    "services",
    "session",
    "swarm",
    "system",
    "tasks",
    "version",
    "volumes",
];

/// What looks like one and is none: the folder of a volume on the engine's disk.
const OTHERS: [(&str, &str); 1] = [("container/create_body/mounts.rs", "/volumes/")];

/// The string literals of a source, without its comments.
fn literals(source: &str) -> Vec<String> {
    let (mut rest, mut found) = (source, Vec::new());
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, token) = rest.split_at(at);
        rest = &token[1..];
        if token.starts_with("//") {
            rest = token.split_once('\n').map_or("", |(_, next)| next);
        } else if token.starts_with('\'') {
            // A character; a lifetime has no quote behind it.
            let length = match rest.strip_prefix('\\') {
                Some(escape) => escape.find('\'').map(|end| end + 2),
                None => rest.char_indices().nth(1).map(|(at, _)| at + 1),
            };
            if let Some(length) = length.filter(|length| rest.get(..*length).is_some_and(|end| end.ends_with('\''))) {
                rest = &rest[length..];
            }
        } else if token.starts_with('"') {
            let marks = before.len() - before.trim_end_matches('#').len();
            let is_raw = before[..before.len() - marks].ends_with('r');
            let end = if is_raw {
                rest.find(&format!("\"{}", "#".repeat(marks)))
            } else {
                let mut escaped = false;
                rest.find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                })
            };
            let end = end.unwrap_or(rest.len());
            found.push(rest[..end].to_owned());
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }
    found
}

/// Whether a literal, or a format of one, begins with a path of the API, below a version or not.
fn is_path(literal: &str) -> bool {
    let mut starts = vec![literal];
    starts.extend(literal.match_indices('}').map(|(at, _)| &literal[at + 1..]));
    starts.into_iter().any(|start| {
        let path = start.strip_prefix("/v").and_then(|version| version.split_once('/').filter(|(v, _)| v.starts_with(['1', '{'])));
        let path = path.map_or_else(|| start.strip_prefix('/'), |(_, path)| Some(path));
        path.is_some_and(|path| NOUNS.contains(&path.split(['/', '?', '{']).next().unwrap_or_default()))
    })
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_path_of_the_engine_api_stands_outside_its_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut outside, mut inside) = (Vec::new(), Vec::new(), 0);
    sources(&root, &mut files);
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let literals = literals(&fs::read_to_string(&file).unwrap());
        let paths = literals.into_iter().filter(|literal| is_path(literal) && !OTHERS.contains(&(&name, literal)));
        if name.starts_with("engine/api/") {
            inside += paths.count();
        } else {
            outside.extend(paths.map(|path| format!("src/{name}: {path:?}")));
        }
    }
    assert!(outside.is_empty(), "these requests belong into src/engine/api: {outside:#?}");
    assert!(inside > 20, "the paths of the API were not found where they are: {inside}");
}

#[test]
fn a_path_is_found_however_it_is_written() {
    let sources = [
        (r#"engine.get("/info")"#, true),
        (r#"format!("/containers/{}/json", id)"#, true),
        (r#"format!("{base}/v{api}/images/json?all=1")"#, true),
        (r#"format!("{}/_ping", base)"#, true),
        (r#"let quote = '"'; get("/v1.41/networks")"#, true),
        (r##"r#"/exec/x/start"#"##, true),
        (r#"fn f<'a>(x: &'a str) { get("/volumes") }"#, true),
        (r#"// get("/info")"#, false),
        (r#"value.pointer("/Config/Image")"#, false),
        (r#"value.pointer("/information")"#, false),
        (r#"format!("{registry}/v2/{name}/manifests/{tag}")"#, false),
        (r#"config.join("contexts/meta")"#, false),
    ];
    for (source, expected) in sources {
        assert_eq!(literals(source).iter().any(|literal| is_path(literal)), expected, "{source}");
    }
}
