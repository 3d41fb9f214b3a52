//! The programs of README.md are those of `examples/`, and they run.

use std::path::{Path, PathBuf};
use std::process::Command;

use refit_lab::{Image, Lab};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first block of a language.
fn block(language: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// An example as the README shows it: without the lints of this project.
fn example(name: &str) -> String {
    let text = std::fs::read_to_string(root().join("examples").join(name)).unwrap();
    text.lines().filter(|line| !line.starts_with("#![allow")).map(|line| format!("{line}\n")).collect()
}

/// Where `cargo test` leaves what it builds; only `cargo build` copies a library one folder up.
fn deps() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().to_owned()
}

#[test]
fn the_c_program_is_the_example_and_runs() {
    assert_eq!(block("c"), example("check.c"));
    let lab = Lab::get();
    let scope = lab.scope("readme-c");
    let image = scope.pull(&Image::new().build(), "t").reference;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["librefit.so", "librefit.so.0"] {
        std::fs::copy(deps().join("librefit.so"), folder.join(name)).unwrap();
    }
    let program = folder.join("check");
    let (include, folder) = (root().join("include"), folder.display().to_string());
    let built = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "examples/check.c", "-lrefit", "-o"])
        .arg(&program)
        .arg(format!("-I{}", include.display()))
        .args([format!("-L{folder}"), format!("-Wl,-rpath,{folder}")])
        .current_dir(root())
        .status()
        .unwrap();
    assert!(built.success());
    let done = Command::new(program).arg(&image).env("DOCKER_HOST", lab.engine.host()).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((document["state"].as_str(), done.status.code()), (Some("up_to_date"), Some(0)));
}

#[test]
fn the_rust_program_is_the_example_and_runs() {
    assert_eq!(block("rust"), example("check_and_pull.rs"));
    let lab = Lab::get();
    let scope = lab.scope("readme-rust");
    let image = scope.publish(&Image::new().build(), "t").reference;
    let mut cargo = Command::new(env!("CARGO"));
    // tests/lab/timed sets it for this program; cargo would build all dependencies again.
    cargo.args(["build", "-q", "--example", "check_and_pull"]).current_dir(root()).env_remove("RUSTC_BOOTSTRAP");
    assert!(cargo.status().unwrap().success());
    let program = deps().with_file_name("examples").join("check_and_pull");
    let done = Command::new(program).arg(&image).env("DOCKER_HOST", lab.engine.host()).output().unwrap();
    let reported = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && reported.contains("NotLocal") && reported.contains("pulled sha256:"), "{reported}");
}

/// The requests that the README says a recreation and an update need are those that they make.
#[test]
fn every_request_of_an_update_is_in_the_table_for_proxies() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, table) = readme.split_once("## Behind a proxy of the engine's socket").unwrap();
    let table = table.split_once("\n## ").unwrap().0;
    let is_request = |code: &&str| ["GET /", "POST /", "DELETE /"].iter().any(|method| code.starts_with(method));
    let listed: Vec<Vec<&str>> = table.split('`').filter(is_request).map(|code| code.split(['/', ' ']).collect()).collect();
    let case = crate::recreation::Case::new("readme-requests");
    case.run_full("always");
    case.scope.publish(&Image::new().version("2").build(), "t");
    let proxy = refit_lab::Proxy::engine(case.lab);
    let mut options = refit::image::UpdateOptions { recreate: crate::recreation::quick(), ..Default::default() };
    options.recreate.hooks.after = vec![vec!["true".into()]];
    crate::recreation::runtime()
        .block_on(async { crate::recreation::connect(&proxy.host).await.update(case.image(), options).await })
        .unwrap();
    let requests = proxy.requests();
    assert!(requests.iter().any(|request| request.path.ends_with("/start")), "{requests:?}");
    for request in requests {
        let path = request.path.split('?').next().unwrap();
        let path = path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/')).map_or(path, |(_, rest)| rest);
        // An image's name has slashes of its own.
        let path = path.trim_start_matches('/').replace(case.image(), "IMAGE");
        let made: Vec<&str> = std::iter::once(request.method.as_str()).chain([""]).chain(path.split('/')).collect();
        let fits = |entry: &Vec<&str>| {
            let is_any = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase());
            entry.len() == made.len() && entry.iter().zip(&made).enumerate().all(|(at, (has, is))| has == is || at > 0 && is_any(has))
        };
        assert!(listed.iter().any(fits), "{} {} is not in the table of README.md", request.method, request.path);
    }
}
